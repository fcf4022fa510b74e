"""A report as text, as a picture, and as a section of `docs/performance.md`."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from rrl_dsl.bench.claims import WITHOUT_DEVICE, Plot, Report, Target
from rrl_dsl.generate.pages import ROOT, with_tables
from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.files import write_bytes, write_text
from rrl_dsl.language.markdown import cell
from rrl_dsl.show.colors import INK, QUIET
from rrl_dsl.show.style import class_colors, house_style

PAGE: Final = "docs/performance.md"
_IMAGES: Final = "docs/images/performance"
_PANEL: Final = (3.6, 2.6)
_PROFILE: Final = ("operation", "calls", "share of the time")


def lines_of(report: Report, machine: str) -> Iterator[str]:
    """Yields the lines of a report in Markdown: targets, table, notes and profiles.

    Args:
        report: The measurements.
        machine: The machine in words.
    """
    yield f"Measured on {machine}."
    yield ""
    if report.targets:
        targets = [(target.case, target.measured, _met(target)) for target in report.targets]
        yield from _table(("target", "measured", "met"), targets)
        yield ""
    yield from _table(report.columns, report.rows)
    for note in report.notes:
        yield ""
        yield note
    for way, operations in report.profiles.items():
        yield ""
        yield f"Where the time goes, {way}:"
        yield ""
        yield from _table(_PROFILE, operations)


def _met(target: Target) -> str:
    """Whether a target is met, and if not by how much."""
    if target.met is not False:
        return "yes" if target.met else ""
    if target.off is None:
        return "**no**"
    return f"**no**, {abs(target.off):.1%} {'above' if target.off > 0 else 'below'}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = [[cell(text) for text in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(padded)} |"


def check_writable() -> None:
    """Checks before the measurement that the page exists.

    Raises:
        RRLError: RRL507 if this is not a checkout of the repository, or it is not writable.
    """
    if not os.path.isfile(ROOT / PAGE):
        message = f"`--write` updates `{PAGE}` of a checkout of the repository, and there is none"
        hint = "install the package from a checkout with `pip install -e .`, or omit `--write`"
        raise error("RRL507", message, hint=hint)
    folder = (ROOT / PAGE).parent
    if not os.access(folder, os.W_OK):
        hint = "change its permissions, or omit `--write`"
        raise error("RRL507", f"the folder `{folder}` is not writable", hint=hint)


def write(name: str, device: str, report: Report, machine: str) -> list[Path]:
    """Writes the section of a claim, and its picture.

    Args:
        name: The claim.
        device: The type of the device, which has sections of its own.
        report: The measurements.
        machine: The machine in words.

    Returns:
        The files.

    Raises:
        RRLError: RRL507 if a file cannot be written.
    """
    on_cpu = device == "cpu" or name in WITHOUT_DEVICE
    section = name if on_cpu else f"{name}_{device}"
    picture = ROOT / _IMAGES / f"{section}.svg"
    lines = ["", *lines_of(report, machine), ""]
    written = [ROOT / PAGE]
    if any(plot.curves for plot in report.plots):
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(picture, _svg(draw(report)))
        lines += [f"![{name}]({picture.relative_to((ROOT / PAGE).parent)})", ""]
        written.append(picture)
    write_text(ROOT / PAGE, with_tables(PAGE, lambda table: lines if table == section else None))
    return written


def draw(report: Report) -> Figure:
    """Draws the plots of a report side by side."""
    plots = [plot for plot in report.plots if plot.curves]
    ways = list(dict.fromkeys(way for plot in plots for way in plot.curves))
    colors = dict(zip(ways, class_colors(len(ways)), strict=True))  # equal in all plots
    with house_style():
        figure = Figure(figsize=(_PANEL[0] * len(plots), _PANEL[1]), facecolor="white")
        figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
        for place, plot in enumerate(plots, start=1):
            axes = figure.add_subplot(1, len(plots), place)
            axes.set_title(plot.title, loc="left", fontsize=9, fontweight="bold")
            if all(len(points) == 1 for points in plot.curves.values()):
                _draw_bars(axes, plot)
            else:
                _draw_curves(axes, plot, colors)
        lines = {str(line.get_label()): line for axes in figure.axes for line in axes.lines}
        if lines:
            figure.legend(lines.values(), lines, loc="outside right center", fontsize=6.5)
    return figure


def _draw_bars(axes: Axes, plot: Plot) -> None:
    names, values = list(plot.curves), [points[0][1] for points in plot.curves.values()]
    bars = axes.barh(range(len(names)), values, color=INK, height=0.6)
    axes.bar_label(bars, [f" {value:.3g}" for value in values], color=QUIET, fontsize=7)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_xlabel(plot.y)


def _draw_curves(axes: Axes, plot: Plot, colors: Mapping[str, str]) -> None:
    for way, points in plot.curves.items():
        x, y = zip(*points, strict=True)
        axes.plot(x, y, color=colors[way], linewidth=1.2, marker="o", markersize=2.5, label=way)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    measured = sorted({x for points in plot.curves.values() for x, _ in points})
    axes.set_xticks(measured, [f"{x:,g}" for x in measured], rotation=45)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.minorticks_off()
    axes.set_xlabel(plot.x)
    axes.set_ylabel(plot.y)
    axes.grid(color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
