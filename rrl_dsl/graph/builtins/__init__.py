"""The built-ins of the language: their signatures and what they mean.

To add one: register its signature in a module of this folder, give its meaning in
`rrl_dsl/backends/reference.py`, and its instructions in `rrl_dsl/graph/lower.py`. Everything else
follows from the signature.
"""

from rrl_dsl.graph.builtins import schedules, sources, transforms

__all__ = ["schedules", "sources", "transforms"]
