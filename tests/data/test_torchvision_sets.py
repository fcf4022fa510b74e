from __future__ import annotations

import hashlib
import pickle
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError


def write_pickle(path: Path, content: dict[str, object]) -> tuple[str, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return path.name, hashlib.md5(path.read_bytes()).hexdigest()


def images(count: int) -> np.ndarray:
    return np.arange(count * 3072, dtype=np.uint32).astype(np.uint8).reshape(count, 3072)


@pytest.fixture
def cifar100_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny CIFAR-100 whose checksums are for once the official ones."""
    kind, folder = datasets.CIFAR100, tmp_path / "cifar-100-python"
    train = {"data": images(3), "fine_labels": [1, 0, 2], "coarse_labels": [1, 0, 1]}
    test = {"data": images(2), "fine_labels": [2, 1], "coarse_labels": [1, 1]}
    names = {"fine_label_names": ["apple", "bed", "cup"], "coarse_label_names": ["fruit", "home"]}
    monkeypatch.setattr(kind, "train_list", [list(write_pickle(folder / "train", train))])
    monkeypatch.setattr(kind, "test_list", [list(write_pickle(folder / "test", test))])
    name, checksum = write_pickle(folder / "meta", names)
    monkeypatch.setattr(
        kind, "meta", {"filename": name, "key": "fine_label_names", "md5": checksum}
    )
    return tmp_path


def write_fashion_mnist(root: Path, cut: int = 0) -> None:
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 10), ("t10k", 2)):
        pixels = bytes(range(28)) * 28 * count
        header = struct.pack(">4i", 0x803, count, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes((header + pixels)[: -cut or None])
        header = struct.pack(">2i", 0x801, count)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(header + bytes(range(count)))


def test_cifar100_has_fine_and_coarse_labels(cifar100_root: Path) -> None:
    data = load("cifar100", root=cifar100_root)
    assert data.class_names["label"] == data.class_names["fine"] == ("apple", "bed", "cup")
    assert data.class_names["coarse"] == ("fruit", "home")
    assert data.train.labels["label"].tolist() == data.train.labels["fine"].tolist() == [1, 0, 2]
    assert data.test.labels["coarse"].tolist() == [1, 1]
    assert data.train.sample.tolist() == [0, 1, 2]
    assert data.test.sample.tolist() == [3, 4]


def test_cifar_images_keep_channels_rows_and_columns_apart(cifar100_root: Path) -> None:
    data = load("cifar100", root=cifar100_root)
    image = data.train.images[torch.tensor([1])]
    assert image.shape == (1, 3, 32, 32)
    assert image.flatten().tolist() == images(3)[1].tolist()


def test_fashion_mnist_has_coarse_classes_of_clothes(tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path)
    data = load("fashion-mnist", root=tmp_path)
    names = data.class_names
    coarse = {
        names["label"][fine]: names["coarse"][int(data.train.labels["coarse"][fine])]
        for fine in range(10)
    }
    assert (
        coarse["Pullover"] == coarse["T-shirt/top"] == coarse["Coat"] == coarse["Shirt"] == "tops"
    )
    assert coarse["Sandal"] == coarse["Sneaker"] == coarse["Ankle boot"] == "shoes"
    assert (coarse["Trouser"], coarse["Dress"], coarse["Bag"]) == ("bottoms", "dresses", "bags")
    assert data.shape == (1, 28, 28)
    assert data.train.images[torch.tensor([9])][0, 0, 5].tolist() == list(range(28))
    assert data.test.sample.tolist() == [10, 11]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
        ("fashion-mnist", "FashionMNIST/raw"),
    ],
)
def test_missing_files_say_where_and_how(name: str, folder: str, tmp_path: Path) -> None:
    with pytest.raises(RRLError) as caught:
        load(name, root=tmp_path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL410"
    assert f"`{name}`" in diagnostic.message
    assert str(tmp_path / folder) in diagnostic.message
    assert "--download" in (diagnostic.hint or "")


def test_files_that_are_not_the_official_ones_are_named(cifar100_root: Path) -> None:
    folder = cifar100_root / "cifar-100-python"
    write_pickle(folder / "train", {"data": images(1), "fine_labels": [0], "coarse_labels": [0]})
    (folder / "test").unlink()
    with pytest.raises(RRLError) as caught:
        load("cifar100", root=cifar100_root)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL412"
    assert str(folder) in diagnostic.message
    assert "`train` is not the official file, `test` is missing" in diagnostic.message
    assert "meta" not in diagnostic.message
    assert "npz:PATH" in (diagnostic.hint or "")


def test_a_truncated_file_is_malformed(tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path, cut=5)
    with pytest.raises(RRLError, match=r"\[RRL412\].*fashion-mnist.*cannot be read"):
        load("fashion-mnist", root=tmp_path)


def test_nothing_downloads_unasked_and_a_failure_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def unreachable(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", unreachable)
    with pytest.raises(RRLError, match="RRL410"):
        load("cifar10", root=tmp_path)
    assert asked == []
    with pytest.raises(RRLError, match=r"\[RRL410\].*could not be downloaded.*no route to host"):
        load("cifar10", root=tmp_path, download=True)
    assert len(asked) == 1
