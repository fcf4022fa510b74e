"""Compares the time of `check` and `fmt` on one file with that of importing their libraries.

    python benchmarks/process_start.py [--runs 20]

It measures whole processes: the import of lark, typer and rich; `rrl-dsl check` on a correct recipe
and on one with two errors; `rrl-dsl fmt --check`; and an idle interpreter. They run in turn, so
that a change of the speed of the machine affects all of them. It prints the median of every command
and its ratio to the import, which should be below 2.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shutil import which

RECIPE = Path(__file__).parents[1] / "recipes" / "semi_coarse.rrl"
MISTAKES = "ssl(vews=2)\n  | corupt(fpr=0.1)\n"


def seconds(command: list[str]) -> float:
    """Returns the wall time of a process in seconds."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True)
    if done.stderr:
        raise SystemExit(done.stderr.decode())
    return time.perf_counter() - start


def main() -> None:
    """Runs the benchmark."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=20)
    runs = arguments.parse_args().runs
    program = which("rrl-dsl", path=str(Path(sys.executable).parent)) or "rrl-dsl"
    with tempfile.NamedTemporaryFile("w", suffix=".rrl") as wrong:
        wrong.write(MISTAKES)
        wrong.flush()
        report(time_all(commands_of(program, wrong.name), runs))


def commands_of(program: str, wrong: str) -> dict[str, list[str]]:
    """Returns the commands to measure."""
    return {
        "import lark, typer, rich": [sys.executable, "-c", "import lark, typer, rich"],
        "check, right": [program, "check", str(RECIPE)],
        "check, wrong": [program, "check", wrong],
        "fmt --check": [program, "fmt", "--check", str(RECIPE)],
        "an interpreter": [sys.executable, "-c", "pass"],
    }


def time_all(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Returns the wall times of the commands in seconds."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            taken = seconds(command)
            if run:  # the first one reads from disk
                times[name].append(taken)
    return times


def report(times: dict[str, list[float]]) -> None:
    """Prints the medians of the times, and of their ratios to the import in the same turn."""
    base = times["import lark, typer, rich"]
    for name, taken in times.items():
        ratios = [one / other for one, other in zip(taken, base, strict=True)]
        print(
            f"{name:<26}{1000 * statistics.median(taken):7.1f} ms"
            f"{statistics.median(ratios):7.2f} times the import"
        )


if __name__ == "__main__":
    main()
