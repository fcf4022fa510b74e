"""The laws of the operators, over random recipes and batches.

Every stochastic call has a seed of its own here: laws are stated after every call has its stream,
and a stream that hangs on the position would move when operands change places.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import batches, datasets, nodes_of, spaces_of
from random_recipes import (
    Applied,
    Call,
    Joined,
    Recipe,
    Scaled,
    graph_of,
    is_binary,
    is_symmetric,
    recipes,
)

import rrl_dsl as rrl

MODEST = settings(max_examples=15, deadline=None, derandomize=True, database=None)

graphs = recipes(size=4, seeded=True, batch=True).map(graph_of)
binary_graphs = recipes(size=4, seeded=True, binary=True, batch=True).map(graph_of)
loopless_graphs = binary_graphs.map(lambda graph: graph | rrl.drop_self())

Rows = list[Row]


@st.composite
def some_rows(draw: st.DrawFn) -> Rows:
    return draw(batches(draw(datasets())))


def weights(graph: rrl.Graph, rows: Rows) -> np.ndarray:
    program = rrl.compile(graph, seed=2**33 + 1)
    weights = program(nodes_of(rows), spaces=spaces_of(rows), epoch=1, step=2)
    return weights.numpy().astype(np.float64)


def equal(left: rrl.Graph, right: rrl.Graph, rows: Rows) -> None:
    np.testing.assert_array_equal(weights(left, rows), weights(right, rows))


# union and intersection


@MODEST
@given(graphs, graphs, some_rows())
def test_union_is_commutative(a: rrl.Graph, b: rrl.Graph, rows: Rows):
    equal(a | b, b | a, rows)


@MODEST
@given(graphs, graphs, some_rows())
def test_intersection_is_commutative(a: rrl.Graph, b: rrl.Graph, rows: Rows):
    equal(a & b, b & a, rows)


@MODEST
@given(graphs, graphs, graphs, some_rows())
def test_union_is_associative(a: rrl.Graph, b: rrl.Graph, c: rrl.Graph, rows: Rows):
    equal((a | b) | c, a | (b | c), rows)


@MODEST
@given(graphs, graphs, graphs, some_rows())
def test_intersection_is_associative(a: rrl.Graph, b: rrl.Graph, c: rrl.Graph, rows: Rows):
    equal((a & b) & c, a & (b & c), rows)


@MODEST
@given(graphs, some_rows())
def test_union_is_idempotent(a: rrl.Graph, rows: Rows):
    equal(a | a, a, rows)


@MODEST
@given(graphs, some_rows())
def test_intersection_is_idempotent(a: rrl.Graph, rows: Rows):
    equal(a & a, a, rows)


@MODEST
@given(graphs, graphs, some_rows())
def test_union_absorbs_intersection(a: rrl.Graph, b: rrl.Graph, rows: Rows):
    equal(a | (a & b), a, rows)


@MODEST
@given(graphs, graphs, some_rows())
def test_intersection_absorbs_union(a: rrl.Graph, b: rrl.Graph, rows: Rows):
    equal(a & (a | b), a, rows)


@MODEST
@given(graphs, graphs, graphs, some_rows())
def test_union_distributes_over_intersection(a: rrl.Graph, b: rrl.Graph, c: rrl.Graph, rows: Rows):
    equal(a | (b & c), (a | b) & (a | c), rows)


@MODEST
@given(graphs, graphs, graphs, some_rows())
def test_intersection_distributes_over_union(a: rrl.Graph, b: rrl.Graph, c: rrl.Graph, rows: Rows):
    equal(a & (b | c), (a & b) | (a & c), rows)


# units


@MODEST
@given(graphs, some_rows())
def test_none_is_the_unit_of_union(a: rrl.Graph, rows: Rows):
    equal(a | rrl.none(), a, rows)
    equal(rrl.none() | a, a, rows)


@MODEST
@given(graphs, some_rows())
def test_none_is_the_unit_of_sum(a: rrl.Graph, rows: Rows):
    equal(a + rrl.none(), a, rows)
    equal(rrl.none() + a, a, rows)


@MODEST
@given(graphs, some_rows())
def test_all_is_the_unit_of_intersection_where_no_weight_exceeds_one(a: rrl.Graph, rows: Rows):
    limited = a | rrl.clip()
    equal(limited & rrl.all(), limited, rows)
    equal(rrl.all() & limited, limited, rows)


def test_all_is_not_neutral_for_intersection_above_weight_one():
    rows = [Row(0, 0, {"fine": 0, "coarse": 0})]
    assert weights(2 * rrl.all() & rrl.all(), rows).item() == 1.0


@MODEST
@given(graphs, some_rows())
def test_one_is_the_unit_of_scaling(a: rrl.Graph, rows: Rows):
    equal(1 * a, a, rows)


@MODEST
@given(graphs, some_rows())
def test_a_graph_scaled_by_nought_is_none(a: rrl.Graph, rows: Rows):
    equal(0 * a, rrl.none(), rows)


# sums and differences


@MODEST
@given(graphs, graphs, some_rows())
def test_sum_is_commutative(a: rrl.Graph, b: rrl.Graph, rows: Rows):
    equal(a + b, b + a, rows)


@MODEST
@given(graphs, graphs, graphs, some_rows())
def test_sum_is_associative_but_for_rounding(a: rrl.Graph, b: rrl.Graph, c: rrl.Graph, rows: Rows):
    left, right = weights((a + b) + c, rows), weights(a + (b + c), rows)
    np.testing.assert_allclose(left, right, rtol=1e-6)


@MODEST
@given(graphs, some_rows())
def test_sum_with_itself_is_twice_the_graph(a: rrl.Graph, rows: Rows):
    equal(a + a, 2 * a, rows)


@MODEST
@given(binary_graphs, some_rows())
def test_graph_less_itself_is_none(a: rrl.Graph, rows: Rows):
    equal(a - a, rrl.none(), rows)


@MODEST
@given(graphs, binary_graphs, some_rows())
def test_difference_keeps_the_weights_of_what_the_right_side_lacks(
    a: rrl.Graph, b: rrl.Graph, rows: Rows
):
    taken = weights(b, rows) == 1
    left = weights(a, rows)
    np.testing.assert_array_equal(weights(a - b, rows), np.where(taken, 0, left))


@MODEST
@given(graphs, binary_graphs, some_rows())
def test_difference_and_rest_make_the_whole(a: rrl.Graph, b: rrl.Graph, rows: Rows):
    equal((a - b) | (a - (rrl.all() - b)), a, rows)


# complement


@MODEST
@given(loopless_graphs, some_rows())
def test_complement_of_the_complement_is_the_graph(a: rrl.Graph, rows: Rows):
    equal(~~a, a, rows)


@MODEST
@given(loopless_graphs, loopless_graphs, some_rows())
def test_de_morgan_for_a_union(a: rrl.Graph, b: rrl.Graph, rows: Rows):
    equal(~(a | b), ~a & ~b, rows)


@MODEST
@given(loopless_graphs, loopless_graphs, some_rows())
def test_de_morgan_for_an_intersection(a: rrl.Graph, b: rrl.Graph, rows: Rows):
    equal(~(a & b), ~a | ~b, rows)


@MODEST
@given(graphs, some_rows())
def test_complement_has_no_diagonal_and_shares_no_edge(a: rrl.Graph, rows: Rows):
    assert not np.diagonal(weights(~a, rows)).any()
    assert not (weights(~a, rows) * weights(a, rows)).any()
    equal((~a | rrl.self()) | (a | rrl.threshold(0)), rrl.all(), rows)


# transforms that change nothing


@pytest.mark.parametrize(
    "identity",
    [
        lambda: rrl.keep(1.0),
        lambda: rrl.corrupt(),
        lambda: rrl.threshold(0),
        lambda: rrl.clip(),
        lambda: rrl.power(3),
        lambda: rrl.during(),
        lambda: rrl.keep(1.0) | rrl.corrupt(unit="row", redraw="step"),
    ],
    ids=["keep(1)", "corrupt()", "threshold(0)", "clip()", "power(3)", "during()", "composed"],
)
@MODEST
@given(binary_graphs, some_rows())
def test_identity_on_binary_graphs(identity: Callable[[], rrl.Transform], a: rrl.Graph, rows: Rows):
    equal(a | identity(), a, rows)


@pytest.mark.parametrize(
    "identity",
    [lambda: rrl.keep(1.0), lambda: rrl.corrupt(), lambda: rrl.power(1), lambda: rrl.during()],
    ids=["keep(1)", "corrupt()", "power(1)", "during()"],
)
@MODEST
@given(graphs, some_rows())
def test_identity_on_weighted_graphs(
    identity: Callable[[], rrl.Transform], a: rrl.Graph, rows: Rows
):
    equal(a | identity(), a, rows)


@MODEST
@given(graphs, some_rows())
def test_keep_is_corrupt_without_false_edges(a: rrl.Graph, rows: Rows):
    equal(a | rrl.keep(0.6, seed=3), a | rrl.corrupt(tpr=0.6, seed=3), rows)


@MODEST
@given(graphs, some_rows())
def test_composed_transforms_apply_in_order(a: rrl.Graph, rows: Rows):
    first, second = rrl.corrupt(fpr=0.4, seed=1), rrl.drop_self()
    equal(a | (first | second), (a | first) | second, rows)


# every result


@MODEST
@given(recipes(size=8, batch=True), some_rows())
def test_every_result_is_not_negative_and_symmetric_where_that_is_known(a: Recipe, rows: Rows):
    weighted = weights(graph_of(a), rows)
    assert graph_of(a).symmetric == is_symmetric(a)
    if is_symmetric(a):
        np.testing.assert_array_equal(weighted, weighted.T)
    assert (weighted >= 0).all()
    assert np.isfinite(weighted).all()


@MODEST
@given(recipes(batch=True), recipes(batch=True), st.sampled_from("|&+-"), some_rows())
def test_binary_graphs_have_dtype_bool(a: Recipe, b: Recipe, sign: str, rows: Rows):
    nought = Applied(a, Call("clip", {"max": 0.0}))  # which makes anything binary
    if sign == "-" and not is_binary(b):
        sign = "&"
    for one, other in ((nought, b), (nought, nought)):
        joined = Joined(sign, one, other)
        for graph in (joined, Applied(joined, Call("clip", {"max": 0.0})), Scaled(0.0, joined)):
            program = rrl.compile(graph_of(graph), seed=2)
            weights = program(nodes_of(rows), epoch=1, spaces=spaces_of(rows))
            assert program.binary == is_binary(graph) == (weights.dtype == torch.bool)
            assert program.plan.binary == program.binary


@MODEST
@given(recipes(size=8, binary=True, batch=True).map(graph_of), some_rows())
def test_every_weight_of_a_binary_graph_is_nought_or_one(a: rrl.Graph, rows: Rows):
    assert a.binary
    assert np.isin(weights(a | rrl.power(1) | rrl.keep(0.9), rows), (0, 1)).all()
