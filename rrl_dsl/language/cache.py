"""What is found once and kept on disk: entries that are whole, and that this user wrote."""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.files import open_file, write_bytes

_MAGIC: Final = b"rrl-dsl entry 1\n"
_DIGEST: Final = hashlib.sha256().digest_size
_HINT: Final = "set RRL_DSL_CACHE to a folder that can"


class Cache:
    """A folder of entries, in `RRL_DSL_CACHE` or else in `~/.cache/rrl-dsl`.

    An entry holds the SHA-256 of its key, that of its key and content, and the content. It is read
    where both are right and where the user, or root, owns it; else it counts as missing. Reading
    needs no right to write.

    Attributes:
        folder: Where the entries lie.
    """

    def __init__(self, name: str) -> None:
        """Looks at nothing yet.

        Args:
            name: The name of the folder.
        """
        chosen = os.environ.get("RRL_DSL_CACHE")  # empty is not set
        self._base = Path(chosen) if chosen else Path.home() / ".cache" / "rrl-dsl"
        self.folder = self._base / name

    def read(self, key: str) -> bytes | None:
        """What is kept under a key; None where nothing is, or nothing that can be trusted."""
        path = self._path(key)
        try:
            self._check_owner()
            with open_file(path) as file:
                if not _ours(os.fstat(file.fileno())):
                    warnings.warn(f"`{path}` is another user's and is not read", stacklevel=2)
                    return None
                content = file.read()
        except (OSError, RRLError):
            return None
        head = len(_MAGIC) + 2 * _DIGEST
        if content[:head] == _head(key, content[head:]):
            return content[head:]
        warnings.warn(f"`{path}` is damaged; what it held is found anew", stacklevel=2)
        return None

    def check_writable(self) -> None:
        """Refuses a folder in which nothing can be kept, before a search that takes minutes.

        Raises:
            RRLError: RRL507.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._check_owner()
            with TemporaryFile(dir=self.folder):
                pass
        except OSError as problem:
            message = f"what is found of a data set is kept in `{self.folder}`, and it cannot be"
            raise error("RRL507", f"{message} written: {problem.strerror}", hint=_HINT) from None

    def write(self, key: str, content: bytes) -> None:
        """Keeps what was found; where that fails, says so and goes on."""
        path = self._path(key)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # what replaces a file keeps its permissions
            write_bytes(path, _head(key, content) + content)
        except (OSError, RRLError) as problem:
            warnings.warn(f"what was found of a data set is not kept: {problem}", stacklevel=2)

    def _path(self, key: str) -> Path:
        return self.folder / f"{_digest(key).hex()[:32]}.entry"

    def _check_owner(self) -> None:
        """Refuses folders in which another user may put what is read.

        Raises:
            RRLError: RRL507.
        """
        for each in (self._base, self.folder):
            with suppress(FileNotFoundError):
                if not _ours(each.stat()):
                    message = f"`{each}` belongs to another user, or everybody may write to it"
                    raise error("RRL507", message, hint="set RRL_DSL_CACHE to a folder of yours")


def _ours(found: os.stat_result) -> bool:
    """Whether only this user and root can have written a file, or put it into a folder."""
    if not hasattr(os, "geteuid"):
        return True
    shared = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    return found.st_uid in (os.geteuid(), 0) and not shared


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _head(key: str, content: bytes) -> bytes:
    named = _digest(key)
    return _MAGIC + named + hashlib.sha256(named + content).digest()
