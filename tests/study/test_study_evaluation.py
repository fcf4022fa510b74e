"""`embed` and `eval`: features, geometry, and the estimate of the target graph."""

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

import rrl_dsl as rrl
from rrl_dsl.cli.main import app
from rrl_dsl.data import digits
from rrl_dsl.language.digest import stable_id
from rrl_dsl.study.embedding import Embedding, data_of_run, embed
from rrl_dsl.study.evaluation import evaluate_run, geometry, graph_estimate


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "run"
    return rrl.train(
        "ssl(views=2) | supervised()", loss="simclr", epochs=1, eval=False, out=out
    ).directory


def test_features_are_those_of_the_encoder(run, tmp_path):
    embedding = embed(run, split="test")
    images = rrl.load_encoder(run)
    data = digits.load(tmp_path, False)
    with torch.no_grad():
        expected = images(data.test.images[torch.arange(len(data.test))])
    np.testing.assert_allclose(embedding.features, expected.numpy(), rtol=0, atol=1e-6)
    assert embedding.sample.tolist() == data.test.sample.tolist()
    assert embedding.labels["label"].tolist() == data.test.labels["label"].tolist()
    for name in ("one.npz", "two.parquet"):
        embedding.write(tmp_path / name)
    with np.load(tmp_path / "one.npz") as archive:
        assert np.array_equal(archive["features"], embedding.features)
        numbers, classes = archive["label_coarse"], archive["classes_coarse"]
    table = pq.read_table(tmp_path / "two.parquet").to_pydict()
    assert table["features"] == embedding.features.tolist()
    assert table["label_coarse"] == classes[numbers].tolist()
    assert set(table["split"]) == {"test"}


def test_a_run_finds_its_data_from_another_folder(images, tmp_path, monkeypatch):
    """A file with the same relative path there is not the data of the run."""
    monkeypatch.chdir(images.parent)
    options = {"batch_size": 16, "epochs": 1, "eval": False}
    run = rrl.train("ssl(views=2)", loss="simclr", dataset=f"npz:{images.name}", out=tmp_path / "r",
                    **options).directory.absolute()  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with np.load(images) as archive:
        other = {**archive, "images": archive["images"][::-1]}
    np.savez(images.name, **other)
    train = data_of_run(run).train.images
    with np.load(images) as archive:
        wanted = archive["images"][archive["split"] == "train"]
    assert np.array_equal(train[torch.arange(len(wanted))].numpy().squeeze(), wanted.squeeze())


def test_texts_of_ids_are_a_column(tmp_path):
    embedding = Embedding(
        features=np.zeros((2, 3), np.float32),
        sample=np.array([stable_id("cat/1.png"), stable_id("cat/2.png")]),
        split=np.array(["train", "test"]),
        labels={},
        class_names={},
        names=["cat/1.png", "cat/2.png"],
    )
    for name in ("one.npz", "two.parquet"):
        embedding.write(tmp_path / name)
    with np.load(tmp_path / "one.npz") as archive:
        assert archive["name"].tolist() == ["cat/1.png", "cat/2.png"]
    table = pq.read_table(tmp_path / "two.parquet").to_pydict()
    assert table["name"] == ["cat/1.png", "cat/2.png"]


def test_every_split_is_embedded_by_default(run):
    embedding = embed(run, part="projector")
    assert embedding.features.shape == (1797, 32)
    assert set(embedding.split.tolist()) == {"train", "test"}


def test_features_do_not_replace_their_dataset(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", images=np.zeros((40, 8, 8), np.uint8))
    command = ["embed", str(run), "--dataset", f"npz:{tmp_path / 'a.npz'}", "-o", "a.npz"]
    done = CliRunner().invoke(app, command)
    assert "error[RRL507]: `a.npz` cannot be written: the dataset `npz:" in str(done.exception)
    with np.load("a.npz") as archive:
        assert archive.files == ["images"]
    assert CliRunner().invoke(app, [*command[:-1], "features.npz"]).exit_code == 0


def test_geometry_is_that_of_wang_and_isola():
    one = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    other = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    measured = geometry(torch.cat([one, other]))
    assert measured.alignment == pytest.approx((2 + 0) / 2)
    assert measured.uniformity == pytest.approx(math.log(math.exp(-2 * 2)))


def test_a_graph_is_estimated_by_similarity():
    target = torch.zeros(4, 4)
    target[0, 1] = target[1, 0] = target[2, 3] = target[3, 2] = 1
    similarity = torch.full((4, 4), -0.5)
    similarity[0, 1] = similarity[1, 0] = 0.9
    similarity[0, 2] = similarity[2, 0] = 0.5  # not an edge
    similarity[2, 3] = similarity[3, 2] = 0.1
    estimate = graph_estimate(target, similarity, ["a", "a", "b", "b"])
    half, whole = estimate.at[2], estimate.at[-1]
    assert half == pytest.approx((0.9, 1.0, 0.5))
    assert whole == pytest.approx((0.1, 2 / 3, 1.0))
    assert estimate.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    with pytest.raises(rrl.RRLError, match="no pair of the batch is related"):
        graph_estimate(torch.eye(4), similarity, ["a", "a", "b", "b"])


def test_a_run_is_evaluated(run, tmp_path):
    data = digits.load(tmp_path, False)
    evaluation = evaluate_run(run, data)
    assert evaluation.notes == []
    backbone, projector = evaluation.parts["backbone"], evaluation.parts["projector"]
    assert backbone.accuracies.linear > 0.9
    assert 0.2 < backbone.one < backbone.accuracies.few < backbone.accuracies.linear
    assert evaluation.gap == backbone.accuracies.linear - projector.accuracies.linear
    assert evaluation.graph.target.shape == evaluation.graph.similarity.shape == (512, 512)
    group = np.array(evaluation.graph.group)
    same = (group[:, None] == group) & ~np.eye(512, dtype=bool)
    assert np.array_equal(evaluation.graph.target > 0, same)
    assert json.loads(json.dumps(evaluation.to_dict()))["parts"].keys() == {"backbone", "projector"}


def test_columns_that_another_dataset_lacks_are_named(run, tmp_path):
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", images=generator.integers(0, 255, (40, 8, 8), np.uint8))
    np.savez(tmp_path / "b.npz", images=np.zeros((40, 28, 28), np.uint8))
    data = f"npz:{tmp_path / 'a.npz'}"
    evaluation = evaluate_run(run, data_of_run(run, data))
    assert evaluation.parts["backbone"].accuracies is None
    assert evaluation.gap is None
    assert evaluation.graph is None
    assert len(evaluation.notes) == 2
    done = CliRunner().invoke(app, ["eval", str(run), "--dataset", data, "--out", "a.png"])
    assert isinstance(done.exception, rrl.RRLError)
    assert "`a.png` cannot be drawn: the graph is not compared: " in str(done.exception)
    with pytest.raises(rrl.RRLError, match="are 1 x 28 x 28, and those of the run 1 x 8 x 8"):
        data_of_run(run, f"npz:{tmp_path / 'b.npz'}")
