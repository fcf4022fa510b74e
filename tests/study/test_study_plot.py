"""`rrl-dsl plot`: the numbers behind a figure, its defaults, and its errors."""

import csv
import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from rrl_dsl.study.figures import figure_of
from rrl_dsl.study.points import axes_of, points_of, rows_of, with_projector
from rrl_dsl.study.table import read_table, write_table


def table(fracs=(0.0, 0.5, 1.0), losses=("simclr", "wmse"), seeds=3):
    draw = np.random.default_rng(0)
    return [
        {
            "run": f"{loss}-{frac}-{seed}",
            "recipe": "semi",
            "loss": loss,
            "dataset": "digits",
            "seed": seed,
            "param.frac": frac,
            "state": "done",
            "backbone/linear": 0.5 + 0.3 * frac + 0.05 * float(draw.random()),
            "projector/linear": 0.4 + 0.4 * frac + 0.05 * float(draw.random()),
        }
        for loss in losses
        for frac in fracs
        for seed in range(seeds)
    ]


def numbers(rows, name, **chosen):
    return [row[name] for row in rows if all(row[key] == value for key, value in chosen.items())]


def test_points_are_means_with_the_confidence_interval_of_a_t_test():
    rows = table()
    points = points_of(rows, axes_of(rows, None, [], None))
    assert [(point.group, point.place) for point in points] == [
        ((loss,), (frac,)) for loss in ("simclr", "wmse") for frac in (0.0, 0.5, 1.0)
    ]
    for point in points:
        sample = numbers(
            rows, "backbone/linear", loss=point.group[0], **{"param.frac": point.place[0]}
        )
        wanted = ttest_1samp(sample, 0).confidence_interval(0.95)
        assert math.isclose(point.mean, sum(sample) / 3)
        assert math.isclose(point.low, wanted.low)
        assert math.isclose(point.high, wanted.high)
        assert point.runs == 3


def test_losses_with_other_options_have_lines_of_their_own():
    rows = [
        row | {"loss.options": options}
        for options in (None, "temperature=0.5")
        for row in table(losses=("simclr",))
    ]
    assert axes_of(rows, None, [], ["loss"]).by == ("loss", "loss.options")
    axes = axes_of(rows, None, [], None)
    assert axes.by == ("loss.options",)
    assert [point.runs for point in points_of(rows, axes)] == [3] * 6


def test_axes_of_shares_end_at_what_a_share_can_be():
    rows = table()
    for row in rows:
        row["backbone/linear"] = 1.0 - 0.04 * (row["seed"] == 0)
        row["projector/linear"] = 0.02 * (row["seed"] == 0)
    axes = with_projector(axes_of(rows, None, ["param.frac"], None))
    points = points_of(rows, axes)
    assert max(point.high for point in points if point.value != "gap") > 1
    shares, gaps = figure_of(points, axes).axes
    assert shares.get_ylim() == (0, 1)
    assert gaps.get_ylim()[0] > 0.8
    assert gaps.get_ylim()[1] == 1


def test_a_legend_shows_the_dashes_beside_the_marker():
    rows = table()
    axes = with_projector(axes_of(rows, None, [], None))
    legend = figure_of(points_of(rows, axes), axes).axes[0].get_legend()
    dashed = next(line for line in legend.get_lines() if line.is_dashed())
    width, marker = np.ptp(dashed.get_xdata()), dashed.get_markersize()
    dash = 5.5 * dashed.get_linewidth()  # with its gap
    assert (width - marker) / 2 > 1.5 * dash


def test_one_run_has_no_interval():
    rows = table(seeds=1)
    for point in points_of(rows, axes_of(rows, None, [], None)):
        assert point.low == point.mean == point.high


def test_the_gap_is_the_mean_of_the_differences_within_runs():
    rows = table()
    axes = with_projector(axes_of(rows, None, [], None))
    points = [point for point in points_of(rows, axes) if point.value == "gap"]
    for point in points:
        chosen = {"loss": point.group[0], "param.frac": point.place[0]}
        backbone, projector = (
            np.array(numbers(rows, f"{part}/linear", **chosen))
            for part in ("backbone", "projector")
        )
        assert math.isclose(point.mean, float((backbone - projector).mean()))


def test_runs_without_a_value_are_left_out():
    rows = table()
    rows[0] |= {"state": "failed", "backbone/linear": None}
    rows[1] |= {"backbone/linear": math.nan}
    (first, *_) = points_of(rows, axes_of(rows, None, [], None))
    assert first.runs == 1


def with_a_recipe_that_lacks_the_parameter():
    rows = table(losses=("simclr",))
    lacking = [row | {"recipe": "ssl", "param.frac": None} for row in rows[:3]]
    return [*rows, *lacking]


def test_runs_without_the_parameter_are_a_level_line():
    rows = with_a_recipe_that_lacks_the_parameter()
    axes = axes_of(rows, None, ["param.frac"], None)
    points = points_of(rows, axes)
    level = points[-1]
    assert (level.group, level.place, level.runs) == (("ssl",), (), 3)
    assert rows_of(points, axes)[-1]["param.frac"] is None
    (panel,) = figure_of(points, axes).axes
    varying, constant = panel.get_lines()
    assert constant.get_label() == "ssl, without param.frac"
    assert list(constant.get_xdata()) == [0.0, 1.0]
    assert list(constant.get_ydata()) == [level.mean, level.mean]
    assert (varying.get_marker(), constant.get_marker()) == ("o", "")


