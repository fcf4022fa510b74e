"""The rule that decides which files of an image folder are images, the same on every machine.

| entry | effect |
|---|---|
| a file with a suffix in `IMAGES` | an image |
| a name that starts with `.` or is in `SYSTEM` | ignored, with everything below it |
| a file whose suffix, or whose name without a suffix, is in `SIDE` | ignored |
| a folder, or a link to one | read; a link to a folder that contains it is an error |
| a folder or an image whose name is not UTF-8 | an error |
| anything else, such as a broken link or a file without a suffix | an error |

Case is ignored. Ignored entries are counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.digest import normal
from rrl_dsl.language.files import is_utf8

IMAGES: Final = (
    *(".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm"),
    *(".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
"""The suffixes of images."""

SYSTEM: Final = (
    *("__macosx", "__pycache__", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "icon\r"),
    *("desktop.ini", "ehthumbs.db", "ehthumbs_vista.db", "thumbs.db"),
    *("lost+found", "system volume information"),
)
"""Files and folders that operating systems create."""

SIDE: Final = (
    *(".cfg", ".csv", ".html", ".ini", ".json", ".jsonl", ".log", ".md", ".md5", ".parquet"),
    *(".pdf", ".py", ".rst", ".rtf", ".sha1", ".sha256", ".toml", ".tsv", ".txt", ".url"),
    *(".xml", ".yaml", ".yml"),
    *("authors", "changelog", "copying", "license", "licence", "notice", "readme"),
)
"""Suffixes and names of files that describe images."""


def is_side(name: str) -> bool:
    """Whether a file of this name is ignored."""
    name = name.casefold()
    return name.startswith(".") or name in SYSTEM or (Path(name).suffix or name) in SIDE


class FolderRule:
    """Reads folders by the rule and collects the ignored entries."""

    def __init__(self) -> None:
        """Initializes the list of ignored entries."""
        self.left_out: list[Path] = []

    def entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Returns the folders and the images in a folder, sorted by name.

        Raises:
            RRLError: RRL412 for an entry that is an error by the rule.
        """
        folders, images = [], []
        try:
            for path in sorted(folder.iterdir(), key=lambda path: normal(path.name)):
                name = path.name.casefold()
                if name.startswith(".") or name in SYSTEM:
                    self.left_out.append(path)
                elif not is_utf8(name):
                    hint = "rename it: names of classes and images are stored as text"
                    raise error("RRL412", f"the name of {path} is not UTF-8", hint=hint)
                elif path.is_dir():
                    folders.append(path)
                elif path.is_file() and path.suffix.lower() in IMAGES:
                    images.append(path)
                elif path.is_file() and is_side(name):
                    self.left_out.append(path)
                else:
                    raise _refused(path)
        except OSError as reason:
            raise error("RRL412", f"{folder} cannot be read: {reason.strerror}") from reason
        return folders, images

    def below(self, folder: Path, inside: tuple[str, ...] = ()) -> Iterator[Path]:
        """Yields the images in a folder and in all folders below it.

        Args:
            folder: The folder.
            inside: The real paths of the folders above it.

        Raises:
            RRLError: RRL412 for an entry that is an error by the rule.
        """
        real = os.path.realpath(folder)
        if real in inside:
            hint = "remove the link"
            raise error("RRL412", f"{folder} is a link to one of its parent folders", hint=hint)
        folders, images = self.entries(folder)
        yield from images
        for child in folders:
            yield from self.below(child, (*inside, real))


def _refused(path: Path) -> Exception:
    if path.is_symlink() and not path.exists():
        message = f"{path} is a link to `{os.readlink(path)}`, which does not exist"
        return error("RRL412", message, hint="restore its target, or remove the link")
    if not path.is_file():
        return error("RRL412", f"{path} is neither a file nor a folder", hint="remove it")
    what = "has an unsupported format" if path.suffix else "does not have the suffix of an image"
    hint = "convert it to PNG, JPEG or WebP with that suffix, or remove it"
    return error("RRL412", f"{path} {what}", hint=hint)
