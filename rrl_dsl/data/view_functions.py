"""A user's function that draws a view, named `package.module:function`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Final, get_type_hints

import torch
from torch import Tensor, nn

from rrl_dsl.language.diagnostics import RRLError, error

_HINT: Final = "write `def augment(batch: torch.Tensor) -> torch.Tensor`"


class FunctionView(nn.Module):
    """Draws a view with a function."""

    def __init__(self, name: str, function: Callable[[Tensor], Tensor]) -> None:
        """Wraps a function.

        Args:
            name: Its name, for errors.
            function: From float32 (n, ...) to float32 of the same shape.
        """
        super().__init__()
        self._name = name
        self._function = function

    def forward(self, batch: Tensor) -> Tensor:
        """Returns the view of every row of float32 (n, ...).

        Raises:
            RRLError: RRL502 if the function fails, or returns another type or shape.
        """
        try:
            view = self._function(batch)
        except RRLError:
            raise
        except Exception as problem:
            cause = f"{type(problem).__name__}: {problem}"
            raise error("RRL502", f"the augmentation `{self._name}` fails: {cause}") from problem
        if not isinstance(view, Tensor) or view.shape != batch.shape or view.dtype != batch.dtype:
            returned = type(view).__name__
            if isinstance(view, Tensor):
                returned = f"{view.dtype} {tuple(view.shape)}"
            message = f"the augmentation `{self._name}` returns {returned} for torch.float32 "
            raise error("RRL502", f"{message}{tuple(batch.shape)}", hint=_HINT)
        return view


def is_function(name: str) -> bool:
    """Whether an augmentation is `package.module:function`."""
    return ":" in name


def view_function(name: str) -> FunctionView:
    """Imports a function that draws a view.

    Args:
        name: `package.module:function`.

    Raises:
        RRLError: RRL502 if it cannot be imported, or is not a function that is annotated to return
            a tensor; nothing else is called.
    """
    module, _, attribute = name.partition(":")
    try:
        function = attrgetter(attribute)(import_module(module))
    except Exception as problem:
        cause = f"{type(problem).__name__}: {problem}"
        message = f"the augmentation `{name}` cannot be imported: {cause}"
        raise error("RRL502", message) from problem
    try:
        returned = get_type_hints(function).get("return") if inspect.isfunction(function) else None
    except Exception:  # an annotation may name anything
        returned = None
    if not (inspect.isclass(returned) and issubclass(returned, torch.Tensor)):
        message = f"`{name}` is not a function that is annotated to return a torch.Tensor"
        raise error("RRL502", message, hint=_HINT)
    return FunctionView(name, function)
