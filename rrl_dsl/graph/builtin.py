"""`source` and `transform`: a function becomes a built-in of the language.

    import rrl_dsl as rrl

    @rrl.source(example="same_visit(patient, time, days=3)")
    def same_visit(
        pair: rrl.Pair,
        patient: rrl.LabelField,
        time: rrl.NumberField,
        *,
        days: rrl.NonNegative = 7.0,
    ) -> rrl.Mask:
        \"\"\"Relates samples of the same patient that are at most `days` apart. ...\"\"\"
        return pair.equal(patient) & pair.near(time, days)

The docstring must document every parameter under `Args:`; the README has the complete example. The
signature, the checks and the documentation are derived from the annotations and the docstring.
Everything else is derived from the operations that the function records
(`rrl_dsl.graph.recording`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypedDict,
    TypeVar,
    Union,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
)

from rrl_dsl.graph import types
from rrl_dsl.graph.algebra import Called, Graph
from rrl_dsl.graph.call import Call, Transform
from rrl_dsl.graph.links import External, Links, SampleIds
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Weight
from rrl_dsl.graph.registry import (
    Arguments,
    Kind,
    Parameter,
    Required,
    Signature,
    bind,
    register,
    signatures,
    unregister,
)
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.types import Choice, Field, Number, Refusal, Scalar, Type
from rrl_dsl.language.diagnostics import Diagnostic, RRLError

Made = Graph | Transform | Schedule
_Value = TypeVar("_Value")
_SCHEDULED: Final = "scheduled"
_ADDS: Final = "adds edges"

LabelField = Annotated[str, types.LABEL]
"""The name of a label field."""
NumberField = Annotated[str, types.NUMBER]
"""The name of a field of numbers."""
VectorField = Annotated[str, types.VECTOR]
"""The name of a field of vectors."""
SpaceOrField = Annotated[str, types.SPACE]
"""A space of the model, or the name of a field of vectors."""
PairsFile = Annotated[Links, types.FILE]
"""A file of pairs, or a matrix."""
RowIds = Annotated[SampleIds, types.IDS]
"""The samples of the rows of a matrix, from Python."""
Count = Annotated[int, types.COUNT]
"""A whole number of at least 1."""
Index = Annotated[int, types.INDEX]
"""A whole number of at least 0."""
Views = Annotated[int, types.VIEWS]
"""A number of views."""
Seed = Annotated[int, types.SEED]
"""A seed. If it is given, the draws of the call do not depend on the recipe's seed."""
Probability = Annotated[float, types.PROBABILITY]
"""A number from 0 to 1."""
Fraction = Annotated[float, types.FRACTION]
"""A number above 0 and at most 1."""
NonNegative = Annotated[float, types.WEIGHT]
"""A number of at least 0."""
Positive = Annotated[float, types.POSITIVE]
"""A number above 0."""
Perplexity = Annotated[float, types.PERPLEXITY]
"""A number of at least 1."""
Real = Annotated[float, types.REAL]
"""Any number."""
Scheduled = Annotated[_Value, _SCHEDULED]
"""`Scheduled[Probability]`: also accepts a schedule, which the function gets unchanged."""
Adds = Annotated[_Value, _ADDS]
"""`Adds[Probability]`: the rate at which noise adds false edges; 0 for none."""

_EXAMPLES: Final = {"label": "label", "number": "time", "vector": "caption"}
_ANNOTATIONS: Final = {
    "label": "LabelField",
    "number": "NumberField",
    "vector": "VectorField",
    "space": "SpaceOrField",
}


class Options(TypedDict, total=False):
    """Options of a built-in.

    Attributes:
        name: The name in recipes; defaults to that of the function.
        given: Required argument -> the value that messages suggest.
        excludes: Pairs of arguments that cannot be used together.
        check: Returns a refusal if arguments do not fit together. The refusal names the argument.
        settle: Returns a normal form of the arguments, equal for calls with the same meaning.
        version: Part of the identity of recipes that use the built-in. Change it if the graph
            changes.
    """

    name: str
    given: Mapping[str, str]
    excludes: tuple[tuple[str, str], ...]
    check: Callable[[Arguments], Refusal | None]
    settle: Callable[[Arguments], Arguments]
    version: str


_Decorator = Callable[[Callable[..., Weight]], Callable[..., Any]]


def source(*, example: str, **options: Unpack[Options]) -> _Decorator:
    """Registers a function of a pair as a source of the language.

    Args:
        example: A recipe that uses the source.
        **options: See `Options`.

    Returns:
        A decorator. The decorated function is called in Python like in a recipe.

    Raises:
        ValueError: If the name is invalid or already registered, a default is not a value of its
            type, a parameter is not documented, an option names a parameter that does not exist,
            the example is not a recipe that uses the built-in, or the function reads a field of
            another kind than its parameter names.
        TypeError: If a parameter has an unsupported annotation, or the function does not take the
            handles of its kind.
    """
    return _decorator("source", example, options)


