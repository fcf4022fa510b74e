"""Whole processes of `check` and `fmt` on one file, compared with the import of their libraries."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from rrl_dsl.bench.claims import Report, Setup, at_most
from rrl_dsl.bench.measuring import bars, in_turn, milliseconds, ratio
from rrl_dsl.bench.ways import RECIPES

_IMPORT: Final = "import lark, typer, rich"
_MISTAKES: Final = "ssl(vews=2)\n  | corupt(fpr=0.1)\n"


def measure(setup: Setup) -> Report:
    """Measures 20 processes of each command (with `quick`, 2)."""
    command = [sys.executable, "-m", "rrl_dsl"]
    with tempfile.TemporaryDirectory(prefix="rrl-dsl-bench-") as folder:
        right, wrong = Path(folder, "right.rrl"), Path(folder, "wrong.rrl")
        right.write_text(f"{RECIPES['ssl']}\n", encoding="utf-8")
        wrong.write_text(_MISTAKES, encoding="utf-8")
        commands = {
            _IMPORT: [sys.executable, "-c", _IMPORT],
            "check": [*command, "check", str(right)],
            "check, two errors": [*command, "check", str(wrong)],
            "fmt --check": [*command, "fmt", "--check", str(right)],
            "an interpreter": [sys.executable, "-c", "pass"],
        }
        ways = {name: partial(_run, words) for name, words in commands.items()}
        timings = in_turn(ways, setup.device, runs=2 if setup.quick else 20, seconds=60)
    base = timings[_IMPORT]
    shares = {name: ratio(timing, base) for name, timing in timings.items()}
    return Report(
        columns=("process", "time", "of the import"),
        rows=[
            (name, milliseconds(timing), f"{shares[name] or 0:.2f}")
            for name, timing in timings.items()
        ],
        targets=[
            at_most(f"`rrl-dsl {name}`", 2, shares[name], f" of `{_IMPORT}`")
            for name in ("check", "fmt --check")
        ],
        plots=[bars("Processes", timings)],
    )


def _run(words: Sequence[str]) -> None:
    done = subprocess.run(words, capture_output=True, check=False)
    if done.stderr:
        raise RuntimeError(done.stderr.decode(errors="replace"))
