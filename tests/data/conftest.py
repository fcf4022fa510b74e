"""The fixture of an image folder with a malformed table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import pytest

from rrl_dsl.data.column_files import read
from rrl_dsl.language.diagnostics import RRLError

FILES = ("train/cat/0.png", "train/cat/1.png", "train/dog/0.png", "test/cat/0.png")


@pytest.fixture
def complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The error of the table in the folder `zoo`, or those of its columns that cannot be read."""
    (tmp_path / "zoo").mkdir()
    monkeypatch.chdir(tmp_path)

    def ask(files: Sequence[str] = FILES) -> str:
        try:
            unreadable = read(Path("zoo"), files, ("label",)).unreadable
        except RRLError as problem:
            return f"{problem}\n"
        assert unreadable
        return f"{RRLError(chain.from_iterable(unreadable.values()))}\n"

    return ask
