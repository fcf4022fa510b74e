"""What the machine refuses, memory or a disk, has a code and a fix: the program has not failed."""

import errno
import io
import os
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import rrl_dsl as rrl
from rrl_dsl.language.machine import is_out_of_memory, needing_memory, refused
from rrl_dsl.training.checkpoints import CheckpointFiles

SMALL = ("--epochs", "1", "--batch-size", "16", "--no-eval", "--set", "backbone=small")
FOUR = ("--set", "micro_batch=4")
OF_TORCH = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 21474836480 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
]


@pytest.fixture
def images(tmp_path):
    """An archive of 40 images to train on and 8 to test."""
    split = np.array(["train"] * 40 + ["test"] * 8)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=pixels, label=np.arange(48) % 4, split=split)
    return "npz:images.npz"


@pytest.mark.parametrize("problem", [*OF_TORCH, MemoryError(), OSError(errno.ENOMEM, "no memory")])
def test_out_of_memory_errors_are_recognized(problem):
    assert is_out_of_memory(problem)
    assert refused(problem).diagnostics[0].code == "RRL515"


@pytest.mark.parametrize(
    "problem", [RuntimeError("shapes do not fit"), ValueError("out of memory")]
)
def test_other_errors_are_not_taken_for_it(problem):
    assert not is_out_of_memory(problem)
    assert refused(problem) is None
    with pytest.raises(type(problem)), needing_memory("nothing", "lower it"):
        raise problem


def test_a_failed_allocation_reports_its_size():
    for allocate in (lambda: torch.empty(2**50), lambda: np.empty(2**50, dtype=np.float32)):
        with pytest.raises(rrl.RRLError) as caught, needing_memory("a test", "ask for less"):
            allocate()
        (diagnostic,) = caught.value.diagnostics
        assert diagnostic.message.startswith(
            "there is too little memory for a test, which asked for 4"
        )


@pytest.mark.parametrize(
    ("setting", "loss"),
    [
        ("projector.out", "simclr"),
        ("projector.hidden", "simclr"),
        ("predictor.hidden", "byol"),
        ("prototypes.count", "dino"),
    ],
)
def test_a_width_that_no_machine_has_is_pointed_at(cli, images, setting, loss):
    given = ("--set", f"{setting}=10000000000", "--set", "projector.norm=true", "--loss", loss)
    result = cli("train", "-e", "ssl(views=2)", "--dataset", images, *SMALL, *given)
    assert "error[RRL515]: there is too little memory for the heads of the network" in result.err
    assert f"1 | {setting}=10000000000\n" in result.err
    assert f"= help: lower `{setting}`" in result.err
    assert result.code == 1


@pytest.mark.parametrize(
    ("problem", "given", "help_", "place"),
    [
        (OF_TORCH[0], (), "use `--set micro_batch=2`, or lower `batch_size`", "--batch-size 16"),
        (OF_TORCH[1], FOUR, "lower `micro_batch`, or `batch_size`", "micro_batch=4"),
    ],
    ids=["gpu", "cpu"],
)
def test_a_step_that_does_not_fit_names_the_micro_batch(
    cli, images, monkeypatch, problem, given, help_, place
):
    from rrl_dsl.training.module import RelationalModule

    def step(*_):
        raise problem

    monkeypatch.setattr(RelationalModule, "training_step", step)
    result = cli("train", "-e", "ssl(views=2)", "--dataset", images, *SMALL, *given)
    assert "memory for a step of training, which asked for 20" in result.err
    assert f"= help: {help_}" in result.err
    assert f"1 | {place}\n" in result.err


def test_a_relation_that_does_not_fit_names_the_way_that_does():
    rows = rrl.Nodes(range(1_000_000))
    with pytest.raises(rrl.RRLError) as caught:
        rrl.compile("ssl()", fused=False).relate(rows, strategy="dense")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, 'strategy="blocked"' in diagnostic.hint) == ("RRL515", True)
    assert "1,000,000 x 1,000,000 rows" in diagnostic.message


