"""Kernels are symmetric, and the same in every batch, to the last bit; so is what is made of them.

Sums of floats depend on their order, and a matrix product chooses it by its shape: what holds of a
pair must not.
"""

from itertools import product

import numpy as np
import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.backends import reference

LATTICE = np.array(list(product(range(-2, 3), repeat=3)), dtype=np.float64)
RANDOM = np.random.default_rng(0).standard_normal((125, 771))
UNEVEN = RANDOM[:, :40] * 10.0 ** np.random.default_rng(1).integers(-40, 40, (125, 40))
VECTORS = {"lattice": LATTICE, "random": RANDOM, "uneven": UNEVEN}
KERNELS = {
    "cosine": "similarity(x)",
    "warm cosine": "similarity(x, temperature=0.3)",
    "dot": "similarity(x, kernel=dot)",
    "exp": "similarity(x, kernel=exp, temperature=0.07)",
    "rbf": "similarity(x, kernel=rbf, bandwidth=0.4)",
    "sne": "similarity(x, kernel=sne, perplexity=7)",
}
AROUND = {
    "itself": "{}",
    "edges": "{} | threshold(0)",
    "half": "{} | threshold(0.5)",
    "complement": "~{}",
    "noise": "{} | corrupt(tpr=0.7, fpr=0.1)",
    "difference": "all() - ({} | threshold(0))",
    "sum": "0.3 * {} + ssl() | power(0.5)",
}


def rows_of(x: np.ndarray, chosen: np.ndarray) -> rrl.Nodes:
    return rrl.Nodes(chosen // 2, chosen % 2, fields={"x": x[chosen // 2]})


def program_of(text: str, x: np.ndarray) -> rrl.Program:
    program = rrl.compile(text, seed=3)
    dataset = rrl.Nodes(range(len(x)), fields={"x": x})
    return program.bind(dataset) if program.requires.bound else program


@pytest.mark.parametrize("x", VECTORS.values(), ids=VECTORS)
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_pair_has_one_weight_in_every_batch_there_as_back(around: str, kernel: str, x: np.ndarray):
    program = program_of(around.format(kernel), x)
    every = np.arange(2 * len(x))
    whole = program(rows_of(x, every)).numpy()
    np.testing.assert_array_equal(whole, whole.T)
    rng = np.random.default_rng(4)
    for size in (1, 2, 5, 33, 64, 250):
        rows, cols = rng.permutation(every)[:size], rng.permutation(every)[: 1 + size // 2]
        part = program(rows_of(x, rows)).numpy()
        np.testing.assert_array_equal(part, whole[np.ix_(rows, rows)])
        beside = program.relate(rows_of(x, rows), rows_of(x, cols)).weights.numpy()
        np.testing.assert_array_equal(beside, whole[np.ix_(rows, cols)])


@pytest.mark.parametrize("kernel", ["cosine", "dot"])
def test_orthogonal_vectors_have_no_edge(kernel: str):
    rows = rrl.Nodes(range(125), fields={"x": LATTICE})
    related = rrl.compile(f"similarity(x, kernel={kernel}) | threshold(0)")(rows).numpy()
    inner = LATTICE.astype(int) @ LATTICE.T.astype(int)  # of whole numbers, exact
    np.testing.assert_array_equal(related, inner > 0)
    # and as directions, which are orthogonal up to rounding
    length = np.linalg.norm(LATTICE, axis=1, keepdims=True)
    rows = rrl.Nodes(range(125), fields={"x": LATTICE / np.maximum(length, 1)})
    related = rrl.compile(f"similarity(x, kernel={kernel}) | threshold(0)")(rows).numpy()
    np.testing.assert_array_equal(related, inner > 0)
    expected = reference.evaluate(
        rrl.parse(f"similarity(x, kernel={kernel}) | threshold(0)"),
        reference.Rows(np.arange(125), np.zeros(125, int), fields={"x": rows.fields["x"].numpy()}),
    )
    np.testing.assert_array_equal(related, expected > 0)


def test_batch_scoped_builtins_are_symmetric_and_ignore_the_order_of_rows():
    order = np.random.default_rng(5).permutation(125)
    for text in ("~similarity(x) | closure()", "similarity(x) | drop_self() | topk(4)"):
        program = rrl.compile(text)
        whole = program(rrl.Nodes(range(125), fields={"x": LATTICE})).numpy()
        np.testing.assert_array_equal(whole, whole.T)
        shuffled = program(rrl.Nodes(order, fields={"x": LATTICE[order]})).numpy()
        np.testing.assert_array_equal(shuffled, whole[np.ix_(order, order)])


def test_contrast_of_a_kernel_is_the_same_in_every_batch():
    program = rrl.compile("ssl()\ncontrast ~(similarity(x) | threshold(0))")

    def contrast(chosen: np.ndarray) -> np.ndarray:
        rows = rrl.Nodes(chosen, fields={"x": LATTICE[chosen]})
        contrast = program.relate(rows, rows).contrast
        assert contrast is not None
        return contrast.numpy()

    whole = contrast(np.arange(125))
    inner = LATTICE.astype(int) @ LATTICE.T.astype(int)
    np.testing.assert_array_equal(whole, (inner <= 0) & ~np.eye(125, dtype=bool))
    for size in (3, 40):
        chosen = np.random.default_rng(size).permutation(125)[:size]
        np.testing.assert_array_equal(contrast(chosen), whole[np.ix_(chosen, chosen)])


@pytest.mark.parametrize("x", [LATTICE[:12], RANDOM[:12]], ids=["lattice", "random"])
def test_inner_products_are_those_of_exact_arithmetic(x: np.ndarray):
    from fractions import Fraction

    weights = rrl.compile("similarity(x, kernel=dot)")(rrl.Nodes(range(12), fields={"x": x}))
    for i in range(12):
        for j in range(12):
            exact = sum(Fraction(a) * Fraction(b) for a, b in zip(x[i], x[j], strict=True))
            expected = torch.tensor(float(max(exact, 0)))
            torch.testing.assert_close(weights[i, j], expected, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("factor", [2.0**-1074, 1e-300, 1e-160, 1e149])
def test_cosine_of_vectors_of_any_length(factor: float):
    x = np.array([[1.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 0.0]]) * factor
    weights = rrl.compile("similarity(x)")(rrl.Nodes(range(4), fields={"x": x})).numpy()
    half = np.float32(np.sqrt(0.5))
    expected = [[1, half, half, 0], [half, 1, 1, 0], [half, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(weights, np.array(expected, dtype=np.float32))
