"""Losses by name. A loss of one's own registers with `register` or a package entry point."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, error, listing
from rrl_dsl.losses.base import Loss

ENTRY_POINTS = "rrl_dsl.losses"

_FAMILIES: Final = (
    "contrastive",
    "whitening",
    "decorrelation",
    "prediction",
    "distillation",
    "koleo",
    "coding_rate",
    "spectral",
)

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
        loss._name = names[0]
        return loss

    return add


def names() -> list[str]:
    """Every loss by name, aliases included: those that are registered, then those of packages.

    Nothing of another package is loaded.
    """
    return list(dict.fromkeys([*registered(), *entry_points(group=ENTRY_POINTS).names]))


def find(name: str) -> type[Loss]:
    """The loss of that name, or at a place like `package.module:Class`.

    Raises:
        RRLError: RRL407 for an unknown name, RRL422 where the package that declares it cannot be
            loaded, or the name stands for two losses.
    """
    if ":" in name:
        return _load(EntryPoint(name, name, ENTRY_POINTS))
    own = registered()
    found = {own[name]: "rrl-dsl"} if name in own else {}
    for point in entry_points(group=ENTRY_POINTS, name=name):
        found.setdefault(_load(point), _package(point))
    if not found:
        known = names()
        hint = did_you_mean(name, known) or f"losses are {listing(known)}"
        raise error("RRL407", f"there is no loss called `{name}`", hint=hint)
    if len(found) > 1:
        one, *others = found.values()
        message = f"`{name}` is a loss of `{one}`, and of {listing(others)} too"
        raise error("RRL422", message, hint=f"uninstall {listing(others)}")
    return next(iter(found))


def create(name: str, **options: Any) -> Loss:
    """The loss of that name with these options, or a weighted sum of losses.

    Args:
        name: A name, or a sum such as `dino + 0.1*koleo` or `simclr(temperature=0.1) + vicreg`.
        options: Those of one loss; in a sum they stand behind its names.

    Raises:
        RRLError: As `find`; RRL408 for an option that does not fit, RRL423 for a sum that cannot
            be read.
    """
    from rrl_dsl.losses.sums import is_sum, parse_sum

    if is_sum(name):
        return parse_sum(name, options)
    loss = find(name)
    try:
        return loss(**options)
    except ValidationError as problems:
        raise RRLError(_refusals(name, loss, problems)) from None


def registered() -> dict[str, type[Loss]]:
    """The losses that are registered here, by name; those that packages declare are not loaded."""
    for family in _FAMILIES:
        import_module(f"rrl_dsl.losses.{family}")  # fills the table
    return _LOSSES


def _load(point: EntryPoint) -> type[Loss]:
    package = _package(point)
    try:
        loss = point.load()
    except Exception as reason:  # a package may do anything while it is imported
        why = f"{type(reason).__name__}: {reason}"
        message = f"the loss `{point.name}` of the package `{package}` cannot be loaded: {why}"
        hint = f"mend `{package}`, or uninstall it"
        if isinstance(reason, ModuleNotFoundError) and reason.name == point.module:
            hint = f"run it from the folder that `{package}` is in, or install it"
        raise error("RRL422", message, hint=hint) from reason
    if not (isinstance(loss, type) and issubclass(loss, Loss)):
        message = f"`{point.value}` of the package `{package}` is no subclass of `Loss`"
        raise error("RRL422", message, hint=f"mend `{package}`, or uninstall it")
    return loss


def _package(point: EntryPoint) -> str:
    return point.module if point.dist is None else point.dist.name


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
