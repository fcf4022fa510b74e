"""Which files of an image folder are images: one rule, the same on every machine.

| entry | what becomes of it |
|---|---|
| a file with a suffix of `IMAGES` | an image |
| a name that begins with `.`, or of `SYSTEM` | left out, with everything below it |
| a file with a suffix of `SIDE`, or of a name of `SIDE` without a suffix | left out |
| a folder, or a link to one | read; a link back to a folder that it lies in is refused |
| anything else, such as a link to nothing or a file without a suffix | refused |

Names are compared without regard to case. What is left out is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.digest import normal

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
"""What systems put beside files."""

SIDE: Final = (
    *(".cfg", ".csv", ".html", ".ini", ".json", ".jsonl", ".log", ".md", ".md5", ".parquet"),
    *(".pdf", ".py", ".rst", ".rtf", ".sha1", ".sha256", ".toml", ".tsv", ".txt", ".url"),
    *(".xml", ".yaml", ".yml"),
    *("authors", "changelog", "copying", "license", "licence", "notice", "readme"),
)
"""Suffixes and names of what people and programs write about images."""


class FolderRule:
    """Reads folders by the rule, and remembers what it left out."""

    def __init__(self) -> None:
        """Nothing is left out yet."""
        self.left_out: list[Path] = []

    def entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """The folders and the images in a folder, each sorted by name.

        Raises:
            RRLError: RRL412 for an entry that the rule refuses.
        """
        folders, images = [], []
        try:
            found = sorted(folder.iterdir(), key=lambda path: normal(path.name))
            for path in found:
                name = path.name.casefold()
                if name.startswith(".") or name in SYSTEM:
                    self.left_out.append(path)
                elif path.is_dir():
                    folders.append(path)
                elif path.is_file() and path.suffix.lower() in IMAGES:
                    images.append(path)
                elif path.is_file() and (path.suffix.lower() or name) in SIDE:
                    self.left_out.append(path)
                else:
                    raise _refused(path)
        except OSError as reason:
            raise error("RRL412", f"{folder} cannot be read: {reason.strerror}") from reason
        return folders, images

    def below(self, folder: Path, inside: tuple[str, ...] = ()) -> Iterator[Path]:
        """The images in a folder and in all folders below it.

        Args:
            folder: Where to look.
            inside: The real paths of the folders that led here.

        Raises:
            RRLError: RRL412 for an entry that the rule refuses.
        """
        real = os.path.realpath(folder)
        if real in inside:
            hint = "take the link away"
            raise error("RRL412", f"{folder} is a link to a folder that it lies in", hint=hint)
        folders, images = self.entries(folder)
        yield from images
        for each in folders:
            yield from self.below(each, (*inside, real))


def _refused(path: Path) -> Exception:
    if path.is_symlink() and not path.exists():
        message = f"{path} is a link to `{os.readlink(path)}`, which is not there"
        return error("RRL412", message, hint="restore what it leads to, or take the link away")
    if not path.is_file():
        return error("RRL412", f"{path} is neither a file nor a folder", hint="take it away")
    what = "is of a format that is not read" if path.suffix else "has no suffix of an image"
    hint = "convert it to PNG, JPEG or WebP and name it so, or take it away"
    return error("RRL412", f"{path} {what}", hint=hint)
