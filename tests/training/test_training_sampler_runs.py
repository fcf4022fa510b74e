"""Runs with the relation sampler: what is refused, and what they see."""

from types import SimpleNamespace

import pytest
import torch
import yaml

import rrl_dsl as rrl
from rrl_dsl.training.evaluation import Accuracies
from rrl_dsl.training.fit import _loaders
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import from_assignment

RELATION = {"name": "relation"}


def refused(make_module, recipe, loss="simclr", **settings):
    with pytest.raises(rrl.RRLError) as caught:
        make_module(recipe, loss, **{"sampler": RELATION, **settings})
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


@pytest.mark.parametrize("recipe", ["ssl()", "ssl() | near(label, 0)", "all() - supervised()"])
def test_a_recipe_that_says_nothing_before_a_batch_is_refused(make_module, recipe):
    diagnostic = refused(make_module, recipe)
    assert diagnostic.code == "RRL404"
    assert "finds no relation between samples in this recipe" in diagnostic.message
    assert "sampler=random" in diagnostic.hint


def test_edges_after_the_last_epoch_do_not_count(make_module):
    recipe = "ssl() | (supervised() | during(start=3))"
    assert "finds no relation" in refused(make_module, recipe, epochs=3).message
    make_module(recipe, epochs=4, sampler=RELATION)


def test_labels_that_relate_no_two_samples_are_refused(make_module):
    diagnostic = refused(make_module, "ssl() | supervised(per_class=1)")
    assert diagnostic.code == "RRL404"
    assert "no related samples in the dataset" in diagnostic.message


def test_groups_must_fit_into_a_batch(make_module):
    diagnostic = refused(
        make_module, "supervised()", batch_size=16, sampler={**RELATION, "meet": 17}
    )
    assert (diagnostic.code, diagnostic.message) == (
        "RRL502",
        "`meet` is 17, more than the batch size 16",
    )
    make_module("supervised()", batch_size=16, sampler={**RELATION, "meet": 16})


def test_the_smallest_batch_must_be_enough_for_the_loss(make_module):
    recipe, projector = "ssl() | supervised()", {"hidden": 32, "out": 125, "norm": True}
    make_module(recipe, "wmse", projector=projector)
    diagnostic = refused(make_module, recipe, "wmse", projector=projector)
    assert diagnostic.code == "RRL405"
    assert "at least 250 samples, not 239" in diagnostic.message
    assert "nearly equal" in diagnostic.hint


def test_labels_too_rare_for_random_batches_are_enough(make_module):
    recipe, settings = "supervised(per_class=20) | drop_self()", {"batch_size": 16, "seed": 1}
    with pytest.raises(rrl.RRLError, match="relates no two rows"):
        make_module(recipe, **settings)
    make_module(recipe, sampler={**RELATION, "meet": 2}, **settings)


def test_a_word_names_the_sampler_and_its_options_stay():
    given = [from_assignment("sampler=relation"), from_assignment("sampler.meet=8")]
    for settings in (given, given[::-1]):
        sampler = resolve(settings, {}).sampler
        assert (sampler.name, sampler.meet) == ("relation", 8)
    assert resolve([], {}).sampler.name == "random"


def test_the_shares_of_ranks_are_one_epoch(make_module, digits):
    module = make_module(sampler=RELATION, devices=2, batch_size=200)

    class Rank:
        strategy = SimpleNamespace(root_device=torch.device("cpu"))

        def __init__(self, rank):
            self.global_rank = rank

    shares = [list(_loaders(module, digits, Rank(rank))[0]) for rank in (0, 1)]
    assert [len(one) for one in shares[0]] == [len(other) for other in shares[1]]
    seen = torch.cat([batch.sample for share in shares for batch in share])
    assert len(seen) == 1438
    assert seen.unique().equal(digits.train.sample.sort().values)


def test_the_command_line_trains_on_every_sample(cli, tmp_path, digits, monkeypatch):
    seen, step = [], RelationalModule.training_step

    def training_step(self, batch, index):
        if index == 0:
            seen.append([])
        seen[-1].append(batch.sample.clone())
        return step(self, batch, index)

    monkeypatch.setattr(RelationalModule, "training_step", training_step)
    monkeypatch.setattr("rrl_dsl.training.fit.evaluate", lambda *_: Accuracies(0, 0, 0))
    (tmp_path / "a.rrl").write_text("ssl() | supervised(per_class=10)\n")
    result = cli("train", "a.rrl", "--set", "sampler.name=relation", "--epochs", "2")
    assert result.code == 0
    assert [[len(batch) for batch in epoch] for epoch in seen] == [[240] * 3 + [239] * 3] * 2
    first, second = (torch.cat(epoch) for epoch in seen)
    assert first.sort().values.equal(digits.train.sample.sort().values)
    assert second.sort().values.equal(first.sort().values)
    assert not first.equal(second)
    (run,) = (tmp_path / "runs").iterdir()
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["sampler"] == {"name": "relation", "meet": 4}