@pytest.mark.parametrize("setting", ["optimizer.lr", "probe.lr", "optimizer.weight_decay"])
def test_a_rate_beyond_float32_is_refused(cli, images, setting):
    result = cli("train", "-e", "ssl(views=2)", "--dataset", images, "--set", f"{setting}=1e300")
    assert f"error[RRL502]: `{setting}`: it should be less than or equal to 10" in result.err


def test_a_value_that_no_recipe_reads_is_not_blamed_on_the_batch_size(cli, tmp_path):
    pixels = np.zeros((48, 8, 8), dtype=np.uint8)
    frame = np.full(48, 2**62 + 1) - np.arange(48) % 2
    np.savez(tmp_path / "far.npz", images=pixels, label=np.arange(48) % 4, frame=frame)
    result = cli("train", "-e", "near(frame, 5)", "--batch-size", "16", "--dataset", "npz:far.npz")
    assert "error[RRL402]: the field `frame` has an integer beyond 2^62\n" in result.err
    assert "1 | --dataset npz:far.npz\n" in result.err


@pytest.mark.parametrize(
    ("verb", "recipe"),
    [
        ("compile", "knn(2, space=far)"),
        ("compile", "geodesic(far, 2, 1)"),
        ("train", "similarity(far)"),
    ],
)
def test_vectors_whose_distances_no_float64_holds_are_refused(cli, tmp_path, verb, recipe):
    pixels = np.zeros((48, 8, 8), dtype=np.uint8)
    far = np.random.default_rng(0).normal(size=(48, 3)) * 1e200
    np.savez(tmp_path / "far.npz", images=pixels, label=np.arange(48) % 4, far=far)
    result = cli(verb, "-e", recipe, "--dataset", "npz:far.npz")
    assert "error[RRL417]: `far` of the dataset `npz:far.npz` has values beyond 1e150" in result.err
    with pytest.raises(rrl.RRLError, match=r"RRL402.*beyond 1e\+150"):
        rrl.Nodes(range(48), fields={"far": far})


class Full(io.StringIO):
    """A stream on a disk without space."""

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_behind_standard_output_is_reported(cli, monkeypatch, tmp_path):
    (tmp_path / "ok.rrl").write_text("ssl()\n")
    monkeypatch.setattr(sys, "stdout", Full())
    result = cli("check", "ok.rrl")
    assert result.code == 1
    assert "No space left on device\n" in result.err
    assert "free some space" in result.err


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("fmt", "ugly.rrl"), errno.EROFS),
        (("fmt", "ugly.rrl"), errno.EIO),
        (("compile", "ugly.rrl", "--out", "x.npz"), errno.EDQUOT),
        (("train", "ugly.rrl", *SMALL), errno.ENOSPC),
    ],
)
def test_a_disk_that_refuses_is_named_by_every_verb_that_writes(
    cli, images, tmp_path, monkeypatch, words, number
):
    (tmp_path / "ugly.rrl").write_text("ssl( views=2 )\n")
    if words[0] != "fmt":
        words = (*words, "--dataset", images)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    result = cli(*words)
    assert result.code == 1
    assert "error[RRL507]: `" in result.err
    assert f"cannot be written: {os.strerror(number)}" in result.err
    assert (tmp_path / "ugly.rrl").read_text() == "ssl( views=2 )\n"
    assert not list(tmp_path.rglob("*.draft"))


def test_wrapped_system_errors_are_recognized():
    problem = ValueError("you tried to log -1 which is currently not supported")
    problem.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert refused(problem).diagnostics[0].message == "No space left on device"


def test_unknown_system_errors_have_a_code():
    problem = OSError(errno.EMFILE, os.strerror(errno.EMFILE), "x.png")
    (diagnostic,) = refused(problem).diagnostics
    assert (diagnostic.code, diagnostic.message) == ("RRL516", "`x.png`: Too many open files")
    assert "`ulimit -n`" in diagnostic.hint


