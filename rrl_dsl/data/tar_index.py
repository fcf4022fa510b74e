"""The files in a tar archive: their places, which are found once, and the content of texts.

A cache on disk keeps them by the path, size and times of change of the archive.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Final, NamedTuple

from rrl_dsl.language.cache import Cache
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.files import YAML_BYTES, check_size, open_file
from rrl_dsl.language.machine import is_out_of_memory

_FORMAT: Final = 2  # of the cache
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}
"""The first two bytes of a compressed file -> the program that wrote it."""


@dataclass(frozen=True)
class Archive:
    """A tar archive.

    Attributes:
        path: The file.
        name: Its name in the dataset.
        state: Its size and times of change.
    """

    path: Path
    name: str
    state: tuple[int, ...]


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        path: Its path in the archive.
        offset: Its first byte in the archive.
        size: Its size in bytes.
        text: Its content, if it is a text to read; otherwise None.
    """

    path: str
    offset: int
    size: int
    text: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """An image file in an archive, which is read by its place."""

    archive: Archive
    member: Member

    @property
    def name(self) -> str:
        """The archive and the path in it."""
        return f"{self.archive.name}/{self.member.path}"

    @property
    def state(self) -> list[int]:
        """The state of the archive, and the place of the file."""
        return [*self.archive.state, self.member.offset, self.member.size]

    def open(self) -> BytesIO:
        """Reads the content."""
        with open_file(self.archive.path) as file:
            file.seek(self.member.offset)
            return BytesIO(file.read(self.member.size))

    def __str__(self) -> str:
        return f"{self.member.path} in {self.archive.path}"


def archive_at(path: Path, name: str) -> Archive:
    """Returns an archive.

    Raises:
        RRLError: RRL410 if the file does not exist.
    """
    try:
        with open_file(path) as file:
            state = os.fstat(file.fileno())
    except OSError as reason:
        hint = "braces list files that must exist; `*` matches existing files"
        raise error("RRL410", f"{path} cannot be read: {reason.strerror}", hint=hint) from reason
    return Archive(path, name, (state.st_size, state.st_mtime_ns, state.st_ctime_ns))


def members_of(archive: Archive, texts: Sequence[str]) -> list[Member]:
    """Returns the regular files in an archive, in its order.

    Args:
        archive: The archive.
        texts: The endings, such as `.json`, of the files whose content is returned.

    Raises:
        RRLError: RRL412 if the file is not a complete tar archive or is compressed, an entry is a
            link or another special file, or a text is not UTF-8; RRL428 if a text is too large.
    """
    cache, key = Cache("archives"), json.dumps([_FORMAT, os.path.realpath(archive.path), *texts])
    known = cache.read(key)
    if known is not None:
        state, entries = json.loads(known)
        if state == [*archive.state]:
            return [Member(*entry) for entry in entries]
    try:
        with open_file(archive.path) as file:
            members = [*_read(file, archive.path, texts)]
    except RRLError:
        raise
    except Exception as reason:  # tarfile may raise anything for a damaged archive
        if is_out_of_memory(reason):
            raise
        raise _damaged(archive.path, str(reason) or type(reason).__name__) from reason
    cache.write(key, json.dumps([archive.state, members]).encode())
    return members


def _read(file: BufferedReader, path: Path, texts: Sequence[str]) -> Iterator[Member]:
    if program := _COMPRESSED.get(file.peek(2)[:2]):
        message = f"{path} is compressed with {program}, so its files have no fixed places"
        raise error("RRL412", message, hint="unpack it to a `.tar` file")
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for entry in tar:
            if entry.isdir():
                continue
            if not entry.isreg() or entry.issparse():
                message = f"{entry.name} in {path} is a link, a sparse file or a special file"
                hint = "store plain files: `tar --dereference --hard-dereference`"
                raise error("RRL412", message, hint=hint)
            text = None
            if entry.name.lower().endswith(tuple(texts)):
                check_size(f"{entry.name} in {path}", entry.size, YAML_BYTES)
                text = _text(tar, entry, path)
            yield Member(entry.name, entry.offset_data, entry.size, text)
        # tarfile ends at a damaged header too
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise _damaged(path, "it has no end mark, or a damaged header")


def _text(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> str:
    content = tar.extractfile(entry)
    assert content is not None  # it is a regular file
    try:
        return content.read().decode()
    except UnicodeDecodeError as reason:
        message = f"{entry.name} in {path} is not UTF-8 text"
        raise error("RRL412", message, hint="write it as UTF-8") from reason


def _damaged(path: Path, why: str) -> RRLError:
    hint = "write or copy it again; it may be a part of a file"
    return error("RRL412", f"{path} is not a complete tar archive: {why}", hint=hint)
