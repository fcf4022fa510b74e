"""Verdicts on claims: trends that hold, do not hold, and cannot be told."""

import numpy as np
import pytest
from scipy.stats import linregress, t

from rrl_dsl.study.claims import FAILS, HOLDS, UNKNOWN, verdicts
from rrl_dsl.study.published import Claim


def rows(slope, noise=0.01, seeds=3, other=(0,)):
    draw = np.random.default_rng(0)
    return [
        {
            "run": "", "recipe": "a", "loss": "simclr", "dataset": "digits", "seed": seed,
            "param.x": x, "param.other": z, "state": "done",
            "value": slope * x + 5.0 * z + float(draw.normal(0, noise)),
        }
        for seed in range(seeds)
        for z in other
        for x in (0.1, 0.5, 1.0)
    ]  # fmt: skip


def judge(table, direction, against="param.x"):
    claim = Claim(text="", value="value", against=against, direction=direction)
    (verdict,) = verdicts(table, claim)
    return verdict


@pytest.mark.parametrize(
    ("slope", "direction", "wanted"),
    [
        (1.0, "rises", HOLDS),
        (1.0, "falls", FAILS),
        (-1.0, "falls", HOLDS),
        (-1.0, "rises", FAILS),
        (0.0, "rises", UNKNOWN),
    ],
)
def test_a_trend_is_judged_by_the_interval_of_its_slope(slope, direction, wanted):
    noise = 0.01 if slope else 1.0
    assert judge(rows(slope, noise), direction).verdict == wanted


def test_the_interval_of_one_block_is_that_of_a_regression():
    table = rows(1.0, noise=0.1, seeds=1)
    verdict = judge(table, "rises")
    line = linregress([row["param.x"] for row in table], [row["value"] for row in table])
    half = t.ppf(0.975, 1) * line.stderr
    assert verdict.low == pytest.approx(line.slope - half)
    assert verdict.high == pytest.approx(line.slope + half)


def test_a_single_seed_cannot_tell():
    verdict = judge(rows(1.0, seeds=1, other=(0, 1)), "rises")
    assert verdict.low > 0
    assert verdict.verdict == UNKNOWN


def test_other_settings_do_not_hide_a_trend():
    assert judge(rows(0.2, other=(0, 1)), "rises").verdict == HOLDS


def test_losses_with_other_options_are_judged_apart():
    """The options that a setting of the sweep gives are not a further difference."""
    rising, falling = (
        [row | {"loss.options": options} for row in rows(slope)]
        for slope, options in ((1.0, None), (-1.0, "temperature=0.5"))
    )
    claim = Claim(text="", value="value", against="param.x", direction="rises")
    both = [(verdict.group, verdict.verdict) for verdict in verdicts(rising + falling, claim)]
    assert both == [("simclr", HOLDS), ("simclr(temperature=0.5)", FAILS)]
    table = [row | {"loss.options": f"scale={row['param.x']}"} for row in rising]
    (verdict,) = verdicts(table, claim)
    assert (verdict.group, verdict.runs, verdict.seeds) == ("simclr", 9, 3)


def test_runs_that_failed_do_not_count():
    table = rows(1.0)
    table[0] |= {"state": "failed", "value": None}
    assert judge(table, "rises").runs == len(table) - 1


def test_runs_without_the_parameter_do_not_count():
    table = rows(1.0)
    lacking = [row | {"recipe": "b", "param.x": None, "value": 9.0} for row in table]
    assert judge([*table, *lacking], "rises") == judge(table, "rises")


def test_a_value_is_positive_if_its_mean_is():
    table = [row | {"value": 1.0 + 0.1 * row["seed"]} for row in rows(0.0)]
    assert judge(table, "positive", None).verdict == HOLDS
    assert (
        judge([row | {"value": -row["value"]} for row in table], "positive", None).verdict == FAILS
    )


@pytest.mark.parametrize("against", ["param.x", None])
def test_runs_without_spread_cannot_be_told(against):
    table = [row | {"value": 0.1 + 0.2 * row["param.x"]} for row in rows(1.0)]
    if against is None:
        table = [row | {"value": 0.1} for row in table]
    verdict = judge(table, "rises" if against else "positive", against)
    assert (verdict.verdict, verdict.low, verdict.high) == (UNKNOWN, None, None)


def test_the_rounding_of_float32_accuracies_is_not_a_spread():
    """Each seed has a gap of one of 360 images, at another accuracy."""
    gaps = [
        float(np.float32(hits / 360) - np.float32((hits - 1) / 360)) for hits in (336, 341, 347)
    ]
    assert len(set(gaps)) > 1
    table = [row | {"value": gaps[row["seed"]]} for row in rows(0.0)]
    verdict = judge(table, "positive", None)
    assert (verdict.verdict, verdict.low, verdict.high) == (UNKNOWN, None, None)


def test_the_unit_of_a_parameter_does_not_change_a_verdict():
    table = [row | {"param.x": 1e9 * row["param.x"]} for row in rows(1.0)]
    verdict = judge(table, "rises")
    assert verdict.low == pytest.approx(1e-9 * judge(rows(1.0), "rises").low)
    assert verdict.verdict == HOLDS


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_runs_decide_nothing(count):
    table = rows(1.0)[:count] or [rows(1.0)[0] | {"value": None}, rows(1.0)[1] | {"value": None}]
    if count == 0:
        table[0] |= {"value": 1.0}
    assert judge(table, "rises").verdict == UNKNOWN
