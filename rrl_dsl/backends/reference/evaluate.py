"""Graph -> weights: operators here, the built-ins in `sources` and `transforms`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends.reference.rows import Rows, Setting
from rrl_dsl.backends.reference.sources import SOURCES
from rrl_dsl.backends.reference.transforms import TRANSFORMS
from rrl_dsl.backends.weights import Weights, rounded, scaled, total
from rrl_dsl.graph.algebra import (
    Applied,
    Combined,
    Complement,
    Contrasted,
    Graph,
    Scaled,
    Source,
)
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.identity import in_order
from rrl_dsl.graph.streams import streams_of
from rrl_dsl.graph.traverse import walk


def evaluate(
    graph: Graph,
    rows: Rows,
    cols: Rows | None = None,
    *,
    seed: int = 0,
    epoch: int = 0,
    step: int = 0,
    dataset: Rows | None = None,
    sources: Mapping[str, Callable[[Call, Setting], npt.NDArray[Any]]] = SOURCES,
) -> Weights:
    """The weights of all pairs, float32 (n, m), rounded after every operation.

    Args:
        graph: The finished recipe; of a recipe with a contrast, its graph.
        rows: The rows.
        cols: The columns; the rows themselves where left out.
        seed: The recipe's seed.
        epoch: The epoch.
        step: The optimiser step.
        dataset: All samples, for calls that need the whole data set.
        sources: What each source means, by name.

    Raises:
        RRLError: RRL401 or RRL417 where the rows lack a column, RRL403 where the data set is
            wanted and not known.
    """
    cols = rows if cols is None else cols
    universe, (of_rows, of_cols) = _universe(rows, cols)
    samples = None if dataset is None else dataset[np.unique(dataset.sample, return_index=True)[1]]
    # the streams of the whole recipe, of which the contrast is a part
    is_column = np.isin(np.arange(len(universe)), of_cols)
    setting = Setting(universe, is_column, samples, seed, epoch, step, streams_of(graph))
    results: dict[int, Weights] = {}
    ordered = in_order(graph)
    for node in walk(ordered):
        operands = [results[id(operand)] for operand in node.operands]
        if isinstance(node, Source):
            found = rounded(sources[node.call.signature.name](node.call, setting))
        else:
            found = _evaluate_node(node, operands, setting)
        results[id(node)] = found
    return results[id(ordered)][np.ix_(of_rows, of_cols)]


def _universe(rows: Rows, cols: Rows) -> tuple[Rows, list[npt.NDArray[np.int64]]]:
    """Every row and column once, by (sample, view), and where each of them stands there."""
    positions: dict[tuple[int, int], int] = {}
    both = [list(zip(r.sample.tolist(), r.view.tolist(), strict=True)) for r in (rows, cols)]
    for at, row in enumerate(both[0] + both[1]):
        positions.setdefault(row, at)
    order = sorted(positions)
    place = {row: at for at, row in enumerate(order)}
    chosen = np.array([positions[row] for row in order], dtype=np.int64)
    joined = Rows(
        np.concatenate([rows.sample, cols.sample]),
        np.concatenate([rows.view, cols.view]),
        _joined(rows.labels, cols.labels),
        _joined(rows.fields, cols.fields),
        _joined(rows.spaces, cols.spaces),
    )
    return joined[chosen], [np.array([place[row] for row in of], dtype=np.int64) for of in both]


def _joined(
    one: Mapping[str, npt.NDArray[Any]], other: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    return {name: np.concatenate([one[name], other[name]]) for name in one if name in other}


def _evaluate_node(node: Graph, operands: list[Weights], setting: Setting) -> Weights:
    if isinstance(node, Applied):
        return TRANSFORMS[node.call.signature.name](node.call, operands[0], setting)
    if isinstance(node, Combined):
        result = operands[0]
        for operand in operands[1:]:
            result = _OPERATORS[node.operator](result, operand)
        return result
    if isinstance(node, Scaled):
        return scaled(operands[0], node.factor, setting.epoch)
    if isinstance(node, Contrasted):
        return operands[0]
    assert isinstance(node, Complement)
    return rounded((operands[0] == 0) & ~setting.same_row)


_OPERATORS: Final[Mapping[str, Callable[[Weights, Weights], Weights]]] = {
    "|": np.maximum,
    "&": np.minimum,
    "+": total,
    "-": lambda a, b: np.where(b == 0, a, np.float32(0)),
}
