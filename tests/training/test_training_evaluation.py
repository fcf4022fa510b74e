"""Accuracies of probes: measured once for the same features and labels."""

import pytest
import torch

from rrl_dsl.data.batches import Batch
from rrl_dsl.data.dataset import DataSet, Split
from rrl_dsl.training import evaluation
from rrl_dsl.training.evaluation import evaluate, pixels


def split(seed: int, rows: int, labels: int = 3) -> Split:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (rows, 1, 2, 2), dtype=torch.uint8, generator=generator)
    label = torch.arange(rows) % labels
    images[:, 0, 0, 0] = (label * 80).to(torch.uint8)  # what a probe can read
    return Split(images, torch.arange(rows) + 100 * seed, {"label": label})


@pytest.fixture
def dataset() -> DataSet:
    train, test, names = split(0, 60), split(1, 30), {"label": ("a", "b", "c")}
    return DataSet("three", train, test, names, (1, 2, 2), "digits")


@pytest.fixture
def measured(tmp_path, monkeypatch) -> list[int]:
    """How many rows each measurement had, of an empty cache."""
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path))
    measure, counts = evaluation._measured, []

    def counted(features):
        counts.append(len(features.train))
        return measure(features)

    monkeypatch.setattr(evaluation, "_measured", counted)
    return counts


def test_probes_are_not_fitted_again_to_the_same_features(dataset, measured):
    first = evaluate(dataset, pixels)
    assert first.linear == 1.0
    assert evaluate(dataset, pixels) == first
    assert measured == [60]


def test_other_features_labels_or_samples_are_measured(dataset, measured):
    def other(batch: Batch) -> torch.Tensor:
        return pixels(batch)[:, 1:]

    first = evaluate(dataset, pixels)
    assert evaluate(dataset, other) != first
    dataset.test.labels["label"][:] = (dataset.test.labels["label"] + 1) % 3
    assert evaluate(dataset, pixels).linear == 0.0
    dataset.train.labels["label"][:10] = -1
    evaluate(dataset, pixels)
    assert measured == [60, 60, 60, 50]


def test_a_damaged_entry_is_measured_anew(dataset, measured, tmp_path):
    first = evaluate(dataset, pixels)
    (entry,) = (tmp_path / "probes").iterdir()
    entry.write_bytes(entry.read_bytes().replace(b"1.0", b"0.5"))
    with pytest.warns(UserWarning, match="damaged"):
        assert evaluate(dataset, pixels) == first
    assert measured == [60, 60]


def test_a_cache_that_cannot_be_written_stops_nothing(dataset, measured, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="not cached"):
        assert evaluate(dataset, pixels).linear == 1.0
