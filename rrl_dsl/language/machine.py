"""Errors of the machine, such as missing memory or a full disk, as errors with a code."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rrl_dsl.language.diagnostics import RRLError, error

_OUT_OF_MEMORY: Final = re.compile(
    r"out of memory|can(?:.|no)t allocate memory|not enough memory|unable to allocate|alloc_failed"
    r"|bad allocation|storage size calculation overflowed|overflow when unpacking long",
    re.IGNORECASE,
)
"""The messages of torch and CUDA's libraries when memory runs out."""
_ASKED: Final = re.compile(r"allocate (\d[\d.]*) ?(bytes|[KMGTP]i?B)", re.IGNORECASE)
_FIXES: Final = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some space, or write to another disk",
    errno.EACCES: "change its permissions, or choose another",
    errno.EPERM: "change its permissions, or choose another",
    errno.EROFS: "choose a writable place",
    errno.EMFILE: "allow more open files with `ulimit -n`, or use fewer `workers`",
    errno.ENOENT: "check whether it still exists",
    errno.ENAMETOOLONG: "give it a shorter name",
}


@contextmanager
def needing_memory(what: str, hint: str, *settings: str) -> Iterator[None]:
    """Turns an out-of-memory error of the block into an error with a code.

    Args:
        what: What needs the memory, such as `the network`.
        hint: What to lower.
        settings: The settings of a run that may be too large, the likeliest first.

    Raises:
        RRLError: RRL515 if memory runs out.
    """
    try:
        yield
    except (MemoryError, OSError, RuntimeError, TypeError) as problem:
        # TypeError: a size beyond int64
        if not is_out_of_memory(problem):
            raise
        raise too_little_memory(f"{what}{_asked_for(problem)}", hint, *settings) from problem


def available_memory() -> int | None:
    """Bytes that this process may still take; None where the system does not say.

    The smaller of the memory that Linux calls available and of what `ulimit -v` leaves.
    """
    try:
        import resource

        [available] = re.findall(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError):
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return int(available) * 1024
    return min(int(available) * 1024, max(limit - pages * resource.getpagesize(), 0))


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an exception of Python, NumPy or torch means that memory ran out."""
    if isinstance(problem, OSError):
        return problem.errno == errno.ENOMEM
    may_be = isinstance(problem, RuntimeError | TypeError)
    return isinstance(problem, MemoryError) or bool(may_be and _OUT_OF_MEMORY.search(str(problem)))


def refused(problem: BaseException) -> RRLError | None:
    """Returns the error with a code for an exception that the machine caused.

    Returns:
        RRL515 if the exception or its cause is about memory, RRL516 if it is about a file or
        folder, None otherwise.
    """
    if is_out_of_memory(problem):
        hint = "lower `batch_size`, `micro_batch` or a width of the network"
        return too_little_memory(f"this{_asked_for(problem)}", hint)
    if not isinstance(problem, OSError) or problem.errno is None:
        return None if problem.__cause__ is None else refused(problem.__cause__)
    place = f"`{problem.filename}`: " if problem.filename is not None else ""
    hint = _FIXES.get(problem.errno, "check whether it is readable and writable")
    return error("RRL516", f"{place}{problem.strerror}", hint=hint)


def too_little_memory(what: str, hint: str, *settings: str) -> RRLError:
    """RRL515, with the purpose of the memory, and a hint what to lower."""
    message = f"there is too little memory for {what}"
    return error("RRL515", message, hint=hint, settings=settings)


def _asked_for(problem: BaseException) -> str:
    asked = _ASKED.search(str(problem))
    return "" if asked is None else f", which asked for {_size_in_words(asked[1], asked[2])} more"


def _size_in_words(number: str, unit: str) -> str:
    return bytes_in_words(float(number)) if unit == "bytes" else f"{number} {unit}"


def bytes_in_words(size: float) -> str:
    """A number of bytes in the largest unit that leaves at least 1: 1536 as `1.5 KiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.3g} {unit}"
