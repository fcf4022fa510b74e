"""Recipes that read further columns: what is refused before training, and whole runs."""

import csv
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from PIL import Image

import rrl_dsl as rrl
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.data import registry
from rrl_dsl.data.batches import loader, row_columns
from rrl_dsl.data.dataset import Split
from rrl_dsl.training import checks
from rrl_dsl.training.build import build
from rrl_dsl.training.display import Display
from rrl_dsl.training.evaluation import Accuracies
from rrl_dsl.training.fit import fit
from rrl_dsl.training.presets import defaults
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.run import RunDirectory

CLASSES, TRAIN, TEST = ("cat", "dog"), 12, 3
PATIENTS = 4


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    """Twelve images of each of two classes, each with a time, a patient and a caption's vector."""
    folder = tmp_path_factory.mktemp("zoo")
    draws = torch.Generator().manual_seed(0)
    with (folder / "columns.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "time", "patient", "year", "caption_0", "caption_1"])
        for part, count in (("train", TRAIN), ("test", TEST)):
            for place in range(len(CLASSES) * count):
                name = f"{part}/{CLASSES[place % 2]}/{place}.png"
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = torch.randint(0, 256, (12, 12, 3), generator=draws, dtype=torch.uint8)
                Image.fromarray(pixels.numpy()).save(path)
                time = f"2024-05-01T10:{place:02d}:30Z" if place else ""
                caption = torch.randn(2, generator=draws).tolist()
                row = [time, f"P{place % PATIENTS}", 2000 + place % 3, *caption]
                table.writerow([name, *row])
    return registry.load(f"imagefolder:{folder}", root=folder, size=12)


def build_on(dataset, recipe, **settings):
    settings = {
        **defaults(rrl.losses.create("simclr"), dataset.shape, dataset.augmentation),
        "backbone": "small",
        "projector": {"hidden": 32, "out": 16, "norm": True},
        "optimizer": {"name": "adam", "lr": 1e-3, "weight_decay": 0, "warmup": 1},
        "loss": "simclr",
        "accelerator": "cpu",
        **settings,
    }
    return build(rrl.parse(recipe, allow_outside=True), resolve([], settings), dataset)


def refused(dataset, recipe, **settings):
    with pytest.raises(rrl.RRLError) as caught:
        build_on(dataset, recipe, **settings)
    return [
        f"{diagnostic.code} {diagnostic.message} | {diagnostic.hint}"
        for diagnostic in caught.value.diagnostics
    ]


def trained(dataset, module, path):
    (path / "checkpoints").mkdir(parents=True)
    return fit(module, dataset, RunDirectory(path), Display())


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (
            "ssl() | supervised(labels=corse)",
            "RRL401 the dataset `digits` has no label field `corse` | did you mean `coarse`?",
        ),
        (
            "ssl() | supervised(labels=patient)",
            "RRL401 the dataset `digits` has no label field `patient` | "
            "its label fields are `label` and `coarse`",
        ),
        (
            "ssl() | near(time, 5)",
            "RRL401 the dataset `digits` has no field `time` | its fields are `label` and `pixels`",
        ),
        (
            "ssl() | knn(5, space=pixel)",
            "RRL401 the dataset `digits` has no field `pixel` | did you mean `pixels`?",
        ),
        (
            "ssl() | supervised(labels=pixels)",
            "RRL417 `pixels` of the dataset `digits` contains vectors, not classes | "
            "write classes as whole numbers or words; its label fields are `label` and `coarse`",
        ),
        (
            "ssl() | near(pixels, 5)",
            "RRL417 `pixels` of the dataset `digits` contains vectors, not numbers | "
            "`similarity` and `knn` compare vectors",
        ),
    ],
)
def test_what_the_data_set_lacks_is_refused(digits, recipe, expected):
    assert refused(digits, recipe) == [expected]


def test_every_missing_column_is_named(digits):
    messages = refused(digits, "supervised(labels=patient) | near(time, 5) | near(pixels, 1)")
    assert [message[:6] for message in messages] == ["RRL401", "RRL401", "RRL417"]


def test_columns_may_be_read_as_what_they_can_be(zoo):
    readable = (
        "supervised(labels=year) & near(year, 1) & near(time, 60) "
        "& similarity(caption) & similarity(time)"
    )
    checks.check_columns(compile_recipe(readable), zoo)
    texts = ("near(patient, 0)", "similarity(patient)", "knn(2, space=patient)")
    lacking = ("supervised(labels=time)", "near(caption, 1)", "similarity(captions)")
    for strange in (*texts, *lacking):
        with pytest.raises(rrl.RRLError):
            checks.check_columns(compile_recipe(strange), zoo)


