"""Files: writing one so that a reader never sees half of it, and finding one that was misspelt."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from rrl_dsl.language.diagnostics import error, nearest


def write_bytes(path: Path, content: bytes) -> None:
    """Puts a file in place at once, over what stood there, whose permissions it keeps.

    A file that has several names, hard links, is written in place, so that all of them stay its.

    Raises:
        RRLError: RRL507 where it cannot be written.
    """
    target = Path(os.path.realpath(path))  # a link stays a link
    # In the same folder, since only within one file system is a rename atomic.
    draft = target.with_name(f".{secrets.token_hex(8)}")
    try:
        if target.exists() and target.stat().st_nlink > 1:
            target.write_bytes(content)
            return
        draft.write_bytes(content)
        if target.exists():
            draft.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(draft, target)
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


def cache_folder(name: str) -> Path:
    """A folder for what is found once and kept, made where it is not there yet.

    Raises:
        RRLError: RRL507 where nothing can be written there; the search, which may take minutes,
            would be in vain.
    """
    chosen = os.environ.get("RRL_DSL_CACHE")  # empty is not set
    folder = Path(chosen) if chosen else Path.home() / ".cache" / "rrl-dsl"
    folder = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        message = f"what is found of a data set is kept in `{folder}`, and it cannot be written"
        hint = "set RRL_DSL_CACHE to a folder that can"
        raise error("RRL507", f"{message}: {problem.strerror}", hint=hint) from None
    return folder


def near_file(path: Path) -> Path | None:
    """The file beside a path that does not exist whose name is nearest, of the same suffix."""
    if path.exists():
        return None
    try:
        beside = sorted(path.parent.iterdir())
    except (OSError, ValueError):  # ValueError: a null character
        return None
    known = {each.stem.lower(): each for each in beside if path.suffix in ("", each.suffix)}
    meant = nearest(path.stem, list(known), likeness=0.7)
    return None if meant is None else known[meant]
