"""The message for a command line that does not begin with a verb, or has an unknown option."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from rrl_dsl.language.diagnostics import folded
from rrl_dsl.language.other_names import OPTIONS, SETTINGS


class Verbs(TyperGroup):
    """The verbs. `help VERB` is `VERB --help`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the words before the verb.

        Raises:
            UsageError: If one is an option that must follow the verb.
        """
        own = {name for parameter in self.params for name in parameter.opts} | {"--help", "-h"}
        if args and args[0].startswith("-") and args[0] not in own:
            ctx.fail(f"No such option: {args[0]}. Options follow the command: `rrl-dsl COMMAND …`.")
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Returns the verb, and the words that follow it.

        Raises:
            UsageError: If there is no such verb.
        """
        if args[0] == "help":
            if len(args) == 1:
                typer.echo(ctx.get_help())
                ctx.exit()
            args = [args[1], "--help"]
        elif args[0].endswith(".rrl"):
            ctx.fail(
                f"No such command '{args[0]}'. Write a command first: `rrl-dsl compile {args[0]}`."
            )
        return super().resolve_command(ctx, args)


class Verb(TyperCommand):
    """A verb that knows what its options are called elsewhere."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the words behind the verb.

        Raises:
            UsageError: If they do not fit.
        """
        own = {name for parameter in self.params for name in parameter.opts} | {"--help"}
        for word in takewhile(lambda word: word != "--", args):
            name = word.partition("=")[0]
            if name.startswith("--") and name not in own and (meant := _option(name, own)):
                ctx.fail(f"No such option: {name}. Write `{meant}`.")
        return super().parse_args(ctx, args)


def _option(name: str, own: set[str]) -> str | None:
    """The option of the verb that is meant by a common name for it.

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
    """All settings by folded name, with their section, and also without it if that is unique."""
    from rrl_dsl.training.described import settings

    names = [setting.name for setting in settings()]
    lasts = [name.rpartition(".")[2] for name in names]
    short = {last: name for last, name in zip(lasts, names, strict=True) if lasts.count(last) == 1}
    return {folded(name): meant for name, meant in (short | {name: name for name in names}).items()}
