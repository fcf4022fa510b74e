"""Golden integers of the draws: the same on every machine, backend and release.

A number that changes here changes the graph of every recipe that draws.
"""

import numpy as np
import parity_draws as oracle
import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.graph import draws, streams
from rrl_dsl.graph.plan import Key

KEY = 0x9ABCDEF0

MIXED = {
    0x0: 0x00000000,
    0x1: 0x9F47B7AB,
    0x2: 0x3E8D6F56,
    0x7FFFFFFF: 0x0C593597,
    0x80000000: 0x250F98C4,
    0xFFFFFFFF: 0xB5E1318A,
    0x12345678: 0x138BB551,
}
KEYS = {
    (0, 0, 0): 0xAA95A7EB,
    (1, 0, 0): 0x8E1BF091,
    (0, 1, 0): 0x49F34837,
    (0, 0, 1): 0x151E1354,
    (2**32, 0, 0): 0xB1A59928,
    (2**40 + 9, 0xDEADBEEF, 17): 0xBD510A69,
    (2**64 - 1, 2**32 - 1, 2**32 - 1): 0xB0542979,
}
ROWS = {
    (0, 0): 0x49425DED,
    (1, 0): 0xAC12FC65,
    (0, 1): 0x0E3E74E2,
    (2**32, 0): 0x9FF65D9E,
    (2**32 + 1, 3): 0xC2171A0F,
    (2**62 + 5, 1): 0x8FFC62BF,
    (2**63 - 1, 2**31): 0x2201B5F7,
}
PAIRS = {
    (0x0, 0x0): 0x00000000,
    (0x1, 0x2): 0x54D789DE,
    (0xFFFFFFFF, 0xFFFFFFFF): 0x7F202280,
    (0xDEADBEEF, 0x12345678): 0x5E936654,
}
STREAMS = {
    ("random", 0): 0x2C5FF964,
    ("random", 1): 0x36CBB19F,
    ("corrupt", 0): 0x62027779,
    ("corrupt", 1): 0xD2934339,
    ("keep", 0): 0xCD7F00E3,
    ("supervised", 0): 0x56F3B640,
    ("supervised", 2): 0xAAA23E6E,
    ("seed", 0): 0x54B2014A,
    ("seed", 7): 0xC446B780,
    ("seed", 2**40): 0xD5A92B49,
}
THRESHOLDS = {
    0.0: -1,
    1e-12: -1,
    0.05: 107374181,
    1 / 3: 715827882,
    0.5: 1073741823,
    1 - 1e-12: 2147483647,
    1.0: 2147483647,
}
GRAPHS = {  # ids 0 to 7 of the classes id % 3: each row as a byte, the first column the highest bit
    "random(0.5)": "bf76eed2abe4fb8b",
    "none() | corrupt(fpr=0.3)": "408d040142600952",
    "supervised(frac=0.5)": "9000249008240000",
    "random(0.2) | random(0.2)": "b744a69709f4b39b",
}
SEEDED_KEYS = {  # (explicit seed, epoch or step) -> key, whatever the recipe's seed
    (0, 0): 0x2C0BC282,
    (0, 17): 0x9BEED061,
    (7, 0): 0xFC534EA8,
    (7, 17): 0xA32C1F73,
    (2**40, 0): 0xADC0D635,
    (2**40, 17): 0x21DC874A,
}
SEEDED_GRAPHS = {
    "all() | keep(0.7, seed=7)": "dfff7dfafdefd7ef",
    "random(0.5, seed=1099511627776)": "88637b3bbf0e7e79",
    "none() | corrupt(fpr=0.3, seed=0)": "01000f01212020b8",
    "supervised(frac=0.5, seed=3)": "8200000000008200",
}


@pytest.mark.parametrize(("x", "mixed"), MIXED.items())
def test_mix(x: int, mixed: int):
    assert oracle.mix(x) == draws.mix(x) == mixed
    assert draws.mix(x + 2**32) == mixed
    assert draws.mix(torch.tensor(x)).item() == mixed


def test_mix_is_one_to_one_on_a_sample():
    values = [draws.mix(x * 0x9E3779B1) for x in range(20_000)]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize(("words", "expected"), KEYS.items())
def test_key(words: tuple[int, int, int], expected: int):
    assert oracle.key(*words) == draws.key(*words) == expected


@pytest.mark.parametrize(("row", "expected"), ROWS.items())
def test_row_hash(row: tuple[int, int], expected: int):
    sample, view = row
    assert oracle.row_hash(sample, view, KEY) == expected
    columns = np.array([sample]), np.array([view])
    assert draws.row_hash(*columns, KEY).tolist() == [expected]
    tensors = torch.tensor([sample]), torch.tensor([view])
    assert draws.row_hash(*tensors, torch.tensor(KEY)).tolist() == [expected]
    if view == 0:
        assert draws.row_hash(tensors[0], None, torch.tensor(KEY)).tolist() == [expected]


@pytest.mark.parametrize(("ends", "expected"), PAIRS.items())
def test_pair_hash(ends: tuple[int, int], expected: int):
    u, v = ends
    assert oracle.pair_hash(u, v) == oracle.pair_hash(v, u) == expected
    assert draws.pair_hash(torch.tensor(u), torch.tensor(v)).item() == expected


@pytest.mark.parametrize(("content", "expected"), STREAMS.items())
def test_stream_word(content: tuple[str, int], expected: int):
    name, number = content
    ours = streams.seed_word(number) if name == "seed" else streams.stream_word(name, number)
    assert oracle.stream_word(name, number) == ours == expected


@pytest.mark.parametrize(("probability", "expected"), THRESHOLDS.items())
def test_threshold(probability: float, expected: int):
    assert draws.threshold(probability) == expected


@pytest.mark.parametrize(("text", "bits"), GRAPHS.items())
def test_graph_of_ids_nought_to_seven(text: str, bits: str):
    ids = torch.arange(8)
    weights = rrl.compile(text, seed=0)(rrl.Nodes(ids, labels={"label": ids % 3}))
    assert np.packbits(weights.numpy()).tobytes().hex() == bits


def key_of(graph: rrl.Graph) -> Key:
    (key,) = (scalar for scalar in rrl.compile(graph).plan.scalars if isinstance(scalar, Key))
    return key


@pytest.mark.parametrize(("given", "expected"), SEEDED_KEYS.items())
@pytest.mark.parametrize("recipe_seed", [0, 2**63 + 17])
def test_key_of_an_explicit_seed(given: tuple[int, int], expected: int, recipe_seed: int):
    seed, time = given
    assert oracle.key(seed, oracle.stream_word("seed", seed), time) == expected
    drawn = key_of(rrl.random(0.5, seed=seed))
    assert drawn.at(recipe_seed, 3, 4) == draws.key(seed, streams.seed_word(seed), 0)
    redrawn = key_of(rrl.all() | rrl.keep(0.5, redraw="epoch", seed=seed))
    assert redrawn.at(recipe_seed, time, 4) == expected


@pytest.mark.parametrize(("text", "bits"), SEEDED_GRAPHS.items())
@pytest.mark.parametrize("recipe_seed", [0, 5, 2**64 - 1])
def test_graph_of_an_explicit_seed(text: str, bits: str, recipe_seed: int):
    ids = torch.arange(8)
    weights = rrl.compile(text, seed=recipe_seed)(rrl.Nodes(ids, labels={"label": ids % 3}))
    assert np.packbits(weights.numpy()).tobytes().hex() == bits