IMAGES = np.zeros((48, 8, 8), dtype=np.uint8)


def _archive(path):
    np.savez(path / "data.npz", images=IMAGES, label=np.arange(48) % 4)
    return "npz:data.npz"


def _folder(path):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            folder = path / "data" / part / name
            folder.mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(folder / "1.png")
    return "imagefolder:data"


def _table(path):
    spec = _folder(path)
    rows = {"file": ["train/cat/1.png", "train/dog/1.png"], "time": [1.0, 2.0]}
    pq.write_table(pa.table(rows), path / "data" / "columns.parquet")
    return spec


@pytest.mark.parametrize(
    ("make", "broken", "what"),
    [
        (_archive, "numpy.lib.format.read_array", "the dataset `npz:data.npz`"),
        (_archive, "numpy.load", "the dataset `npz:data.npz`"),
        (_folder, "PIL.Image.Image.convert", "the image data/t"),
        (_folder, "PIL.Image.open", "the image data/t"),
        (_table, "pyarrow.parquet.ParquetFile.read", "the dataset `imagefolder:data`"),
        (_table, "pyarrow.parquet.read_metadata", "the dataset `imagefolder:data`"),
    ],
    ids=["array", "archive", "pixels", "image", "table", "metadata"],
)
def test_a_data_set_that_does_not_fit_is_not_called_damaged(
    cli, tmp_path, monkeypatch, make, broken, what
):
    spec = make(tmp_path)

    def fails(*_, **__):
        raise pa.ArrowMemoryError("malloc of size 64 failed")  # a MemoryError

    monkeypatch.setattr(broken, fails)
    result = cli("train", "-e", "ssl(views=2)", "--dataset", spec, *SMALL)
    assert f"error[RRL515]: there is too little memory for {what}" in result.err
    assert "= help: " in result.err
    assert (result.code, result.out) == (1, "")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_pairs_that_do_not_fit_are_not_called_damaged(cli, tmp_path, monkeypatch, suffix):
    (tmp_path / "links.csv").write_text("a,b\n0,1\n", "utf-8")
    pq.write_table(pa.table({"a": [0], "b": [1]}), tmp_path / "links.parquet")

    def fails(*_, **__):
        raise MemoryError

    for broken in ("rrl_dsl.tables.delimited.read_bytes", "pyarrow.parquet.ParquetFile.read"):
        monkeypatch.setattr(broken, fails)
    result = cli("compile", "-e", f'pairs("links{suffix}")')
    assert "error[RRL515]: there is too little memory for the pairs in `links" in result.err
    assert "= help: list fewer pairs" in result.err


def test_an_array_that_declares_more_than_its_file_holds_is_damaged(cli, tmp_path):
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**45,)}
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, header)
    np.savez(tmp_path / "data.npz", images=IMAGES)
    with zipfile.ZipFile(tmp_path / "data.npz", "a") as archive:
        archive.writestr("time.npy", content.getvalue() + bytes(64))
    result = cli("train", "-e", "ssl(views=2)", "--dataset", "npz:data.npz", *SMALL)
    assert "error[RRL412]: array `time` of data.npz cannot be read: " in result.err


def test_a_checkpoint_that_does_not_fit_is_not_called_damaged(tmp_path, monkeypatch):
    io_ = CheckpointFiles(tmp_path / "last.ckpt", tmp_path / "previous.ckpt")
    io_.save_checkpoint({"state_dict": {}}, tmp_path / "last.ckpt")

    def fails(*_, **__):
        raise RuntimeError("unable to mmap 9 bytes from file: Cannot allocate memory (12)")

    monkeypatch.setattr("torch.load", fails)
    with pytest.raises(rrl.RRLError, match=r"RRL515.*for the checkpoint"):
        io_.load_checkpoint(tmp_path / "last.ckpt")
