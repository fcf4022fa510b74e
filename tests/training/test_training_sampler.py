"""The relation sampler: nothing is lost, everyone draws alike, and related samples meet."""

import math
from collections import Counter
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.fabric.utilities.data import _set_sampler_epoch

import rrl_dsl as rrl
from rrl_dsl.data.batches import listed_batches, loader
from rrl_dsl.data.dataset import Split
from rrl_dsl.training.related_samples import relating
from rrl_dsl.training.sampler import RelationSampler, batch_sizes

LAW = settings(deadline=None, derandomize=True, database=None, max_examples=60)


def split(count, classes=10, known=1.0, **fields):
    """Samples 3, 6, 9, ... in an order of their own, some of them labeled."""
    draws = torch.Generator().manual_seed(0)
    label = torch.randint(0, classes, (count,), generator=draws)
    label[torch.rand(count, generator=draws) >= known] = -1
    sample = 3 + 3 * torch.randperm(count, generator=draws)
    images = torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(count, 1, 2, 2)
    return Split(images, sample, {"label": label}, fields)


def sampler(recipe, data, batch_size, meet=4, seed=0, **ranks):
    program = rrl.compile(recipe, seed=seed)
    return RelationSampler(program, data, batch_size, meet=meet, **ranks)


def edges(recipe, data, batches, seed=0):
    """How many pairs of different samples each batch relates."""
    program = rrl.compile(recipe, seed=seed)
    if program.requires.bound:
        program.bind(data)
    counts = []
    for batch in batches:
        places = torch.as_tensor(np.array(batch))
        labels = {name: label[places] for name, label in data.labels.items()}
        columns = {name: field[places] for name, field in data.fields.items()}
        weights = program(rrl.Nodes(data.sample[places], None, labels, columns))
        counts.append(int((weights > 0).triu(1).sum()))
    return counts


def at_random(data, batch_size):
    places = {int(sample): place for place, sample in enumerate(data.sample)}
    shuffled = loader(data, batch_size, shuffle=True, drop_last=True)
    return [[places[int(sample)] for sample in batch.sample] for batch in shuffled]


@LAW
@given(
    count=st.integers(1, 150),
    share=st.integers(1, 20),
    ranks=st.integers(1, 5),
    meet=st.integers(2, 9),
    known=st.sampled_from([0.0, 0.1, 0.7, 1.0]),
    epoch=st.integers(0, 3),
)
def test_an_epoch_loses_no_sample_on_any_number_of_ranks(count, share, ranks, meet, known, epoch):
    data, size = split(count, classes=5, known=known), share * ranks
    parts = []
    for rank in range(ranks):
        one = sampler("ssl() | supervised()", data, size, meet, world_size=ranks, rank=rank)
        one.set_epoch(epoch)
        parts.append(list(one))
        assert len(one) == len(parts[0])
    for batch in zip(*parts, strict=True):
        assert len({len(part) for part in batch}) == 1
    batches = [list(chain(*batch)) for batch in zip(*parts, strict=True)]
    seen = Counter(chain(*batches))
    assert set(seen) == set(range(count))
    assert max(seen.values()) <= 2 or count < ranks
    assert sum(seen.values()) - count < ranks
    assert (sum(seen.values()) == count) == (count % ranks == 0)
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= ranks
    assert len(sizes) == math.ceil(math.ceil(count / ranks) / share)


def test_the_sizes_of_batches_are_near_equal():
    assert batch_sizes(1437, 256, 1) == [240, 240, 240, 239, 239, 239]
    assert batch_sizes(10, 4, 2) == [4, 4, 2]
    assert batch_sizes(11, 4, 2) == [4, 4, 4]
    assert batch_sizes(1, 6, 3) == [3]


def test_the_order_follows_from_seed_and_epoch_also_in_a_new_sampler():
    data = split(60)
    old = sampler("supervised()", data, 8)
    epochs = []
    for epoch in range(3):
        old.set_epoch(epoch)
        epochs.append(list(old))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    torch.manual_seed(1)
    np.random.seed(1)
    new = sampler("supervised()", data, 8)
    new.set_epoch(2)
    assert list(new) == epochs[2]
    assert list(sampler("supervised()", data, 8)) == epochs[0]
    assert list(sampler("supervised()", data, 8, seed=1)) != epochs[0]


def test_lightning_finds_where_to_set_the_epoch():
    made = listed_batches(split(60), sampler("supervised()", split(60), 8))
    orders = []
    for epoch in (0, 1, 0):
        _set_sampler_epoch(made, epoch)
        orders.append(torch.cat([batch.sample for batch in made]).tolist())
    assert orders[0] == orders[2] != orders[1]
    assert len(made) == 8


def test_every_batch_has_related_samples_of_rare_labels():
    data, recipe = split(10_000, classes=100), "ssl() | supervised(per_class=10)"
    ours = edges(recipe, data, sampler(recipe, data, 128).batches(0))
    theirs = edges(recipe, data, at_random(data, 128))
    assert len(ours) == 79
    # ten of a class are two groups of four and one of two: 13 pairs; at random 1,000 samples of
    # 10,000 have 4,500 pairs, of which 1.3 % fall into one batch
    assert sum(ours) >= 1300
    assert min(ours) >= 12
    assert sum(ours) > 15 * sum(theirs)


def test_a_class_with_all_its_labels_fills_no_batch():
    data = split(1000)
    batches = sampler("supervised()", data, 50).batches(0)
    classes = [data.labels["label"][torch.from_numpy(batch)].bincount() for batch in batches]
    assert all(int((members > 0).sum()) >= 5 for members in classes)
    assert max(int(members.max()) for members in classes) <= 24
    # at random 49 others, a tenth of them of the class, give 122 pairs a batch
    assert sum(edges("supervised()", data, batches)) > 20 * 122


