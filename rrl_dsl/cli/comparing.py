"""`diff`: how two recipes differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rrl_dsl.cli.output import output, print_facts, print_json, print_not_known, print_text
from rrl_dsl.cli.recipes import (
    AllowOutside,
    BatchSize,
    DataDirectory,
    DataSetName,
    Download,
    Epoch,
    Expressions,
    Json,
    Parameters,
    Seed,
    columns_of,
    parameters_of,
    source_of,
)
from rrl_dsl.cli.sources import at_file
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, in_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rrl_dsl.data.columns import Columns
    from rrl_dsl.graph.algebra import Graph
    from rrl_dsl.graph.types import Scalar
    from rrl_dsl.report.edge_changes import EdgeChanges
    from rrl_dsl.report.tree_difference import Line, OutOfSight


def diff(
    recipes: Annotated[
        list[Path] | None, typer.Argument(help="Recipe files.", metavar="ONE OTHER")
    ] = None,
    expressions: Expressions = None,
    param: Parameters = None,
    allow_outside: AllowOutside = False,
    dataset: DataSetName = "digits",
    batch_size: BatchSize = 256,
    epoch: Epoch = 0,
    seed: Seed = 0,
    data_dir: DataDirectory = None,
    download: Download = False,
    json: Json = False,
) -> None:
    """Compare two recipes: their structure, and the edges of a batch.

    `--param` applies to both recipes. A recipe given with `-e` comes after the files.

    Examples:
    - `rrl-dsl diff recipes/semi_supervised.rrl recipes/semi_coarse.rrl`
    - `rrl-dsl diff recipes/supcon.rrl -e 'ssl(views=2) | supervised()'`
    """
    if len(recipes or []) + len(expressions or []) != 2:
        raise typer.BadParameter("give two recipes, as files or with `-e`")
    given: list[tuple[Path | None, str | None]] = [(path, None) for path in recipes or []]
    given += [(None, text) for text in expressions or []]
    before, after = _graphs_of(given, parameters_of(param), allow_outside)
    columns = columns_of(dataset, data_dir, download)
    comparison = compare(before, after, columns, samples=batch_size, seed=seed, epoch=epoch)
    if json:
        print_json(comparison.to_dict())
    else:
        print_comparison(comparison, dataset)


class Comparison(NamedTuple):
    """How two graphs differ.

    Attributes:
        before: The first graph.
        after: The second graph.
        lines: The nodes of their trees.
        unseen: Differences that the trees do not show.
        changes: The edges of a batch; None if the dataset lacks a column.
        faults: The errors for columns that the dataset lacks.
    """

    before: Graph
    after: Graph
    lines: Sequence[Line]
    unseen: OutOfSight
    changes: EdgeChanges | None
    faults: Sequence[Diagnostic]

    def to_dict(self) -> dict[str, Any]:
        """Returns the differences as JSON types."""
        return {
            "equal": self.before == self.after,
            "identities": [self.before.identity, self.after.identity],
            "tree": [str(line) for line in self.lines],
            **self.unseen._asdict(),
            "edges": None if self.changes is None else asdict(self.changes),
            "faults": [fault.as_warning().to_dict() for fault in self.faults],
        }


def compare(
    before: Graph, after: Graph, columns: Columns, *, samples: int, seed: int = 0, epoch: int = 0
) -> Comparison:
    """Compares two graphs, and their edges on a batch of a dataset."""
    from rrl_dsl.report.edge_changes import edge_changes
    from rrl_dsl.report.sample import lacking
    from rrl_dsl.report.tree_difference import out_of_sight, tree_difference

    lines, unseen = tree_difference(before, after), out_of_sight(before, after)
    faults = list(dict.fromkeys([*lacking(before, columns), *lacking(after, columns)]))
    changes = None
    if not faults:
        changes = edge_changes(before, after, columns, samples=samples, seed=seed, epoch=epoch)
    return Comparison(before, after, lines, unseen, changes, faults)


def print_comparison(comparison: Comparison, dataset: str) -> None:
    """Prints how two graphs differ."""
    _print_structure(comparison.lines, comparison.unseen)
    output().print()
    if comparison.changes is None:
        print_not_known(comparison.faults)
    else:
        _print_changes(comparison.changes, dataset)


def _graphs_of(
    given: Sequence[tuple[Path | None, str | None]],
    params: Mapping[str, Scalar],
    allow_outside: bool,
) -> list[Graph]:
    """The graphs of some recipes.

    Raises:
        RRLError: With the errors of all of them; the place of an error without one is its file.
    """
    from rrl_dsl.graph.recipe import graph_of

    graphs: list[Graph] = []
    faults: list[Diagnostic] = []
    for path, expression in given:
        try:
            graphs.append(
                graph_of(source_of(path, expression, allow_outside=allow_outside), params)
            )
        except RRLError as problem:
            faults += at_file(path or Path("-e"), problem.diagnostics)
    if faults:
        raise RRLError(in_order(faults))
    return graphs


def _print_structure(lines: Sequence[Line], unseen: OutOfSight) -> None:
    for line in lines:
        style = {"-": "red", "+": "green"}.get(line.mark, "")
        print_text(str(line), style=style)
    apart = " and in ".join(_in_words(unseen))
    if not lines:
        print_text("the two recipes define the same graph")
    elif all(line.mark == " " for line in lines):
        where = apart or "the order of their equal calls"
        print_text(f"the two recipes have the same structure, and differ in {where}")
    elif apart:
        print_text(f"the two recipes also differ in {apart}")


def _in_words(unseen: OutOfSight) -> Iterator[str]:
    if unseen.files:
        yield f"the content of {', '.join(f'`{file}`' for file in unseen.files)}"
    if unseen.draws:
        yield f"the draws of {', '.join(f'`{call}`' for call in unseen.draws)}"


def _print_changes(changes: EdgeChanges, dataset: str) -> None:
    print_text(f"on {changes.rows} rows of {dataset}:")
    print_facts(
        {
            "both": f"{changes.both:,} edges",
            "removed": f"{changes.removed:,} edges",
            "added": f"{changes.added:,} edges",
            "weights": f"{changes.reweighted:,} edges in both change their weight",
        }
    )
