"""Relational Representation Learning."""
