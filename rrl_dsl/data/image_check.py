"""Checks that every image of a dataset can be decoded, before a run starts.

The images are decoded in parallel. A cache on disk keeps the results by the name, size and times of
change of a file, so that the next run checks only new files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import PIL
from rich.console import Console
from rich.progress import track

from rrl_dsl.data.image_files import (
    ImageFile,
    decode,
    decode_deep,
    frames,
    is_deep,
    open_image,
    quiet,
)
from rrl_dsl.language.cache import Cache
from rrl_dsl.language.diagnostics import Diagnostic, RRLError

_FORMAT: Final = 4
_SHOWN: Final = 10
_NAMED: Final = 3
_WORTH_A_BAR: Final = 2000

_DIGITS: Final = 16

Verdict = int | str
"""The number of frames of an image, or the error if it cannot be read."""


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        digests: The first hexadecimal digits of the SHA-256 of every file; empty for a file that
            cannot be read.
        unreadable: Index of an image that cannot be read -> its error.
        several: The indices of the images with several frames, of which the first is used.
        deep: Whether an image has more than 8 bits per channel.
    """

    digests: Sequence[str]
    unreadable: Mapping[int, str]
    several: Sequence[int]
    deep: bool = False

    def stop(self) -> None:
        """Raises the errors of the images that cannot be read.

        Raises:
            RRLError: RRL412 with the first ten errors and the number of the others.
        """
        if not self.unreadable:
            return
        messages = [*self.unreadable.values()]
        if len(messages) > _SHOWN:
            messages[_SHOWN:] = [f"{len(messages) - _SHOWN:,} more images cannot be read"]
        faults = [Diagnostic("RRL412", message) for message in messages]
        hint = "restore damaged images, or leave them out with `--set skip_unreadable=true`; "
        hint += "images with more than four channels belong in an `.npz` archive"
        faults[-1] = replace(faults[-1], hint=hint)
        raise RRLError(faults)

    def notes(self, place: Path, names: Sequence[str]) -> Iterator[str]:
        """Yields warnings about images that are left out, or read in part.

        Args:
            place: Where the images are.
            names: Their names.
        """
        for rows, what in (
            (self.unreadable, "cannot be read and are left out"),
            (self.several, "have several frames; only the first is read"),
        ):
            if rows:
                many = f"{len(rows):,} of {len(names):,} images"
                yield f"{place}: {many} {what}: {listed(names[row] for row in rows)}"


def listed(names: Iterable[str]) -> str:
    """Returns the first names of a list, and the number of the others."""
    first = [*names]
    more = f" and {len(first) - _NAMED:,} more" if len(first) > _NAMED else ""
    return ", ".join(f"`{name}`" for name in first[:_NAMED]) + more


def check(place: Path, files: Sequence[ImageFile]) -> Checked:
    """Decodes the files that have changed since the last check.

    Args:
        place: Where the images are; it is the key of the cache. Names of files are relative to it.
        files: The images.
    """
    cache = Cache("images")
    key = f"{_FORMAT} {PIL.__version__} {os.path.realpath(place)}"
    known_before = cache.read(key)
    before: dict[str, Any] = {} if known_before is None else json.loads(known_before)
    named = {name_of(place, file): file for file in files}
    states = {name: _state(file) for name, file in named.items()}
    known = {
        name: before[name][-3:] for name, state in states.items() if _same(before, name, state)
    }
    fresh = [name for name in states if name not in known]
    if fresh:
        cache.check_writable()
    checked = dict(zip(fresh, _check_all([named[name] for name in fresh]), strict=True))
    results = known | checked
    if checked:
        now = {name: [*state, *results[name]] for name, state in states.items()}
        cache.write(key, json.dumps(now).encode())
    verdicts = [results[name][-1] for name in states]
    return Checked(
        [results[name][0] for name in states],
        {index: verdict for index, verdict in enumerate(verdicts) if isinstance(verdict, str)},
        [index for index, frames in enumerate(verdicts) if isinstance(frames, int) and frames > 1],
        any(results[name][1] for name in states),
    )


def _check_all(files: Sequence[ImageFile]) -> list[tuple[str, bool, Verdict]]:
    """The digest of every file, whether it is deep, and the verdict."""
    # threads suffice: Pillow releases the interpreter lock while it decodes
    with quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
        results: Iterator[tuple[str, bool, Verdict]] = pool.map(_check_one, files)
        if len(files) < _WORTH_A_BAR:
            return list(results)
        console = Console(stderr=True)
        text = "checking images (once)"
        return list(track(results, text, total=len(files), console=console, transient=True))


def _check_one(file: ImageFile) -> tuple[str, bool, Verdict]:
    try:
        deep = is_deep(file)
        (decode_deep if deep else decode)(file)
        return _digest(file), deep, frames(file)
    except RRLError as problem:
        fault = problem.diagnostics[0]
        if fault.code != "RRL412":
            raise
        return "", False, fault.message
    except Exception as reason:  # Pillow may raise anything for a damaged frame
        return "", False, f"{file} cannot be decoded: {reason}"


def _digest(file: ImageFile) -> str:
    with open_image(file) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:_DIGITS]


def name_of(place: Path, file: ImageFile) -> str:
    """Returns the name of a file, relative to the place where the images are."""
    return str(file.relative_to(place)) if isinstance(file, Path) else file.name


def _state(file: ImageFile) -> list[int]:
    if not isinstance(file, Path):
        return file.state
    state = file.stat()
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _same(before: Mapping[str, Any], name: str, state: list[int]) -> bool:
    """Whether a file is unchanged since it was read; an unreadable file is checked again."""
    entry = before.get(name, [0])
    return entry[:-3] == state and isinstance(entry[-1], int)
