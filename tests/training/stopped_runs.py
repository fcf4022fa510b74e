"""Small runs, one of which is stopped before its end."""

import csv

import numpy as np
import pytest

from rrl_dsl.language.diagnostics import error
from rrl_dsl.training.progress import LiveProgress

TRAIN = ("train", "mine.rrl", "--dataset", "npz:data.npz", "--loss", "simclr", "--no-eval")
TINY = ("--batch-size", "20", "--set", "projector.hidden=8", "--set", "projector.out=4")


def archive(path, **changes):
    label = np.arange(80) % 4
    noise = np.random.default_rng(0).integers(0, 120, (80, 8, 8))
    arrays = {"images": (noise + 30 * label[:, None, None]).astype(np.uint8), "label": label}
    arrays |= {"coarse": label // 2, "time": np.arange(80) / 2.0}
    np.savez(
        path, **{name: array for name, array in (arrays | changes).items() if array is not None}
    )


def train(command, *words, until=None):
    """Trains, and stops in the epoch `until`, counted from 0."""

    def stop(self, trainer, *_):
        if trainer.current_epoch == until:
            raise error("RRL508", "stopped")

    with pytest.MonkeyPatch.context() as patch:
        if until is not None:
            patch.setattr(LiveProgress, "on_train_batch_end", stop)
        code, printed = command(*TRAIN, *TINY, "--epochs", "3", *words)
    assert code == (0 if until is None else 1), printed


def rows_of(run):
    """The metrics of each epoch, without its duration."""
    with (run / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def contents(run):
    """The contents of the files of a run, except the lock."""
    files = (path for path in run.rglob("*") if path.is_file() and path.name != "lock")
    return {path: path.read_bytes() for path in files}
