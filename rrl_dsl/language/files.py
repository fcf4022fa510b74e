"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from rrl_dsl.language.diagnostics import error


def write_bytes(path: Path, content: bytes) -> None:
    """Puts a file in place at once, over what stood there.

    Raises:
        RRLError: RRL507 where it cannot be written.
    """
    # In the same folder, since only within one file system is a rename atomic.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as reason:
        message = f"`{path}` cannot be written: {reason.strerror}"
        raise error("RRL507", message, hint="name a file that you may write") from reason
    finally:
        with suppress(OSError):
            draft.unlink()


def write_text(path: Path, text: str) -> None:
    """The same for UTF-8 text; line ends stay as they are.

    Raises:
        RRLError: RRL507 where it cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))
