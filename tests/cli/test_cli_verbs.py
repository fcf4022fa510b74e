"""What the verbs print and write when all is well."""

import json
from importlib.resources import files

import networkx as nx
import numpy as np
import pytest
from scipy.sparse import load_npz

from rrl_dsl.report import whole as report_whole

RECIPES = sorted(
    recipe.name for recipe in files("rrl_dsl.recipes").iterdir() if recipe.suffix == ".rrl"
)


def recipe(name):
    return files("rrl_dsl.recipes").joinpath(name)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_of_the_gallery_compiles(cli, name):
    result = cli("compile", recipe(name))
    assert result.code == 0
    assert "identity" in result.out
    assert "edges per row" in result.out


def test_compile_says_what_the_recipe_is(cli):
    result = cli("compile", recipe("semi_coarse.rrl"))
    assert "binary graph, random" in result.out
    assert "2 views of each sample, the label field `coarse`" in result.out
    assert "an edge depends only on its two rows" in result.out
    assert "59.9% of the edges are added by noise" in result.out


def test_show_draws_in_the_terminal_and_writes_nothing(cli, tmp_path):
    result = cli("compile", recipe("semi_coarse.rrl"), "--show")
    for words in ("loops", "strokes", "curves", "corrupt(fpr=0.05)\n└─ union", "density"):
        assert words in result.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("samples", [5, 100])
