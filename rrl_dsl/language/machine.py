"""Errors of the machine, such as missing memory or a full disk, as errors with a code."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
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
    errno.ENOSPC: "free some space there, or write to another disk",
    errno.EDQUOT: "free some space there, or write to another disk",
    errno.EACCES: "change its permissions, or name another",
    errno.EPERM: "change its permissions, or name another",
    errno.EROFS: "name a place that can be written",
    errno.EMFILE: "allow more open files with `ulimit -n`, or use fewer `workers`",
    errno.ENOENT: "look whether it is still there",
    errno.ENAMETOOLONG: "give it a shorter name",
}


@contextmanager
def needing_memory(what: str, hint: str) -> Iterator[None]:
    """Turns an out-of-memory error of the block into an error with a code.

    Args:
        what: What needs the memory, such as `the network`.
        hint: What to lower.

    Raises:
        RRLError: RRL515 if memory runs out.
    """
    try:
        yield
    except (MemoryError, OSError, RuntimeError, TypeError) as problem:
        # TypeError: a size beyond int64
        if not is_out_of_memory(problem):
            raise
        raise _too_little(what, hint, problem) from problem


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
        hint = "lower what is large: `batch_size`, `micro_batch`, a width of the network"
        return _too_little("this", hint, problem)
    if not isinstance(problem, OSError) or problem.errno is None:
        return None if problem.__cause__ is None else refused(problem.__cause__)
    place = f"`{problem.filename}`: " if problem.filename is not None else ""
    hint = _FIXES.get(problem.errno, "look whether it can be read and written")
    return error("RRL516", f"{place}{problem.strerror}", hint=hint)


def _too_little(what: str, hint: str, problem: BaseException) -> RRLError:
    asked = _ASKED.search(str(problem))
    size = "" if asked is None else f", which asked for {_in_words(asked[1], asked[2])} more"
    return error("RRL515", f"there is too little memory for {what}{size}", hint=hint)


def _in_words(number: str, unit: str) -> str:
    if unit != "bytes":
        return f"{number} {unit}"
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:.3g} {unit}"
