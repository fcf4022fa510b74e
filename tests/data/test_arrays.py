"""Images, vectors and sequences from arrays, and the statistics that normalize them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.data.arrays import inputs_of
from rrl_dsl.data.channel_statistics import statistics_of
from rrl_dsl.data.column_files import Further
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.pixels import unit
from rrl_dsl.data.registry import load
from rrl_dsl.data.views import Views
from rrl_dsl.language.diagnostics import RRLError, error

DRAW = np.random.default_rng(0)


def opened(folder: Path, read: list[str] | None = None, **arrays: Any) -> DataSet:
    np.savez(folder / "set.npz", **arrays)
    return load(f"npz:{folder / 'set.npz'}", root=Path("nowhere"), inputs=read)


def both(data: DataSet) -> np.ndarray:
    """The samples of both splits, in the order of their ids."""
    parts = [
        (part.sample, part.images[torch.arange(len(part))]) for part in (data.train, data.test)
    ]
    ids, values = (torch.cat([*parts_of_column]) for parts_of_column in zip(*parts, strict=True))
    return values.numpy()[ids.argsort().numpy()]


@pytest.mark.parametrize(
    ("shape", "axis", "order"),
    [
        ((20, 5, 16, 12), 1, None),
        ((20, 16, 12, 5), 3, None),
        ((20, 2, 16, 12), 1, None),
        ((20, 9, 8, 4), 3, None),
        ((20, 8, 8, 3), 3, None),
        ((20, 8, 9, 8), 1, "first"),
        ((20, 8, 9, 8), 3, "last"),
        ((20, 3, 9, 1), 3, "last"),
    ],
)
def test_any_number_of_channels(
    tmp_path: Path, shape: tuple[int, ...], axis: int, order: str | None
) -> None:
    images = DRAW.integers(0, 256, shape, dtype=np.uint8)
    extra = {} if order is None else {"channels": np.array(order)}
    data = opened(tmp_path, images=images, **extra)
    assert np.array_equal(both(data), np.moveaxis(images, axis, 1))


def test_whole_numbers_scale_by_white_and_floating_point_does_not() -> None:
    assert unit(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx(
        [0, 0.2, 1]
    )
    deep = torch.from_numpy(np.array([0, 13107, 65535], dtype=np.uint16))
    assert unit(deep).tolist() == pytest.approx([0, 0.2, 1])
    assert unit(torch.tensor([-3.0, 7.5])).tolist() == [-3.0, 7.5]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_images_are_normalized_by_the_statistics_of_each_channel(
    tmp_path: Path, dtype: Any
) -> None:
    spread = np.array([1, 5, 20, 50], dtype=np.float64)[None, :, None, None]
    images = (DRAW.integers(0, 4, (100, 4, 6, 6)) * spread + 20).astype(dtype)
    data = opened(tmp_path, images=images)
    assert data.statistics is not None
    train = data.train.images[torch.arange(len(data.train))]
    plain = Views(data.augmentation, data.shape, statistics=data.statistics).plain(train)
    assert plain.dtype == torch.float32
    assert plain.mean((0, 2, 3)).tolist() == pytest.approx([0] * 4, abs=1e-4)
    assert plain.std((0, 2, 3), correction=0).tolist() == pytest.approx([1] * 4, abs=1e-3)


def test_a_constant_channel_and_missing_values_are_normalized_to_zero() -> None:
    vectors = torch.tensor([[1.0, 7.1], [3.0, 7.1], [float("nan"), 7.1]])
    statistics = statistics_of(vectors, torch.arange(3))
    assert statistics.mean == pytest.approx((2.0, 7.1))
    assert statistics.std == (1.0, 1.0)
    plain = Views("scarf", (2,), statistics=statistics).plain(vectors)
    assert plain.numpy() == pytest.approx(np.array([[-1, 0], [1, 0], [0, 0]]), abs=1e-6)


def test_vectors_and_sequences(tmp_path: Path) -> None:
    for values in (DRAW.normal(size=(30, 7)), DRAW.normal(size=(30, 5, 4))):
        data = opened(tmp_path, inputs=values)
        assert data.shape == values.shape[1:]
        assert np.array_equal(both(data), values.astype(np.float32))


def test_the_only_array_of_vectors_is_read(tmp_path: Path) -> None:
    values = DRAW.normal(size=(30, 7))
    data = opened(tmp_path, x=values, y=np.arange(30) % 2)
    assert np.array_equal(both(data), values.astype(np.float32))
    assert "the encoder reads `x`" in data.notes[-1].message
    with pytest.raises(RRLError, match=r"\[RRL412\].*no array `images` or `inputs`"):
        opened(tmp_path, x=values, z=values)
    data = opened(tmp_path, ["z", "age"], inputs=values, z=2 * values, age=np.arange(30.0))
    wanted = np.concatenate([2 * values, np.arange(30.0)[:, None]], axis=1)
    assert np.array_equal(both(data), wanted.astype(np.float32))


def test_a_run_on_vectors_gives_an_encoder_of_vectors(tmp_path: Path) -> None:
    label = np.arange(200) % 3
    values = DRAW.normal(size=(200, 6)) + 4 * np.eye(3, 6)[label]
    np.savez(tmp_path / "set.npz", inputs=values, label=label)
    run = rrl.train(
        "ssl(views=2)",
        "simclr",
        f"npz:{tmp_path / 'set.npz'}",
        epochs=1,
        batch_size=64,
        out=tmp_path / "run",
    )
    assert set(run.table) == {"features", "untrained", "backbone", "projector"}
    assert run.table["features"].linear > 0.9
    rows = torch.from_numpy(values[:5])
    features = run.encoder(rows)
    assert features.shape == (5, 256)
    # a shift of the inputs changes the features: they are standardized by the training data
    assert not torch.allclose(features, run.encoder(rows + 1))
    for wrong in (rows[:, :5], rows.to(torch.uint8), rows[0]):
        with pytest.raises(RRLError, match=r"\[RRL402\].*samples must be torch.float32 \(n, 6\)"):
            run.encoder(wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resnet18"}, "takes images, and these samples have the shape"),
        ({"augmentation": "cifar"}, "is for images, and these samples are vectors"),
        ({"augmentation": "scraf"}, "no augmentation `scraf`; the augmentations of vectors are"),
        ({"local_views": {"count": 2}}, "the augmentation `scarf` has no local views"),
        ({"loss": "dinov2"}, "compares patches, but the backbone has none"),
        ({"inputs": ["nothing"]}, "no column `nothing` for the encoder"),
    ],
)
def test_what_is_for_images_alone(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "set.npz", inputs=DRAW.normal(size=(40, 6)))
    given = {"loss": "simclr", "epochs": 1, "batch_size": 16, **settings}
    with pytest.raises(RRLError, match=message):
        rrl.train("ssl(views=2)", dataset=f"npz:{tmp_path / 'set.npz'}", **given)


def fault(what: str, hint: str | None) -> RRLError:
    return error("RRL412", f"the file {what}", hint=hint)


def test_labels_become_one_number_per_class() -> None:
    sets = np.array([[2, 0], [1, -1], [-1, -1]])
    columns = Further(
        labels={"kind": np.array([1, -1, 0]), "tags": sets},
        class_names={"kind": ("a", "b"), "tags": ("x", "y", "z")},
        fields={"age": np.array([5, 6, 7])},
    )
    inputs, widths = inputs_of(columns, ["tags", "age", "kind"], 3, fault)
    assert inputs.tolist() == [[1, 0, 1, 5, 0, 1], [0, 1, 0, 6, 0, 0], [0, 0, 0, 7, 1, 0]]
    assert widths == {"tags": 3, "age": 1, "kind": 2}


def test_a_column_of_ids_is_not_read_as_classes() -> None:
    names = tuple(map(str, range(10_001)))
    columns = Further({"id": np.arange(10_001)}, {"id": names}, {})
    with pytest.raises(RRLError, match=r"RRL412.*has 10,001 classes in `id`"):
        inputs_of(columns, ["id"], 10_001, fault)
