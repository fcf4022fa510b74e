"""Measurements of time and memory: `rrl-dsl bench`. One file per claim, named as the claim."""
