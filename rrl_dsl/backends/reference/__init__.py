"""Evaluation in NumPy, for pictures and figures, which load no torch.

It evaluates the graph as it was written, not its rewritten plan, so that it can hold rewriting to
account.
"""

from rrl_dsl.backends.reference.evaluate import evaluate
from rrl_dsl.backends.reference.rows import Rows

__all__ = ["Rows", "evaluate"]
