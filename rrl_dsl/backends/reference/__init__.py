"""The reference backend: plain NumPy over pairs, slow and close to the language's definition.

It evaluates the graph as it was written, not its rewritten plan, so that it can hold rewriting and
lowering to account. Every other backend is tested against it.
"""

from rrl_dsl.backends.reference.evaluate import evaluate
from rrl_dsl.backends.reference.rows import Rows
from rrl_dsl.backends.reference.sources import SOURCES, linked

__all__ = ["SOURCES", "Rows", "evaluate", "linked"]
