"""Generates the table of settings of `docs/training.md`; its prose is written by hand."""

from __future__ import annotations

from collections.abc import Iterator

from rrl_dsl.generate.pages import with_tables
from rrl_dsl.language.markdown import cell
from rrl_dsl.training.described import settings


def training_page() -> str:
    """Returns the page with an up-to-date table."""
    return with_tables("docs/training.md", lambda _: _settings())


def _settings() -> Iterator[str]:
    yield "| setting | default | description |"
    yield "|---|---|---|"
    for setting in settings():
        if setting.is_section:
            yield f"| **`{setting.name}`** | | {cell(setting.doc)} |"
        else:
            default = f"`{setting.default}`" if setting.default else ""
            yield f"| `{setting.name}` | {default} | {cell(setting.doc)} |"
