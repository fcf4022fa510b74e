"""A cache on disk, which reads only complete entries that the same user wrote."""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from contextlib import suppress
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.files import open_file, write_bytes

_MAGIC: Final = b"rrl-dsl entry 1\n"
_DIGEST: Final = hashlib.sha256().digest_size
_HINT: Final = "set RRL_DSL_CACHE to a writable folder"


class Cache:
    """A folder of entries, in `RRL_DSL_CACHE` or else in `~/.cache/rrl-dsl`.

    An entry contains the SHA-256 of its key, the SHA-256 of its key and content, and the content.
    An entry whose digests are wrong, or that neither the user nor root owns, counts as missing.
    A read-only folder can be read.

    Attributes:
        folder: The folder of the entries.
    """

    def __init__(self, name: str) -> None:
        """Initializes the cache without access to the disk.

        Args:
            name: The name of the folder.
        """
        chosen = os.environ.get("RRL_DSL_CACHE")  # an empty value counts as not set
        self._base = Path(chosen) if chosen else Path.home() / ".cache" / "rrl-dsl"
        self.folder = self._base / name

    def read(self, key: str) -> bytes | None:
        """Returns the content of an entry; None if there is no entry that can be trusted."""
        content = self.mapped(key)
        return None if content is None else bytes(content)

    def mapped(self, key: str) -> memoryview | None:
        """Returns the content of an entry as a private map of its file, see `read`."""
        path = self._path(key)
        try:
            self._check_owner()
            with open_file(path) as file:
                if not _ours(os.fstat(file.fileno())):
                    warnings.warn(f"`{path}` belongs to another user and is ignored", stacklevel=3)
                    return None
                content = memoryview(mmap(file.fileno(), 0, access=ACCESS_COPY))
        except (OSError, RRLError):
            return None
        except ValueError:  # a file of no bytes cannot be mapped
            content = memoryview(b"")
        head = len(_MAGIC) + 2 * _DIGEST
        if content[:head] == _head(key, content[head:]):
            return content[head:]
        warnings.warn(f"`{path}` is damaged and is computed again", stacklevel=3)
        return None

    def check_writable(self) -> None:
        """Checks that the folder can be written, before a search that takes minutes.

        Raises:
            RRLError: RRL507 if it cannot.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._check_owner()
            with TemporaryFile(dir=self.folder):
                pass
        except OSError as problem:
            message = f"the cache folder `{self.folder}` cannot be"
            raise error("RRL507", f"{message} written: {problem.strerror}", hint=_HINT) from None

    def write(self, key: str, *content: bytes | memoryview) -> None:
        """Writes an entry, the parts of its content in order; a failure is a warning."""
        path = self._path(key)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # `write_bytes` would keep the permissions of the file
            write_bytes(path, _head(key, *content), *content)
        except (OSError, RRLError) as problem:
            warnings.warn(f"the results for this dataset are not cached: {problem}", stacklevel=2)

    def _path(self, key: str) -> Path:
        return self.folder / f"{_digest(key).hex()[:32]}.entry"

    def _check_owner(self) -> None:
        """Checks that no other user can write to the folder.

        Raises:
            RRLError: RRL507 if another user can.
        """
        for folder in (self._base, self.folder):
            with suppress(FileNotFoundError):
                if not _ours(folder.stat()):
                    message = f"`{folder}` belongs to another user, or is writable by everybody"
                    raise error(
                        "RRL507", message, hint="set RRL_DSL_CACHE to a folder that you own"
                    )


def _ours(state: os.stat_result) -> bool:
    """Whether only this user and root can have written a file, or added one to a folder."""
    if not hasattr(os, "geteuid"):
        return True
    shared = state.st_mode & stat.S_IWOTH and not state.st_mode & stat.S_ISVTX
    return state.st_uid in (os.geteuid(), 0) and not shared


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _head(key: str, *content: bytes | memoryview) -> bytes:
    named = _digest(key)
    digest = hashlib.sha256(named)
    for part in content:
        digest.update(part)
    return _MAGIC + named + digest.digest()
