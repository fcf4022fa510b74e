"""Trials of what `docs/reliability.md` promises: real processes, real signals, many times.

    python benchmarks/trust.py kills --times 60 --seed 1 --temporary /dev/shm
    python benchmarks/trust.py stops --times 30
    python benchmarks/trust.py groups --times 30
    python benchmarks/trust.py deaths --times 10
    python benchmarks/trust.py starts --times 60

Each prints what failed and how, and exits with 1 where something did. A trial is a function of this
file that `trial` registers; it takes a `random.Random` and a folder, and raises `FailedError`.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

RECIPE: Final = Path(__file__).resolve().parent.parent / "recipes" / "semi_supervised.rrl"
EPOCHS: Final = 4
COMMON: Final = ("--no-eval", "--set", "accelerator=cpu", "--batch-size", "256")
START: Final = [str(RECIPE), "--loss", "wmse", "--epochs", str(EPOCHS), *COMMON, "--out", "run"]
RESUME: Final = ["--resume", "run"]
LIMIT: Final = 10.0
"""Seconds in which a process has to end that is asked to."""

Trial = Callable[[random.Random, Path], str]
TRIALS: Final[dict[str, Trial]] = {}


class FailedError(Exception):
    """What a trial saw that must not be."""


def trial(function: Trial) -> Trial:
    """Registers a trial under its name; it returns what kind of trial it was."""
    TRIALS[function.__name__] = function
    return function


# Processes


@dataclass
class Process:
    """A process of `rrl-dsl train`, forked from this one, which has loaded the libraries.

    Attributes:
        pid: Its id.
        log: What it writes.
        status: How it ended, negative for a signal; None while it runs.
        ended: When it was seen to have ended.
    """

    pid: int
    log: Path
    status: int | None = None
    ended: float = 0.0

    def running(self) -> bool:
        """Looks whether it still runs."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status, self.ended = os.waitstatus_to_exitcode(status), time.monotonic()
        return self.status is None

    def send(self, number: int) -> None:
        """Sends it a signal."""
        if self.running():
            os.kill(self.pid, number)


def start(folder: Path, words: list[str], name: str = "log", **variables: str) -> Process:
    """Runs `rrl-dsl train` with some words, in a folder and with some environment variables."""
    log = folder / f"{name}.txt"
    pid = os.fork()
    if pid:
        return Process(pid, log)
    try:
        _be_the_command(folder, words, log, variables)
    except SystemExit as stop:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(stop.code if isinstance(stop.code, int) else int(stop.code is not None))
    except BaseException:
        traceback.print_exc()
    os._exit(99)


def _be_the_command(
    folder: Path, words: list[str], log: Path, variables: dict[str, str]
) -> NoReturn:
    from rrl_dsl.cli import start as command

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    os.environ |= variables
    sys.argv = ["rrl-dsl", "train", *words]
    command.run()


