"""Trials of what `docs/reliability.md` promises of resumed runs whose directory was edited.

    python benchmarks/edited_runs.py --times 60 --seed 1

A trial makes one to three random edits to the directory and the data of an interrupted run, and
resumes the run. It must either fail with an error code, or have the same metrics and weights as an
uninterrupted run. Any other outcome is printed as WRONG, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import torch
import yaml

from rrl_dsl.cli import start
from rrl_dsl.language.diagnostics import error
from rrl_dsl.training.progress import LiveProgress
from rrl_dsl.training.run import RunDirectory

Edit = Callable[[random.Random, Path], str]
EDITS: Final[dict[str, Edit]] = {}

TRAIN: Final = ("train", "mine.rrl", "--dataset", "npz:data.npz", "--epochs", "3", "--no-eval")
TINY: Final = ("--batch-size", "20", "--set", "projector.hidden=8", "--set", "projector.out=4")
OTHERS: Final = {
    "seed": ("--seed", "7"),
    "loss": ("--loss", "spectral"),
    "recipe": ("--param", "frac=0.9"),
    "data": ("--dataset", "npz:other.npz"),
    "longer": ("--epochs", "5"),
}
"""Other runs, whose files replace those of the run."""

TEXTS: Final = ("config.yaml", "recipe.rrl", "recipe.json", "data.json", "metrics.csv")
FILES: Final = (*TEXTS, "files/links.csv", "summary.json", "versions.json")
VALUES: Final[tuple[Any, ...]] = (
    0,
    1,
    -1,
    7,
    0.5,
    1e300,
    float("nan"),
    True,
    False,
    None,
    "x",
    "",
    [],
    {},
    "cpu",
)


def edit(function: Edit) -> Edit:
    """Registers an edit under its name. An edit returns a description of what it did."""
    EDITS[function.__name__] = function
    return function


# The edits: the folder contains the run `run` and its data `data.npz`


@edit
def setting(draw: random.Random, folder: Path) -> str:
    """Changes the value of a setting."""
    path = folder / "run" / "config.yaml"
    values = yaml.safe_load(path.read_text())
    tree, key = draw.choice([*_leaves(values)])
    before, tree[key] = tree[key], _other(draw, tree[key])
    path.write_text(yaml.safe_dump(values))
    return f"{key}: {before!r} -> {tree[key]!r}"


@edit
def line(draw: random.Random, folder: Path) -> str:
    """Drops, doubles or moves a line of a text file."""
    path = folder / "run" / draw.choice(TEXTS)
    lines = path.read_text().splitlines()
    place, kind = draw.randrange(len(lines)), draw.choice(["drop", "double", "move"])
    taken = lines.pop(place)
    if kind != "drop":
        lines[place:place] = [taken] * (2 if kind == "double" else 0)
    if kind == "move":
        lines.insert(draw.randrange(len(lines) + 1), taken)
    path.write_text("\n".join(lines) + "\n")
    return f"{kind} line {place} of {path.name}: {taken[:40]}"


@edit
def digit(draw: random.Random, folder: Path) -> str:
    """Changes a digit in a text file."""
    path = folder / "run" / draw.choice((*TEXTS, "files/links.csv"))
    text = path.read_text()
    place = draw.choice([at for at, sign in enumerate(text) if sign.isdigit()])
    path.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
    return f"{path.name}: {text[max(0, place - 20) : place + 5]!r}"


@edit
def leaf(draw: random.Random, folder: Path) -> str:
    """Changes a value in a JSON file."""
    path = folder / "run" / draw.choice(["recipe.json", "data.json", "versions.json"])
    values = json.loads(path.read_text())
    tree, key = draw.choice([*_leaves(values)])
    tree[key] = _other(draw, tree[key])
    path.write_text(json.dumps(values, indent=2) + "\n")
    return f"{path.name}: {key} = {tree[key]!r}"


@edit
def damage(draw: random.Random, folder: Path) -> str:
    """Removes a file or replaces it by something else."""
    checkpoint = draw.choice(["checkpoints/last.ckpt", "checkpoints/previous.ckpt"])
    path = folder / "run" / draw.choice((*FILES, checkpoint, checkpoint, checkpoint))
    content = path.read_bytes() if path.is_file() else b""
    path.unlink(missing_ok=True)
    kind = draw.choice(["gone", "empty", "torn", "garbage", "folder", "link", "pipe", "longer"])
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        with contextlib.suppress(FileExistsError):
            os.mkfifo(folder / "pipe")
        path.symlink_to(draw.choice([str(folder / "pipe"), "nowhere", path.name]))
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "gone":
        torn, garbage = content[: draw.randrange(len(content) + 1)], draw.randbytes(500)
        kinds = {"empty": b"", "torn": torn, "garbage": garbage, "longer": content + garbage}
        path.write_bytes(kinds[kind])
    return f"{path.name} {kind}"


@edit
def flipped(draw: random.Random, folder: Path) -> str:
    """Flips a bit of a file."""
    checkpoint = draw.choice(["checkpoints/last.ckpt", "checkpoints/previous.ckpt"])
    path = folder / "run" / draw.choice((*FILES, *[checkpoint] * 8))
    if not path.is_file() or not (content := bytearray(path.read_bytes())):
        return "nothing"
    place = draw.randrange(len(content))
    content[place] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return f"{path.name} at {place} of {len(content)}"


@edit
def swapped(draw: random.Random, folder: Path) -> str:
    """Replaces files of the run by those of another run."""
    other = folder.parent / draw.choice([*OTHERS])
    names = draw.choice(
        [
            ["checkpoints/last.ckpt"],
            ["checkpoints/last.ckpt", "checkpoints/previous.ckpt"],
            *zip(TEXTS),
        ]
    )
    for name in names:
        shutil.copy(other / name, folder / "run" / name)
    return f"{', '.join(names)} of {other.name}"


@edit
def earlier(draw: random.Random, folder: Path) -> str:
    """Replaces the newest checkpoint by the previous one, or swaps the two."""
    last, before = (
        folder / "run" / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous")
    )
    content = last.read_bytes(), before.read_bytes()
    last.write_bytes(content[1])
    if kept := draw.random() < 0.5:
        before.write_bytes(content[0])
    return f"previous.ckpt as last.ckpt, {kept}"


@edit
def data(draw: random.Random, folder: Path) -> str:
    """Changes the data."""
    path = folder / "data.npz"
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    kind = draw.choice(
        ["pixel", "label", "coarse", "time", "longer", "shorter", "order", "gone", "new"]
    )
    place = draw.randrange(len(arrays["label"]))
    if kind == "pixel":
        arrays["images"][place, 3, 3] ^= 1
    elif kind in ("label", "coarse", "time"):
        arrays[kind][place] = arrays[kind][place - 1] + (kind == "time")
    elif kind in ("longer", "shorter", "order"):
        count = len(arrays["label"])
        rows = {"longer": [*range(count), place], "shorter": [*range(count - 1)]}
        order = rows.get(kind, draw.sample(range(count), count))
        arrays = {name: array[order] for name, array in arrays.items()}
    elif kind == "gone":
        del arrays[draw.choice(["label", "coarse", "time"])]
    else:
        arrays["weight"] = np.arange(len(arrays["label"])) / 3.0
    np.savez(path, **arrays)
    return kind


def _leaves(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yields the container and the key of every value of a tree."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list) and value:
            yield from _leaves(value)
        else:
            yield tree, key


def _other(draw: random.Random, value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and draw.random() < 0.7:
        return draw.choice([value + 1, value * 2, value / 2, -value, value + 1e-9])
    return draw.choice([other for other in VALUES if other != value])


# The runs


def command(*words: str) -> tuple[int, str]:
    """Runs the command line, and returns the exit status and the output."""
    printed, before = io.StringIO(), sys.argv
    sys.argv = ["rrl-dsl", *words]
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            start.run()
    except SystemExit as stop:
        return int(stop.code or 0), printed.getvalue()
    finally:
        sys.argv = before


def stopped(*words: str) -> None:
    """Trains a run and interrupts it in the last of three epochs."""

    def stop(self: LiveProgress, trainer: Any, *_: Any) -> None:
        if trainer.current_epoch == 2:
            raise error("RRL508", "stopped")

    with patch.object(LiveProgress, "on_train_batch_end", stop):
        status, printed = command(*TRAIN, *TINY, *words)
    assert status == 1, printed


def prepare() -> None:
    """Creates the data and the runs in the working directory."""
    Path("mine.rrl").write_text(
        'param frac = 0.5\nssl(views=2) | pairs("links.csv") | supervised(frac=frac)\n'
    )
    Path("links.csv").write_text("a,b\n0,1\n2,30\n")
    for seed, name in enumerate(("data.npz", "other.npz")):
        label = np.arange(80) % 4
        noise = np.random.default_rng(seed).integers(0, 120, (80, 8, 8))
        images = (noise + 30 * label[:, None, None]).astype(np.uint8)
        np.savez(name, images=images, label=label, coarse=label // 2, time=np.arange(80) / 2.0)
    status, printed = command(*TRAIN, *TINY, "--out", "straight")
    assert status == 0, printed
    stopped("--out", "run")
    for name, words in OTHERS.items():
        stopped("--out", name, *words)


def numbers(run: Path) -> tuple[list[dict[str, str]], dict[str, torch.Tensor]]:
    """Returns the metrics of a run without the times, and its weights."""
    with (run / "metrics.csv").open() as file:
        rows = [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in csv.DictReader(file)
        ]
    return rows, dict(RunDirectory(run).newest().weights)


def verdict(run: Path, straight: Path) -> tuple[str, str]:
    """Resumes a run, and returns the outcome and the output."""
    status, printed = command("train", "--resume", str(run))
    if "itself failed" in printed or "Traceback" in printed:
        return "WRONG", printed
    if status:
        return ("refused" if "error[RRL" in printed else "WRONG"), printed
    (rows, weights), (wanted, others) = numbers(run), numbers(straight)
    same = rows == wanted and weights.keys() == others.keys()
    same = same and all(torch.equal(weight, others[name]) for name, weight in weights.items())
    return ("same numbers" if same else "WRONG"), printed


def main() -> None:
    """Runs the trials."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print each trial")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="edited-") as name, contextlib.chdir(name):
        prepare()
        for number in range(given.times):
            draw = random.Random(f"{given.seed} {number}")
            place = Path(name) / "trial"
            shutil.copytree("run", place / "run")
            shutil.copy("data.npz", place)
            config = place / "run" / "config.yaml"
            config.write_text(config.read_text().replace(f"npz:{name}/data", f"npz:{place}/data"))
            kinds = draw.sample([*EDITS], draw.choice([1, 1, 2, 3]))
            kinds.sort(key=lambda kind: kind == "damage")  # reading its pipe would never end
            done = []
            for kind in kinds:
                with contextlib.suppress(
                    OSError, ValueError, yaml.YAMLError, IndexError, AttributeError
                ):
                    done.append(f"{kind} ({EDITS[kind](draw, place)})")
            outcome, printed = verdict(place / "run", Path(name) / "straight")
            counts[outcome] += 1
            if outcome == "WRONG" or given.verbose:
                print(f"{number}: {outcome}: {'; '.join(done)}")
                text = printed.strip()
                print(text[-1500:] if outcome == "WRONG" else text[:200], flush=True)
            shutil.rmtree(place)
    print(f"{given.times} trials of seed {given.seed}: {dict(counts)}")
    sys.exit(counts["WRONG"] > 0)


if __name__ == "__main__":
    main()
