"""Each method of the gallery has the graph that its paper defines, built here by brute force.

Over 24 digits in two views, or over the graph of all digits where the method has one of the whole
dataset. Draws come from the oracle of `tests/parity`.
"""

from importlib.resources import files
from pathlib import Path

import numpy as np
import parity_draws as oracle
import pytest
import torch
from scipy.spatial.distance import cdist, squareform
from sklearn.manifold import Isomap
from sklearn.manifold._t_sne import _joint_probabilities
from sklearn.neighbors import kneighbors_graph

import rrl_dsl as rrl
from rrl_dsl.data import digits

RECIPES = Path(__file__).parents[2] / "recipes"
COLUMNS = digits.columns()
X = COLUMNS.fields["pixels"].astype(np.float64)
DATA = rrl.Nodes(COLUMNS.sample, labels=COLUMNS.labels, fields=COLUMNS.fields)

PLACES = np.random.default_rng(0).permutation(len(X))[:24].repeat(2)
SAMPLE, VIEW = COLUMNS.sample[PLACES], np.tile([0, 1], 24)
LABEL, COARSE = COLUMNS.labels["label"][PLACES], COLUMNS.labels["coarse"][PLACES]
ROWS = rrl.Nodes(
    SAMPLE,
    VIEW,
    {name: label[PLACES] for name, label in COLUMNS.labels.items()},
    {"pixels": COLUMNS.fields["pixels"][PLACES]},
)
SEED = 7

same_sample = SAMPLE[:, None] == SAMPLE
same_row = np.eye(48, dtype=bool)


def graph(name: str, epoch: int = 0, rows: rrl.Nodes = ROWS, **params: object) -> np.ndarray:
    program = rrl.compile(rrl.load(RECIPES / f"{name}.rrl", params=params), seed=SEED)
    if program.requires.bound:
        program.bind(DATA)
    return program(rows, epoch=epoch).numpy()


def labeled(frac: float) -> np.ndarray:
    """Whether the label of each row's sample is known, as `supervised(frac=…)` draws it first."""
    key = oracle.key(SEED, oracle.stream_word("supervised", 0), 0)
    return np.array([oracle.passes(oracle.row_hash(int(s), 0, key), frac) for s in SAMPLE])


def shared(label: np.ndarray, frac: float = 1.0) -> np.ndarray:
    """The partial one-hot matrix times its transpose (Maes et al., section 2.1)."""
    partial = np.eye(label.max() + 1)[label] * labeled(frac)[:, None]
    return partial @ partial.T > 0


@pytest.mark.parametrize(
    "name",
    [
        "simclr",
        "wmse",
        "nnclr",
        "byol",
        "simsiam",
        "barlow_twins",
        "vicreg",
        "lejepa",
        "spectral",
        "dino",
        "dinov2",
        "simdinov2",
    ],
)
def test_views_of_one_sample(name: str):
    kronecker = np.kron(np.eye(24), np.ones((2, 2))) > 0
    np.testing.assert_array_equal(graph(name), kronecker)


def test_siglip_compares_pairs_of_different_views():
    other_view = VIEW[:, None] != VIEW
    np.testing.assert_array_equal(graph("siglip"), same_sample & other_view)
    contrast = rrl.compile(rrl.load(RECIPES / "siglip.rrl")).relate(ROWS).contrast
    np.testing.assert_array_equal(contrast.numpy(), other_view)


def test_clip_and_its_soft_form_relate_images_and_captions():
    other_view = VIEW[:, None] != VIEW
    np.testing.assert_array_equal(graph("clip"), same_sample & other_view)
    unit = X[PLACES] / np.linalg.norm(X[PLACES], axis=1, keepdims=True)
    soft = np.exp((unit @ unit.T - 1) / 0.03) * other_view
    np.testing.assert_allclose(graph("soft_clip"), soft, rtol=1e-5)
    for name in ("clip", "soft_clip"):
        contrast = rrl.compile(rrl.load(RECIPES / f"{name}.rrl")).relate(ROWS).contrast
        np.testing.assert_array_equal(contrast.numpy(), other_view)


