"""The table of settings of `docs/training.md`, whose prose is written by hand."""

from __future__ import annotations

from collections.abc import Iterator

from rrl_dsl.generate.pages import cell, with_tables
from rrl_dsl.training.described import settings


def training_page() -> str:
    """The page with its table as it should be."""
    return with_tables("docs/training.md", lambda _: _settings())


def _settings() -> Iterator[str]:
    yield "| setting | default | description |"
    yield "|---|---|---|"
    for each in settings():
        if each.is_section:
            yield f"| **`{each.name}`** | | {cell(each.doc)} |"
        else:
            default = f"`{each.default}`" if each.default else ""
            yield f"| `{each.name}` | {default} | {cell(each.doc)} |"