@pytest.mark.parametrize("weight", ["", ",0.5"])
def test_the_pairs_of_a_file_are_in_one_batch(tmp_path, weight):
    data = split(600)
    ends = data.sample[torch.randperm(600, generator=torch.Generator().manual_seed(3))][:200]
    pairs = ends.reshape(-1, 2).tolist()
    strange = [(a, 1) for a, _ in pairs]  # of another split
    lines = [f"{a},{b}{weight}" for a, b in [*pairs, *strange]]
    (tmp_path / "links.csv").write_text("\n".join(lines))
    ours = sampler(rrl.ssl() + rrl.pairs(tmp_path / "links.csv"), data, 64, meet=2)
    for epoch in range(3):
        held = [set(data.sample[torch.from_numpy(batch)].tolist()) for batch in ours.batches(epoch)]
        assert all(any({a, b} <= batch for batch in held) for a, b in pairs)
    assert ours.meeting(0) == 200


def test_every_sample_of_a_list_is_in_a_batch_with_every_other(tmp_path):
    data = split(20)
    ends = data.sample.tolist()
    lines = [f"{a},{b}" for a in ends for b in ends if a < b]
    (tmp_path / "links.csv").write_text("\n".join(lines))
    ours = sampler(rrl.pairs(tmp_path / "links.csv"), data, 4)
    company = Counter()
    for epoch in range(40):
        assert ours.meeting(epoch) == 20
        for batch in ours.batches(epoch):
            company.update((a, b) for a in batch.tolist() for b in batch.tolist() if a < b)
    assert len(company) > 180  # of 190
    assert max(company.values()) < 20  # 40 * 3 / 19 are expected


def test_samples_that_come_alone_are_spread_over_batches_and_ranks():
    ours = sampler("ssl() | supervised(per_class=4)", split(400), 100)
    first, second = (ours.batches(epoch) for epoch in (0, 1))
    for batch, other in zip(first, second, strict=True):
        assert 5 < len({*batch.tolist()} & {*other.tolist()}) < 50
        assert abs(batch[:50].mean() - batch[50:].mean()) < 80
        assert 100 < batch.mean() < 300


def test_neighbors_in_a_field_are_in_one_batch():
    place = torch.rand(800, 2, generator=torch.Generator().manual_seed(5))
    data, recipe = split(800, place=place), "knn(3, space=place)"
    ours = edges(recipe, data, sampler(recipe, data, 40).batches(0))
    assert sum(ours) > 10 * sum(edges(recipe, data, at_random(data, 40)))


def test_every_relation_has_its_turn_in_small_groups(tmp_path):
    data = split(600)
    pairs = data.sample.reshape(-1, 2).tolist()
    (tmp_path / "links.csv").write_text("\n".join(f"{a},{b}" for a, b in pairs))
    links = rrl.pairs(tmp_path / "links.csv")
    batches = sampler(rrl.supervised() | links, data, 60, meet=2).batches(0)
    listed = sum(edges(links, data, batches))
    assert 80 < listed < 220  # of 300, of which a tenth would meet at random


def test_labels_of_a_schedule_form_groups_when_they_are_known():
    ours = sampler("ssl() | supervised(frac=linear(0, 1, epochs=4))", split(400), 64)
    shares = [ours.meeting(epoch) for epoch in range(5)]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[2] == pytest.approx(200, abs=40)
    assert shares[4] >= 395


def test_samples_that_are_not_chosen_come_alone():
    ours = sampler("ssl() | supervised(per_class=4)", split(400), 64, meet=2)
    assert ours.meeting(0) == 40
    assert sampler("ssl()", split(400), 64).meeting(0) == 0


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ("ssl()", 0),
        ("all()", 0),
        ("near(label, 1)", 0),
        ("random(0.5)", 0),
        ("knn(3, space=projection)", 0),
        ("supervised()", 1),
        ("supervised() + supervised(labels=coarse)", 2),
        ("supervised(frac=0.3) | ssl() | drop_self()", 1),
        ("knn(3, space=place) & supervised()", 2),
        ("geodesic(place, 3, 1)", 1),
        ("0.5 * supervised() + knn(3, space=projection)", 1),
        ("all() - supervised()", 0),
        ("~supervised()", 0),
        ("~~supervised()", 1),
        ("supervised() - supervised(labels=coarse)", 1),
        ("supervised() | corrupt(tpr=0.8, fpr=0.1)", 1),
        ("0.5 * supervised() | corrupt(tpr=0.8, fpr=0.1)", 1),
        ("supervised() | corrupt(tpr=0.1, fpr=0.1)", 0),
        ("supervised() | corrupt(tpr=0.1, fpr=0.8) | drop_self()", 0),
        ("supervised() | keep(0.5)", 1),
        ("supervised() | closure()", 1),
        ("(supervised() + ssl()) | topk(2)", 1),
        ("knn(3, space=projection) | closure()", 0),
        ("supervised() | during(start=5)", 1),
        ("ssl() | (supervised() | during(end=5))", 0),
        ("ssl() + linear(1, 0, epochs=5) * supervised()", 0),
        ("ssl() | (0.5 * supervised() | during(end=5) | threshold(0.1))", 0),
    ],
)
def test_what_relates_samples_is_read_from_the_plan(recipe, count):
    assert len(relating(rrl.compile(recipe).plan, 7)) == count


def test_a_relation_forms_groups_only_in_its_epochs():
    ours = sampler("ssl() | (supervised() | during(start=2))", split(400), 64)
    assert [ours.meeting(epoch) for epoch in (0, 1)] == [0, 0]
    assert ours.meeting(2) >= 395