@pytest.mark.parametrize("name", ["supcon", "supervised_least_squares"])
def test_all_of_one_class_are_related(name: str):
    np.testing.assert_array_equal(graph(name), LABEL[:, None] == LABEL)


@pytest.mark.parametrize(("name", "frac"), [("suncet", 0.1), ("semi_supervised", 0.3)])
def test_semi_supervised(name: str, frac: float):
    np.testing.assert_array_equal(graph(name), same_sample | shared(LABEL, frac))
    np.testing.assert_array_equal(graph(name, frac=0.8), same_sample | shared(LABEL, 0.8))


def test_coarse_labels():
    np.testing.assert_array_equal(graph("coarse_labels"), same_sample | shared(COARSE, 0.3))


def noise(name: str) -> np.ndarray:
    """The upper 31 bits of the first hash of each pair of samples."""
    key = oracle.key(SEED, oracle.stream_word(name, 0), 0)
    u = [oracle.row_hash(int(sample), 0, key) for sample in SAMPLE]
    return np.array([[oracle.pair_hash(a, b) >> 1 for b in u] for a in u])


def test_coarse_labels_with_noise():
    clean = same_sample | shared(COARSE, 0.3)
    added = noise("corrupt") <= round(0.05 * 2**31) - 1
    np.testing.assert_array_equal(graph("semi_coarse"), clean | (added & ~same_row))


def test_noisy_labels():
    true = LABEL[:, None] == LABEL
    draws = noise("corrupt")
    kept, added = draws <= round(0.8 * 2**31) - 1, draws <= round(0.01 * 2**31) - 1
    noisy = np.where(same_row, true, np.where(true, kept, added))
    np.testing.assert_array_equal(graph("noisy_labels"), same_sample | noisy)


@pytest.mark.parametrize("epoch", [0, 1, 10, 19, 20, 500])
def test_curriculum_from_sparse_to_rich(epoch: int):
    expected = same_sample | shared(LABEL, min(epoch / 20, 1.0))
    weights = graph("curriculum", epoch=epoch)
    np.testing.assert_array_equal(weights, expected)
    if epoch == 0:
        np.testing.assert_array_equal(weights, same_sample)
    if epoch >= 20:
        np.testing.assert_array_equal(weights, same_sample | (LABEL[:, None] == LABEL))


def test_active_pairs_are_those_of_the_file():
    text = files("rrl_dsl.recipes").joinpath("annotated_pairs.csv").read_text()
    listed = {tuple(map(int, line.split(","))) for line in text.split()[1:]}
    rows = DATA[torch.arange(0, len(X), 3)]
    sample = rows.sample.tolist()
    expected = [[i == j or (i, j) in listed or (j, i) in listed for j in sample] for i in sample]
    weights = graph("active_pairs", rows=rows)
    np.testing.assert_array_equal(weights, expected)
    assert weights.sum() > len(sample)
    truth = dict(zip(COLUMNS.sample.tolist(), COLUMNS.labels["label"].tolist(), strict=True))
    assert len(listed) == 140
    assert all(truth[a] == truth[b] for a, b in listed), "annotators were right"


def test_x_sample_is_a_softmax_over_each_row():
    weights = graph("x_sample").astype(np.float64)
    x = X[PLACES]
    cosine = x @ x.T / np.linalg.norm(x, axis=1) / np.linalg.norm(x, axis=1)[:, None]
    softmax = np.exp(cosine / 0.1) / np.exp(cosine / 0.1).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights / weights.sum(axis=1, keepdims=True), softmax, rtol=1e-5)


