from pathlib import Path

import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from rrl_dsl.show.curves import draw_curves
from rrl_dsl.show.figure import save

FULL = {
    "loss": 2.0,
    "probe/backbone": 0.5,
    "probe/projector": 0.25,
    "rank/backbone": 30.0,
    "rank/projector": 10.0,
    "edges/per_row": 3.0,
    "edges/false": 0.05,
}


def test_a_panel_for_each_kind_of_measurement() -> None:
    figure = draw_curves([{"epoch": epoch, **FULL} for epoch in range(5)])
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Loss",
        "Online probes",
        "Effective rank",
        "Edges per row",
        "False edges, of all edges",
    ]
    accuracy = figure.axes[1]
    legend = accuracy.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["backbone", "projector"]
    assert [line.get_ydata().tolist() for line in accuracy.get_lines()] == [[0.5] * 5, [0.25] * 5]


def test_missing_metrics_have_no_panel() -> None:
    figure = draw_curves([{"loss": 3.0, "other": 1.0}, {"loss": 2.0, "rank/projector": 5.0}])
    loss, rank = figure.axes
    assert loss.get_lines()[0].get_xydata().tolist() == [[1, 3], [2, 2]]
    (line,) = rank.get_lines()
    assert line.get_label() == "projector"
    assert line.get_xydata().tolist() == [[2, 5]]


def test_epochs_are_the_x_axis() -> None:
    (axes,) = draw_curves([{"epoch": 10, "loss": 1.0}, {"epoch": 20, "loss": 0.5}]).axes
    assert axes.get_lines()[0].get_xdata().tolist() == [10, 20]


def test_shares_are_percentages() -> None:
    (axes,) = draw_curves([{"edges/false": 0.1}, {"edges/false": 0.2}]).axes
    axes.figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert "10%" in labels


def test_an_empty_history_says_so(tmp_path: Path) -> None:
    figure = draw_curves([])
    assert [text.get_text() for text in figure.findobj(Text)] == ["no measurements"]
    save(figure, tmp_path / "curves.png")
    assert imread(tmp_path / "curves.png").shape[:2] == (360, 525)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_history_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{number}{suffix}" for number in range(2)]
    for path in paths:
        save(draw_curves([FULL, FULL]), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_ticks_of_shares_say_where_they_are() -> None:
    figure = draw_curves([{"edges/false": share} for share in (0.583, 0.5887, 0.5774)])
    figure.draw_without_rendering()
    axis = figure.axes[0].yaxis
    labels = [float(label.get_text().removesuffix("%")) for label in axis.get_ticklabels()]
    assert labels == pytest.approx([100 * tick for tick in axis.get_majorticklocs()], abs=1e-3)


def test_axes_of_shares_end_at_one_hundred_percent() -> None:
    [axes] = draw_curves([{"probe/backbone": 0.9}, {"probe/backbone": 1.0}]).axes
    assert axes.get_ylim()[1] == 1
