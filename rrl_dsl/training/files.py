"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rrl_dsl.language.diagnostics import error


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text into place at once.

    Raises:
        RRLError: RRL507 where it cannot be written.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as problem:
        raise error("RRL507", f"cannot write `{path}`: {problem.strerror}") from None
