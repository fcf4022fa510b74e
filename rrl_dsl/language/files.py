"""Files: reading one that ends, writing one so that a reader never sees half of it, finding one.

Whether a file is there is asked of `os.path`, here and everywhere: `pathlib` raises where a name is
too long or a folder may not be searched.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Final

from rrl_dsl.language.diagnostics import error, nearest

PAIRS_BYTES: Final = 2**28
"""What a file of pairs may hold, unpacked: an editor reads it at every change."""
TABLE_BYTES: Final = 2**30
"""What a table of columns may hold, unpacked."""
ARCHIVE_BYTES: Final = 2**32
"""What an archive of arrays may hold, unpacked."""
YAML_BYTES: Final = 2**22
"""What a YAML file may hold."""

DRAFTS: Final = "*.draft"
"""What the names of drafts match, which a process that is killed leaves behind."""

_PART: Final = 2**20
_MENDS: Final = {
    errno.ENOENT: "make its folder first",
    errno.ENOSPC: "free some space there, or name a file on another disk",
    errno.EDQUOT: "free some space there, or name a file on another disk",
}
_BOUND: Final = "RRL_DSL_MAX_BYTES"


def open_file(path: Path) -> BufferedReader:
    """Opens a regular file to read; nothing else, since a pipe or a device may never end.

    Raises:
        OSError: Where there is no such file, or it is not a regular one.
    """
    try:
        return open(path, "rb", opener=_regular)
    except ValueError as reason:  # a null character, or half of a surrogate pair
        raise OSError(errno.EINVAL, str(reason)) from None


def _regular(path: str, flags: int) -> int:
    _check_regular(os.stat(path).st_mode)  # opening a pipe or a device may already do something
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        _check_regular(os.fstat(descriptor).st_mode)  # it may have been replaced
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file")


def read_bytes(path: Path, name: str, most: int) -> bytes:
    """What a file holds.

    Args:
        path: Where it lies.
        name: What messages call it.
        most: How many bytes are read, unless the user raises the bound.

    Raises:
        OSError: As `open_file`.
        RRLError: RRL428 where it holds more.
    """
    content = bytearray()
    with open_file(path) as file:
        check_size(name, os.fstat(file.fileno()).st_size, most)
        while part := file.read(_PART):  # a file of the system may not know its size
            content += part
            check_size(name, len(content), most)
    return bytes(content)


def check_size(name: str, size: int, most: int) -> None:
    """Refuses a file that would take too much memory.

    Args:
        name: What messages call it.
        size: The bytes that it holds, unpacked.
        most: How many are read, unless the user raises the bound.

    Raises:
        RRLError: RRL428.
    """
    bound = _bound(most)
    if size > bound:
        message = f"`{name}` holds {size:,} bytes unpacked, and at most {bound:,} are read"
        hint = f"if you trust the file, set {_BOUND}={size}"
        raise error("RRL428", message, hint=hint)


def _bound(most: int) -> int:
    """The bound that the user sets, else the usual one."""
    chosen = os.environ.get(_BOUND)  # empty is not set
    if not chosen:
        return most
    if not (chosen.isascii() and chosen.isdigit() and len(chosen) <= 18):
        message = f"{_BOUND} is a number of bytes, not `{chosen}`"
        raise error("RRL428", message, hint=f"write it in digits, such as {_BOUND}={most}")
    return int(chosen)


def write_bytes(path: Path, content: bytes | memoryview, *, previous: Path | None = None) -> None:
    """Puts a file in place at once, over what stood there, whose permissions it keeps.

    The content is on the disk before it has the name: whatever ends the process or the machine, the
    file is the old one or the new one. The draft lies beside it, because a rename is atomic only
    within one file system.

    A file that has several names, hard links, is written in place, so that all of them stay its.

    Args:
        path: The file.
        content: What it is to hold.
        previous: Where to move the file that is replaced; None drops it.

    Raises:
        RRLError: RRL507 where it cannot be written, or something else than a file stands there;
            what stood there stays.
    """
    target = resolved(path)  # a link stays a link
    draft = target.parent / f".{secrets.token_hex(8)}.draft"
    try:
        if os.path.exists(target):
            _check_regular(target.stat().st_mode)  # a device is not replaced by a file
        if previous is None and os.path.exists(target) and target.stat().st_nlink > 1:
            _write_through(target, content)
            return
        _write_through(draft, content)
        if os.path.exists(target):
            draft.chmod(stat.S_IMODE(target.stat().st_mode))
            if previous is not None:
                os.replace(target, previous)
        os.replace(draft, target)
        _sync_folder(target.parent)
    except (OSError, ValueError) as reason:  # ValueError: a null character
        why = reason.strerror if isinstance(reason, OSError) else reason
        hint = _MENDS.get(getattr(reason, "errno", 0), "name a file that you may write")
        raise error("RRL507", f"`{path}` cannot be written: {why}", hint=hint) from reason
    finally:
        with suppress(OSError, ValueError):
            draft.unlink()


def _write_through(path: Path, content: bytes | memoryview) -> None:
    """Writes a file, and waits until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Waits until the disk has the names in a folder, where the file system can tell."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """The same for UTF-8 text; line ends stay as they are.

    Raises:
        RRLError: RRL507 where it cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def resolved(path: Path) -> Path:
    """The path without links; the path itself where that cannot be found out."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # ValueError: a null character
        return path


def near_file(path: Path) -> Path | None:
    """The file beside a path that does not exist whose name is nearest, of the same suffix."""
    if os.path.exists(path):
        return None
    try:
        beside = sorted(path.parent.iterdir())
    except (OSError, ValueError):  # ValueError: a null character
        return None
    known = {each.stem.lower(): each for each in beside if path.suffix in ("", each.suffix)}
    meant = nearest(path.stem, list(known), likeness=0.7)
    return None if meant is None else known[meant]