def test_laplacian_eigenmaps_weigh_the_nearest_by_the_heat_kernel():
    nearest = kneighbors_graph(X, 8).toarray()
    joined = np.maximum(nearest, nearest.T)[np.ix_(PLACES, PLACES)]
    heat = np.exp(-cdist(X[PLACES], X[PLACES], "sqeuclidean") / 2)
    np.testing.assert_allclose(graph("laplacian_eigenmaps"), heat * joined, rtol=1e-5, atol=1e-7)


def test_isomap_relates_what_a_short_way_along_the_data_joins():
    lengths = Isomap(n_neighbors=8).fit(X).dist_matrix_
    expected = (lengths <= 2.5)[np.ix_(PLACES, PLACES)] & ~same_row
    weights = graph("isomap")
    np.testing.assert_array_equal(weights, expected)
    assert same_sample.sum() - 48 < weights.sum() < 0.5 * weights.size


def test_sne_has_the_joint_probabilities():
    joint = squareform(_joint_probabilities(cdist(X, X, "sqeuclidean"), 30.0, 0))
    expected = np.where(same_sample, 0, joint[np.ix_(PLACES, PLACES)])
    np.testing.assert_allclose(graph("sne"), expected, rtol=2e-3, atol=1e-9)


def test_mean_shift_relates_each_view_to_the_neighbors_of_the_other_in_the_bank():
    chance = np.random.default_rng(1)
    bank = rrl.Nodes(np.arange(5000, 5040))  # of earlier samples
    z, old = chance.standard_normal((48, 16)), chance.standard_normal((40, 16))
    columns = rrl.Nodes(
        np.concatenate([SAMPLE, np.arange(5000, 5040)]), np.concatenate([VIEW, np.zeros(40, int)])
    )
    everything = np.concatenate([z, old])
    program = rrl.compile(rrl.load(RECIPES / "mean_shift.rrl", params={"bank": 40, "k": 3}))
    assert program.requires.bank == len(bank)
    spaces = {"teacher": (torch.from_numpy(z), torch.from_numpy(everything))}
    weights = program.relate(ROWS, columns, spaces=spaces).weights.numpy()

    unit = everything / np.linalg.norm(everything, axis=1, keepdims=True)
    asked = np.zeros((48, 88), dtype=bool)
    for row in range(48):
        far = -(unit @ unit[row ^ 1])
        far[[row, row ^ 1]] = np.inf  # the target comes first, and ssl() has it
        asked[row, np.argsort(far)[:3]] = True
    expected = asked | (columns.sample.numpy() == SAMPLE[:, None])
    np.testing.assert_array_equal(weights, expected)


def test_adasim_relates_a_view_to_a_neighbor_only_where_the_other_view_is_the_nearest():
    chance = np.random.default_rng(2)
    z = chance.standard_normal((24, 8)).repeat(2, axis=0) + chance.standard_normal((48, 8))
    params = {"temperature": 0.5, "bank": 0}
    program = rrl.compile(rrl.load(RECIPES / "adasim.rrl", params=params), seed=SEED)
    assert program.requires.views == 2
    weights = program.relate(ROWS, spaces={"teacher": torch.from_numpy(z)}).weights.numpy()

    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    near = unit @ unit.T
    np.fill_diagonal(near, -2)
    good = near.argmax(axis=1) == np.arange(48) ^ 1
    assert 5 < good.sum() < 43
    assert (weights.sum(axis=1) == 1).all()
    other_view = np.eye(48, dtype=bool)[np.arange(48) ^ 1]
    np.testing.assert_array_equal(weights[~good], other_view[~good])
    assert (weights[good] & ~other_view[good]).any()
    among_ten = near >= np.sort(near, axis=1)[:, -10:-9]
    assert among_ten[good][weights[good].astype(bool)].all()


def test_every_recipe_of_the_gallery_is_held_to_a_graph_here():
    text = Path(__file__).read_text()
    for recipe in RECIPES.glob("*.rrl"):
        assert f'"{recipe.stem}"' in text or f'"{recipe.name}"' in text, recipe.name
