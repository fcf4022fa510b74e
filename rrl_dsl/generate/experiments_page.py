"""Generates the tables of `docs/experiments.md` from the tables in `experiments/`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Final

from rrl_dsl.generate.pages import ROOT, with_tables
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.traversal import calls_of
from rrl_dsl.report.gallery import header_of, recipe, recipes
from rrl_dsl.study.claims import NO_INTERVAL, verdicts
from rrl_dsl.study.points import loss_columns, number_of, settings_of
from rrl_dsl.study.published import folder_of, read_study
from rrl_dsl.study.table import Row, read_table

FOLDER: Final = ROOT / "experiments"
_ACCURACIES: Final = {
    "linear": "linear probe",
    "few": "10 labels per class",
    "neighbors": "nearest neighbors",
}
_MEASURED: Final = ("probe/backbone", "probe/projector", "probe/gap", "converged")


def experiments_page() -> str:
    """Returns the page with up-to-date tables."""
    return with_tables("docs/experiments.md", _table)


def _table(name: str) -> Iterator[str]:
    """A table: `methods`, or `DATASET_claims`, or `DATASET_STUDY` with `_` for `-`."""
    if name == "methods":
        references = read_table(FOLDER / "cross_entropy.csv")
        return methods(read_table(FOLDER / "methods.csv"), references)
    dataset, _, study = name.partition("_")
    if study == "claims":
        return claims({path.stem: read_table(path) for path in _studies(dataset)})
    return measurements(read_table(FOLDER / dataset / f"{study.replace('_', '-')}.csv"))


def methods(rows: Sequence[Row], cross_entropy: Sequence[Row]) -> Iterator[str]:
    """Returns the table of methods, best first, below the references.

    Args:
        rows: One row per run of a recipe of the gallery.
        cross_entropy: One row per run of the supervised network.
    """
    yield f"| method | loss | reads | {' | '.join(_ACCURACIES.values())} | seeds |"
    yield "|---|---|---|---:|---:|---:|---:|"
    shared = {"pixels": "*raw pixels*", "untrained": "*untrained encoder*"}
    for features, title in shared.items():  # all runs with this backbone have the same
        own = [row for row in rows if row["recipe"] == "simclr"]
        yield _Method(title, "", "", own, features).line()
    yield _Method("*cross-entropy*", "", "labels", cross_entropy).line()
    methods = []
    for name, text in recipes().items():
        own = [row for row in rows if row["recipe"] == name]
        header = header_of(text)
        if own:
            methods.append(_Method(header.method, f"`{header.loss}`", _read_by(name), own))
    yield from (method.line() for method in sorted(methods, key=_Method.accuracy, reverse=True))


@dataclass(frozen=True)
class _Method:
    """A row of the table of methods.

    Attributes:
        title: The name of the method.
        loss: The name of its loss.
        reads: The columns that the graph reads, besides views.
        runs: Its runs.
        features: The features whose accuracies it has.
    """

    title: str
    loss: str
    reads: str
    runs: Sequence[Row]
    features: str = "backbone"

    def accuracy(self) -> float:
        return fmean(_numbers(self.runs, f"{self.features}/linear"))

    def line(self) -> str:
        cells = [
            spread(_numbers(self.runs, f"{self.features}/{name}"), percent=True)
            for name in _ACCURACIES
        ]
        return f"| {' | '.join([self.title, self.loss, self.reads, *cells, str(len(self.runs))])} |"


def _read_by(name: str) -> str:
    """What the graph of a recipe of the gallery reads besides views."""
    graph = recipe(name)
    requires = requires_of(graph)
    pairs = any("file" in call.arguments for call in calls_of(graph))
    return ", ".join(
        what
        for what, used in {
            "labels": requires.labels,
            "pairs": pairs,
            "pixels": requires.vectors,
            "neighbors": requires.spaces,
        }.items()
        if used
    )


def claims(tables: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Returns the table of claims.

    Args:
        tables: Name of a study -> one row per run.
    """
    yield "| study | claim of the paper | loss | verdict | 95% interval | runs | seeds |"
    yield "|---|---|---|---|---|---:|---:|"
    for name, rows in tables.items():
        for claim in read_study(folder_of(name)).claims:
            of = f"slope of `{claim.value}` over `{claim.against}`"
            of = of if claim.against else f"mean of `{claim.value}`"
            for verdict in verdicts(rows, claim):
                interval = (
                    NO_INTERVAL
                    if verdict.low is None or verdict.high is None
                    else f"{of}: {verdict.low:.3g} to {verdict.high:.3g}"
                )
                cells = [f"`{name}`", claim.text, f"`{verdict.group}`", f"**{verdict.verdict}**"]
                yield f"| {' | '.join([*cells, interval, str(verdict.runs), str(verdict.seeds)])} |"


def measurements(rows: Sequence[Row]) -> Iterator[str]:
    """Returns the table of a study: means and spreads of the runs that differ only in their seed.

    Args:
        rows: One row per run.
    """
    settings = [*loss_columns(rows), *settings_of(rows)]
    yield f"| {' | '.join(f'`{name}`' for name in (*settings, *_MEASURED))} | seeds |"
    yield f"|{'---|' * len(settings)}{'---:|' * (len(_MEASURED) + 1)}"
    groups: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in settings)].append(row)
    for place, runs in groups.items():
        cells = [
            spread(_numbers(runs, name), percent=name.startswith("probe/")) for name in _MEASURED
        ]
        yield f"| {' | '.join([*map(_cell, place), *cells, str(len(runs))])} |"


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _studies(dataset: str) -> list[Path]:
    """The tables of the studies of a dataset, in the order of the figures of the paper."""
    paths = (FOLDER / dataset).glob("*.csv")
    return sorted(paths, key=lambda path: read_study(folder_of(path.stem)).figure or 0)


def _numbers(rows: Sequence[Row], name: str) -> list[float]:
    numbers = [number_of(row[name]) for row in rows]
    return [number for number in numbers if number is not None]


def spread(numbers: Sequence[float], *, percent: bool) -> str:
    """Returns the mean, and the standard deviation if there are several."""
    if not numbers:
        return "-"
    scale = 100 if percent else 1
    mean = f"{scale * fmean(numbers):.1f}"
    return f"{mean} ± {scale * stdev(numbers):.1f}" if len(numbers) > 1 else mean