def ranks(folder: Path, words: list[str]) -> list[Process]:
    """Two processes, as a launcher starts them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    given = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    return [
        start(folder, words, f"log{rank}", RANK=str(rank), LOCAL_RANK=str(rank), **given)
        for rank in range(2)
    ]


def command(folder: Path, words: list[str]) -> Process:
    """`rrl-dsl train` as users start it, in a process group of its own."""
    log = folder / "log.txt"
    with log.open("wb") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", "rrl_dsl", "train", *words],
            cwd=folder,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    started.returncode = 0  # it is waited for here
    return Process(started.pid, log)


def children(process: Process) -> list[int]:
    """The processes that a process has started."""
    with suppress(OSError):
        return [
            int(each)
            for each in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ]
    return []


def check_group_ended(process: Process) -> None:
    """Sees that nothing is left of the process group of `command`."""
    latest = time.monotonic() + LIMIT
    with suppress(ProcessLookupError):
        while time.monotonic() < latest:
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        raise FailedError("a process that the run started still runs")


def wait(processes: list[Process], seconds: float) -> None:
    """Waits until all have ended, and kills what has not."""
    latest = time.monotonic() + seconds
    while (late := [each for each in processes if each.running()]) and time.monotonic() < latest:
        time.sleep(0.01)
    for each in late:
        os.kill(each.pid, signal.SIGKILL)
        os.waitpid(each.pid, 0)
    if late:
        text = "".join(each.log.read_text()[-1500:] for each in late)
        count = f"{len(late)} of {len(processes)}"
        raise FailedError(f"{count} processes run {seconds:.0f} s later: {text}")


def whole(process: Process) -> None:
    """Waits for a process that has to end well."""
    wait([process], 300)
    if process.status != 0:
        raise FailedError(f"exit status {process.status}: {process.log.read_text()[-1500:]}")


# What a run left


def rows(run: Path) -> list[dict[str, str]]:
    """The metrics of a run, without how long they took."""
    with (run / "metrics.csv").open() as file:
        found = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in found]


def check_equal(folder: Path, straight: Path) -> None:
    """Compares the numbers of a run with those of one that nothing stopped."""
    if rows(folder / "run") != rows(straight / "run"):
        raise FailedError("the resumed run has other numbers")
    if left := [each.name for each in (folder / "run").rglob("*.draft")]:
        raise FailedError(f"drafts are left: {left}")


def readable(run: Path) -> bool:
    """Whether there is a checkpoint that can be read."""
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
    """Waits for a moment of a run, of which some are just when files change."""
    kind = draw.choice(["any time", "just after an epoch"])
    if kind == "any time":
        latest = time.monotonic() + draw.uniform(0, start)
        while time.monotonic() < latest and all(each.running() for each in processes):
            time.sleep(0.002)
        return kind
    wanted = draw.randint(1, EPOCHS)
    table = run / "metrics.csv"
    while all(each.running() for each in processes):
        if table.exists() and len(table.read_text().splitlines()) > wanted:
            break
        time.sleep(0.0005)
    time.sleep(draw.choice([0.0, draw.uniform(0, 0.05)]))
    return kind


# The trials


@trial
def kills(draw: random.Random, folder: Path) -> str:
    """SIGKILL to a run, then another one to what goes on, until it comes to its end."""
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
    whole(start(folder, RESUME))
    check_equal(folder, straight(folder, 1))
    return kind


@trial
def stops(draw: random.Random, folder: Path) -> str:
    """SIGTERM to one process, or to one or both of two, once or twice."""
    devices = draw.choice([1, 2, 2, 2])
    words = [*START, "--devices", str(devices)]
    processes = ranks(folder, words) if devices == 2 else [start(folder, words)]
    await_a_moment(draw, folder / "run", processes)
    kind = draw.choice(["all", "all, one after the other", "all, twice", "one"])
    hit = [draw.choice(processes)] if kind == "one" else processes
    for turn in range(2 if "twice" in kind else 1):
        for each in hit:
            each.send(signal.SIGTERM)
            time.sleep(draw.uniform(0, 0.3) if "after" in kind else 0)
        time.sleep(0.05 * turn)
    wait(hit, LIMIT)
    if kind == "one" and hit[0].status == -signal.SIGTERM:  # it had not begun to watch
        wait(processes, 70)  # a minute is left to processes that start late
        return "one, before it watched"
    wait(processes, LIMIT)
    return f"{check_stopped(processes, folder, devices) or kind} of {devices}"


@trial
def groups(draw: random.Random, folder: Path) -> str:
    """SIGTERM to `--devices 2`, to the first process, the second or the group."""
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
    """SIGKILL to one of two processes: the other one ends, and says why."""
    processes = ranks(folder, [*START, "--devices", "2"])
    table = folder / "run" / "metrics.csv"
    while not table.exists() and all(each.running() for each in processes):
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
def starts(draw: random.Random, folder: Path) -> str:
    """Twenty processes make a run directory of one name at one moment."""
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
    for each in processes:
        if each.status:
            raise FailedError(each.log.read_text())
    if {each.name for each in (folder / "runs").iterdir()} != {f"name-{n + 1}" for n in range(20)}:
        raise FailedError("the numbers are not 1 to 20")
    return "20 at once"


def check_stopped(processes: list[Process], folder: Path, devices: int) -> str | None:
    """Sees that a run was stopped as it should, and resumes it; or that it had ended before."""
    statuses = {each.status for each in processes}
    text = "".join(each.log.read_text()[-1500:] for each in processes)
    if statuses == {0}:
        return "ended before"
    if "itself failed" in text or not statuses <= {0, 143, -signal.SIGTERM}:
        raise FailedError(f"exit statuses {statuses}: {text}")
    go_on(folder, devices)
    return None


def check_refused(folder: Path) -> None:
    """A run that was stopped before its first step is refused with the same words either way."""
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
    """Resumes, on as many processes, and compares the numbers."""
    if not (folder / "run" / "checkpoints" / "last.ckpt").exists():
        return
    processes = ranks(folder, RESUME) if devices == 2 else [start(folder, RESUME)]
    wait(processes, 300)
    if any(each.status for each in processes):
        raise FailedError("".join(each.log.read_text()[-1500:] for each in processes))
    check_equal(folder, straight(folder, devices))


def straight(folder: Path, devices: int) -> Path:
    """A run of some processes that nothing stops, made once for all trials."""
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
    import rrl_dsl.training.train  # noqa: F401  what every trial needs, loaded once

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
        left = [each.name for each in Path(os.environ["TMPDIR"]).iterdir()]
        print(f"left in the folder for temporary files: {left or 'nothing'}")
    print(f"{given.trial}: {given.times} trials, {failures} failed; {dict(counts)}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
