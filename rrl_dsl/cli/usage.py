"""A command line that names an option as other programs do is told the name here."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from typer.core import TyperCommand

from rrl_dsl.language.diagnostics import folded
from rrl_dsl.language.other_names import OPTIONS, SETTINGS


class Verb(TyperCommand):
    """A verb that knows what its options are called elsewhere."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the words behind the verb.

        Raises:
            UsageError: Where they do not fit.
        """
        own = {name for parameter in self.params for name in parameter.opts} | {"--help"}
        for word in takewhile(lambda word: word != "--", args):
            name = word.partition("=")[0]
            if name.startswith("--") and name not in own and (meant := _option(name, own)):
                ctx.fail(f"No such option: {name}. Write `{meant}`.")
        return super().parse_args(ctx, args)


def _option(name: str, own: set[str]) -> str | None:
    """What to write for an option of another name, where the verb has it.

    Args:
        name: The option, such as `--learning-rate`.
        own: The options of the verb.
    """
    word = folded(name)
    if (option := OPTIONS.get(word)) in own:
        return option
    setting, _, value = (SETTINGS.get(word) or _settings().get(word, "")).partition("=")
    flag = f"--{setting.replace('_', '-')}"
    if flag in own:
        return f"{flag} {value}".rstrip()
    if setting and "--set" in own:
        return f"--set {setting.removesuffix('.name')}={value or '…'}"
    return None


def _settings() -> dict[str, str]:
    """Every setting by its folded name, with its section and, where that is no other's, without."""
    from rrl_dsl.training.described import settings

    names = [each.name for each in settings()]
    lasts = [name.rpartition(".")[2] for name in names]
    short = {last: name for last, name in zip(lasts, names, strict=True) if lasts.count(last) == 1}
    return {folded(name): meant for name, meant in (short | {each: each for each in names}).items()}
