"""The table of typed signatures, filled by the modules of `rrl_dsl.graph.builtins`.

Binding, type checks, suggestions, the Python functions with their stub, completion and colors in
editors, the reference pages and `rrl-dsl builtins` read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.types import Number, Refusal, Scalar, Type, Value
from rrl_dsl.language.diagnostics import RRLError, listing, nearest
from rrl_dsl.language.spelling import is_name

if TYPE_CHECKING:
    from rrl_dsl.graph.recording import Weight

Arguments = Mapping[str, Any]
"""Parameter name -> a `Value` of the parameter's type; None if an optional one is not given."""

ENTRY_POINTS: Final = "rrl_dsl.builtins"
"""The entry-point group by which packages declare built-ins."""

Kind = Literal["source", "transform", "schedule"]


class Required:
    """The default of a parameter that must be given."""


_Required = type[Required]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a built-in.

    Attributes:
        name: Its name in recipes and in Python.
        type: The type of its values.
        doc: One line for the reference.
        default: Its default value: None if it is optional, `Required` if it must be given.
        positional: Whether it may be given by position.
        schedulable: Whether it accepts a schedule.
        adds_edges: Whether it is a rate of added edges; 0 for none.
        example: For a required parameter, the value that messages suggest.
    """

    name: str
    type: Type
    doc: str
    default: Scalar | _Required | None = Required
    positional: bool = True
    schedulable: bool = False
    adds_edges: bool = False
    example: str = ""

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is Required

    def __str__(self) -> str:
        if self.required:
            return self.name
        if self.default is None:
            return f"{self.name}="
        value = str(self.default).lower() if isinstance(self.default, bool) else self.default
        return f"{self.name}={value}"


@dataclass(frozen=True)
class Signature:
    """The signature of a built-in.

    Attributes:
        name: Its name in recipes and in Python.
        kind: `source` creates a graph, `transform` changes a graph, `schedule` is a number that
            depends on the epoch.
        doc: The documentation; the first line is a summary.
        example: A recipe that uses it.
        parameters: The parameters, in order.
        function: The function of a source or transform; see `rrl_dsl.graph.builtin`.
        handles: The handles that the function takes first, in order: `pair`, `weight`.
        excludes: Pairs of arguments that cannot be used together.
        check: Returns a refusal if arguments do not fit together.
        settle: Returns a normal form of the arguments.
        version: Part of the identity of recipes that use it.
    """

    name: str
    kind: Kind
    doc: str
    example: str
    parameters: tuple[Parameter, ...] = ()
    function: Callable[..., Weight] | None = None
    handles: tuple[str, ...] = ()
    excludes: tuple[tuple[str, str], ...] = ()
    check: Callable[[Arguments], Refusal | None] = lambda arguments: None
    settle: Callable[[Arguments], Arguments] = lambda arguments: arguments
    version: str = ""

    def __str__(self) -> str:
        shown: list[str] = []
        for index, parameter in enumerate(self.parameters):
            if not parameter.positional and (index == 0 or self.parameters[index - 1].positional):
                shown.append("*")
            shown.append(str(parameter))
        return f"{self.name}({', '.join(shown)})"

    @property
    def shortest(self) -> str:
        """The shortest call, with an example for each required argument."""
        needed = (
            f"{parameter.name}={parameter.example}"
            for parameter in self.parameters
            if parameter.required
        )
        return f"{self.name}({', '.join(needed)})"

    @property
    def is_foreign(self) -> bool:
        """Whether its function belongs to another package."""
        return self.function is not None and not self.function.__module__.startswith("rrl_dsl.")

    @property
    def headline(self) -> str:
        """The first line of the documentation."""
        return self.doc.partition("\n")[0]

    def __reduce__(self) -> tuple[Callable[[str], Signature], tuple[str]]:
        return lookup, (self.name,)  # `check` and `settle` cannot be pickled, and names are unique

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, if there is one."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


_SIGNATURES: dict[str, Signature] = {}


def register(signature: Signature) -> Signature:
    """Adds a built-in to the language.

    Raises:
        ValueError: If the name is taken or invalid.
    """
    if signature.is_foreign:
        registered()  # no package takes the name of one of these
    if not is_name(signature.name):
        raise ValueError(f"`{signature.name}` is not a valid name")
    if (other := _SIGNATURES.get(signature.name)) is not None:
        message = f"the built-in `{signature.name}` is registered twice"
        if other.function is not None and signature.function is not None:
            message += f", by `{other.function.__module__}` and `{signature.function.__module__}`"
        raise ValueError(f"{message}; restart Python to change one, or choose another name")
    _SIGNATURES[signature.name] = signature
    signatures.cache_clear()
    return signature


def unregister(name: str) -> None:
    """Removes a built-in that turned out to be wrong."""
    del _SIGNATURES[name]
    signatures.cache_clear()


@cache
def signatures() -> Mapping[str, Signature]:
    """All built-ins by name: sources, transforms, schedules, each in order of registration."""
    registered()
    broken_packages()
    kinds: tuple[Kind, ...] = ("source", "transform", "schedule")
    return {
        name: signature
        for kind in kinds
        for name, signature in _SIGNATURES.items()
        if signature.kind == kind
    }


def registered() -> Mapping[str, Signature]:
    """The built-ins registered so far, without loading those of other packages."""
    import rrl_dsl.graph.builtins  # noqa: F401  (fills the table)

    return _SIGNATURES


@cache
def broken_packages() -> Mapping[str, str]:
    """Loads the built-ins of other packages; returns the packages that fail, with the reason.

    A package declares a module with decorated functions in the entry-point group
    `rrl_dsl.builtins`.
    """
    from importlib.metadata import entry_points

    broken: dict[str, str] = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception as reason:  # the import of a package can raise any error
            package = point.module if point.dist is None else point.dist.name
            broken[package] = f"{type(reason).__name__}: {reason}"
    return broken


def lookup(name: str, *, others: Sequence[str] = (), suggest: bool = True) -> Signature:
    """The built-in with this name.

    Args:
        name: The name.
        others: Further names to suggest.
        suggest: Whether to suggest the nearest name.

    Raises:
        Refusal: RRL101, with the nearest name as a hint.
    """
    if name in registered():  # other packages are loaded only if necessary
        return _SIGNATURES[name]
    known = signatures()
    if name not in known:
        meant = nearest(name, [*others, *known]) if suggest else None
        hint = f"did you mean `{meant}`?" if meant else "`rrl-dsl builtins` lists all built-ins"
        for package, reason in broken_packages().items():
            hint = f"`{package}` declares built-ins but cannot be loaded: {reason}"
        raise Refusal("RRL101", f"there is no built-in `{name}`", hint, replacement=meant)
    return known[name]


def bind(
    signature: Signature, positional: Sequence[object], named: Mapping[str, object]
) -> tuple[dict[str, Value | None], list[Refusal]]:
    """Matches arguments to parameters.

    Returns:
        A value for every parameter, and the refusals of invalid arguments.
    """
    given, refusals = _match(signature, positional, named)
    bound: dict[str, Value | None] = {}
    missing: list[Parameter] = []
    for parameter in signature.parameters:
        at, value = given.get(parameter.name, (None, parameter.default))
        if parameter.name not in given and parameter.required:
            missing.append(parameter)
        elif parameter.name in given and (value is not None or parameter.default is not None):
            try:
                bound[parameter.name] = accept(parameter, value)
            except Refusal as problem:
                message = f"`{parameter.name}` {problem.message}"
                refusals.append(replace(problem, message=message, at=at))
        else:
            assert value is None or isinstance(value, bool | int | float | str)
            bound[parameter.name] = value
    misspelled = any(refusal.code == "RRL102" for refusal in refusals)
    if missing and not misspelled:
        refusals.append(_missing(signature, missing))
    for one, other in signature.excludes:
        if all(name in given and given[name][1] is not None for name in (one, other)):
            message = f"`{one}` and `{other}` cannot be used together"
            hint = f"remove `{one}`"
            refusals.append(Refusal("RRL303", message, hint, given[other][0], remove=(one,)))
    if refusals:
        return bound, refusals
    if (clash := signature.check(bound)) is not None:
        return bound, [replace(clash, at=given[str(clash.at)][0])]
    return dict(signature.settle(bound)), []


def accept(parameter: Parameter, value: object) -> Value:
    """The value in the type of a parameter.

    Raises:
        Refusal: RRL202 for another type, RRL301 for a value out of range.
    """
    if not isinstance(value, Schedule):
        return parameter.type.accept(value)
    if not parameter.schedulable or not isinstance(parameter.type, Number):
        message = f"must be {parameter.type.described}, not a schedule"
        raise Refusal("RRL202", message)
    return parameter.type.accept_schedule(value)


def fits(parameter: Parameter, value: object) -> bool:
    """Whether a parameter accepts a value."""
    try:
        accept(parameter, value)
    except (Refusal, RRLError):
        return False
    return True


def _missing(signature: Signature, missing: Sequence[Parameter]) -> Refusal:
    needed = ", ".join(f"{parameter.name}={parameter.example}" for parameter in missing)
    if len(missing) == 1:
        message = f"`{signature.name}` needs `{missing[0].name}`, {missing[0].type.described}"
    else:
        names = listing((parameter.name for parameter in missing), "and")
        message = f"`{signature.name}` needs {names}"
    hint = f"add `{needed}`; the signature is `{signature}`"
    return Refusal("RRL208", message, hint, missing=needed)


def _match(
    signature: Signature, positional: Sequence[object], named: Mapping[str, object]
) -> tuple[dict[str, tuple[int | str | None, object]], list[Refusal]]:
    """Parameter name -> (the position or name of the argument, value)."""
    refusals: list[Refusal] = []
    slots = [parameter for parameter in signature.parameters if parameter.positional]
    given: dict[str, tuple[int | str | None, object]] = {
        slot.name: (index, value)
        for index, (slot, value) in enumerate(zip(slots, positional, strict=False))
    }
    if len(positional) > len(slots):
        refusals.append(_surplus(signature, positional, named, given))
    names = [parameter.name for parameter in signature.parameters]
    for name, value in named.items():
        if name not in names:
            refusals.append(_unknown(signature, name, {*named, *given}))
        elif name in given:
            message = f"`{name}` is given twice, by position and by name"
            refusals.append(Refusal("RRL207", message, "remove one of them", name, remove=(name,)))
        else:
            given[name] = (name, value)
    return given, refusals


def _surplus(
    signature: Signature,
    positional: Sequence[object],
    named: Mapping[str, object],
    given: dict[str, tuple[int | str | None, object]],
) -> Refusal:
    """Refuses surplus positional arguments; those that fit by name are given by name."""
    first = len(given)
    message = f"`{signature.name}` takes {_count(first, len(positional))}"
    rest = signature.parameters[first:]
    free = iter([parameter for parameter in rest if parameter.name not in named])
    taken: list[str] = []
    for value in positional[first:]:
        taken += islice((parameter.name for parameter in free if fits(parameter, value)), 1)
    if len(taken) < len(positional) - first:
        hint = f"the signature is `{signature}`"
        return Refusal("RRL206", message, hint, first, remove=tuple(range(first, len(positional))))
    for at, name in enumerate(taken, first):
        given[name] = at, positional[at]
    names = ", ".join(f"`{name}=`" for name in taken)
    hint = f"pass {'it' if len(taken) == 1 else 'them'} by name, {names}"
    return Refusal("RRL206", message, hint, first, names=tuple(taken))


def _unknown(signature: Signature, name: str, given: set[str]) -> Refusal:
    message = f"`{signature.name}` has no argument `{name}`"
    free = [parameter for parameter in signature.parameters if parameter.name not in given]
    needed = [parameter.name for parameter in free if parameter.required]
    meant = nearest(name, [parameter.name for parameter in free])
    if meant is None and len(needed) == 1:
        meant = needed[0]
    hint = f"did you mean `{meant}`?" if meant else f"the signature is `{signature}`"
    return Refusal("RRL102", message, hint, name, replacement=meant)


def _count(number: int, given: int) -> str:
    if number == 0:
        return "no positional arguments"
    return f"{number} positional argument{'s' if number > 1 else ''}, not {given}"
