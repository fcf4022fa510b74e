"""Scalars that depend on the epoch: their values, where they are allowed, what they change."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.backends.edge import edge_function

MODEST = settings(max_examples=100, deadline=None, derandomize=True, database=None)

ROWS = rrl.Nodes(np.arange(200), labels={"label": np.zeros(200, dtype=int)})
reals = st.floats(-1e6, 1e6)


def values(text: str, epochs: list[int]) -> list[float]:
    """A schedule at some epochs, as the weight that it scales."""
    program = rrl.compile(f"{text} * all()")
    return [program(rrl.Nodes([0]), epoch=epoch).item() for epoch in epochs]


def test_linear_goes_in_a_straight_line_and_stays():
    assert values("linear(0, 1, epochs=4)", [0, 1, 2, 3, 4, 100]) == [0, 0.25, 0.5, 0.75, 1, 1]
    assert values("linear(3, 1, epochs=4)", [0, 1, 4, 5]) == [3, 2.5, 1, 1]


def test_cosine_goes_along_half_a_cosine_and_stays():
    shown = values("cosine(0, 1, epochs=4)", [0, 1, 2, 3, 4, 100])
    expected = [0, 0.5 - math.cos(math.pi / 4) / 2, 0.5, 0.5 + math.cos(math.pi / 4) / 2, 1, 1]
    assert shown == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_step_changes_at_one_epoch():
    assert values("step(2, 5, at=3)", [0, 2, 3, 4]) == [2, 2, 5, 5]
    assert values("step(2, 5, at=0)", [0]) == [5]


@MODEST
@given(st.sampled_from(["linear", "cosine"]), reals, reals, st.integers(1, 200))
def test_schedule_stays_between_its_ends(kind: str, start: float, end: float, epochs: int):
    schedule = getattr(rrl, kind)(start, end, epochs=epochs)
    shares = [schedule.at(epoch) for epoch in range(epochs + 2)]
    low, high = sorted((start, end))
    slack = 1e-9 * (abs(start) + abs(end))
    assert all(low - slack <= value <= high + slack for value in shares)
    assert shares[0] == pytest.approx(start)
    assert shares[-2:] == [end, end]
    assert shares == sorted(shares, reverse=start > end) or abs(start - end) < 1e-6


@pytest.mark.parametrize(
    ("text", "density"),
    [
        ("supervised(frac=linear(0, 1, epochs=10))", lambda share: share**2),
        ("random(linear(0, 1, epochs=10))", lambda share: share),
        ("supervised() | keep(linear(0, 1, epochs=10))", lambda share: share),
        ("supervised() | corrupt(tpr=linear(0, 1, epochs=10))", lambda share: share),
        ("none() | corrupt(fpr=linear(0, 1, epochs=10))", lambda share: share),
    ],
)
def test_every_probability_may_be_scheduled_and_its_graphs_are_nested(text: str, density: object):
    program = rrl.compile(text, seed=3)
    assert program.requires.epochs
    before = None
    beside = ~torch.eye(200, dtype=torch.bool)
    for epoch in (0, 3, 7, 10, 50):
        kept = program(ROWS, epoch=epoch)[beside]
        share = min(epoch / 10, 1)
        assert kept.float().mean() == pytest.approx(density(share), abs=0.06)
        assert before is None or not (before & ~kept).any()
        before = kept
    assert before.all()


def test_exponent_and_factor_may_be_scheduled():
    rows = rrl.Nodes([0, 1], fields={"x": [[1.0, 0], [1, 1]]})
    program = rrl.compile("step(1, 3, at=5) * (similarity(x) | power(step(1, 2, at=5)))")
    first, last = program(rows, epoch=4)[0, 1].item(), program(rows, epoch=5)[0, 1].item()
    assert (first, last) == pytest.approx((math.sqrt(0.5), 3 * 0.5))


def test_new_epoch_compiles_nothing():
    texts = (
        "ssl() | supervised(frac=linear(0, 1, epochs=9)) | keep(cosine(1, 0, epochs=9))",
        "ssl() | supervised(frac=step(0, 1, at=3)) | keep(0.5)",
        "ssl() | supervised(frac=0.5) | keep(linear(1, 0, epochs=2))",
    )
    plans = [rrl.compile(text).plan for text in texts]
    functions = {edge_function(plan, plan.result, fused=False) for plan in plans}
    assert len(functions) == 1, "schedules and numbers enter as scalars of one function"


def test_schedules_are_values_of_python_too():
    schedule = rrl.linear(0, 1, epochs=10)
    assert rrl.supervised(frac=schedule) == rrl.parse("supervised(frac=linear(0, 1, epochs=10))")
    assert (
        schedule * rrl.ssl() == rrl.ssl() * schedule == rrl.parse("linear(0, 1, epochs=10) * ssl()")
    )
    assert 2 * schedule == rrl.linear(0, 2, epochs=10)
    assert rrl.parse("2 * linear(0, 1, epochs=10) * ssl()") == (2 * schedule) * rrl.ssl()
    assert str(schedule) == "linear(0.0, 1.0, epochs=10)"


@pytest.mark.parametrize(
    "operation",
    [
        lambda schedule: schedule + schedule,
        lambda schedule: 1 - schedule,
        lambda schedule: -schedule,
        lambda schedule: schedule / 2,
        lambda schedule: schedule > 0.5,
        lambda schedule: min(schedule, 0.5),
        math.exp,
    ],
)
def test_an_operation_that_schedules_do_not_have_names_the_way_out(operation):
    with pytest.raises(TypeError, match=r"only be multiplied by a number; .* change its ends"):
        operation(rrl.linear(0, 1, epochs=10))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linear(0, 1, epochs=10)", "linear(0, 1, epochs=11)"),
        ("linear(0, 1, epochs=10)", "linear(0.1, 1, epochs=10)"),
        ("linear(0, 1, epochs=10)", "linear(0, 0.9, epochs=10)"),
        ("linear(0, 1, epochs=10)", "cosine(0, 1, epochs=10)"),
        ("linear(0, 1, epochs=10)", "step(0, 1, at=10)"),
        ("linear(1, 1, epochs=10)", "1.0"),
    ],
)
def test_identity_tells_schedules_apart(one: str, other: str):
    assert rrl.parse(f"random({one})").identity != rrl.parse(f"random({other})").identity


def test_let_names_a_schedule_and_a_param_does_not():
    graph = rrl.parse("let rate = linear(0.1, 1, epochs=5)\nssl() | supervised(rate) | keep(rate)")
    assert graph == rrl.parse(
        "ssl() | supervised(linear(0.1, 1, epochs=5)) | keep(linear(0.1, 1, epochs=5))"
    )
    with pytest.raises(rrl.RRLError, match="RRL008"):
        rrl.parse("param rate = linear(0.1, 1, epochs=5)\nsupervised(rate)")


def test_fraction_may_start_at_nothing_in_a_schedule_alone():
    assert not rrl.compile("supervised(linear(0, 1, epochs=5))")(ROWS, epoch=0).any()
    with pytest.raises(rrl.RRLError, match="RRL301"):
        rrl.parse("supervised(0)")
