"""Data of which not every label is known."""

import dataclasses

import numpy as np
import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.cli.terminal import Terminal
from rrl_dsl.data.dataset import Split
from rrl_dsl.graph.recipe import read_recipe
from rrl_dsl.models.encoder import Outputs
from rrl_dsl.training import evaluation
from rrl_dsl.training.build import build
from rrl_dsl.training.display import Display
from rrl_dsl.training.fit import Outcome, fit
from rrl_dsl.training.presets import defaults
from rrl_dsl.training.probes import LinearProbes
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.settings import from_arguments
from rrl_dsl.training.summary import table, warnings_of
from rrl_dsl.training.train import start
from rrl_dsl.training.watching import Watching


def hidden(split, rows):
    """A split whose rows from the first to the last are of unknown label."""
    label = split.labels["label"].clone()
    label[rows] = -1
    return dataclasses.replace(split, labels={**split.labels, "label": label})


def trained(dataset, path, **settings):
    loss = rrl.losses.create("simclr")
    preset = defaults(loss, dataset.shape, dataset.augmentation)
    config = resolve([], {**preset, "epochs": 1, **settings})
    (path / "checkpoints").mkdir(parents=True)
    module = build(rrl.parse("ssl(views=2)"), config, dataset)
    return module, fit(module, dataset, RunDirectory(path), Display())


@pytest.mark.parametrize("label", [{}, {"label": np.full(60, -1)}], ids=["none", "all unknown"])
def test_a_run_without_labels_says_so_once(tmp_path, capsys, label):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, **label)
    start(
        read_recipe("ssl(views=2)"),
        from_arguments(
            {
                "dataset": f"npz:{tmp_path / 'set.npz'}",
                "epochs": 1,
                "batch_size": 16,
                "loss": "simclr",
            }
        ),
        tmp_path / "run",
        Terminal(),
    )
    shown = capsys.readouterr()
    assert (shown.out + shown.err).count("so there are no accuracies") == 1
    summary = (tmp_path / "run" / "summary.md").read_text()
    assert summary.count("so there are no accuracies") == 1


ALL = slice(None)
LACKING = {
    "all": (ALL, ALL, "no `label` is known, so"),
    "test": (slice(0), ALL, "no `label` is known in the test split, so"),
    "train": (ALL, slice(0), "no `label` is known in the training split, so"),
}


@pytest.mark.parametrize("part", LACKING)
def test_a_split_without_a_known_label_is_trained_on_and_has_no_accuracies(digits, tmp_path, part):
    train_rows, test_rows, reason = LACKING[part]
    dataset = dataclasses.replace(
        digits, train=hidden(digits.train, train_rows), test=hidden(digits.test, test_rows)
    )
    module, outcome = trained(dataset, tmp_path)
    assert (module.probes is None) == (part != "test")
    assert outcome.accuracies == {}
    assert not [name for name in outcome.figures if name.startswith("probe/")]
    assert outcome.figures["rank/projector"] > 1
    (column,) = table(outcome).columns
    assert str(column.header).startswith(reason)
    for warning in warnings_of(outcome, module.program, module.config):
        assert "label" not in warning.message


def test_unknown_samples_are_left_out_of_every_accuracy(digits, tmp_path):
    known = torch.arange(len(digits.test)) % 5 < 2
    fewer = Split(
        digits.test.images[known],
        digits.test.sample[known],
        {name: label[known] for name, label in digits.test.labels.items()},
        {name: column[known] for name, column in digits.test.fields.items()},
    )
    outcomes = []
    for name, test in (("hidden", hidden(digits.test, ~known)), ("fewer", fewer)):
        dataset = dataclasses.replace(digits, test=test)
        outcomes.append(trained(dataset, tmp_path / name)[1])
    one, other = outcomes
    for name in ("probe/backbone", "probe/projector", "probe/gap"):
        assert one.figures[name] == pytest.approx(other.figures[name], abs=1e-6)
    assert one.accuracies == other.accuracies


def watched(labels, guesses):
    """The figures of two ranks that each saw some samples."""
    probes = LinearProbes(4, 4, 3)
    for probe in probes.probes.values():
        probe.load_state_dict({"weight": torch.eye(3, 4), "bias": torch.zeros(3)})
    ranks = [Watching(), Watching()]
    for rank, label, guess in zip(ranks, labels, guesses, strict=True):
        features = torch.nn.functional.one_hot(torch.tensor(guess), 4).float()
        outputs: Outputs = {"backbone": features, "projection": features}
        rank.see(outputs)
        rank.judge(outputs, torch.tensor(label), probes)
    given: list[list[torch.Tensor]] = [[], []]
    for rank, kept in zip(ranks, given, strict=True):
        seen = list(rank._outputs), list(rank._right)
        rank.figures(lambda own, kept=kept: kept.append(own) or own)
        rank._outputs, rank._right = (list(parts) for parts in seen)
    both = iter([torch.cat(pair) for pair in zip(*given, strict=True)])
    return ranks[0].figures(lambda _: next(both))