def test_labels_leave_out_what_the_runs_do_not_have():
    rows = [
        row | {"epoch": epoch, "state": None}
        for row in with_a_recipe_that_lacks_the_parameter()
        for epoch in (1, 2)
    ]
    axes = axes_of(rows, "backbone/linear", ["epoch"], None)
    (panel,) = figure_of(points_of(rows, axes), axes).axes
    labels = [line.get_label() for line in panel.get_lines()]
    assert labels == [*(f"semi, param.frac={frac}" for frac in (0.0, 0.5, 1.0)), "ssl"]


def test_contours_say_what_they_do_not_show():
    rows = with_a_recipe_that_lacks_the_parameter()
    axes = axes_of(rows, None, ["param.frac", "seed"], None)
    (note,) = figure_of(points_of(rows[1:], axes), axes).texts
    assert "runs without param.frac or seed are not drawn" in note.get_text()
    assert "a place without a number has no run" in note.get_text()


def test_a_table_of_epochs_is_drawn_over_epochs():
    rows = [{"run": "a", "loss": "x", "seed": 0, "epoch": e, "probe/backbone": 0.1} for e in (1, 2)]
    axes = axes_of(rows, None, [], None)
    assert (axes.values, axes.against) == (("probe/backbone",), ("epoch",))


def test_ticks_of_epochs_are_whole_numbers():
    rows = [
        {"run": "a", "loss": "x", "seed": 0, "epoch": epoch, "probe/backbone": 0.1}
        for epoch in range(1, 21)
    ]
    axes = axes_of(rows, None, [], None)
    figure = figure_of(points_of(rows, axes), axes)
    figure.draw_without_rendering()  # the size of the axes affects their ticks
    assert all(float(tick).is_integer() for tick in figure.axes[0].get_xticks())


def test_settings_that_follow_from_the_parameter_do_not_divide_lines():
    steps = {0.0: 80, 0.5: 20, 1.0: 5}
    rows = [{"epochs": steps[row["param.frac"]], **row} for row in table()]
    assert axes_of(rows, None, ["param.frac"], None).by == ("loss",)
    rows.append({**rows[0], "epochs": 5, "loss": "simclr"})
    assert axes_of(rows, None, ["param.frac"], None).by == ("loss", "epochs")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--value", "backbone/linea"], "did you mean `backbone/linear`?"),
        (["--value", "zzz"], "its columns are `run`, `recipe`"),
        (["--out", "figure.pdf"], "write `figure.png`"),
        (["--out", "results.png"], "would replace the table `results.csv`"),
        (["--out", "epochs.png"], "would replace the table `epochs.csv`"),
        (["--against", "loss"], "the column `loss` has no numbers"),
        (["--value", "seed", "--gap"], "`seed` is not a value of the backbone"),
        (["--against", "seed", "--against", "seed", "--against", "seed"], "one or two parameters"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(cli, tmp_path, words, message):
    write_table(tmp_path / "results.csv", table())
    result = cli("plot", "results.csv", *words)
    assert result.code == 1
    assert message in result.err


def test_a_table_with_two_parameters_asks_for_one(cli, tmp_path):
    rows = [row | {"batch_size": 16 * (1 + row["seed"])} for row in table()]
    rows = [{key: row[key] for key in ("loss", "seed", "batch_size", *row)} for row in rows]
    write_table(tmp_path / "results.csv", rows)
    assert "choose one, or two, with `--against`" in cli("plot", "results.csv").err


def test_a_file_that_is_no_table_is_an_error(cli, tmp_path):
    (tmp_path / "results.parquet").write_bytes(b"nothing")
    assert "RRL412" in cli("plot", "results.parquet").err
    assert "RRL412" in cli("plot", "nowhere.csv").err


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_command_writes_picture_and_numbers(cli, tmp_path, suffix):
    write_table(tmp_path / "results.csv", table())
    result = cli("plot", f"results{suffix}", "--gap", "--out", "figure.png")
    assert result.code == 0, result.err
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "figure.svg").read_bytes()
    with (tmp_path / "figure.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["value"] for row in rows} == {"backbone/linear", "projector/linear", "gap"}
    assert len(rows) == 3 * 2 * 3


def test_contours_need_two_values_of_both_parameters(cli, tmp_path):
    words = ["--against", "param.frac", "--against", "seed", "--by", "loss"]
    write_table(tmp_path / "results.csv", table())
    assert cli("plot", "results.csv", *words).code == 0
    write_table(tmp_path / "results.csv", table(fracs=(0.5,)))
    assert "at least two values" in cli("plot", "results.csv", *words).err


def test_numbers_of_a_table_are_read_back(tmp_path):
    rows = [{"a": 1, "b": 0.1 + 0.2, "c": "text", "d": None}, {"a": "mixed", "b": 1e-9}]
    write_table(tmp_path / "t.csv", rows)
    assert read_table(tmp_path / "t.csv") == [
        {"a": 1, "b": 0.1 + 0.2, "c": "text", "d": None},
        {"a": "mixed", "b": 1e-9, "c": None, "d": None},
    ]
