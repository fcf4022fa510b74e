"""Generates the files that are checked in: `python -m rrl_dsl.generate [--check]`."""