def test_each_known_sample_counts_alike_whichever_rank_saw_it():
    figures = watched([[0, -1, -1, -1], [0, 1, 2, -1]], [[0, 0, 0, 0], [0, 1, 1, 1]])
    assert float(figures["probe/backbone"]) == pytest.approx(3 / 4)
    # a rank that has no known sample at all
    figures = watched([[-1, -1], [0, 1]], [[0, 0], [0, 0]])
    assert float(figures["probe/backbone"]) == pytest.approx(1 / 2)


def test_the_probes_of_two_ranks_learn_from_each_known_row_alike(make_module):
    probes = make_module().probes
    outputs: Outputs = {"backbone": torch.randn(8, 128), "projection": torch.randn(8, 32)}
    label = torch.tensor([0, 1, 2, -1, 3, -1, -1, -1])
    whole = probes.loss(outputs, label, torch.tensor(4.0))
    halves = [
        probes.loss({name: output[rows] for name, output in outputs.items()}, label[rows], known)
        for rows in (slice(4), slice(4, 8))
        for known in [torch.tensor(2.0)]  # 3 on one rank and 1 on the other
    ]
    # the gradients of ranks are averaged
    torch.testing.assert_close(whole, torch.stack(halves).mean())


def test_a_data_set_without_a_column_label_is_trained_on(digits, tmp_path):
    def without(split):
        return dataclasses.replace(split, labels={"coarse": split.labels["coarse"]})

    dataset = dataclasses.replace(
        digits,
        train=without(digits.train),
        test=without(digits.test),
        class_names={"coarse": digits.class_names["coarse"]},
    )
    _, outcome = trained(dataset, tmp_path)
    assert outcome.accuracies == {}
    assert outcome.unmeasured is not None


def test_more_classes_than_probes_can_be_fitted_for_are_left_out(digits, tmp_path):
    classes = tuple(str(number) for number in range(99_999))
    dataset = dataclasses.replace(digits, class_names={**digits.class_names, "label": classes})
    module, outcome = trained(dataset, tmp_path)
    assert module.probes is None
    assert outcome.accuracies == {}
    assert outcome.unmeasured.startswith("`label` has 99,999 classes")


@pytest.mark.slow
def test_raw_inputs_that_take_too_much_memory_are_left_out(digits, tmp_path, monkeypatch):
    size = (len(digits.train) + len(digits.test)) * 64 * 4
    measured = {"untrained", "backbone", "projector"}
    for name, limit, known in (("less", size - 1, measured), ("all", size, {*measured, "pixels"})):
        monkeypatch.setattr(evaluation, "MOST_INPUTS", limit)
        module, outcome = trained(digits, tmp_path / name)
        assert {*outcome.accuracies} == known
        said = [warning.message for warning in warnings_of(outcome, module.program, module.config)]
        assert any(message.startswith("raw pixels have no accuracies") for message in said) == (
            "pixels" not in known
        )


@pytest.mark.parametrize(
    ("rank", "apart", "largest", "collapsed"),
    [
        (28.8, 0.14, 32, True),  # all rows pulled together: a mean cosine of .98
        (28.8, 0.9, 32, False),
        (60.0, 0.9, 99, False),  # 100 rows of width 2,048
        (3.0, 0.9, 99, True),
        (9.5, 0.9, 11, False),
        (2.0, 0.9, 2, False),
        (0.0, 0.0, 0, False),  # of a single row nothing can be told
    ],
)
def test_rank_and_spread_show_a_collapse(make_module, rank, apart, largest, collapsed):
    module = make_module("ssl(views=2)")
    figures = {"rank/projector": rank, "spread/projector": apart, "edges/beyond_views": 0.0}
    outcome = Outcome({}, figures, 1.0, [figures] * 11, largest_rank=largest)
    warnings = warnings_of(outcome, module.program, module.config)
    assert [warning.message.endswith("close to collapse") for warning in warnings] == [
        True
    ] * collapsed


def test_a_new_network_whose_embeddings_are_alike_has_not_collapsed(make_module):
    module = make_module("ssl(views=2)", epochs=30)  # of which 5 are warm-up
    figures = {"rank/projector": 24.0, "spread/projector": 0.14, "edges/beyond_views": 1.0}
    for epochs, count in ((2, 0), (10, 0), (11, 1)):
        outcome = Outcome({}, figures, 1.0, [figures] * epochs, largest_rank=32)
        assert len(warnings_of(outcome, module.program, module.config)) == count


@pytest.mark.parametrize(("rank", "warned"), [(30.0, False), (1.5, True)])
def test_a_low_rank_of_a_wide_new_network_is_no_collapse_unless_next_to_nothing_is_left(
    make_module, rank, warned
):
    module = make_module("ssl(views=2)", epochs=30)  # of which 5 are warm-up
    figures = {"rank/projector": rank, "spread/projector": 0.9, "edges/beyond_views": 1.0}
    for epochs, late in ((1, False), (10, False), (11, True)):
        outcome = Outcome({}, figures, 1.0, [figures] * epochs, largest_rank=2047)
        assert len(warnings_of(outcome, module.program, module.config)) == (late or warned)
