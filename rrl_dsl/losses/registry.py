"""Losses by name. A loss of one's own registers with `register` or a package entry point."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any, TypeVar

from pydantic import ValidationError

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, error, listing
from rrl_dsl.losses.base import Loss

ENTRY_POINTS = "rrl_dsl.losses"

_LossClass = TypeVar("_LossClass", bound=type[Any])
_LOSSES: dict[str, type[Loss]] = {}


def register(*names: str) -> Callable[[_LossClass], _LossClass]:
    """Registers a loss class under a name and its aliases.

    Raises:
        ValueError: Where a name is taken by another class.
    """

    def add(loss: _LossClass) -> _LossClass:
        for name in names:
            if _LOSSES.setdefault(name, loss) is not loss:
                raise ValueError(f"the loss `{name}` is registered twice")
        return loss

    return add


def names() -> dict[str, type[Loss]]:
    """Every loss by name, aliases included: the library's own, then those of entry points."""
    import rrl_dsl.losses.contrastive
    import rrl_dsl.losses.whitening  # noqa: F401  (both fill the table)

    found = dict(_LOSSES)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name not in found:
            found[point.name] = point.load()
    return found


def create(name: str, **options: Any) -> Loss:
    """The loss of that name with these options.

    Raises:
        RRLError: RRL407 for an unknown name, RRL408 for an option that does not fit.
    """
    known = names()
    if name not in known:
        hint = did_you_mean(name, list(known)) or f"losses are {listing(known)}"
        raise error("RRL407", f"there is no loss called `{name}`", hint=hint)
    try:
        return known[name](**options)
    except ValidationError as problems:
        raise RRLError(_refusals(name, known[name], problems)) from None


def option_names(loss: type[Loss]) -> list[str]:
    """The names of a loss's options."""
    return [field.name for field in dataclasses.fields(loss)]


def _refusals(name: str, loss: type[Loss], problems: ValidationError) -> Iterator[Diagnostic]:
    options = option_names(loss)
    for problem in problems.errors():
        option = str(problem["loc"][0])
        if option not in options:
            hint = did_you_mean(option, options) or f"its options are {listing(options)}"
            yield Diagnostic("RRL408", f"the loss `{name}` has no option `{option}`", hint=hint)
        else:
            message = f"`{option}` of the loss `{name}` {_complaint(problem['msg'])}"
            yield Diagnostic("RRL408", f"{message}, not {problem['input']!r:.60}")


def _complaint(message: str) -> str:
    """Pydantic's sentence, fitted into ours."""
    return (message[0].lower() + message[1:]).removeprefix("input ")
