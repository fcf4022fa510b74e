"""Where `rrl-dsl` starts. Exit 0 done, 1 the input is at fault, 2 usage, 130 interrupted.

`check` and `fmt` run at every save of an editor, and loading the command line's library would take
most of their time. Command lines of theirs that are plainly right are therefore read here; all
others, and with them every usage error and every help, are for `main`.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentError, ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from io import TextIOWrapper
from typing import Final, NoReturn

from rrl_dsl.cli.output import errors, print_error, print_json
from rrl_dsl.cli.texts import Format, check_texts, format_texts
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.machine import refused

_INTERRUPTED: Final = 130


def run() -> NoReturn:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # escape what a terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    # processes that this one starts do not find modules in the working directory either
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        status = _status(sys.argv[1:])
        sys.stdout.flush()
    except OSError as problem:  # standard output cannot be written, or its reader has closed it
        # Python flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(problem, BrokenPipeError):
            message = f"standard output cannot be written: {problem.strerror}"
            print_error(error("RRL507", message, hint="redirect it to a file"))
        status = 1
    sys.exit(status)


def _status(arguments: Sequence[str]) -> int | str | None:
    """Runs a command line; its exit status."""
    try:
        well = run_at_once(arguments)
        if well is not None:
            return 0 if well else 1
        with ExitStack() as stack:
            if "train" in arguments[:2]:  # before anything that takes time is loaded
                from rrl_dsl.training.processes import watched

                stack.enter_context(watched())
            from rrl_dsl.cli.main import app

            app(prog_name="rrl-dsl")
    except SystemExit as stop:
        return stop.code
    except RRLError as problem:
        _show(problem, arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as problem:
        if "--debug" in arguments[:1]:
            raise
        if refusal := refused(problem):
            _show(refusal, arguments)
            return 1
        name = type(problem).__name__
        say = partial(errors().print, markup=False, soft_wrap=True)
        say(f"error: rrl-dsl itself failed: {name}: {problem}")
        say("  = help: `rrl-dsl --debug COMMAND …` prints the traceback; please report it")
    return 1


def _show(problem: RRLError, arguments: Sequence[str]) -> None:
    if "--json" in arguments:
        print_json([diagnostic.to_dict() for diagnostic in problem.diagnostics])
    else:
        print_error(problem)


def run_at_once(arguments: Sequence[str]) -> bool | None:
    """Runs a plain command line of `check` or `fmt`.

    Returns:
        Whether it succeeded; None, with nothing done, if the command line is not plain or is for
        another verb.

    Raises:
        RRLError: As the verb.
    """
    verb, given = arguments[:1], _Plain(add_help=False, allow_abbrev=False)
    given.add_argument("paths", nargs="+")
    try:
        if verb == ["check"]:
            given.add_argument("--format", type=Format, default=Format.TEXT)
            given.add_argument("--allow-outside", action="store_true")
            read = given.parse_args(arguments[1:])
            return check_texts(read.paths, read.format, allow_outside=read.allow_outside)
        if verb == ["fmt"]:
            given.add_argument("--check", action="store_true")
            given.add_argument("--diff", action="store_true")
            read = given.parse_args(arguments[1:])
            return format_texts(read.paths, check=read.check, diff=read.diff)
    except ArgumentError:
        return None
    return None


class _Plain(ArgumentParser):
    """Lets the caller report what is wrong with a command line."""

    def error(self, message: str) -> NoReturn:
        raise ArgumentError(None, message)