def transform(*, example: str, **options: Unpack[Options]) -> _Decorator:
    """Registers a function of a weight, and optionally a pair, as a transform; see `source`."""
    return _decorator("transform", example, options)


def _decorator(kind: Kind, example: str, options: Options) -> _Decorator:
    def add(function: Callable[..., Weight]) -> Callable[..., Any]:
        doc, docs = _documented(function)
        handles, parameters = _parameters(function, docs, options.get("given", {}))
        _check_handles(kind, function, handles)
        excluded = [name for names in options.get("excludes", ()) for name in names]
        _check_documented(function, parameters, doc, [*docs, *options.get("given", {}), *excluded])
        rest: dict[str, Any] = {"name": function.__name__, **options}
        rest.pop("given", None)
        signature = Signature(
            kind=kind,
            doc=doc,
            example=example,
            parameters=parameters,
            function=function,
            handles=handles,
            **rest,
        )
        register(signature)
        if signature.is_foreign:  # tests check those of this package
            try:
                _check_example(signature)
            except ValueError:
                unregister(signature.name)
                raise
        return as_function(signature)

    return add


def _check_example(signature: Signature) -> None:
    """Refuses an example that is not a recipe or has a field of the wrong kind."""
    from rrl_dsl.graph.recipe import parse
    from rrl_dsl.graph.traversal import calls_of

    try:
        calls = [call for call in calls_of(parse(signature.example)) if call.signature is signature]
        needs = [need for call in calls for need in call.facts.needs]
    except RRLError as problem:
        first = problem.diagnostics[0]
        reason = "; ".join(filter(None, (first.message, first.hint)))
        raise ValueError(f"the example of `{signature.name}` fails: {reason}") from problem
    if not calls:
        raise ValueError(f"the example of `{signature.name}` does not use it: {signature.example}")
    for parameter in signature.parameters:
        if not isinstance(parameter.type, Field):
            continue
        for name in {call.arguments[parameter.name] for call in calls}:
            wanted = parameter.type.need(name).kind
            for kind in (need.kind for need in needs if need.name == name and need.kind != wanted):
                raise ValueError(
                    f"`{signature.name}` reads `{parameter.name}` as a {kind}: annotate it with "
                    f"`rrl.{_ANNOTATIONS[kind]}`, or read it as a {wanted}"
                )


