"""Checks of the rows, views and embeddings that a program is called with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rrl_dsl.backends import tensors
from rrl_dsl.backends.nodes import SAME_VALUES, Nodes, in_order, joined_labels, named, tensor
from rrl_dsl.graph.stage import Lookup, LookupTable
from rrl_dsl.graph.types import described
from rrl_dsl.language.diagnostics import RRLError, error


def check_nodes(value: object) -> None:
    """Refuses a value that is not `Nodes`.

    Raises:
        RRLError: RRL402.
    """
    if not isinstance(value, Nodes):
        message = f"a program takes rows, not {described(value)}"
        raise error("RRL402", message, hint="create them with `rrl.Nodes(sample, view, labels)`")


def check_bound(
    rows: Nodes, cols: Nodes, lookups: Sequence[Lookup], tables: Sequence[LookupTable]
) -> None:
    """Refuses rows whose samples are not in the dataset of a bound program.

    Raises:
        RRLError: RRL421, or the error of the lookup.
    """
    for lookup, table in zip(lookups, tables, strict=True):
        for nodes in (rows,) if cols is rows else (rows, cols):
            lookup.check_covered(table, tensors, nodes.sample)


def vectors_of(
    names: Sequence[str], spaces: object, rows: Nodes, cols: Nodes
) -> dict[str, tuple[Tensor, Tensor]]:
    """The vectors of rows and columns in the spaces that a recipe reads.

    Args:
        names: The spaces.
        spaces: The argument of the user, `rrl_dsl.backends.program.Spaces` or None.
        rows: The rows.
        cols: The columns; the same object if they are the rows.

    Raises:
        RRLError: RRL418 if a space is missing or does not fit the rows.
    """
    embeddings = named("spaces", spaces, "RRL418")
    pairs: dict[str, tuple[Tensor, Tensor]] = {}
    for name in names:
        given = embeddings.get(name)
        if given is None:
            message = (
                f"this recipe compares rows in the space `{name}`, but no embeddings were passed"
            )
            hint = f"pass the embeddings of the rows as `spaces={{'{name}': z}}`"
            raise error("RRL418", message, hint=hint)
        pair = given if isinstance(given, tuple) and len(given) == 2 else (given, given)
        of_rows, of_cols = (tensor(name, value, "RRL418").detach() for value in pair)
        for what, vectors, nodes in (("rows", of_rows, rows), ("columns", of_cols, cols)):
            if vectors.ndim != 2 or len(vectors) != len(nodes):
                message = (
                    f"the space `{name}` has shape {tuple(vectors.shape)} for {len(nodes)} {what}"
                )
                hint = f"pass `{name}` as the pair (vectors of rows, vectors of columns)"
                raise error("RRL418", message, hint=None if cols is rows else hint)
            if vectors.is_complex() or vectors.device != nodes.device:
                kind = f"{vectors.dtype} on {vectors.device}".removeprefix("torch.")
                message = f"the space `{name}` is {kind}, and the rows are on {nodes.device}"
                raise error("RRL418", message, hint="pass real numbers on the device of the rows")
        pairs[name] = of_rows, of_cols
    return pairs


def check_views(rows: Nodes, cols: Nodes, asked: int) -> None:
    """Refuses rows and columns that lack views of their samples.

    Rows of distinct samples, and columns of other samples than the rows, may have any view.

    Args:
        rows: The rows.
        cols: The columns; the same object if they are the rows.
        asked: The number of views per sample that the recipe needs.

    Raises:
        RRLError: RRL425 if there are fewer; RRL402 if a row and a column of one sample differ
            in a label.
    """
    views = rows.views if cols is rows else None
    if cols is rows and (asked == 1 or (views is not None and not 1 < views.views < asked)):
        return
    if cols is rows:
        repeated = len(torch.unique(rows.sample)) < len(rows)
    else:
        repeated = len(rows) > 1 and rows.sample.equal(cols.sample)
        _check_labels(rows, cols)
    given = torch.unique(torch.cat([rows.view, cols.view]))
    if repeated and len(given) < asked:
        raise _too_few(asked, f"the rows have {_listed(given.tolist())}")
    if cols is rows and repeated:
        _check_repeated(rows, asked)


def _check_repeated(rows: Nodes, asked: int) -> None:
    """Refuses a batch that contains a view of a sample twice and lacks another view."""
    samples, of_rows, counts = torch.unique(rows.sample, return_inverse=True, return_counts=True)
    order, first = in_order(of_rows, rows.view)
    sample, view, again = of_rows[order], rows.view[order], ~first
    views = counts - torch.zeros_like(counts).scatter_add_(0, sample, again.to(counts.dtype))
    wrong = ((views < counts) & (views < asked)).nonzero().squeeze(1)
    if len(wrong):
        given = _listed(view[(sample == wrong[0]) & ~again].tolist())
        raise _too_few(asked, f"sample {samples[wrong[0]]} has {given}, and one row occurs twice")


def _check_labels(rows: Nodes, cols: Nodes) -> None:
    """Refuses columns whose labels differ from those of the rows of the same samples."""
    if not len(rows):
        return
    order = rows.sample.argsort()
    place = torch.searchsorted(rows.sample[order], cols.sample).clamp(max=len(rows) - 1)
    row = order[place]
    same = rows.sample[row] == cols.sample
    for name in rows.labels.keys() & cols.labels.keys():
        both = joined_labels(rows.labels[name][row], cols.labels[name])
        unequal = both[: len(cols)] != both[len(cols) :]
        unequal = unequal.any(dim=1) if unequal.ndim > 1 else unequal
        differs = (same & unequal).nonzero()
        if len(differs):
            j = int(differs[0])
            i = int(row[j])
            message = f"`{name}` differs in row {i} and column {j}, both of sample {cols.sample[j]}"
            raise error("RRL402", message, hint=SAME_VALUES)


def _too_few(asked: int, given: str) -> RRLError:
    message = f"this recipe needs {asked} views, but {given}"
    hint = "give each view of a sample its own number: `Nodes(sample, view)`"
    return error("RRL425", message, hint=hint)


def _listed(views: Sequence[int]) -> str:
    return f"{len(views)} ({', '.join(map(str, views))})"
