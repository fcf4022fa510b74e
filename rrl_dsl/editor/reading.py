"""Reads files of pairs, which may be large or slow, in threads, while the server answers."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from rrl_dsl.editor.workers import Workers
from rrl_dsl.graph import links
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.listed_pairs import ListedPairs

PATIENCE: Final = 0.5
"""Seconds after the start of reading a file for which an answer waits for it."""


@dataclass(eq=False)
class Reading:
    """A file of pairs that is being read or has been read.

    Attributes:
        path: The path.
        future: The pairs, or the error in the file.
        since: The time at which reading started, in seconds of `time.monotonic`.
    """

    path: Path
    future: Future[Links | Exception]
    since: float = field(default_factory=time.monotonic)

    def patience(self) -> float:
        """Returns the seconds for which an answer still waits for the file, if it is not read."""
        return max(0.0, self.since + PATIENCE - time.monotonic())


ReadPairs = Callable[[Path, str, str], Reading]
"""Reads a file of pairs. The arguments are its path, its path in the recipe, and in messages."""


class PairFiles:
    """Reads files of pairs in threads.

    A file is not read again while it is unchanged and an analysis holds its `Reading`.
    """

    def __init__(self, workers: Workers, when_read: Callable[[], None]) -> None:
        """Initializes the cache, which is empty.

        Args:
            workers: The threads.
            when_read: Called in a thread after each file.
        """
        self._workers = workers
        self._when_read = when_read
        self._readings: WeakValueDictionary[object, Reading] = WeakValueDictionary()

    def read(self, path: Path, written: str, name: str) -> Reading:
        """Returns the reading of the current file, and starts it if necessary."""
        key = path, written, name, state_of(path, {})
        reading = self._readings.get(key)
        if reading is None:
            future = self._workers.submit(partial(_pairs, path, written, name))
            reading = self._readings[key] = Reading(path, future)
            future.add_done_callback(lambda _: self._when_read())
        return reading


def read_at_once(path: Path, written: str, name: str) -> Reading:
    """Reads a file in the caller's thread."""
    return _done(path, _pairs(path, written, name))


def read_nothing(path: Path, written: str, name: str) -> Reading:
    """Returns no pairs, for an analysis that does not depend on the content of the file."""
    no_ids = array("q")
    nothing = ListedPairs(written, name, str(path), path, no_ids, no_ids, None, summary="pairs: 0")
    return _done(path, nothing)


def _done(path: Path, result: Links | Exception) -> Reading:
    future: Future[Links | Exception] = Future()
    future.set_result(result)
    return Reading(path, future)


def _pairs(path: Path, written: str, name: str) -> Links | Exception:
    try:
        return links.read(path, written, name)
    except Exception as problem:
        return problem


def state_of(path: Path, texts: Mapping[Path, str]) -> object:
    """Returns a value that changes when a file changes, or the text that replaces it.

    For a missing file, the value changes with its folder, because the error suggests a file of it.
    """
    if path in texts:
        return texts[path]
    status = _stat(path)
    if status is None:
        folder = _stat(path.parent)
        return None if folder is None else folder.st_mtime_ns
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):  # ValueError: a path with a null character
        return None
