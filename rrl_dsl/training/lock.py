"""A lock on a run's directory: one process at a time trains in it.

The system releases the lock when the process ends, however it ends. File systems without locks,
such as some that clusters mount, grant it to everybody.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Final

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source

NAME: Final = "lock"
"""The file in a run's directory that is locked. It holds the id and the host of the process."""

_WITHOUT_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
_held: set[int] = set()
"""The open files that this process has locked."""


def hold(directory: Path) -> None:
    """Locks a run's directory for this process, until `release`.

    Raises:
        RRLError: RRL504 if another process holds it, or the file cannot be opened.
    """
    release()
    flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        descriptor = os.open(directory / NAME, flags, 0o644)
    except OSError as problem:
        raise _refusal(directory, f"cannot be locked: {problem.strerror}", None) from None
    _held.add(descriptor)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, 300, 0).decode(errors="replace").split()
        release()
        raise _in_use(directory, holder) from None
    except OSError as problem:
        if problem.errno not in _WITHOUT_LOCKS:
            release()
            raise _refusal(directory, f"cannot be locked: {problem.strerror}", None) from None


def release() -> None:
    """Releases what this process has locked."""
    while _held:
        os.close(_held.pop())


def check_free(directory: Path) -> None:
    """Refuses a run's directory that another process has locked.

    Raises:
        RRLError: RRL504.
    """
    if os.path.lexists(directory / NAME):
        hold(directory)
        release()


def _in_use(directory: Path, holder: list[str]) -> RRLError:
    if len(holder) != 2:
        return _refusal(directory, "is in use by another process", "wait until it ends")
    process, host = holder
    where = "" if host == socket.gethostname() else f" on {host}"
    stop = f"wait until it ends, or stop it with `kill {process}`{where}"
    return _refusal(directory, f"is in use by process {process} on {host}", stop)


def _refusal(directory: Path, reason: str, hint: str | None) -> RRLError:
    place = Source("", str(directory))
    return RRLError(Diagnostic("RRL504", f"`{directory}` {reason}", None, place, hint))


def _forget() -> None:
    """Leaves the lock to the process that forked this one, such as a worker that loads data."""
    with suppress(OSError):
        release()


os.register_at_fork(after_in_child=_forget)
