"""The curves of the metrics of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rrl_dsl.show.colors import ACCENT, INK, QUIET
from rrl_dsl.show.style import house_style, keep_within

_PANEL = (3.5, 2.4)
_DOTS_PER_INCH = 150
_FEW_POINTS = 12


class _Panel(NamedTuple):
    """A panel: its title, the legend of its metrics, and whether they are fractions."""

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
    """Draws the metrics of a run in small panels.

    Args:
        history: The rows of metrics, in order. `epoch` is the position on the x axis; it defaults
            to the number of the row, from 1. The panels show `loss`, `probe/backbone` and
            `probe/projector` (from 0 to 1), `rank/backbone`, `rank/projector`, `edges/per_row` and
            `edges/false` (from 0 to 1). Other keys are ignored, and any key may be missing.

    Returns:
        A figure with a panel for every kind of metric, or with a note if there are none; see
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
            figure.text(0.5, 0.5, "no measurements", ha="center", color=QUIET)
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
                label=name, clip_on=not panel.shares,  # a marker at 100% is whole
            )  # fmt: skip
    axes.set_title(panel.title, loc="left", fontsize=9, fontweight="bold")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)
    if panel.shares:
        keep_within(axes, 0, 1)
        # one digit more than in texts, because ticks may differ by a quarter of a percent
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))
    if len(panel.curves) > 1:
        # beside the title, where it cannot cover a curve
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=2,
            borderaxespad=0.3,
            handlelength=1.0,
            columnspacing=1.2,
        )
