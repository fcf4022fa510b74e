"""Checkpoints survive what ends a run: a kill, a full disk, a damaged file."""

import errno
import os
import shutil
import tempfile

import pytest

import rrl_dsl as rrl
from rrl_dsl.language import files
from rrl_dsl.training import checkpoints
from rrl_dsl.training.config import Config
from rrl_dsl.training.progress import LiveProgress
from rrl_dsl.training.run import RunDirectory

SETTINGS = {
    "epochs": 2,
    "batch_size": 600,
    "eval": False,
    "optimizer": {"name": "adamw", "lr": 2e-3, "final_weight_decay": 0.3, "clip": 1.0},
}


@pytest.fixture(scope="module")
def module_of(make_module):
    return lambda: make_module("ssl(views=2)", **SETTINGS)


@pytest.fixture(scope="module")
def straight(module_of, fit, tmp_path_factory):
    """The losses of a run that nothing stops."""
    with pytest.MonkeyPatch.context() as patch:  # checkpoints are not written elsewhere and moved
        patch.setattr(tempfile, "tempdir", "/nowhere")
        return losses(fit(module_of(), tmp_path_factory.mktemp("straight")))


def losses(outcome):
    return [row["loss"] for row in outcome.history]


def stop(module, fit, path, epoch):
    """Stops a run in an epoch, counted from 0."""

    def interrupt(self, trainer, *_):
        if trainer.current_epoch == epoch:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LiveProgress, "on_train_batch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(module, path)


@pytest.fixture(scope="module")
def stopped_once(module_of, fit, tmp_path_factory):
    path = tmp_path_factory.mktemp("stopped")
    stop(module_of(), fit, path, 1)
    return path


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """A run that was stopped in its second epoch."""
    return RunDirectory(shutil.copytree(stopped_once, tmp_path / "run"))


def test_a_run_stopped_in_its_first_epoch_continues(module_of, fit, straight, tmp_path):
    stop(module_of(), fit, tmp_path, 0)
    assert RunDirectory(tmp_path).resumed_from().epochs == 0
    assert losses(fit(module_of(), tmp_path)) == straight


def test_a_run_continues_from_the_checkpoint_before_a_damaged_one(
    module_of, fit, straight, stopped
):
    assert stopped.resumed_from().epochs == 1
    content = stopped.last.read_bytes()
    for size in (len(content) // 2, 0, None):
        stopped.last.unlink()
        if size is not None:
            stopped.last.write_bytes(content[:size])
        resumed = stopped.resumed_from()
        assert (resumed.checkpoint, resumed.epochs) == (stopped.previous, 0)
        assert resumed.warning.hint == "the run continues from the previous checkpoint"
    stopped.last.write_bytes(b"damaged")
    assert losses(fit(module_of(), stopped.path)) == straight
    kept = [checkpoints.read(path) for path in (stopped.previous, stopped.last)]
    assert [checkpoints.epochs_of(checkpoint) for checkpoint in kept] == [1, 2]


def test_a_damaged_checkpoint_does_not_take_the_place_of_the_one_before(stopped):
    stopped.last.write_bytes(b"damaged")
    writer = checkpoints.CheckpointFiles(stopped.last, stopped.previous)
    first = writer.load_checkpoint(stopped.previous)
    writer.save_checkpoint(first, stopped.last)
    assert [stopped.resumed_from().epochs, stopped.resumed_from().warning] == [0, None]
    checkpoints.read(stopped.previous)


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_a_run_killed_between_two_renames_continues(stopped, monkeypatch, links):
    writer = checkpoints.CheckpointFiles(stopped.last, stopped.previous)
    newest = writer.load_checkpoint(stopped.last)
    replace = os.replace

    def killed(source, target):
        if target == stopped.last:
            raise KeyboardInterrupt
        replace(source, target)

    def refused(*_):
        raise PermissionError(errno.EPERM, "hard links are not supported")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", killed)
        if not links:
            patch.setattr(files.os, "link", refused)
        with pytest.raises(KeyboardInterrupt):
            writer.save_checkpoint(newest, stopped.last)
    resumed = stopped.resumed_from()
    assert resumed.epochs == 1
    assert (resumed.warning is None) is links
    for _ in range(2):  # the first still finds one file at both paths
        writer = checkpoints.CheckpointFiles(stopped.last, stopped.previous)
        writer.save_checkpoint(writer.load_checkpoint(resumed.checkpoint), stopped.last)
        assert {path.name for path in stopped.checkpoints.iterdir()} == {
            "last.ckpt",
            "previous.ckpt",
        }
        resumed = stopped.resumed_from()
        assert resumed.warning is None
        checkpoints.read(stopped.previous)


def test_a_full_disk_leaves_the_checkpoints_as_they_are(module_of, fit, stopped, monkeypatch):
    before = {path: path.read_bytes() for path in stopped.checkpoints.iterdir()}

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(rrl.RRLError, match="No space left on device") as problem:
        fit(module_of(), stopped.path)
    assert problem.value.diagnostics[0].code == "RRL507"
    assert {path: path.read_bytes() for path in stopped.checkpoints.iterdir()} == before


def test_drafts_of_a_process_that_was_killed_are_removed(stopped):
    draft = stopped.checkpoints / ".0123456789abcdef.draft"
    draft.write_bytes(b"half")
    stopped.remove_drafts()
    assert not draft.exists()
    assert stopped.last.exists()


def test_settings_that_a_run_did_not_have_yet_have_their_defaults():
    before = Config(epochs=7, params={"frac": 0.5}).model_dump(mode="json")
    before["optimizer"]["scale_lr"] = True
    for name in ("lr_scale", "final_weight_decay", "clip", "layer_decay"):
        del before["optimizer"][name]
    del before["teacher"]["schedule"], before["local_views"]
    kept = {
        "identity": "0" * 64,
        "directory": None,
        "configuration": before,
        "data": {},
        "shape": (1, 8, 8),
        "augmentation": "digits",
        "libraries": {},
    }
    provenance = checkpoints.provenance_of({"callbacks": {"Record": {"provenance": kept}}})
    expected = Config(epochs=7, params={"frac": 0.5}, optimizer={"lr_scale": "linear"})
    assert provenance.configuration == expected.model_dump(mode="json")
