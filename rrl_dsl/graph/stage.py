"""Computations before any pair: over the whole dataset (`Lookup`) or over a batch (`Stage`).

A built-in defines a subclass, a frozen dataclass, in its own file. A field with the annotation of a
column name, such as `LabelField`, declares that the column is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from rrl_dsl.graph.reader import Reader
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, error

if TYPE_CHECKING:
    import numpy as np
    import scipy.sparse as sp
    import torch
    from numpy.typing import NDArray

    from rrl_dsl.graph.algebra import Graph


Evaluate = Callable[..., "sp.csr_array"]
"""(graph, the first row of each sample, seed) -> weights (n, n)."""


class SampleColumns:
    """The columns of a dataset as NumPy arrays, one row per sample, ordered by id.

    Attributes:
        ids: int64 (n,), ascending.
    """

    def __init__(self, rows: Any, evaluate: Evaluate | None = None) -> None:
        """Takes `rrl.Nodes` or `Rows` on the host; uses the first row of each sample.

        Args:
            rows: The rows.
            evaluate: Evaluates a graph over all samples; see `graph`.
        """
        import numpy as np

        self._rows = rows
        self._evaluate = evaluate
        self.ids: NDArray[np.int64]
        self.ids, self._first = np.unique(np.asarray(rows.sample), return_index=True)

    def graph(self, graph: Graph, seed: int) -> sp.csr_array:
        """The weights of a graph between the samples, each as one row of view 0, float32 (n, n)."""
        assert self._evaluate is not None
        return self._evaluate(graph, self._rows[self._first], seed)

    def label(self, name: str) -> NDArray[np.int64]:
        """A label field, int64 (n,), or (n, k) for sets of labels; -1 where unknown.

        Raises:
            RRLError: RRL401 if the dataset lacks it.
        """
        labels = self._rows.labels
        if name not in labels:
            hint = did_you_mean(name, list(labels)) or f"it has {', '.join(labels) or 'none'}"
            raise error("RRL401", f"the dataset has no label field `{name}`", hint=hint)
        return self._ordered(labels[name])

    def number(self, name: str) -> NDArray[Any]:
        """A number field, (n,): int64, or float64 with NaN where missing.

        Raises:
            RRLError: RRL401 or RRL417 if the dataset lacks it.
        """
        return self._ordered(self._rows.number(name))

    def vector(self, name: str) -> NDArray[np.float64]:
        """A vector field, float64 (n, d), NaN where missing.

        Raises:
            RRLError: RRL401 or RRL417 if the dataset lacks it.
        """
        return self._ordered(self._rows.vector(name))

    def _ordered(self, column: Any) -> NDArray[Any]:
        import numpy as np

        return np.asarray(np.asarray(column)[self._first])


class LookupTable(NamedTuple):
    """The result of a lookup, as NumPy arrays or tensors. Unused columns are empty.

    Attributes:
        ids: int64 (u,), sample ids, ascending.
        starts: int64 (u + 1,), the position of the first entry of each sample.
        entries: int32 or int64 (e,), the positions in `ids` of the linked samples, ascending per
            sample.
        weights: float32 (e,), the weights of the links.
        values: float64 (u, v), numbers of each sample.
        steps: The steps of a binary search in the longest list of entries.
    """

    ids: Any
    starts: Any
    entries: Any
    weights: Any
    values: Any
    steps: int

    @staticmethod
    def of_samples(ids: Any, values: Any = None) -> LookupTable:
        """Samples without links.

        Args:
            ids: int64 (u,), ascending.
            values: float64 (u, v), numbers of each sample; defaults to none.
        """
        import numpy as np

        none = np.empty(0, np.int64)
        values = np.empty((0, 0)) if values is None else values
        return LookupTable(ids, none, none, np.empty(0, np.float32), values, 0)

    @staticmethod
    def of_links(ids: Any, graph: sp.csr_array) -> LookupTable:
        """Samples and their links.

        Args:
            ids: int64 (u,), ascending.
            graph: (u, u), the weights of the links from i to j.
        """
        graph.sort_indices()
        return LookupTable.of_entries(ids, graph.indptr, graph.indices, graph.data)

    @staticmethod
    def of_entries(ids: Any, starts: Any, entries: Any, weights: Any) -> LookupTable:
        """Samples and their links. Columns of the right type are not copied.

        Args:
            ids: int64 (u,), ascending.
            starts: Integers (u + 1,), the position of the first entry of each sample.
            entries: Integers (e,), the positions in `ids` of linked samples, ascending per sample.
            weights: (e,), the weights of the links; None if no weight is read.
        """
        import numpy as np

        longest = int(np.diff(starts).max(initial=0))
        # at least one sample and one entry, so that a search can read both
        if not len(entries):
            entries = np.array([-1], np.int32)
            weights = None if weights is None else np.zeros(1)
        weights = np.empty(0) if weights is None else weights
        starts = starts if len(ids) else np.append(starts, starts[-1])
        return LookupTable.of_samples(ids)._replace(
            starts=starts.astype(np.int64, copy=False),
            entries=entries,
            weights=weights.astype(np.float32, copy=False),
            steps=longest.bit_length(),
        )

    def position(self, arrays: Any, sample: Any) -> Any:
        """The positions of samples in `ids`, int64 (n,), -1 for none."""
        if not len(self.ids):
            return arrays.full_like(sample, -1)
        position = arrays.searchsorted(self.ids, sample).clip(max=len(self.ids) - 1)
        return arrays.where(self.ids[position] == sample, position, -1)

    def to(self, device: torch.device) -> LookupTable:
        """The table as tensors on a device."""
        import torch

        return self._with_columns(lambda column: torch.from_numpy(column).to(device))

    def numpy(self) -> LookupTable:
        """The table, of tensors, as NumPy arrays."""
        return self._with_columns(lambda column: column.cpu().numpy())

    def _with_columns(self, change: Callable[[Any], Any]) -> LookupTable:
        ids, starts, entries, weights, values = map(change, self[:5])
        return LookupTable(ids, starts, entries, weights, values, self.steps)


class Lookup(Reader):
    """A computation of a built-in over the whole dataset, done once when a program is bound.

    Attributes:
        bound: Whether it reads the dataset.
        directed: Whether the link from i to j may differ from that from j to i.
        limit: A bound that no weight of a link exceeds.
        covers_dataset: Whether its table contains every sample of the dataset.
        width: The number of values per sample.
        subset: The number of samples it reads for a picture of a few samples; None for all.
    """

    bound: bool = True
    covers_dataset: bool = True
    width: int = 0
    subset: int | None = None
    directed: bool = False
    limit: float = 1.0

    def find(
        self, samples: SampleColumns, seed: int, wanted: NDArray[np.int64] | None = None
    ) -> LookupTable:
        """Computes the table.

        Args:
            samples: The dataset; ignored where `bound` is false.
            seed: The recipe's seed.
            wanted: Ids of the samples that a picture needs; defaults to all. The table may
                contain others.

        Raises:
            RRLError: RRL401 or RRL417 if the dataset lacks a column, RRL420 if it is too
                small.
        """
        raise NotImplementedError

    def table(
        self, samples: SampleColumns, seed: int, wanted: NDArray[np.int64] | None = None
    ) -> LookupTable:
        """The table of `find`; that of another package is checked.

        Raises:
            RRLError: As `find`. RRL432 if it fails, a weight is not from 0 to `limit`, or links
                differ by direction and `directed` is false.
        """
        with self.reported():
            table = self.find(samples, seed, wanted)
        if not self.is_foreign or not len(table.entries):
            return table
        fault = hint = ""
        for weight in table.weights[~((table.weights >= 0) & (table.weights <= self.limit))][:1]:
            fault = f"has a link with weight {weight:g}, but its `limit` is {self.limit:g}"
            hint = "weights are at least 0; set `limit` to the largest weight"
        if not fault and wanted is None and not self.directed and not _is_symmetric(table):
            fault = "has links that differ from i to j and from j to i"
            hint = "return a symmetric graph, or set `directed = True`"
        if fault:
            raise self.fault(fault, hint=hint)
        return table

    def lacking(self, ids: NDArray[np.int64]) -> Diagnostic | None:
        """The error for a dataset with these ids, int64 (n,), if it lacks samples."""
        return None

    def check_covered(self, table: LookupTable, arrays: Any, samples: Any) -> None:
        """Checks that the table contains samples, int64 (n,), if it covers the dataset.

        Raises:
            RRLError: `uncovered`.
        """
        if self.covers_dataset:
            strange = samples[table.position(arrays, samples) < 0]
            if len(strange):
                raise RRLError(self.uncovered(int(strange[0])))

    def uncovered(self, sample: int) -> Diagnostic:
        """The error for a sample that the table should contain and does not."""
        message = f"the dataset to which the recipe is bound has no sample {sample}"
        return Diagnostic("RRL421", message, hint="bind it to the dataset of the rows")


def _is_symmetric(table: LookupTable) -> bool:
    """Whether each link has a link back with the same weight."""
    import numpy as np
    import scipy.sparse as sp

    if not table.starts[-1]:
        return True
    size = len(table.ids)
    weights = table.weights if len(table.weights) else np.ones(len(table.entries), np.float32)
    graph = sp.csr_array((weights, table.entries, table.starts), shape=(size, size))
    return not (graph - graph.T.tocsr()).data.any()


@dataclass(frozen=True)
class BatchRows:
    """The u rows and columns of a call, ordered by (sample, view), in torch or NumPy.

    Equal rows are adjacent, and only the first of them counts. The result of a stage therefore
    depends neither on the order of a batch nor on rows that it contains twice.

    Attributes:
        rows: `sample` and `view`, int64 (u,), `label(name)`, `number(name)` and `vector(name)`.
        spaces: Space -> embeddings (u, d).
        first: bool (u,), whether a row is the first of its equals.
        is_column: bool (u,), whether a row is a column of the call.
        by_rows: From a function of the positions of t rows, int64, to their values (t, ...), to the
            values of all rows (u, ...). The function is called for bands of rows, whose values for
            all rows fit in memory; of several processes, each calls it for a part of the rows.
        weights: (`weight.at` of a weight, positions of t rows; defaults to all) -> (t, u).
        inputs: The columns that the stage takes, (u,).
    """

    rows: Any
    spaces: Mapping[str, Any]
    first: Any
    is_column: Any
    by_rows: Callable[[Callable[[Any], Any]], Any]
    weights: Callable[..., Any]
    inputs: Sequence[Any] = ()


class Stage(Reader):
    """A computation of a built-in over the rows and columns of a call.

    Attributes:
        levels: Its cost in operations per pair of rows and level of a binary search over them.
        weighs: The instructions whose weights it looks at, as `weight.at` gives them.
        longest: The most rows of a list.
    """

    levels: int = 0
    weighs: tuple[int, ...] = ()
    longest: int = 0

    def result(self, arrays: Any, batch: BatchRows, dimensions: int) -> Any:
        """The result of `find`; that of another package is checked.

        Args:
            arrays: See `find`.
            batch: See `find`.
            dimensions: 1 for groups, 2 for lists.

        Raises:
            RRLError: RRL432 if it fails, or its result has another shape.
        """
        with self.reported():
            values = self.find(arrays, batch)
        shape = tuple(getattr(values, "shape", ()))
        if self.is_foreign and (len(shape) != dimensions or shape[0] != len(batch.first)):
            wanted = "(u,), the group of each row" if dimensions == 1 else "(u, k), a list per row"
            raise self.fault(
                f"returned the shape {shape} for {len(batch.first)} rows, not {wanted}"
            )
        return values

    def find(self, arrays: Any, batch: BatchRows) -> Any:
        """Computes the groups or lists. It runs in torch and NumPy and never waits for a device.

        Args:
            arrays: `rrl_dsl.backends.tensors` or `rrl_dsl.backends.arrays`: functions of arrays.
            batch: The rows and columns.

        Returns:
            int64: (u,), the group of each row, or (u, k), the positions of the rows in each row's
            list; -1 for none.
        """
        raise NotImplementedError