def test_a_pair_that_the_data_set_lacks_is_found_before_training(digits, tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("a,b\n0,1\n5,1796\n7,1797\n")
    with pytest.raises(rrl.RRLError) as caught:
        build_on(digits, f'ssl() | pairs("{pairs}")')
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL416"
    assert "no sample 1797" in diagnostic.message
    assert diagnostic.source.name == str(pairs)
    assert diagnostic.source.position(diagnostic.span.start)[0] == 4
    pairs.write_text("a,b\n0,1\n5,1796\n")  # 5 is in the test split
    build_on(digits, f'ssl() | pairs("{pairs}")')


def test_a_recipe_that_relates_nothing_is_still_refused(digits):
    (message,) = refused(digits, "near(label, 0) & (knn(3) - all())")
    assert message.startswith("RRL404 this recipe relates no two rows")


def test_a_run_on_an_image_folder_with_a_table(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr("rrl_dsl.training.fit.evaluate", lambda *_: Accuracies(0, 0, 0))
    recipe = "ssl(views=2) | supervised(labels=patient) | near(time, 60) | knn(2, space=caption)"
    module = build_on(zoo, recipe, epochs=2, batch_size=8)
    seen = []
    relate = module.program.relate
    monkeypatch.setattr(
        module.program,
        "relate",
        lambda *nodes, **given: seen.append(nodes[0]) or relate(*nodes, **given),
    )
    outcome = trained(zoo, module, tmp_path / "run")
    assert len(outcome.history) == 2
    assert len(seen) == 2 * (3 + 1)  # each batch, and the figures of each epoch's first
    for nodes in seen:
        assert nodes.fields.keys() == {"time", "caption"}
        edges = expected_edges(zoo, nodes)
        assert torch.equal(module.program(nodes), torch.stack([*edges.values()]).any(dim=0))
        for name in ("supervised", "near", "knn"):
            assert bool((edges[name] & ~edges["ssl"]).any()), name


def expected_edges(dataset, nodes):
    """By call of the recipe, its edges over the rows of a batch, from the columns as they are."""
    whole = dataset.train
    place = [whole.sample.tolist().index(sample) for sample in nodes.sample.tolist()]
    patient, time = whole.labels["patient"][place], whole.fields["time"][place]
    caption = torch.nn.functional.normalize(whole.fields["caption"])
    closeness = (caption @ caption.T).fill_diagonal_(-2)
    nearest = torch.zeros_like(closeness, dtype=torch.bool)
    nearest.scatter_(1, closeness.topk(2, dim=1).indices, True)
    return {
        "ssl": nodes.sample[:, None] == nodes.sample,
        "supervised": patient[:, None] == patient,
        "near": (time[:, None] - time).abs() <= 60,
        "knn": (nearest | nearest.T)[place][:, place],
    }


@pytest.mark.parametrize("recipe", ["ssl() | knn(5, space=pixels)", "ssl() | knn(3)"])
def test_a_run_on_digits_with_neighbors(digits, tmp_path, monkeypatch, recipe):
    monkeypatch.setattr("rrl_dsl.training.fit.evaluate", lambda *_: Accuracies(0, 0, 0))
    few = replace(digits, train=first(digits.train, 256), test=first(digits.test, 64))
    outcome = trained(few, build_on(few, recipe, epochs=2, batch_size=128), tmp_path / "run")
    assert len(outcome.history) == 2
    for figures in outcome.history:
        assert figures["loss"] > 0
        assert figures["edges/beyond_views"] > 0.5


def first(split, count):
    labels = {name: label[:count] for name, label in split.labels.items()}
    fields = {name: field[:count] for name, field in split.fields.items()}
    return Split(split.images[:count], split.sample[:count], labels, fields)


@pytest.mark.parametrize("rank", [0, 1])
def test_each_process_loads_the_fields_of_its_share(zoo, rank):
    share = loader(zoo.train, 4, shuffle=True, world_size=2, rank=rank, drop_last=True)
    seen = [Nodes(*row_columns(batch, 2)) for batch in share]
    assert sum(len(nodes) for nodes in seen) == 2 * TRAIN * len(CLASSES) // 2
    known = zoo.train.sample.tolist()
    for nodes in seen:
        place = [known.index(sample) for sample in nodes.sample.tolist()]
        for name, field in zoo.train.fields.items():
            torch.testing.assert_close(nodes.fields[name], field[place], equal_nan=True)


def test_views_of_image_files_are_crops_of_the_files_for_any_number_of_workers(
    zoo, tmp_path, monkeypatch
):
    monkeypatch.setattr("rrl_dsl.training.fit.evaluate", lambda *_: Accuracies(0, 0, 0))
    losses = []
    for workers in (0, 1):
        local = {"count": 1, "size": 8}
        module = build_on(
            zoo, "ssl(views=2)", epochs=2, batch_size=8, workers=workers, local_views=local
        )
        with patch.object(module.views, "forward", wraps=module.views.forward) as views:
            outcome = trained(zoo, module, tmp_path / f"run-{workers}")
        assert {call.args[0].shape for call in views.call_args_list} == {(2, 8, 3, 12, 12)}
        losses.append([row["loss"] for row in outcome.history])
    assert losses[0] == losses[1]
