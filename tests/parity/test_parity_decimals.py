"""Decimals and ties: a weight is a float32, rounded after every operation, on every backend.

Equal recipes have equal weights to the last bit, however they are written, before and after
rewriting, in the compiled program and in the reference.
"""

import itertools
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import nodes_of, reference_rows_of

import rrl_dsl as rrl
from rrl_dsl.backends import reference
from rrl_dsl.graph.identity import in_order
from rrl_dsl.graph.planner import compile_plan
from rrl_dsl.graph.streams import finished
from rrl_dsl.report.expectation import expected

MODEST = settings(max_examples=150, deadline=None, derandomize=True, database=None)

ROWS = [
    Row(sample, view, {"fine": sample % 3, "coarse": sample % 2})
    for sample in range(4)
    for view in range(2)
]
factors = st.sampled_from([0.1, 0.2, 0.3, 0.6, 0.7, 0.9, 1.1, 1.3, 3.3, 1e-7, 1e30])
sources = st.sampled_from(
    ["all()", "ssl()", "self()", "cross_view()", "supervised(labels=fine)", "random(0.5, seed=1)"]
)
around = st.sampled_from(["{}", "{}", "({} | none())", "({} - none())", "({} | keep(1))"])


@st.composite
def terms(draw: st.DrawFn) -> str:
    """A source times one or two numbers, perhaps with something around that rewriting removes."""
    text = f"{draw(factors)} * {draw(sources)}"
    if draw(st.booleans()):
        text = f"{draw(factors)} * ({text})"
    return draw(around).format(f"({text})")


def bracketed(parts: Sequence[str], chance: random.Random) -> str:
    """The sum of the parts in another order and with other brackets."""
    if len(parts) == 1:
        return parts[0]
    parts = chance.sample(parts, len(parts))
    cut = chance.randint(1, len(parts) - 1)
    return f"({bracketed(parts[:cut], chance)} + {bracketed(parts[cut:], chance)})"


def weights_of(text: str) -> np.ndarray:
    """The weights of a recipe, the same from the program, before rewriting, and the reference."""
    graph = rrl.parse(text, allow_outside=True)
    program = rrl.compile(graph)
    weights = program(nodes_of(ROWS)).numpy()
    program.plan = compile_plan(in_order(finished(graph)), binary=graph.binary)
    np.testing.assert_array_equal(program(nodes_of(ROWS)).numpy(), weights, err_msg=text)
    expected = reference.evaluate(graph, reference_rows_of(ROWS))
    np.testing.assert_array_equal(weights, expected, err_msg=text)
    return weights


@pytest.mark.slow
@MODEST
@given(st.lists(terms(), min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_sum_is_the_same_in_any_order_and_with_any_brackets(
    parts: list[str], chance: random.Random
):
    one, other = " + ".join(parts), bracketed(parts, chance)
    assert rrl.parse(one) == rrl.parse(other)
    weights = weights_of(one)
    np.testing.assert_array_equal(weights_of(other), weights)
    tie = min(chance.choice([weights.max(), *weights.ravel()]), np.float32(3e38))
    for at in (float(tie), float(np.nextafter(tie, np.float32(0)))):
        for text in (one, other):
            above = weights_of(f"({text}) | threshold({at!r})")
            np.testing.assert_array_equal(above, weights > np.float32(at))


@pytest.mark.slow
@MODEST
@given(st.lists(terms(), min_size=2, max_size=4), st.sampled_from(["0.5", "2", "0.3"]))
def test_transforms_after_a_sum_are_rounded_alike(parts: list[str], number: str):
    for transform in (f"clip({number})", f"power({number})", "corrupt(fpr=0.4)", "topk(2)"):
        weights_of(f"({' + '.join(parts)}) | {transform}")


@pytest.mark.parametrize("sign", ["+", "*"])
def test_two_decimals_on_every_threshold_that_they_tie_with(sign: str):
    numbers = [0.1, 0.2, 0.3, 0.6, 0.7, 0.9, 1.1, 1.3, 3.0]
    columns = {"label": np.array([0, 0, 1])}
    for a, b in itertools.product(numbers, numbers):
        text = f"{a} * all() + {b} * all()" if sign == "+" else f"{a} * ({b} * all())"
        weight = np.float32(a) + np.float32(b) if sign == "+" else np.float32(a) * np.float32(b)
        decimal = round(a + b if sign == "+" else a * b, 9)
        for at in (decimal, float(weight), float(np.nextafter(weight, np.float32(0)))):
            edge = bool(weight > np.float32(at))
            over = f"({text}) | threshold({at!r})"
            assert weights_of(over).all() == weights_of(over).any() == edge
            density = expected(rrl.parse(over), columns, samples=3, views=1).density
            assert density == float(edge)


def test_repeated_operands_are_multiplied():
    doubled = "\n".join(f"let a{n + 1} = a{n} + a{n}" for n in range(60))
    text = f"let a0 = 0.1 * all()\n{doubled}\n0.3 * ssl() + a60"
    weights = weights_of(text)
    np.testing.assert_array_equal(weights[0, 2:], np.float32(0.1) * np.float32(2**60))


def test_graph_as_deep_as_a_graph_may_be_has_its_sums_in_order_too():
    graph = rrl.ssl()
    while graph.depth < 63:
        graph = ~graph
    graph = graph + rrl.self() + graph
    assert graph.depth == 64
    assert rrl.compile(graph)(nodes_of(ROWS)).max() == 2


def test_file_s_decimals_are_rounded_too(tmp_path):
    (tmp_path / "links.csv").write_text("a,b,weight\n0,1,0.1\n0,2,1e-50\n2,3,0.3\n")
    text = f'let a = pairs("{tmp_path / "links.csv"}")\n'
    weights = weights_of(f"{text} a + 0.2 * all()")
    assert weights[0, 2] == np.float32(0.1) + np.float32(0.2)
    assert weights_of(f"{text} a | threshold(0)")[0, 4]  # what is above 0 stays above 0
    assert not weights_of(f"{text} a | threshold(0.1)")[0, 2]
