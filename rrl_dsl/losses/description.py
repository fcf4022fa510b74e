"""Describes a loss: its options, its inputs and its requirements."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from rrl_dsl.losses.base import Loss
from rrl_dsl.losses.outputs import Output

WIDTH: Final = 64
"""The width of embeddings for which `needs_in_words` says how many rows a loss wants."""


class Option(NamedTuple):
    """An option of a loss; the default is None if the option is required."""

    name: str
    default: Any
    required: bool
    doc: str


def doc_of(loss: type[Loss]) -> str:
    """Returns the documentation of a loss."""
    return inspect.getdoc(loss) or ""


def options_of(loss: type[Loss]) -> list[Option]:
    """Returns the options of a loss, in order."""
    infos = loss.__pydantic_fields__  # type: ignore[attr-defined]
    return [
        Option(
            name,
            None if info.is_required() else info.get_default(call_default_factory=True),
            info.is_required(),
            info.description or "",
        )
        for name, info in ((field.name, infos[field.name]) for field in dataclasses.fields(loss))
    ]


def inputs_of(loss: type[Loss]) -> Mapping[str, Output]:
    """Returns the inputs of a loss with default options; empty if options are required."""
    plain = _plain(loss)
    return {} if plain is None else plain.inputs()


def needs_in_words(loss: type[Loss]) -> list[str]:
    """Returns the requirements on model, recipe and batch, with default options, in words."""
    plain = _plain(loss)
    if plain is None:
        return ["depends on its options"]
    needs: list[str] = list(plain.needs())
    if any(term.binary for _, term in plain.flat_terms()):
        needs.append("weights of 0 and 1")
    if any(term.symmetric for _, term in plain.flat_terms()):
        needs.append("the rows as columns")
    if (views := max(term.views for _, term in plain.flat_terms())) > 1:
        needs.append(f"{views} views")
    if (rows := plain.least_rows(WIDTH)) > 1:
        needs.append(f"{rows} rows per view at width {WIDTH}")
    if not all(term.row_wise for _, term in plain.flat_terms()):
        needs.append("`gather=all`")
    return needs


def _plain(loss: type[Loss]) -> Loss | None:
    """Returns the loss with default options, or None if options are required."""
    try:
        return loss()
    except ValidationError:
        return None
