"""The one table of typed signatures.

Binding, type checks, did-you-mean, the Python functions with their stub, and `rrl-dsl builtins`
all read it. `rrl_dsl.graph.builtins` fills it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rrl_dsl.graph.types import Refusal, Scalar, Type
from rrl_dsl.language.diagnostics import did_you_mean, listing

Arguments = Mapping[str, Scalar | None]
"""Parameter name -> value; None where an optional argument was left out."""


class _Required:
    """The default of a parameter that has none."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True)
class Parameter:
    """One parameter of a built-in.

    Attributes:
        name: Its name in recipes and in Python.
        type: What it accepts.
        doc: One line for the reference.
        default: Its value when left out; None means "not given", `REQUIRED` that it must be.
        positional: Whether it may be given by position.
        schedulable: Whether a schedule may stand in its place.
    """

    name: str
    type: Type
    doc: str
    default: Scalar | _Required | None = REQUIRED
    positional: bool = True
    schedulable: bool = False

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return isinstance(self.default, _Required)

    def __str__(self) -> str:
        if self.required:
            return self.name
        if self.default is None:
            return f"{self.name}="
        value = str(self.default).lower() if isinstance(self.default, bool) else self.default
        return f"{self.name}={value}"


@dataclass(frozen=True)
class Signature:
    """One built-in: what it is called, takes, yields and needs.

    Attributes:
        name: Its name in recipes and in Python.
        kind: `source` yields a Graph, `transform` turns a Graph into a Graph.
        doc: What it does; the first line stands alone.
        parameters: In the order of the signature.
        draws: Whether a call with these arguments is stochastic.
        stays_binary: For a transform, whether a binary graph stays binary under these arguments.
        makes_binary: For a transform, whether its result is binary whatever it is given.
        needs_labels: The label fields that a call with these arguments reads.
        excludes: Pairs of arguments that may not both be given.
    """

    name: str
    kind: Literal["source", "transform"]
    doc: str
    parameters: tuple[Parameter, ...] = ()
    draws: Callable[[Arguments], bool] = lambda arguments: False
    stays_binary: Callable[[Arguments], bool] = lambda arguments: True
    makes_binary: bool = False
    needs_labels: Callable[[Arguments], tuple[str, ...]] = lambda arguments: ()
    excludes: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        shown: list[str] = []
        for index, parameter in enumerate(self.parameters):
            if not parameter.positional and (index == 0 or self.parameters[index - 1].positional):
                shown.append("*")
            shown.append(str(parameter))
        return f"{self.name}({', '.join(shown)})"

    @property
    def shortest(self) -> str:
        """The shortest call, with a gap for each argument that must be given: `keep(p=…)`."""
        needed = [f"{each.name}=…" for each in self.parameters if each.default is REQUIRED]
        return f"{self.name}({', '.join(needed)})"

    def __reduce__(self) -> tuple[Callable[[str], Signature], tuple[str]]:
        return lookup, (self.name,)  # the rules do not pickle, and there is one of each name

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, if there is one."""
        return next((each for each in self.parameters if each.name == name), None)


_SIGNATURES: dict[str, Signature] = {}


def register(signature: Signature) -> Signature:
    """Adds a built-in to the language.

    Raises:
        ValueError: Where the name is taken.
    """
    if signature.name in _SIGNATURES:
        raise ValueError(f"the built-in `{signature.name}` is registered twice")
    _SIGNATURES[signature.name] = signature
    return signature


def signatures() -> Mapping[str, Signature]:
    """Every built-in by name, in the order of registration."""
    import rrl_dsl.graph.builtins  # noqa: F401  (fills the table)

    return _SIGNATURES


def lookup(name: str, *, suggest: bool = True) -> Signature:
    """The built-in of that name.

    Raises:
        Refusal: RRL101, with the nearest name as a hint where one is to be looked for.
    """
    known = signatures()
    if name not in known:
        nearest = did_you_mean(name, list(known)) if suggest else None
        hint = nearest or f"choose {listing(known)}"
        raise Refusal("RRL101", f"there is no built-in called `{name}`", hint)
    return known[name]


def bind(
    signature: Signature, positional: Sequence[object], named: Mapping[str, object]
) -> tuple[dict[str, Scalar | None], list[Refusal]]:
    """Matches arguments to parameters.

    Returns:
        A value for every parameter, and the refusals of those that do not fit.
    """
    given, refusals = _match(signature, positional, named)
    bound: dict[str, Scalar | None] = {}
    for parameter in signature.parameters:
        at, value = given.get(parameter.name, (None, parameter.default))
        if parameter.name not in given and isinstance(value, _Required):
            message = f"`{signature.name}` needs `{parameter.name}`, {parameter.type.described}"
            refusals.append(Refusal("RRL208", message, f"the signature is `{signature}`"))
        elif parameter.name in given and (value is not None or parameter.default is not None):
            try:
                bound[parameter.name] = parameter.type.accept(value)
            except Refusal as problem:
                message = f"`{parameter.name}` {problem.message}"
                refusals.append(Refusal(problem.code, message, problem.hint, at))
        else:
            bound[parameter.name] = None if isinstance(value, _Required) else _default(value)
    for one, other in signature.excludes:
        if all(name in given and given[name][1] is not None for name in (one, other)):
            message = f"`{one}` and `{other}` exclude each other"
            refusals.append(Refusal("RRL303", message, f"remove `{one}`", given[other][0]))
    return bound, refusals


def _default(value: object) -> Scalar | None:
    assert value is None or isinstance(value, (bool, int, float, str))
    return value


def _match(
    signature: Signature, positional: Sequence[object], named: Mapping[str, object]
) -> tuple[dict[str, tuple[int | str | None, object]], list[Refusal]]:
    """Parameter name -> (where it was given, value)."""
    refusals: list[Refusal] = []
    slots = [parameter for parameter in signature.parameters if parameter.positional]
    if len(positional) > len(slots):
        message = f"`{signature.name}` takes {_count(len(slots), len(positional))}"
        hint = f"the signature is `{signature}`"
        refusals.append(Refusal("RRL206", message, hint, len(slots)))
    given: dict[str, tuple[int | str | None, object]] = {
        slot.name: (index, value)
        for index, (slot, value) in enumerate(zip(slots, positional, strict=False))
    }
    names = [parameter.name for parameter in signature.parameters]
    for name, value in named.items():
        if name not in names:
            hint = did_you_mean(name, names) or f"the signature is `{signature}`"
            message = f"`{signature.name}` has no argument `{name}`"
            refusals.append(Refusal("RRL102", message, hint, name))
        elif name in given:
            message = f"`{name}` is given twice, by position and by name"
            refusals.append(Refusal("RRL207", message, "remove one of them", name))
        else:
            given[name] = (name, value)
    return given, refusals


def _count(number: int, given: int) -> str:
    if number == 0:
        return "no positional arguments"
    return f"{number} positional argument{'s' if number > 1 else ''}, not {given}"
