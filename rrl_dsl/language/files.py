"""Reading regular files of limited size, writing files atomically, and finding misspelled names.

Use `os.path.exists` to check whether a file exists: `pathlib` raises if the name is too long or a
folder may not be searched.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, Final, TypeVar

from rrl_dsl.language.diagnostics import RRLError, error, nearest

T = TypeVar("T")

PAIRS_BYTES: Final = 2**28
"""The maximum size of a file of pairs, unpacked: an editor reads it at every change."""
TABLE_BYTES: Final = 2**30
"""The maximum size of a table of columns, unpacked."""
ARCHIVE_BYTES: Final = 2**32
"""The maximum size of an archive of arrays, unpacked."""
YAML_BYTES: Final = 2**22
"""The maximum size of a YAML file."""

DRAFTS: Final = "*.draft"
"""The pattern of the temporary files that a killed process leaves behind."""

_PART: Final = 2**20
_FIXES: Final = {
    errno.ENOENT: "create its folder first",
    errno.ENOSPC: "free some space, or choose a file on another disk",
    errno.EDQUOT: "free some space, or choose a file on another disk",
}
_BOUND: Final = "RRL_DSL_MAX_BYTES"


def is_utf8(text: str | Path) -> bool:
    """Whether a path or text is Unicode: on Linux, a name of a file may consist of any bytes."""
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def open_file(path: Path) -> BufferedReader:
    """Opens a regular file for reading; a pipe or a device may never end.

    Raises:
        OSError: If the file cannot be opened or is not a regular file.
    """
    try:
        return BufferedReader(_File(path, opener=_regular))
    except ValueError as reason:  # a null character, or half of a surrogate pair
        raise OSError(errno.EINVAL, str(reason)) from None


class _File(FileIO):
    """A file whose reads fail where they would wait, as those of `/proc/kmsg` do."""

    def readinto(self, buffer: Any, /) -> int:
        size: int | None = super().readinto(buffer)
        return _not_waiting(size)

    def readall(self) -> bytes:
        content: bytes | None = super().readall()
        return _not_waiting(content)


def _not_waiting(read: T | None) -> T:
    if read is None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return read


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


def read_bytes(path: Path, name: str, most: int) -> bytearray:
    """Reads a file.

    Args:
        path: The file.
        name: The name of the file in messages.
        most: The maximum size in bytes, unless the user sets another one.

    Raises:
        OSError: If the file cannot be read or is not a regular file.
        RRLError: RRL428 if the file is larger.
    """
    content = bytearray()
    with open_file(path) as file:
        check_size(name, os.fstat(file.fileno()).st_size, most)
        while part := file.read(_PART):  # a file of the system may not know its size
            content += part
            check_size(name, len(content), most)
    return content


def check_size(name: str, size: int, most: int) -> None:
    """Checks that a file does not take too much memory.

    Args:
        name: The name of the file in messages.
        size: The size of its content in bytes, unpacked.
        most: The maximum size in bytes, unless the user sets another one.

    Raises:
        RRLError: RRL428 if the file is larger.
    """
    bound = _bound(most)
    if size > bound:
        message = f"`{name}` unpacks to {size:,} bytes, and the limit is {bound:,}"
        hint = f"if you trust the file, set {_BOUND}={size}"
        raise error("RRL428", message, hint=hint)


def _bound(most: int) -> int:
    """The maximum size that the user sets, or else `most`."""
    chosen = os.environ.get(_BOUND)  # an empty value counts as not set
    if not chosen:
        return most
    if not (chosen.isascii() and chosen.isdigit() and len(chosen) <= 18):
        message = f"{_BOUND} must be a number of bytes, not `{chosen}`"
        raise error("RRL428", message, hint=f"write it in digits, such as {_BOUND}={most}")
    return int(chosen)


def write_bytes(path: Path, *content: bytes | memoryview, previous: Path | None = None) -> None:
    """Writes a file atomically and keeps the permissions of the file that it replaces.

    The content is synced to disk under a temporary name, then renamed. If the process or the
    machine fails, the file has either the old or the new content. The temporary file is in the same
    folder, because a rename is atomic only within a file system.

    A file with several hard links is overwritten in place, so that the links stay equal. This is
    not atomic. The temporary file has the new content until the target is synced; if the process is
    killed in between, it stays. If writing fails, the old content is written back.

    Args:
        path: The file.
        *content: The parts of the new content, in order.
        previous: Where the file that is replaced is kept, in the same folder; None deletes it. At
            every moment, `path` is either the old or the new file, where the file system has hard
            links. Without them, the old file is for a moment only at `previous`.

    Raises:
        RRLError: RRL507 if the file cannot be written or `path` is not a regular file. The old file
            is unchanged.
    """
    target = resolved(path)  # a link stays a link
    draft = _draft(target.parent)
    try:
        if os.path.exists(target):
            _check_regular(target.stat().st_mode)  # a device is not replaced by a file
        if previous is None and os.path.exists(target) and target.stat().st_nlink > 1:
            _write_through(draft, *content)
            _sync_folder(target.parent)
            _overwrite(target, *content)
            return
        _write_through(draft, *content)
        if os.path.exists(target):
            draft.chmod(stat.S_IMODE(target.stat().st_mode))
            if previous is not None:
                _keep(target, previous)
        os.replace(draft, target)
        _sync_folder(target.parent)
    except (OSError, ValueError) as reason:  # ValueError: a null character
        raise cannot_write(path, reason) from reason
    finally:
        with suppress(OSError, ValueError):
            draft.unlink()


def _draft(folder: Path) -> Path:
    return folder / f".{secrets.token_hex(8)}.draft"


def _keep(path: Path, second: Path) -> None:
    """Gives a file a second path, in place of the file there. The file stays at the first."""
    link = _draft(path.parent)
    try:
        os.link(path, link)
    except OSError:  # a file system without hard links
        os.replace(path, second)
        return
    os.replace(link, second)
    link.unlink(missing_ok=True)  # it stays if both paths were the same file


def cannot_write(path: Path, reason: Exception) -> RRLError:
    """RRL507, for a file that the system refuses to write.

    Args:
        path: The file or its folder.
        reason: The exception that the system raised.
    """
    why = reason.strerror if isinstance(reason, OSError) else reason
    hint = _FIXES.get(getattr(reason, "errno", 0), "choose a file that you may write")
    return error("RRL507", f"`{path}` cannot be written: {why}", hint=hint)


def _write_through(path: Path, *content: bytes | memoryview) -> None:
    """Writes a file and syncs it to disk."""
    with path.open("wb") as file:
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())


def _overwrite(path: Path, *content: bytes | memoryview) -> None:
    """Overwrites a file in place, and restores its content after an error."""
    before = path.read_bytes()
    try:
        _write_through(path, *content)
    except BaseException:
        _write_through(path, before)
        raise


def _sync_folder(folder: Path) -> None:
    """Syncs the names in a folder to disk, if the file system supports it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text atomically, see `write_bytes`; line ends stay as they are.

    Raises:
        RRLError: RRL507 if the file cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def resolved(path: Path) -> Path:
    """Returns a path without symbolic links, or the path itself if it cannot be resolved."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):  # ValueError: a null character
        return path


def near_file(path: Path) -> Path | None:
    """Returns the file with the most similar name and the same suffix as a missing file."""
    if os.path.exists(path):
        return None
    try:
        beside = sorted(path.parent.iterdir())
    except (OSError, ValueError):  # ValueError: a null character
        return None
    known = {file.stem.lower(): file for file in beside if path.suffix in ("", file.suffix)}
    meant = nearest(path.stem, list(known), likeness=0.7)
    return None if meant is None else known[meant]
