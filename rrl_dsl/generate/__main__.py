"""Updates the generated files of a checkout; with `--check`, lists those that are stale.

python -m rrl_dsl.generate [--check]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from rrl_dsl.editor.textmate import textmate
from rrl_dsl.generate import gallery, pages, toy
from rrl_dsl.generate.experiments_page import experiments_page
from rrl_dsl.generate.grammar import arguments, digest, tables
from rrl_dsl.generate.language_page import language_page
from rrl_dsl.generate.losses_page import losses
from rrl_dsl.generate.pages import ROOT
from rrl_dsl.generate.stub import stub
from rrl_dsl.generate.training_page import training_page
from rrl_dsl.grammar import tables as stored
from rrl_dsl.graph.registry import signatures
from rrl_dsl.language.files import write_text
from rrl_dsl.report.gallery import recipes

FILES: Final[Mapping[str, Callable[[], str]]] = {
    "rrl_dsl/__init__.pyi": stub,
    "grammar/arguments.py": arguments,
    "grammar/vscode/syntaxes/rrl.tmLanguage.json": textmate,
    "docs/language.md": language_page,
    "README.md": gallery.readme,
    "docs/training.md": training_page,
    "docs/experiments.md": experiments_page,
    "docs/gallery.md": gallery.gallery,
    "docs/reference/README.md": pages.index,
    "docs/reference/errors.md": pages.errors,
    "docs/reference/losses.md": losses,
    **{
        f"docs/reference/{name}.md": partial(pages.page, signature)
        for name, signature in signatures().items()
    },
    **{
        f"docs/reference/images/{name}.svg": partial(toy.picture_of, signature)
        for name, signature in signatures().items()
    },
    **{
        f"docs/images/gallery/{name}.svg": partial(gallery.gallery_picture, name)
        for name in recipes()
        if gallery.pictured(name) == name
    },
}
"""Path relative to the root of a checkout -> function that returns the content of the file."""


def stale() -> list[str]:
    """Returns the names of the generated files that are out of date."""
    names = [name for name, text in FILES.items() if _read(name) != text()]
    # the tables record a digest of the grammar, because Lark numbers parser states in any order
    if digest() != stored.GRAMMAR:
        names.append("grammar/tables.py")
    return names


def _read(name: str) -> str | None:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.exists() else None


def main() -> int:
    """Updates or checks the files, and returns 1 if files are left stale."""
    arguments = argparse.ArgumentParser(prog="python -m rrl_dsl.generate", description=__doc__)
    arguments.add_argument("--check", action="store_true", help="say what is stale, write nothing")
    check = arguments.parse_args().check
    names = stale()
    for name in names:
        sys.stdout.write(f"{name} {'is stale' if check else 'renewed'}\n")
        if not check:
            text = tables() if name == "grammar/tables.py" else FILES[name]()
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            write_text(ROOT / name, text)
    return 1 if check and names else 0


if __name__ == "__main__":
    sys.exit(main())
