"""The documentation of the settings of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rrl_dsl.training.config import Config


class Described(NamedTuple):
    """A setting, or a section of settings.

    Attributes:
        name: The name that `--set` takes: `optimizer.lr`.
        section: The name of its section; empty at the top level.
        is_section: Whether it is a section.
        default: The default in YAML; empty if there is none.
        doc: The description.
    """

    name: str
    section: str
    is_section: bool
    default: str
    doc: str


def settings(model: type[BaseModel] = Config, section: str = "") -> Iterator[Described]:
    """Yields every section and setting, in order.

    Args:
        model: The pydantic model with the settings as fields.
        section: The name of the section.
    """
    for key, info in model.model_fields.items():
        name = f"{section}.{key}".removeprefix(".")
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield Described(name, section, True, "", (inner.__doc__ or "").partition("\n")[0])
            yield from settings(inner, name)
        else:
            yield Described(name, section, False, _default(info), info.description or "")


def _default(info: FieldInfo) -> str:
    value: Any = info.get_default(call_default_factory=True, validated_data={})
    return "" if value is None or value == {} else _written(value)


def _written(value: Any) -> str:
    """Returns a value in YAML."""
    if isinstance(value, Path):  # the same for every user
        return (
            f"~/{value.relative_to(Path.home())}"
            if value.is_relative_to(Path.home())
            else str(value)
        )
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)
