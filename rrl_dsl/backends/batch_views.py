"""Whether a batch has the views that its recipe asks for: else a loss trains on nothing."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.language.diagnostics import RRLError, error

_HINT = "give each view of a sample a number of its own: `Nodes(sample, view)`"


def check_views(rows: Nodes, cols: Nodes, asked: int) -> None:
    """Refuses a batch, or the two sides of its pairs, that lacks views of its samples.

    Other columns may be any part of the graph, and rows of different samples one view.

    Args:
        rows: The rows.
        cols: The columns; the same object where they are the rows.
        asked: How many views of each sample the recipe asks for.

    Raises:
        RRLError: RRL425 where there are fewer; RRL402 where a row and a column of one sample differ
            in a label.
    """
    if cols is rows:
        repeated = len(torch.unique(rows.sample)) < len(rows)
    else:
        repeated = len(rows) > 1 and rows.sample.equal(cols.sample)
        _check_labels(rows, cols)
    views = torch.unique(torch.cat([rows.view, cols.view]))
    if repeated and len(views) < asked:
        raise _too_few(asked, f"the rows have {_listed(views.tolist())}")
    if cols is rows and repeated:
        _check_each(rows, asked)


def _check_each(rows: Nodes, asked: int) -> None:
    """Refuses a batch in which a view is given twice and another view of the sample is missing."""
    samples, places = torch.unique(rows.sample, return_counts=True)
    distinct = torch.unique(torch.stack([rows.sample, rows.view]), dim=1)
    views = torch.unique(distinct[0], return_counts=True)[1]
    wrong = samples[(views < places) & (views < asked)]
    if len(wrong):
        given = _listed(distinct[1, distinct[0] == wrong[0]].tolist())
        raise _too_few(asked, f"sample {wrong[0]} has {given}, with a row that stands twice")


def _check_labels(rows: Nodes, cols: Nodes) -> None:
    """Refuses columns whose labels are not those of the rows of the same samples."""
    if not len(rows):
        return
    order = rows.sample.argsort()
    place = torch.searchsorted(rows.sample[order], cols.sample).clamp(max=len(rows) - 1)
    row = order[place]
    same = rows.sample[row] == cols.sample
    for name in rows.labels.keys() & cols.labels.keys():
        differs = (same & (rows.labels[name][row] != cols.labels[name])).nonzero()
        if len(differs):
            j = int(differs[0])
            i = int(row[j])
            message = f"`{name}` differs in row {i} and column {j}, both of sample {cols.sample[j]}"
            hint = "the views of a sample share its labels and fields; other samples, other ids"
            raise error("RRL402", message, hint=hint)


def _too_few(asked: int, given: str) -> RRLError:
    message = f"this recipe asks for {asked} views, and {given}"
    return error("RRL425", message, hint=_HINT)


def _listed(views: Iterable[int]) -> str:
    views = list(views)
    return f"{len(views)} ({', '.join(map(str, views))})"