def _documented(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The description in a docstring, one line per paragraph, and that of each parameter."""
    text, _, arguments = inspect.cleandoc(function.__doc__ or "").partition("\n\nArgs:\n")
    paragraphs = re.split(r"\n\s*\n", text)
    entries = re.findall(r"^    (\w+): (.*(?:\n      .*)*)", arguments, re.MULTILINE)
    return "\n\n".join(map(_one_line, paragraphs)), {name: _one_line(doc) for name, doc in entries}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _parameters(
    function: Callable[..., Any], docs: Mapping[str, str], given: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[Parameter, ...]]:
    """The names of the handles that a function takes, and its parameters."""
    hints = get_type_hints(function, include_extras=True)
    handles: list[str] = []
    parameters: list[Parameter] = []
    for name, argument in inspect.signature(function).parameters.items():
        if hints.get(name) in (Pair, Weight):
            handles.append("pair" if hints[name] is Pair else "weight")
            continue
        if argument.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            message = f"`{name}` of `{function.__name__}` is any number of arguments"
            raise TypeError(f"{message}; a built-in has a name for each parameter")
        type_, marks = _type_of(function, name, hints.get(name))
        required = argument.default is inspect.Parameter.empty
        parameter = Parameter(
            name,
            type_,
            docs.get(name, ""),
            default=Required if required else _default(function, argument, type_, hints[name]),
            positional=argument.kind is not inspect.Parameter.KEYWORD_ONLY,
            schedulable=_SCHEDULED in marks,
            adds_edges=_ADDS in marks,
            example=given.get(name, _example(type_)) if required else "",
        )
        parameters.append(parameter)
    return tuple(handles), tuple(parameters)


def _default(
    function: Callable[..., Any], argument: inspect.Parameter, type_: Type, hint: Any
) -> Scalar | None:
    """The default of a parameter in its normal form, such as 7.0 for 7; None if it is optional."""
    if argument.default is None and type(None) in get_args(hint):
        return None
    try:
        default = type_.accept(argument.default)
    except Refusal as refusal:
        where = f"the default of `{argument.name}` of `{function.__name__}`"
        optional = "; annotate it with `| None`" * (argument.default is None)
        raise ValueError(f"{where} {refusal.message}{optional}") from None
    if isinstance(default, External):
        raise ValueError(f"`{argument.name}` of `{function.__name__}` is a file, without a default")
    return default


def _check_handles(kind: Kind, function: Callable[..., Any], handles: tuple[str, ...]) -> None:
    """Refuses a function that does not take the handles of its kind."""
    if kind == "source" and handles != ("pair",):
        raise TypeError(f"the source `{function.__name__}` must take one `rrl.Pair` and no weight")
    if kind == "transform" and sorted(handles) not in (["weight"], ["pair", "weight"]):
        message = (
            f"the transform `{function.__name__}` must take one `rrl.Weight`, and may take one"
        )
        hint = "a recipe combines several graphs with operators, such as `a & b`"
        raise TypeError(f"{message} `rrl.Pair`; {hint}")


def _check_documented(
    function: Callable[..., Any], parameters: Sequence[Parameter], doc: str, named: Sequence[str]
) -> None:
    """Refuses a function without documentation, and names that are not parameters."""
    name, known = function.__name__, [parameter.name for parameter in parameters]
    if not doc:
        raise ValueError(f"`{name}` needs a docstring")
    for parameter in parameters:
        if not parameter.doc:
            raise ValueError(
                f"the docstring of `{name}` must describe `{parameter.name}` in `Args:`"
            )
    for other in named:
        if other not in known:
            raise ValueError(
                f"`{name}` has no parameter `{other}`, which its documentation or options name"
            )


def _type_of(function: Callable[..., Any], name: str, hint: Any) -> tuple[Type, tuple[Any, ...]]:
    """The type of a parameter, from its annotation, and the marks of the annotation."""
    if get_origin(hint) in (Union, UnionType):  # `Count | None`: an optional parameter
        (hint,) = (member for member in get_args(hint) if member is not type(None))
    if hint is bool:
        return types.FLAG, ()
    if get_origin(hint) is Literal:
        return Choice(get_args(hint)), ()
    marks = getattr(hint, "__metadata__", ())
    for mark in marks:
        if isinstance(mark, Type):
            return mark, marks
    message = f"`{name}` of `{function.__name__}` needs an annotation such as `rrl.Probability`"
    raise TypeError(message)


def _example(type_: Type) -> str:
    """An example of an argument of a type."""
    if isinstance(type_, Field):
        return _EXAMPLES[type_.reads]
    if isinstance(type_, Number):
        return "1" if type_.integral or type_.high > 1 else "0.5"
    return {types.FILE: '"links.csv"', types.FLAG: "true"}.get(
        type_, getattr(type_, "values", ("",))[0]
    )


def functions() -> dict[str, Callable[..., Made]]:
    """One function for each built-in, by name."""
    return {name: as_function(signature) for name, signature in signatures().items()}


def as_function(signature: Signature) -> Callable[..., Made]:
    """A built-in as a Python function."""

    def call(*positional: object, **named: object) -> Made:
        arguments, refusals = bind(signature, positional, named)
        if refusals:
            raise RRLError(
                Diagnostic(refusal.code, refusal.message, hint=refusal.hint) for refusal in refusals
            )
        return make(signature, arguments)

    call.__name__ = call.__qualname__ = signature.name
    described = [f"    {parameter.name}: {parameter.doc}" for parameter in signature.parameters]
    call.__doc__ = "\n".join([signature.doc, *(["", "Args:", *described] if described else [])])
    call.__signature__ = _python_signature(signature)  # type: ignore[attr-defined]
    call.__module__ = "rrl_dsl"  # messages recognize a built-in by it
    return call


def _python_signature(signature: Signature) -> inspect.Signature:
    """The parameters of a built-in as `help` shows them."""
    kinds = {True: inspect.Parameter.POSITIONAL_OR_KEYWORD, False: inspect.Parameter.KEYWORD_ONLY}
    return inspect.Signature(
        [
            inspect.Parameter(
                parameter.name,
                kinds[parameter.positional],
                default=inspect.Parameter.empty if parameter.required else parameter.default,
            )
            for parameter in signature.parameters
        ]
    )


def make(signature: Signature, arguments: Arguments) -> Made:
    """The value of a call with bound arguments."""
    match signature.kind:
        case "source":
            return Called((), Call(signature, arguments))
        case "transform":
            return Transform((Call(signature, arguments),))
        case "schedule":
            *_, last = (arguments[parameter.name] for parameter in signature.parameters)
            return Schedule(signature.name, arguments["start"], arguments["end"], last)
