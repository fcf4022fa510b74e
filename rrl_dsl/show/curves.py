"""The curves of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rrl_dsl.show.colors import ACCENT, INK, QUIET
from rrl_dsl.show.style import house_style

_PANEL = (3.5, 2.4)
_DOTS_PER_INCH = 150
_FEW_POINTS = 12


class _Panel(NamedTuple):
    """What one panel shows: the legend of each of its keys, and whether they are shares."""

    title: str
    curves: Mapping[str, str]
    shares: bool = False


_PANELS = (
    _Panel("Loss", {"loss": ""}),
    _Panel("Online probes", {"probe/backbone": "backbone", "probe/projector": "projector"}, True),
    _Panel("Effective rank", {"rank/backbone": "backbone", "rank/projector": "projector"}),
    _Panel("Edges per row", {"edges/per_row": ""}),
    _Panel("False edges, of all edges", {"edges/false": ""}, True),
)


def draw_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Draws the curves of a run, a small panel for each kind of measurement.

    Args:
        history: A row for each measurement, in order. `epoch` is its place on the x axis (its
            number in `history`, from 1, where missing); `loss`, `probe/backbone`,
            `probe/projector` (from 0 to 1), `rank/backbone`, `rank/projector`, `edges/per_row`
            and `edges/false` (a share from 0 to 1) are drawn; other keys are left alone. A row may
            lack any of them.

    Returns:
        A figure with a panel for what was measured, or that says that nothing was; see
        `rrl_dsl.show.figure.save`.
    """
    measured = {key for row in history for key in row}
    panels = [panel for panel in _PANELS if measured & panel.curves.keys()]
    across = 2 if len(panels) in (2, 4) else min(3, max(1, len(panels)))
    down = max(1, -(-len(panels) // across))
    with house_style():
        figure = Figure(
            figsize=(_PANEL[0] * across, _PANEL[1] * down),
            dpi=_DOTS_PER_INCH,
            facecolor="white",
        )
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
        if not panels:
            figure.text(0.5, 0.5, "nothing was measured", ha="center", color=QUIET)
        for place, panel in enumerate(panels, start=1):
            _draw_panel(figure.add_subplot(down, across, place), panel, history)
    return figure


def _draw_panel(axes: Axes, panel: _Panel, history: Sequence[Mapping[str, float]]) -> None:
    for (key, name), color in zip(panel.curves.items(), (INK, ACCENT), strict=False):
        points = [
            (row.get("epoch", number), row[key])
            for number, row in enumerate(history, 1)
            if key in row
        ]
        if points:
            marker = "o" if len(points) <= _FEW_POINTS else ""
            epochs, values = zip(*points, strict=True)
            axes.plot(
                epochs, values, color=color, linewidth=1.2, marker=marker, markersize=2.5,
                label=name,
            )  # fmt: skip
    axes.set_title(panel.title, loc="left", fontsize=9, fontweight="bold")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)
    if panel.shares:
        # a digit more than in texts: ticks may be a quarter of a per cent apart
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))
    if len(panel.curves) > 1:
        # On the line of the title, where no curve can run through it.
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=2,
            borderaxespad=0.3,
            handlelength=1.0,
            columnspacing=1.2,
        )
