"""A folder of images with a table beside them that is malformed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rrl_dsl.data.columns import read
from rrl_dsl.language.diagnostics import RRLError

FILES = ("train/cat/0.png", "train/cat/1.png", "train/dog/0.png", "test/cat/0.png")


@pytest.fixture
def complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What is said of the table in the folder `zoo`."""
    (tmp_path / "zoo").mkdir()
    monkeypatch.chdir(tmp_path)

    def ask(files: Sequence[str] = FILES) -> str:
        with pytest.raises(RRLError) as caught:
            read(Path("zoo"), files, ("label",))
        return f"{caught.value}\n"

    return ask
