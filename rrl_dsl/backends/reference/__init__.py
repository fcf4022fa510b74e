"""Evaluation in NumPy, for pictures and figures, without torch.

It evaluates the graph as written, without rewriting, so that tests can check rewriting with it.
"""

from rrl_dsl.backends.reference.evaluate import evaluate
from rrl_dsl.backends.reference.rows import Rows

__all__ = ["Rows", "evaluate"]
