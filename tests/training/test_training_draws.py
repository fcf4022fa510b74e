"""The seed of a run moves weights, order and views; `draws` moves the recipe's draws."""

import pytest
import torch
from typer.testing import CliRunner

import rrl_dsl as rrl
from rrl_dsl.cli.main import app
from rrl_dsl.graph.recipe import graph_of
from rrl_dsl.language.span import Source
from rrl_dsl.training import run as runs
from rrl_dsl.training.build import build
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.sampler import RelationSampler
from rrl_dsl.training.settings import from_assignment, from_flag, from_yaml

RECIPE = "ssl(views=2) | supervised(frac=0.3)"
PINNED = "ssl(views=2) | supervised(frac=0.3, seed=5)"


def labeled(module, digits):
    """Which samples the recipe labels: those whose row is related to itself by it alone."""
    recipe = str(module.program.graph).removeprefix("ssl() | ")
    program = rrl.compile(recipe, seed=module.program.seed)
    ids = digits.train.sample[:200]
    return program(rrl.Nodes(ids, labels={"label": digits.train.labels["label"][:200]})).diagonal()


def weights(module):
    return torch.cat([parameter.flatten() for parameter in module.network.encoder.parameters()])


def test_a_sweep_over_seeds_with_fixed_draws_keeps_the_labeled_subset(make_module, digits):
    one, other, third = (
        make_module(RECIPE, seed=seed, draws=draws) for seed, draws in ((0, 7), (1, 7), (0, 8))
    )
    assert [module.program.seed for module in (one, other, third)] == [7, 7, 8]
    assert labeled(one, digits).equal(labeled(other, digits))
    assert not labeled(one, digits).equal(labeled(third, digits))
    assert not weights(one).equal(weights(other))
    assert weights(one).equal(weights(third))


def test_draws_follow_the_seed_where_they_are_left_out(make_module, digits):
    assert make_module(RECIPE, seed=3).program.seed == 3
    pinned = [labeled(make_module(PINNED, seed=seed), digits) for seed in (0, 1)]
    assert pinned[0].equal(pinned[1])


def test_order_of_related_samples_follows_the_seed_and_not_the_draws(digits):
    def order(draws, seed):
        program = rrl.compile("supervised()", seed=draws)
        sampler = RelationSampler(program, digits.train, 64, meet=4, seed=seed)
        return [place for batch in sampler for place in batch]

    assert order(0, 0) == order(1, 0)
    assert order(0, 0) != order(0, 1)


@pytest.mark.parametrize(
    "given",
    [
        lambda path: [from_flag("--draws", ("draws",), 11)],
        lambda path: [from_assignment("draws=11")],
        lambda path: from_yaml(path),
    ],
    ids=["flag", "--set", "file"],
)
def test_a_resumed_run_keeps_its_draws(given, digits, tmp_path):
    (tmp_path / "settings.yaml").write_text("draws: 11\n")
    config = resolve(
        [
            *given(tmp_path / "settings.yaml"),
            from_assignment("seed=2"),
            from_assignment("augmentation=digits"),
        ],
        {},
    )
    source = Source(RECIPE, "r.rrl")
    graph = graph_of(source)
    run = runs.RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.describe(source, graph, config, digits)
    kept = resolve(run.settings(), {})
    assert (kept.seed, kept.draws) == (2, 11)
    assert build(graph, kept, digits).program.seed == 11


def test_verb_takes_draws():
    assert "--draws" in CliRunner().invoke(app, ["train", "--help"]).output
