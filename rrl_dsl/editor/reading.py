"""Files of pairs, which may be large or slow, read while the server answers the editor."""

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

PATIENCE: Final = 0.5
"""Seconds that an answer waits for a file that the server has begun to read."""


@dataclass(eq=False)
class Reading:
    """A file of pairs that is being read, or has been.

    Attributes:
        path: Where it lies.
        found: The pairs, or what is wrong with the file.
        since: When reading it began, in seconds of `time.monotonic`.
    """

    path: Path
    found: Future[Links | Exception]
    since: float = field(default_factory=time.monotonic)

    def patience(self) -> float:
        """The seconds that an answer still waits for the file; 0 where it has been read."""
        return 0.0 if self.found.done() else max(0.0, self.since + PATIENCE - time.monotonic())


ReadPairs = Callable[[Path, str, str], Reading]
"""Reads a file of pairs by its path, as the recipe names it, and as messages call it."""


class PairFiles:
    """Files of pairs that threads read.

    A file is read once while it is unchanged and an analysis holds its `Reading`.
    """

    def __init__(self, workers: Workers, when_read: Callable[[], None]) -> None:
        """Nothing has been read yet.

        Args:
            workers: The threads.
            when_read: Called in one of them after each file.
        """
        self._workers = workers
        self._when_read = when_read
        self._readings: WeakValueDictionary[object, Reading] = WeakValueDictionary()

    def read(self, path: Path, written: str, name: str) -> Reading:
        """The reading of a file as it is now, which starts if there is none."""
        key = path, written, name, state_of(path, {})
        reading = self._readings.get(key)
        if reading is None:
            found = self._workers.submit(partial(_pairs, path, written, name))
            reading = self._readings[key] = Reading(path, found)
            found.add_done_callback(lambda _: self._when_read())
        return reading


def read_at_once(path: Path, written: str, name: str) -> Reading:
    """Reads a file in the thread of the caller."""
    return _done(path, _pairs(path, written, name))


def read_nothing(path: Path, written: str, name: str) -> Reading:
    """No pairs, in place of a file whose content does not matter."""
    return _done(path, Links(written, path, name, str(path), array("q"), array("q"), None))


def _done(path: Path, result: Links | Exception) -> Reading:
    found: Future[Links | Exception] = Future()
    found.set_result(result)
    return Reading(path, found)


def _pairs(path: Path, written: str, name: str) -> Links | Exception:
    try:
        return links.read(path, written, name)
    except Exception as problem:
        return problem


def state_of(path: Path, texts: Mapping[Path, str]) -> object:
    """Something that differs once a file, or the text that stands for it, does.

    Of a file that is not there, once its folder does: errors name the file that may be meant.
    """
    if path in texts:
        return texts[path]
    found = _stat(path)
    if found is None:
        folder = _stat(path.parent)
        return None if folder is None else folder.st_mtime_ns
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):  # ValueError: a path with a null character
        return None
