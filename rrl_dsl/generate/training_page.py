"""The table of settings of `docs/training.md`, whose prose is written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rrl_dsl.generate.marked import with_tables
from rrl_dsl.generate.pages import cell
from rrl_dsl.training.config import Config


def training_page() -> str:
    """The page with its table as it should be."""
    return with_tables("docs/training.md", lambda _: _settings())


def _settings() -> Iterator[str]:
    yield "| setting | default | what it is |"
    yield "|---|---|---|"
    yield from _rows(Config, "")


def _rows(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, info in section.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            what = (inner.__doc__ or "").partition("\n")[0]
            yield f"| **`{prefix}{name}`** | | {cell(what)} |"
            yield from _rows(inner, f"{prefix}{name}.")
        else:
            yield f"| `{prefix}{name}` | {_default(info)} | {cell(info.description or '')} |"


def _default(info: FieldInfo) -> str:
    value: Any = info.get_default(call_default_factory=True, validated_data={})
    return "" if value is None or value == {} else f"`{_written(value)}`"


def _written(value: Any) -> str:
    """A value as YAML has it."""
    if isinstance(value, Path):  # of every user alike
        return (
            f"~/{value.relative_to(Path.home())}"
            if value.is_relative_to(Path.home())
            else str(value)
        )
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)
