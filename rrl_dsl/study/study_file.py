"""The file `study.yaml` of a study: its errors, and the places of its values."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rrl_dsl.language.diagnostics import Diagnostic, did_you_mean, listing
from rrl_dsl.language.span import Span
from rrl_dsl.training.settings import entries, parsed
from rrl_dsl.training.yaml_values import Loader

NAME: Final = "study.yaml"

Place = tuple[str | int, ...]
"""The keys and the positions in lists that lead to a value."""


def values_of(folder: Path) -> Any:
    """Returns the content of the file as plain values.

    Raises:
        RRLError: RRL503 if it is not YAML, or not a mapping in which each key occurs once.
    """
    with parsed(folder / NAME) as (source, root):
        if root is None:
            return None
        deque(entries(root, source), maxlen=0)  # checks the keys
        return Loader("").construct_document(root)


def fault_at(
    folder: Path,
    place: Place,
    code: str,
    message: str,
    hint: str | None = None,
    *,
    at_key: bool = False,
) -> Diagnostic:
    """Returns an error at a value of the file; if there is none, at what it would be in.

    Args:
        folder: The folder of the study.
        place: The place of the value.
        code: The code.
        message: The message.
        hint: The fix.
        at_key: Whether the error is at the key of the value.
    """
    with parsed(folder / NAME) as (source, root):
        return Diagnostic(code, message, _span(root, place, at_key=at_key), source, hint)


def faults_of(
    folder: Path, problems: ValidationError, model: type[BaseModel]
) -> Iterator[Diagnostic]:
    """Yields the errors of a file that does not fit a model.

    Args:
        folder: The folder of the study.
        problems: What does not fit.
        model: The model of the whole file.
    """
    for problem in problems.errors():
        place = problem["loc"]
        known = list(_model_at(model, place).model_fields)
        hint: str | None
        unknown = problem["type"] == "extra_forbidden"
        if unknown:
            message = f"there is no key `{place[-1]}`"
            hint = did_you_mean(str(place[-1]), known) or f"the keys are {listing(known, 'and')}"
        elif problem["type"] == "missing":
            message, hint = f"the key `{place[-1]}` is missing", f"write `{place[-1]}: ...`"
        else:
            message, hint = _complaint(problem)
        yield fault_at(folder, place, "RRL502", message, hint, at_key=unknown)


def _complaint(problem: ErrorDetails) -> tuple[str, str | None]:
    kind, given = problem["type"], problem["input"]
    name = ".".join(map(str, problem["loc"])) or NAME
    if kind == "value_error":
        return problem["msg"].removeprefix("Value error, "), None
    if kind == "literal_error":
        known = re.findall("'(.*?)'", problem["ctx"]["expected"])
        return f"`{name}` is {listing(known)}, not `{given}`", did_you_mean(str(given), known)
    wanted = _WANTED.get(kind, problem["msg"].removeprefix("Input should be "))
    hint = f"write `[{given}]`" if kind == "tuple_type" and isinstance(given, str) else None
    return f"`{name}` should be {wanted}, not {given!r:.60}", hint


_WANTED: Final = {
    "tuple_type": "a list",
    "string_type": "text",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys to values",
    "mapping_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
}


def _model_at(model: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel]:
    """Returns the model of the mapping that has the last key of a place."""
    for key in place[:-1]:
        field = model.model_fields.get(key) if isinstance(key, str) else None
        for inner in getattr(field and field.annotation, "__args__", ()):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    return model


def _span(root: yaml.Node | None, place: Place, *, at_key: bool) -> Span | None:
    node, span = root, None
    for at in place:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == at), None)
            if pair is None:
                break
            key, node = pair
            is_value = isinstance(node, yaml.ScalarNode) and node.value and not at_key
            span = _of(node if is_value else key)
        elif isinstance(node, yaml.SequenceNode) and isinstance(at, int) and at < len(node.value):
            node = node.value[at]
            span = _of(node)
    return span


def _of(node: yaml.Node) -> Span:
    return Span(node.start_mark.index, max(node.end_mark.index, node.start_mark.index + 1))
