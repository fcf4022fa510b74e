"""The built-ins of the language: their signatures and what they mean.

The README says what else is to be added with one, under "Add a source or a transform".
"""

from rrl_dsl.graph.builtins import schedules, sources, transforms

__all__ = ["schedules", "sources", "transforms"]
