"""Trials of what `docs/reliability.md` promises: real processes and real signals, many times.

    python benchmarks/trust.py kills --times 60 --seed 1 --temporary /dev/shm
    python benchmarks/trust.py stops --times 30
    python benchmarks/trust.py groups --times 30
    python benchmarks/trust.py deaths --times 10
    python benchmarks/trust.py starts --times 60
    python benchmarks/trust.py sweeps --times 20

A command prints what failed and how, and exits with 1 if anything did. A trial is a function that
`trial` registers. It takes a `random.Random` and a folder, and raises `FailedError` if it fails.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from processes import (
    LIMIT,
    FailedError,
    Process,
    check_group_ended,
    check_succeeds,
    children,
    command,
    ranks,
    start,
    wait,
)

RECIPE: Final = Path(__file__).resolve().parent.parent / "recipes" / "semi_supervised.rrl"
EPOCHS: Final = 4
COMMON: Final = ("--no-eval", "--set", "accelerator=cpu", "--batch-size", "256")
START: Final = [str(RECIPE), "--loss", "wmse", "--epochs", str(EPOCHS), *COMMON, "--out", "run"]
SWEEP: Final = """
recipe: {recipe}
loss: simclr
seed: [0, 1]
epochs: 2
eval: false
"""
RESUME: Final = ["--resume", "run"]

Trial = Callable[[random.Random, Path], str]
TRIALS: Final[dict[str, Trial]] = {}


def trial(function: Trial) -> Trial:
    """Registers a trial under its name. A trial returns a label for what it tried."""
    TRIALS[function.__name__] = function
    return function


# What a run left


def rows(run: Path) -> list[dict[str, str]]:
    """Returns the metrics of a run without the times."""
    with (run / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in table]


def check_equal(folder: Path, straight: Path) -> None:
    """Raises `FailedError` if a run and an uninterrupted one have different metrics."""
    if rows(folder / "run") != rows(straight / "run"):
        raise FailedError("the resumed run has other numbers")
    if left := [path.name for path in (folder / "run").rglob("*.draft")]:
        raise FailedError(f"drafts are left: {left}")


def readable(run: Path) -> bool:
    """Whether the run has a checkpoint that can be read."""
    from rrl_dsl.language.diagnostics import RRLError
    from rrl_dsl.training.run import RunDirectory

    try:
        RunDirectory(run).resumed_from()
    except RRLError:
        return False
    return True


def await_a_moment(
    draw: random.Random, run: Path, processes: list[Process], start: float = 6.0
) -> str:
    """Waits for a random moment of a run; some are just after files change.

    Returns:
        The kind of moment.
    """
    kind = draw.choice(["any time", "just after an epoch"])
    if kind == "any time":
        latest = time.monotonic() + draw.uniform(0, start)
        while time.monotonic() < latest and all(process.running() for process in processes):
            time.sleep(0.002)
        return kind
    wanted = draw.randint(1, EPOCHS)
    table = run / "metrics.csv"
    while all(process.running() for process in processes):
        if table.exists() and len(table.read_text().splitlines()) > wanted:
            break
        time.sleep(0.0005)
    time.sleep(draw.choice([0.0, draw.uniform(0, 0.05)]))
    return kind


# The trials


@trial
def kills(draw: random.Random, folder: Path) -> str:
    """Kills a run with SIGKILL and resumes it."""
    process = start(folder, START)
    kind = await_a_moment(draw, folder / "run", [process])
    process.send(signal.SIGKILL)
    wait([process], LIMIT)
    if process.status == 0:
        return "ended before"
    if not (folder / "run" / "checkpoints" / "last.ckpt").exists():
        check_refused(folder)
        return "before the first step"
    if not readable(folder / "run"):
        raise FailedError("no checkpoint can be read")
    check_succeeds(start(folder, RESUME))
    check_equal(folder, straight(folder, 1))
    return kind


@trial
def stops(draw: random.Random, folder: Path) -> str:
    """Sends SIGTERM to one process, or to one or both of two, once or twice."""
    devices = draw.choice([1, 2, 2, 2])
    words = [*START, "--devices", str(devices)]
    processes = ranks(folder, words) if devices == 2 else [start(folder, words)]
    await_a_moment(draw, folder / "run", processes)
    kind = draw.choice(["all", "all, one after the other", "all, twice", "one"])
    hit = [draw.choice(processes)] if kind == "one" else processes
    for turn in range(2 if "twice" in kind else 1):
        for process in hit:
            process.send(signal.SIGTERM)
            time.sleep(draw.uniform(0, 0.3) if "after" in kind else 0)
        time.sleep(0.05 * turn)
    wait(hit, LIMIT)
    if kind == "one" and hit[0].status == -signal.SIGTERM:  # it did not watch for signals yet
        wait(processes, 70)  # processes that start late have a minute
        return "one, before it watched"
    wait(processes, LIMIT)
    return f"{check_stopped(processes, folder, devices) or kind} of {devices}"


@trial
def groups(draw: random.Random, folder: Path) -> str:
    """Sends SIGTERM to the first process of `--devices 2`, to the second or to the group."""
    process = command(folder, [*START, "--devices", "2"])
    await_a_moment(draw, folder / "run", [process], 30)
    kind = draw.choice(["group", "group", "first", "second"])
    if kind == "group" and process.running():
        os.killpg(process.pid, signal.SIGTERM)
    elif kind == "second" and (others := children(process)):
        os.kill(others[0], signal.SIGTERM)
    else:
        process.send(signal.SIGTERM)
    wait([process], LIMIT)
    check_group_ended(process)
    return check_stopped([process], folder, 2) or kind


@trial
def deaths(draw: random.Random, folder: Path) -> str:
    """Kills one of two processes with SIGKILL: the other must end and say why."""
    processes = ranks(folder, [*START, "--devices", "2"])
    table = folder / "run" / "metrics.csv"
    while not table.exists() and all(process.running() for process in processes):
        time.sleep(0.01)
    time.sleep(draw.uniform(0, 1))
    killed, left = draw.sample(processes, 2)
    killed.send(signal.SIGKILL)
    wait(processes, LIMIT)
    if {killed.status, left.status} == {0}:
        return "ended before"
    text = left.log.read_text()
    if left.status != 1 or "RRL511" not in text or "itself failed" in text:
        raise FailedError(f"exit status {left.status}: {text[-1500:]}")
    go_on(folder, 2)
    return f"process {processes.index(killed)}"


@trial
def sweeps(draw: random.Random, folder: Path) -> str:
    """Kills a sweep with SIGKILL, alone or with its runs, and starts it again.

    The moment is anywhere between the start of the sweep and the end of an uninterrupted one.
    """
    kept = straight_sweep(folder)
    seconds = float((kept / "seconds.txt").read_text())
    process = start_sweep(folder, draw.choice([1, 2]))
    latest = time.monotonic() + draw.uniform(0, seconds)
    while time.monotonic() < latest and process.running():
        time.sleep(0.002)
    kind = draw.choice(["alone", "with its runs"])
    if process.running():
        if kind == "alone":
            process.send(signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        wait([process], LIMIT)
    else:
        kind = "ended before"
    check_succeeds(start_sweep(folder, draw.choice([1, 2])))
    check_tables(folder / "out", kept / "out")
    return kind


def start_sweep(folder: Path, jobs: int) -> Process:
    """Starts the sweep of the trials in a folder, with one or two runs at the same time."""
    sweep = folder / "sweep.yaml"
    sweep.write_text(SWEEP.format(recipe=RECIPE))
    process = start(folder, [str(sweep), "--out", "out", "--jobs", str(jobs)], verb="sweep")
    os.setpgid(process.pid, 0)  # so that one signal reaches its runs too
    return process


def check_tables(out: Path, straight: Path) -> None:
    """Raises `FailedError` if the tables of a sweep and of an uninterrupted one differ."""
    for name in ("results.csv", "epochs.csv"):
        one, other = (without_times(path / name) for path in (out, straight))
        if one != other:
            raise FailedError(f"the sweep has another {name}")


def without_times(table: Path) -> list[dict[str, str]]:
    """Returns the rows of a table without the times."""
    with table.open() as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in csv.DictReader(file)
        ]


def straight_sweep(folder: Path) -> Path:
    """Returns the folder of an uninterrupted sweep, which runs once for all trials.

    `seconds.txt` there is its duration.
    """
    kept = folder.parent / "straight-sweep"
    if not kept.exists():
        kept.mkdir()
        begin = time.monotonic()
        check_succeeds(start_sweep(kept, 2))
        (kept / "seconds.txt").write_text(str(time.monotonic() - begin))
    return kept


@trial
def starts(draw: random.Random, folder: Path) -> str:
    """Twenty processes create a run directory of the same name at the same moment."""
    from rrl_dsl.language.diagnostics import RRLError
    from rrl_dsl.training import run as runs

    moment = time.monotonic() + 0.5
    processes = []
    for _ in range(20):
        pid = os.fork()
        processes.append(Process(pid, folder / "log.txt"))
        if not pid:
            os.chdir(folder)
            time.sleep(max(0.0, moment - time.monotonic()))
            try:
                runs.create(None, "name")
            except RRLError as problem:
                processes[-1].log.write_text(str(problem))
                os._exit(1)
            os._exit(0)
    wait(processes, 30)
    for process in processes:
        if process.status:
            raise FailedError(process.log.read_text())
    if {path.name for path in (folder / "runs").iterdir()} != {f"name-{n + 1}" for n in range(20)}:
        raise FailedError("the numbers are not 1 to 20")
    return "20 at once"


def check_stopped(processes: list[Process], folder: Path, devices: int) -> str | None:
    """Checks that a run stopped as it should, and resumes it.

    Returns:
        A label if the run had ended before the signal.
    """
    statuses = {process.status for process in processes}
    text = "".join(process.log.read_text()[-1500:] for process in processes)
    if statuses == {0}:
        return "ended before"
    if "itself failed" in text or not statuses <= {0, 143, -signal.SIGTERM}:
        raise FailedError(f"exit statuses {statuses}: {text}")
    go_on(folder, devices)
    return None


def check_refused(folder: Path) -> None:
    """Checks that `--resume` and `--out` refuse a run without a first step with the same text."""
    if not (folder / "run" / "config.yaml").exists():
        return
    said: list[str] = []
    for words in (RESUME, START):
        process = start(folder, words, f"refused{len(said)}")
        wait([process], 60)
        said.append(process.log.read_text())
    if said[0] != said[1] or "RRL505" not in said[0]:
        raise FailedError(f"other advice of --resume and --out: {said}")


def go_on(folder: Path, devices: int) -> None:
    """Resumes a run on as many processes, and compares the metrics."""
    if not (folder / "run" / "checkpoints" / "last.ckpt").exists():
        return
    processes = ranks(folder, RESUME) if devices == 2 else [start(folder, RESUME)]
    wait(processes, 300)
    if any(process.status for process in processes):
        raise FailedError("".join(process.log.read_text()[-1500:] for process in processes))
    check_equal(folder, straight(folder, devices))


def straight(folder: Path, devices: int) -> Path:
    """Returns an uninterrupted run, which is trained once for all trials."""
    kept = folder.parent / f"straight-{devices}"
    if not kept.exists():
        kept.mkdir()
        words = [*START, "--devices", str(devices)]
        processes = ranks(kept, words) if devices == 2 else [start(kept, words)]
        wait(processes, 300)
    return kept


# The command


def main() -> None:
    """Runs one trial many times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("trial", choices=TRIALS)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first trial")
    parser.add_argument("--temporary", type=Path, help="a folder for temporary files (TMPDIR)")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import rrl_dsl.cli.main
    import rrl_dsl.study.sweep
    import rrl_dsl.training.train  # noqa: F401  loaded once for all trials

    counts: Counter[str] = Counter()
    failures = 0
    with tempfile.TemporaryDirectory(prefix="trust-") as folder:
        if given.temporary:
            os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="trust-", dir=given.temporary)
            tempfile.tempdir = None
        for number in range(given.first, given.first + given.times):
            place = Path(folder) / str(number)
            place.mkdir()
            try:
                kind = TRIALS[given.trial](random.Random(f"{given.seed} {number}"), place)
                counts[kind] += 1
                print(f"trial {number}: {kind}", flush=True)
            except FailedError as problem:
                failures += 1
                print(f"trial {number}: {problem}", flush=True)
            shutil.rmtree(place)
    if given.temporary:
        left = [path.name for path in Path(os.environ["TMPDIR"]).iterdir()]
        print(f"left in the folder for temporary files: {left or 'nothing'}")
    print(f"{given.trial}: {given.times} trials, {failures} failed; {dict(counts)}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
