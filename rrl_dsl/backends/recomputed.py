"""A function whose intermediate results are evaluated again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVarTuple, cast

from torch import Tensor
from torch.utils.checkpoint import checkpoint

Arguments = TypeVarTuple("Arguments")


def recomputed(function: Callable[[*Arguments], Tensor], *arguments: *Arguments) -> Tensor:
    """Returns `function(*arguments)`, and keeps only its arguments for the backward pass.

    If the function raises, `checkpoint` of PyTorch 2.11 leaves its hooks in place for as long as
    the traceback is kept, and every later backward pass fails. So an error is raised only after
    `checkpoint` has returned.

    Args:
        function: The function. It draws no random numbers.
        arguments: Its arguments; tensors have gradients.
    """
    errors: list[Exception] = []
    evaluated = False

    def evaluate(*arguments: *Arguments) -> Tensor | None:
        nonlocal evaluated
        if evaluated:
            return function(*arguments)
        evaluated = True
        try:
            return function(*arguments)
        except Exception as problem:
            errors.append(problem)
            return None

    result = checkpoint(evaluate, *arguments, use_reentrant=False, preserve_rng_state=False)
    if errors:
        raise errors[0]
    return cast(Tensor, result)
