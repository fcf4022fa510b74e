"""`bootstrap` against an evaluation of its own, one row at a time, and AdaSim's probabilities."""

import math

import numpy as np
import parity_oracle as oracle
import pytest
import torch

import rrl_dsl as rrl

SEED, STEP = 5, 3


def rows_of(samples, views=2, first=0):
    numbers = torch.arange(first, first + samples) * 31
    return rrl.Nodes(numbers.repeat(views), torch.arange(views).repeat_interleave(samples))


def embeddings(rows, noise, seed=0):
    """Vectors in which the rows of a sample lie near each other, the less the more noise."""
    generator = torch.Generator().manual_seed(seed)
    centers = {int(sample): torch.randn(5, generator=generator) for sample in rows.sample}
    spread = torch.randn(len(rows), 5, generator=generator) * noise
    return torch.stack([centers[int(sample)] for sample in rows.sample]) + spread


def uniform(sample, view, step):
    """The random number of a row, from the 31 upper bits of its hash."""
    key = oracle.key(SEED, oracle.stream_word("bootstrap", 0), step)
    return (oracle.row_hash(sample, view, key) >> 1) / 2**31


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / (
        math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    )


def probabilities(rows, cols, z, keys, i, k, temperature):
    """Column -> the probability that it is drawn for row i."""
    own = (int(rows.sample[i]), int(rows.view[i]))
    candidates = {}
    for j in range(len(cols)):
        other = (int(cols.sample[j]), int(cols.view[j]))
        if other != own and other not in [place for place, _, _ in candidates.values()]:
            candidates[j] = (other, cosine(z[i].tolist(), keys[j].tolist()), other[0] == own[0])
    views = {j: near for j, (_, near, same) in candidates.items() if same}
    best = max(views, key=views.get)
    nearest = sorted(candidates, key=lambda j: -candidates[j][1])[:k]
    if views[best] < candidates[nearest[0]][1]:
        return {best: 1.0}
    weights = {
        j: math.exp((candidates[j][1] - candidates[nearest[0]][1]) / temperature) for j in nearest
    }
    return {j: weight / sum(weights.values()) for j, weight in weights.items()}


def one_by_one(rows, cols, z, keys, k, temperature, step=STEP):
    graph = np.zeros((len(rows), len(cols)), bool)
    for i in range(len(rows)):
        chances = probabilities(rows, cols, z, keys, i, k, temperature)
        drawn, left = uniform(int(rows.sample[i]), int(rows.view[i]), step), 0.0
        order = sorted(chances, key=lambda j: (int(cols.sample[j]), int(cols.view[j])))
        for j in order:
            left += chances[j]
            if drawn < left:
                break
        graph[i, j] = True
    return graph


def compiled(k, temperature, bank=0):
    text = f"bootstrap({k}, temperature={temperature}, space=projection, bank={bank})"
    return rrl.compile(text, seed=SEED)


@pytest.mark.parametrize("noise", [0.05, 0.3, 2.0])
@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (4, 0.5), (40, 5.0)])
def test_it_is_the_evaluation_row_by_row(noise, k, temperature):
    rows = rows_of(12)
    z = embeddings(rows, noise)
    graph = compiled(k, temperature)(rows, spaces={"projection": z}, step=STEP)
    expected = one_by_one(rows, rows, z, z, k, temperature)
    np.testing.assert_array_equal(graph.numpy(), expected)
    assert expected.sum(axis=1).tolist() == [1] * len(rows)


def test_columns_of_a_bank_are_drawn_too():
    rows, earlier = rows_of(8), rows_of(9, first=20)
    cols = rows.followed_by(earlier)
    z = embeddings(cols, 0.1)
    spaces = {"projection": (z[: len(rows)], z)}
    graph = compiled(20, 3.0, bank=18).relate(rows, cols, spaces=spaces, step=STEP).weights
    expected = one_by_one(rows, cols, z[: len(rows)], z, 20, 3.0)
    np.testing.assert_array_equal(graph.numpy(), expected)
    assert expected[:, len(rows) :].any()


def test_a_bad_space_is_plain_self_distillation():
    rows = rows_of(40)
    z = embeddings(rows, 5.0)
    graph = compiled(10, 0.1)(rows, spaces={"projection": z}, step=STEP)
    same_sample = rows.sample[:, None] == rows.sample
    nearest = torch.nn.functional.cosine_similarity(z[:, None], z[None], dim=2).fill_diagonal_(-2)
    good = same_sample.gather(1, nearest.argmax(dim=1, keepdim=True)).squeeze(1)
    assert 0 < good.sum() < 20
    assert (graph & same_sample).any(dim=1)[~good].all()


def test_neighbors_are_drawn_as_often_as_their_probability_says():
    rows = rows_of(5)
    z = embeddings(rows, 0.02, seed=1)
    steps, counts = 4000, np.zeros((10, 10))
    program = compiled(6, 0.7)
    for step in range(steps):
        counts += program(rows, spaces={"projection": z}, step=step).numpy()
    for i in range(10):
        chances = probabilities(rows, rows, z, z, i, 6, 0.7)
        for j in range(10):
            p = chances.get(j, 0.0)
            assert abs(counts[i, j] / steps - p) <= 4 * math.sqrt(p * (1 - p) / steps)


def test_a_hotter_temperature_draws_more_neighbors():
    rows = rows_of(60)
    z = embeddings(rows, 0.1)
    same_sample = rows.sample[:, None] == rows.sample
    shares = []
    for temperature in (0.001, 0.1, 10.0):
        graph = compiled(10, temperature)(rows, spaces={"projection": z}, step=STEP)
        shares.append(float((graph & ~same_sample).any(dim=1).float().mean()))
    assert shares == sorted(shares)
    assert shares[0] < 0.02
    assert shares[-1] > 0.7


def test_the_order_of_the_batch_and_a_row_twice_do_not_matter():
    rows = rows_of(10)
    z = embeddings(rows, 0.1)
    program = compiled(5, 1.0)
    graph = program(rows, spaces={"projection": z}, step=STEP)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    shuffled = program(rows[order], spaces={"projection": z[order]}, step=STEP)
    assert torch.equal(shuffled, graph[order][:, order])


def test_a_row_without_vector_or_other_view_has_no_edge():
    rows = rows_of(6)
    z = embeddings(rows, 0.1)
    z[0] = torch.nan  # the first view of the first sample
    graph = compiled(3, 1.0)(rows, spaces={"projection": z}, step=STEP)
    assert not graph[0].any()
    assert not graph[6].any()  # its only other view is unknown
    assert graph[1:6].any(dim=1).all()
