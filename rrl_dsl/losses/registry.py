"""Losses by name. `register` or the entry point of a package adds one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeVar

from rrl_dsl.language.diagnostics import did_you_mean, error, folded, listing
from rrl_dsl.language.other_names import LOSSES
from rrl_dsl.losses.base import Loss

ENTRY_POINTS = "rrl_dsl.losses"

_PLACE: Final = re.compile(r"NAME(\.NAME)*:NAME(\.NAME)*".replace("NAME", r"[^\W\d]\w*"))
_FAMILIES: Final = (
    "contrastive",
    "pairwise",
    "whitening",
    "decorrelation",
    "prediction",
    "distillation",
    "koleo",
    "coding_rate",
    "spectral",
    "sigreg",
)

_LossClass = TypeVar("_LossClass", bound=type[Any])
_LOSSES: dict[str, type[Loss]] = {}


def register(name: str) -> Callable[[_LossClass], _LossClass]:
    """Registers a loss class under a name.

    Raises:
        ValueError: If the name is taken by another class.
    """

    def add(loss: _LossClass) -> _LossClass:
        if _LOSSES.setdefault(name, loss) is not loss:
            raise ValueError(f"the loss `{name}` is registered twice")
        loss._name = name
        return loss

    return add


def names() -> list[str]:
    """Returns the names of all losses: registered ones, then those that packages declare.

    It does not import the packages.
    """
    return list(dict.fromkeys([*registered(), *entry_points(group=ENTRY_POINTS).names]))


def find(name: str) -> type[Loss]:
    """Returns the loss with a name, or `package.module:Class`.

    Raises:
        RRLError: RRL407 for an unknown name or a malformed `package.module:Class`, RRL422 if the
            package that declares it cannot be loaded, or two packages declare the name.
    """
    if ":" in name:
        if not _PLACE.fullmatch(name):
            hint = "write `package.module:Class`, or a name that `rrl-dsl losses` lists"
            raise error(
                "RRL407",
                f"`{name}` is neither the name of a loss nor `package.module:Class`",
                hint=hint,
            )
        return _load(EntryPoint(name, name, ENTRY_POINTS))
    own = registered()
    packages = {own[name]: "rrl-dsl"} if name in own else {}
    for point in entry_points(group=ENTRY_POINTS, name=name):
        packages.setdefault(_load(point), _package(point))
    if not packages:
        known = names()
        meant = LOSSES.get(folded(name), name)
        hint = did_you_mean(meant, known) or f"the losses are {listing(known, 'and')}"
        raise error("RRL407", f"there is no loss `{name}`", hint=hint)
    if len(packages) > 1:
        one, *others = packages.values()
        message = f"`{name}` is declared by `{one}` and also by {listing(others, 'and')}"
        raise error("RRL422", message, hint=f"uninstall {listing(others, 'and')}")
    return next(iter(packages))


def registered() -> dict[str, type[Loss]]:
    """Returns the registered losses by name; it does not import those that packages declare."""
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
        hint = f"repair `{package}`, or uninstall it"
        if isinstance(reason, ModuleNotFoundError) and reason.name == point.module:
            hint = f"run it from the folder that `{package}` is in, or install it"
        raise error("RRL422", message, hint=hint) from reason
    if not (isinstance(loss, type) and issubclass(loss, Loss)):
        message = f"`{point.value}` of the package `{package}` is not a subclass of `Loss`"
        hint = "name a subclass of `rrl_dsl.losses.Loss`"
        raise error(
            "RRL422",
            message,
            hint=hint if point.dist is None else f"repair `{package}`, or uninstall it",
        )
    if inspect.isabstract(loss):
        message = f"`{point.value}` of the package `{package}` is a base class, not a loss"
        raise error("RRL422", message, hint="name one of its subclasses")
    return loss


def _package(point: EntryPoint) -> str:
    return point.module if point.dist is None else point.dist.name
