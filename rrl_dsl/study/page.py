"""The report of a study: one HTML page that needs no other file."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from rrl_dsl.study.claims import NO_INTERVAL, Verdict
from rrl_dsl.study.points import Axes, Point
from rrl_dsl.study.published import Claim, Study
from rrl_dsl.study.sweep import EPOCHS, RESULTS, Sweep
from rrl_dsl.study.table import Row
from rrl_dsl.study.trials import Trial
from rrl_dsl.training.results import Run

_GRAPHS: Final = 6
_SHORT: Final = (
    "<p>The runs of the scale <code>smoke</code> are too short for these claims: they test that "
    "everything works.</p>"
)
_HTML: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
_STYLE: Final = """
body { font: 15px/1.5 sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em;
  overflow-wrap: anywhere }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto }
th, td { padding: .2em .7em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
img { max-width: 100% } pre { background: #f5f5f5; padding: .7em; overflow-x: auto }
figure { margin: 1em 0 } figcaption { color: #6b6b6b; font-size: 13px }
"""
_SHOWN: Final = (
    "recipe", "loss", "dataset", "seed", "state", "epochs", "seconds",
    "probe/backbone", "probe/projector", "backbone/linear", "projector/linear", "converged",
    "configuration", "problem",
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A figure of a study.

    Attributes:
        picture: Its PNG file.
        axes: What it shows.
        points: Its numbers.
    """

    picture: Path
    axes: Axes
    points: Sequence[Point]


def page(
    study: Study,
    reading: str,
    scale: str,
    command: str,
    declared: str,
    sweep: Sweep,
    rows: Sequence[Row],
    figures: Sequence[Drawn],
    judged: Sequence[tuple[Claim, Sequence[Verdict]]],
) -> str:
    """Returns the page.

    Args:
        study: The study.
        reading: The reading that was run.
        scale: The scale that was run.
        command: The command that made the page.
        declared: The text of the sweep file.
        sweep: The sweep.
        rows: The table of results.
        figures: The figures.
        judged: The claims and what the table says about each.
    """
    parts = [
        f"<h1>{escape(study.title)}</h1>",
        *_readings(study, reading),
        *(
            _figure(figure.picture, _caption(figure.axes), _description(figure))
            for figure in figures
        ),
        "<h2>Claims</h2>",
        *_claims(judged),
        *([_SHORT] if judged and scale == "smoke" else []),
        "<h2>Numbers</h2>",
        *(_table(_numbers(figure)) for figure in figures if figure.axes.against != ("epoch",)),
        "<h2>Graphs</h2>",
        "<p>The graph of a batch of 64 samples, for each recipe that was trained.</p>",
        *_graphs(sweep),
        "<h2>What was run</h2>",
        f"<pre>{escape(command)}</pre>",
        f"<p>The sweep file, before the options of the command:</p><pre>{escape(declared)}</pre>",
        *_machine(sweep),
        _table(_runs(rows)),
        f"<p>All columns are in {RESULTS} and {EPOCHS} beside this page.</p>",
    ]
    return _HTML.format(title=escape(study.title), style=_STYLE, body="\n".join(parts))


def _readings(study: Study, reading: str) -> Iterator[str]:
    if study.figure:
        yield f"<p>Figure {study.figure} of Maes et al., Relational representation learning.</p>"
    yield f"<p>Reading <b>{escape(reading)}</b>: {_prose(study.readings[reading])}</p>"
    for name, text in study.readings.items():
        if name != reading:
            yield f"<p>Other reading, <code>--reading {escape(name)}</code>: {_prose(text)}</p>"
    yield from (f"<p>{_prose(note)}</p>" for note in study.notes)


def _prose(text: str) -> str:
    """Text in which words between backquotes are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _claims(judged: Sequence[tuple[Claim, Sequence[Verdict]]]) -> Iterator[str]:
    for claim, verdicts in judged:
        yield f"<p><b>{escape(claim.text)}</b></p>"
        measure = f"slope of {claim.value} over {claim.against}"
        measure = measure if claim.against else f"mean of {claim.value}"
        yield _table(
            [
                {
                    "loss": verdict.group,
                    "verdict": verdict.verdict,
                    f"{measure}, 95% interval": NO_INTERVAL
                    if verdict.low is None
                    else f"{verdict.low:.3g} to {verdict.high:.3g}",
                    "runs": verdict.runs,
                }
                for verdict in verdicts
            ]
        )
    if judged:
        yield (
            "<p>A claim holds if the interval lies on its side of 0, does not hold if it lies on "
            "the other side, and cannot be told if it contains 0, the runs give none, or all "
            "have one seed. The slope is taken within runs that differ only in the parameter.</p>"
        )


def _numbers(drawn: Drawn) -> list[dict[str, object]]:
    return [
        {
            **dict(zip(drawn.axes.by, point.group, strict=True)),
            **dict(zip_longest(drawn.axes.against, point.place)),
            "value": point.value,
            "mean": f"{point.mean:.4g}",
            "95% interval": "-" if point.runs == 1 else f"{point.low:.4g} to {point.high:.4g}",
            "runs": point.runs,
        }
        for point in drawn.points
    ]


def _graphs(sweep: Sweep) -> Iterator[str]:
    """The pictures of the first graphs that were trained, one for each identity."""
    pictures = dict[str, tuple[Trial, Path]]()
    for trial in sweep.trials:
        picture = trial.directory / "graph.png"
        if picture.exists():
            pictures.setdefault(trial.planned.graph.identity, (trial, picture))
    for trial, picture in list(pictures.values())[:_GRAPHS]:
        params = ", ".join(f"{name}={value}" for name, value in trial.planned.config.params.items())
        caption = f"{trial.planned.recipe} {params}".strip()
        yield _figure(picture, caption, f"The graph of {caption}")
    if len(pictures) > _GRAPHS:
        yield f"<p>{len(pictures) - _GRAPHS} more are in the run directories.</p>"


def _machine(sweep: Sweep) -> Iterator[str]:
    done = [trial for trial in sweep.trials if sweep.states[trial.directory.name] == "done"]
    states = ", ".join(f"{sweep.count(state)} {state}" for state in ("done", "failed", "waiting"))
    yield f"<p>{len(sweep.trials)} runs: {states}.</p>"
    if not done:
        return
    summary = Run(done[0].directory).summary
    for name in ("samples", "image", "versions", "machine"):
        shown = "shape of a sample" if name == "image" else name
        yield f"<p>{shown}: {escape(_listed(summary[name]))}</p>"


def _runs(rows: Sequence[Row]) -> list[dict[str, object]]:
    settings = [name for name in rows[0] if name.startswith("param.") or name == "batch_size"]
    names = [*_SHOWN[:4], *settings, *_SHOWN[4:]]
    return [{name: row[name] for name in names if name in row} for row in rows]


def _caption(axes: Axes) -> str:
    return f"{' and '.join(axes.values)} against {' and '.join(axes.against)}"


def _description(drawn: Drawn) -> str:
    """The description of a figure for screen readers; a table of the page has its numbers."""
    kind = "Contours" if len(drawn.axes.against) == 2 else "Curves"
    return f"{kind} of {_caption(drawn.axes)}"


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {setting}" for name, setting in value.items())
    return " x ".join(map(str, value))


def _figure(picture: Path, caption: str, description: str) -> str:
    data = base64.b64encode(picture.read_bytes()).decode()
    image = f'<img alt="{escape(description)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _table(rows: Sequence[dict[str, object]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(_cell(row.get(name)))}</td>" for name in names) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>\n{body}</table>"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