def test_show_draws_the_samples_of_the_batch(cli, samples):
    result = cli("compile", "-e", "ssl(views=3)", "--show", "--batch-size", samples)
    assert f"{3 * samples} rows" in result.out


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_out_writes_a_picture(cli, tmp_path, suffix, start):
    for name in ("one", "two"):
        done = cli("compile", "-e", "ssl()", "--batch-size", 9, "--out", f"{name}{suffix}")
        assert (done.code, f"picture   {name}{suffix}" in done.out) == (0, True)
    contents = [(tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two")]
    assert contents[0].startswith(start)
    assert contents[0] == contents[1]


def test_out_writes_the_graph_of_the_whole_batch_for_other_programs(cli, tmp_path):
    result = cli("compile", "-e", "supervised()", "--batch-size", 100, "--out", "graph.npz")
    assert (result.code, "written   graph.npz" in result.out) == (0, True)
    with np.load(tmp_path / "graph.npz") as arrays:
        same = arrays["label_label"][:, None] == arrays["label_label"]
        assert arrays["weights"].shape == (100, 100)
        np.testing.assert_array_equal(arrays["weights"], same)
    shown = cli("compile", "-e", "ssl()", "--batch-size", 64, "--show", "--out", "graph.dot")
    assert "⣿ related" in shown.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.dot", "graph.npz"]


def test_the_graph_of_the_whole_data_set_is_written_as_a_sparse_matrix(cli, tmp_path):
    split = np.array(["train"] * 40 + ["test"] * 8)
    images = np.zeros((48, 8, 8), np.uint8)
    np.savez("mine.npz", images=images, label=np.arange(48) % 4, split=split)
    options = ("--dataset", "npz:mine.npz", "--whole", "--out", "graph.npz")
    result = cli("compile", "-e", "2 * supervised() | ssl()", *options)
    assert (result.code, "written   graph.npz: 40 rows, 400 edges" in result.out) == (0, True)
    with np.load(tmp_path / "graph.npz") as arrays:
        sample, label = arrays["sample"], arrays["label_label"]
    assert sample.tolist() == list(range(40))
    expected = 2.0 * (label[:, None] == label)
    np.testing.assert_array_equal(load_npz(tmp_path / "graph.npz").toarray(), expected)


@pytest.mark.parametrize("directed", [False, True])
def test_the_graph_of_the_whole_data_set_is_written_as_a_network(cli, tmp_path, directed):
    split = np.array(["train"] * 40 + ["test"] * 8)
    images, x = np.zeros((48, 8, 8), np.uint8), np.random.default_rng(0).normal(size=(48, 3))
    np.savez("mine.npz", images=images, label=np.arange(48) % 4 - 1, x=x, split=split)
    recipe = "knn(2, space=x, directed=true)" if directed else "0.5 * supervised()"
    for name in ("graph.npz", "graph.graphml", "graph.dot"):
        options = ("--dataset", "npz:mine.npz", "--whole", "--out", name)
        assert cli("compile", "-e", recipe, *options).code == 0
    matrix = load_npz(tmp_path / "graph.npz").toarray() * ~np.eye(40, dtype=bool)
    network = nx.read_graphml(tmp_path / "graph.graphml", node_type=int)
    assert (network.is_directed(), matrix.any()) == (directed, True)
    np.testing.assert_array_equal(nx.to_numpy_array(network, nodelist=range(40)), matrix)
    assert network.nodes[5] == {"sample": 5, "view": 0, "label_label": "0"}
    assert network.nodes[4]["label_label"] == "unknown"
    lines = (tmp_path / "graph.dot").read_text().splitlines()
    assert sum(" -> " in line or " -- " in line for line in lines) == len(network.edges)


def test_a_network_that_does_not_fit_into_memory_is_refused(cli, monkeypatch):
    monkeypatch.setattr(report_whole, "available_memory", lambda: 10_000)
    result = cli("compile", "-e", "supervised()", "--whole", "--out", "graph.dot")
    assert (result.code, "RRL515" in result.err) == (1, True)
    assert "write a `.npz` file" in " ".join(result.err.split())


@pytest.mark.parametrize("out", [(), ("--out", "graph.png")])
def test_the_graph_of_the_whole_data_set_wants_a_graph_file(cli, out):
    result = cli("compile", "-e", "supervised()", "--whole", *out)
    assert result.code == 2
    assert "`--out` with a `.npz`, `.graphml` or `.dot` file" in " ".join(
        result.err.replace("│", "").split()
    )


def test_out_writes_a_page_with_the_picture(cli, tmp_path):
    assert cli("compile", "-e", "ssl()", "--out", "graph.html").code == 0
    page = (tmp_path / "graph.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == page.count("</svg>") == 1


def test_out_writes_a_vector_picture(cli, tmp_path):
    assert cli("compile", "-e", "ssl(views=3)", "--out", "graph.svg").code == 0
    assert "<svg" in (tmp_path / "graph.svg").read_text()


def test_json_is_for_tools(cli):
    record = json.loads(cli("compile", "-e", "ssl() | supervised()", "--json").out)
    assert record["binary"] is True
    assert record["requires"]["views"] == 2
    assert record["requires"]["labels"] == ["label"]
    assert record["requires"]["spaces"] == []
    assert len(record["identity"]) == 64
    assert record["figures"]["exact"] is True
    assert record["figures"]["edges"] == pytest.approx(2 * 256 / 10, rel=0.02)


def test_json_is_all_of_standard_output_with_every_other_option(cli, tmp_path):
    result = cli("compile", "-e", "ssl()", "--json", "--show", "--out", "graph.svg")
    assert json.loads(result.out)["faults"] == []
    assert "picture   graph.svg" in result.err
    assert "density" in result.err
    assert (tmp_path / "graph.svg").exists()
    refused = cli("compile", "-e", "ssl()", "--json", "--out", "nowhere/graph.svg")
    assert refused.code == 1
    assert [diagnostic["code"] for diagnostic in json.loads(refused.out)] == ["RRL507"]


def test_json_says_what_the_data_set_lacks(cli):
    record = json.loads(cli("compile", "-e", "supervised(labels=fine)", "--json").out)
    assert record["figures"] is None
    [fault] = record["faults"]
    assert (fault["code"], fault["severity"]) == ("RRL401", "warning")


def test_a_label_the_default_data_lacks_is_a_warning_without_a_picture(cli):
    result = cli("compile", "-e", "supervised(labels=fine)")
    assert result.code == 0
    assert "warning[RRL401]" in result.err


def test_param_changes_a_parameter(cli):
    loose = cli("compile", recipe("semi_supervised.rrl"), "--param", "frac=0.9", "--json")
    tight = cli("compile", recipe("semi_supervised.rrl"), "--json")
    assert json.loads(loose.out)["identity"] != json.loads(tight.out)["identity"]


def test_builtins_and_losses_list_the_registries(cli):
    from rrl_dsl.graph.registry import signatures
    from rrl_dsl.losses import names

    listed = cli("builtins").out
    assert all(f"{name}(" in listed for name in signatures())
    listed = cli("losses").out
    assert all(name in listed for name in names())
    assert {builtin["name"] for builtin in json.loads(cli("builtins", "--json").out)} == set(
        signatures()
    )
    assert {loss["name"] for loss in json.loads(cli("losses", "--json").out)} >= {"simclr", "wmse"}


def test_one_builtin_or_loss_is_explained(cli):
    assert "The probability that an edge stays." in cli("builtins", "corrupt").out
    assert "The temperature of the softmax." in cli("losses", "simclr").out


def test_version(cli):
    assert cli("--version").out.startswith("rrl-dsl 0.")


def test_compile_shows_a_schedule_at_an_epoch(cli):
    curriculum = recipe("curriculum.rrl")
    early, late = (
        json.loads(cli("compile", curriculum, "--epoch", epoch, "--json").out)["figures"]
        for epoch in (0, 20)
    )
    assert (early["epoch"], late["epoch"]) == (0, 20)
    assert early["edges"] == 1
    assert late["edges"] > 20
    assert "in epoch 20" in cli("compile", curriculum, "--epoch", 20).out


def test_views_draws_samples_beside_their_views(cli, tmp_path):
    settings = ("--set", "augmentation=[RandomInvert]", "--set", "local_views.count=1")
    for name in ("one", "two"):
        done = cli("views", "-o", f"{name}.png", "--samples", 2, "--views", 2, *settings)
        assert (done.code, done.out) == (0, f"{name}.png\n")
    one, two = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "two"))
    assert one.startswith(b"\x89PNG")
    assert one == two
    done = cli("views", "--set", "augmentation=[RandomInverse]")
    assert done.code == 1
    assert "error[RRL502]: `augmentation`: there is no operation `RandomInverse`" in done.err
    assert "did you mean `RandomInvert`?" in done.err
