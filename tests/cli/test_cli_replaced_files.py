"""No verb replaces a file that it reads, or adds one to its dataset."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import eye_array, save_npz

from rrl_dsl.data import registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of two classes, and a recipe that reads a matrix."""
    for name in ("cat", "dog"):
        inside = tmp_path / "flat" / name
        inside.mkdir(parents=True)
        for number in range(8):
            Image.new("RGB", (8, 8)).save(inside / f"{number}.png")
    (tmp_path / "link").symlink_to("flat")
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "train").symlink_to("../flat")
    save_npz(tmp_path / "links.npz", eye_array(1797))
    np.savez(tmp_path / "set.npz", images=np.zeros((40, 8, 8), np.uint8))
    return tmp_path


@pytest.mark.parametrize(
    ("dataset", "file", "expected"),
    [
        ("imagefolder:flat", "flat/cat/0.png", True),
        ("imagefolder:flat", "flat/cat/new.png", True),
        ("imagefolder:flat", "flat/features.npz", True),  # a file that the folder may not have
        ("imagefolder:flat", "flat/features.parquet", False),
        ("imagefolder:flat", "flat/columns.parquet", True),
        ("imagefolder:flat", "sheet.png", False),
        ("imagefolder:flat", "link/cat/0.png", True),
        ("imagefolder:link", "flat/cat/0.png", True),
        ("imagefolder:zoo", "zoo/sheet.png", False),  # beside the splits
        ("imagefolder:zoo", "zoo/unlabeled/0.png", True),
        ("imagefolder:zoo", "zoo/train/cat/new.png", True),
        ("npz:set.npz", "set.npz", True),
        ("npz:set.npz", "link/../set.npz", True),
        ("npz:set.npz", "other.npz", False),
        ("digits", "digits", False),
    ],
)
def test_what_a_dataset_reads(folder, monkeypatch, dataset, file, expected):
    monkeypatch.chdir(folder)
    assert registry.reads(dataset, Path(file)) is expected


@pytest.mark.parametrize(
    ("arguments", "out", "reader"),
    [
        (["compile", "-e", "ssl()", "--dataset", "imagefolder:flat"], "flat/cat/0.png", "dataset"),
        (["compile", "-e", "ssl()", "--dataset", "npz:set.npz"], "set.npz", "dataset"),
        (["compile", "-e", 'pairs("links.npz")'], "links.npz", "recipe"),
        (["views", "--dataset", "imagefolder:flat", "--samples", "1"], "flat/new.png", "dataset"),
    ],
)
def test_it_is_not_written(cli, folder, arguments, out, reader):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = cli(*arguments, "--out", out)
    assert f"error[RRL507]: `{out}` cannot be written: the {reader}" in done.err
    assert before == {path: path.read_bytes() for path in before}
    assert not (folder / "flat" / "new.png").exists()
