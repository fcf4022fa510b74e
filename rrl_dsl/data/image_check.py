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
from itertools import chain
from pathlib import Path
from typing import Any, Final

import PIL
from rich.console import Console
from rich.progress import track

from rrl_dsl.data.image_files import (
    ImageFile,
    decode,
    decode_deep,
    form_of,
    open_image,
    quiet,
)
from rrl_dsl.language.cache import Cache
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error

_FORMAT: Final = 6
_SHOWN: Final = 10
_NAMED: Final = 3
_WORTH_A_BAR: Final = 2000
_AT_ONCE: Final = 16
"""The number of files that a thread checks before it takes others."""


_DIGITS: Final = 16

Result = tuple[str, int, int, bool, bool | str]
"""The digest of an image, its `Form`, and in place of `several` the error if it cannot be read."""


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        digests: The first hexadecimal digits of the SHA-256 of every file; empty for a file that
            cannot be read.
        unreadable: Index of an image that cannot be read -> its error.
        several: The indices of the images with several frames; only the first frame is used.
        deep: Whether to read float32, because RGB with 8 bits does not hold an image.
        channels: The number of channels of every image; 0 for one that cannot be read.
        side: The shorter side of the largest image in pixels; 0 if none can be read.
    """

    digests: Sequence[str]
    unreadable: Mapping[int, str]
    several: Sequence[int]
    deep: bool
    channels: Sequence[int]
    side: int

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
        hint = "restore damaged images, or leave them out with `--set skip_unreadable=true`"
        faults[-1] = replace(faults[-1], hint=hint)
        raise RRLError(faults)

    def check_channels(self, files: Sequence[ImageFile]) -> None:
        """Checks that the images that can be read have one number of channels.

        Raises:
            RRLError: RRL412 if two images differ.
        """
        readable = [row for row in range(len(files)) if row not in self.unreadable]
        for row in readable:
            first = readable[0]
            if self.channels[row] != self.channels[first]:
                message = f"{files[row]} has {self.channels[row]} channels, but {files[first]} has "
                hint = "all images of a dataset have the same channels: gray and color images have "
                hint += "3, and gray pages of a TIFF file are channels"
                raise error("RRL412", f"{message}{self.channels[first]}", hint=hint)

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
    names, states = [name_of(place, file) for file in files], [_state(file) for file in files]
    known = [_known(before, name, state) for name, state in zip(names, states, strict=True)]
    if None in known:
        cache.check_writable()
        changed = [file for file, result in zip(files, known, strict=True) if result is None]
        fresh = iter(_check_all(changed))
        results = [next(fresh) if result is None else result for result in known]
        entries = zip(names, states, results, strict=True)
        now = {name: [*state, *result] for name, state, result in entries}
        cache.write(key, json.dumps(now).encode())
    else:
        results = [result for result in known if result is not None]
    verdicts = [verdict for *_, verdict in results]
    return Checked(
        digests=[digest for digest, *_ in results],
        unreadable={
            row: verdict for row, verdict in enumerate(verdicts) if isinstance(verdict, str)
        },
        several=[row for row, verdict in enumerate(verdicts) if verdict is True],
        deep=any(deep for _, _, _, deep, _ in results),
        channels=[channels for _, channels, *_ in results],
        side=max((side for _, _, side, _, _ in results), default=0),
    )


def _check_all(files: Sequence[ImageFile]) -> list[Result]:
    # threads suffice: Pillow releases the interpreter lock while it decodes
    with quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
        # a future takes more memory than the result of a file
        parts = (files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE))
        results = chain.from_iterable(pool.map(_check_some, parts))
        if len(files) < _WORTH_A_BAR:
            return list(results)
        console = Console(stderr=True)
        text = "checking images (once)"
        return list(track(results, text, total=len(files), console=console, transient=True))


def _check_some(files: Sequence[ImageFile]) -> list[Result]:
    return [_check_one(file) for file in files]


def _check_one(file: ImageFile) -> Result:
    try:
        form = form_of(file)
        (decode_deep if form.deep else decode)(file)
        return (_digest(file), *form)
    except RRLError as problem:
        fault = problem.diagnostics[0]
        if fault.code != "RRL412":
            raise
        return "", 0, 0, False, fault.message
    except Exception as reason:  # Pillow may raise anything for a damaged frame
        return "", 0, 0, False, f"{file} cannot be decoded: {reason}"


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


def _known(before: Mapping[str, Any], name: str, state: list[int]) -> Result | None:
    """The result of a file that has not changed; None for one to check, as are unreadable ones."""
    entry = before.get(name, [""])
    if entry[:-5] != state or isinstance(entry[-1], str):
        return None
    digest, channels, side, deep, several = entry[-5:]
    return digest, channels, side, deep, several
