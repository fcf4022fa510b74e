"""`explain NAME`: an error code, a built-in, a loss, a setting, a recipe of the gallery."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from rrl_dsl.cli.output import output, print_json, print_text
from rrl_dsl.cli.sources import meant_by
from rrl_dsl.graph.registry import signatures
from rrl_dsl.language.codes import CODES
from rrl_dsl.language.diagnostics import error, folded, listing, nearest
from rrl_dsl.language.explanations import EXPLANATIONS
from rrl_dsl.language.other_names import LOSSES, SETTINGS, VALUES
from rrl_dsl.language.parser import TEXT_FOLLOWS

_CODE: Final = re.compile(r"(?i:rrl)?(?P<number>\d+)")


def is_name(what: str) -> bool:
    """Whether a word is a name by its look, and no file."""
    if what in signatures() or _CODE.fullmatch(what):
        return True
    is_file = Path(what).name != what or Path(what).suffix == ".rrl" or os.path.exists(what)
    return not is_file


def explain_name(what: str, json: bool) -> Path | None:
    """Explains a name.

    Returns:
        The file of the recipe of the gallery that has the name and is still to be explained; None
        where there is none, or where JSON is printed of what else has the name.

    Raises:
        RRLError: RRL101 if nothing has that name.
    """
    if code := _CODE.fullmatch(what):
        _explain_code(f"RRL{code['number']}", json)
        return None
    if what in signatures():
        from rrl_dsl.cli.reference import builtins

        builtins(what, json)
        return None
    from rrl_dsl.losses import names
    from rrl_dsl.report.gallery import path_of, recipes
    from rrl_dsl.training.described import settings

    is_name = True
    if what in names():
        from rrl_dsl.cli.reference import losses

        losses(what, json)
    elif any(what == setting.name for setting in settings()):
        _explain_setting(what, json)
    else:
        is_name = False
    if what in recipes():
        return None if is_name and json else path_of(what)
    if not is_name:
        raise _unknown(what, [*names(), *(setting.name for setting in settings()), *recipes()])
    return None


def _explain_code(code: str, json: bool) -> None:
    if code not in EXPLANATIONS:
        meant = nearest(code.lower(), [known.lower() for known in EXPLANATIONS])
        hint = f"did you mean `{meant.upper()}`?" if meant else None
        raise error("RRL101", f"`{code}` is not an error code", hint=hint)
    explanation = EXPLANATIONS[code]
    if json:
        print_json({"code": code, "title": CODES[code], **asdict(explanation)})
        return
    output().print(f"[bold]{code}[/bold]  {CODES[code]}\n")
    output().print(explanation.text, markup=False)
    for title, recipe in (("wrong", explanation.wrong), ("right", explanation.right)):
        if recipe is not None:
            print_text(f"\n{title}:", style="bold")
            for line in recipe.splitlines():
                print_text(f"    {line}")


def _explain_setting(name: str, json: bool) -> None:
    """A setting; of a section all that are in it."""
    from rrl_dsl.cli.reference import print_table
    from rrl_dsl.training.described import settings

    chosen = [setting for setting in settings() if setting.name == name or setting.section == name]
    if json:
        print_json([setting._asdict() for setting in chosen])
        return
    rows = [
        (setting.name, setting.default, setting.doc) for setting in chosen if not setting.is_section
    ]
    print_table("settings", ("setting", "default", "description"), rows)
    print_text(f"set it with `--set {rows[0][0]}=…` or in a `--config` file")


def _part_of(word: str) -> str | None:
    """A sentence on the losses that have this option, or on the setting that has this value."""
    from rrl_dsl.losses import names
    from rrl_dsl.losses.registry import find
    from rrl_dsl.training.described import settings

    losses = [name for name in names() if word in {field.name for field in fields(find(name))}]
    if losses:
        return f"`{word}` is an option of the losses {listing(losses, 'and')}"
    value = VALUES.get(folded(word), word)
    of = next((setting.name for setting in settings() if f"`{value}`" in setting.doc), None)
    return of and f"`{value}` is a value of the setting `{of}`"


def _unknown(what: str, others: list[str]) -> Exception:
    names = {known.lower(): known for known in (*EXPLANATIONS, *signatures(), *others)}
    word = LOSSES.get(folded(what)) or SETTINGS.get(folded(what), what).partition("=")[0]
    meant = names.get(nearest(word, list(names)) or "") or meant_by(Path(what))
    hint = TEXT_FOLLOWS if "(" in what else _part_of(word.removeprefix("loss."))
    if hint is None and meant is None:
        hint = "`rrl-dsl builtins` and `rrl-dsl losses` list all names"
    hint = hint or f"did you mean `{meant}`?"
    message = f"`{what}` is not an error code, a built-in, a loss, a setting or a file"
    return error("RRL101", message, hint=hint)
