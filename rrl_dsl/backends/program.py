"""A compiled recipe, the object that users call.

`compile` does not import torch. Evaluating a program does.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Unpack, cast

from rrl_dsl.backends.arguments import check_dataset, check_graph, check_seed, check_strategy
from rrl_dsl.backends.strategy import WIDTH, Choice, Gather, Limit, Strategy, choose, free_memory
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Transform
from rrl_dsl.graph.identity import in_order
from rrl_dsl.graph.planner import compile_plan
from rrl_dsl.graph.recipe import parse
from rrl_dsl.graph.requires import Requires, requires_of
from rrl_dsl.graph.rewrite import rewrite
from rrl_dsl.graph.streams import adds_edges, finished, without_false_edges
from rrl_dsl.graph.types import Scalar
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.machine import is_out_of_memory, needing_memory

if TYPE_CHECKING:
    import networkx as nx
    import scipy.sparse as sp
    import torch
    from numpy.typing import ArrayLike
    from torch import Tensor

    from rrl_dsl.backends.dense import Prepared
    from rrl_dsl.backends.nodes import Nodes, Samples
    from rrl_dsl.backends.processes import Parts
    from rrl_dsl.backends.relation import Moment, Relation
    from rrl_dsl.backends.sparse import Progress
    from rrl_dsl.graph.stage import LookupTable, SampleColumns

Spaces = Mapping[str, "ArrayLike | Tensor | tuple[ArrayLike | Tensor, ArrayLike | Tensor]"]
"""Space -> the vectors of the rows, or those of the rows and of the columns."""


class Program:
    """A compiled recipe. It computes the edge weights between the rows of a batch."""

    def __init__(self, graph: Graph, *, seed: int = 0, fused: bool | None = None) -> None:
        """Compiles a graph; see `compile`."""
        check_graph(graph)
        check_seed(seed)
        self.graph = graph
        self.seed = int(seed)
        self.fused = fused
        self.rewritten, self.steps = rewrite(in_order(finished(graph)))
        self.plan = compile_plan(self.rewritten, binary=graph.binary)
        self._tables: tuple[LookupTable, ...] | None = None
        self._samples: SampleColumns  # of the bound dataset
        self._tables_on: dict[torch.device, tuple[LookupTable, ...]] = {}
        self._limits: dict[torch.device, Limit] = {}

    @property
    def identity(self) -> str:
        """The SHA-256 of the canonical form of the recipe."""
        return self.graph.identity

    @property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return self.graph.binary

    @cached_property
    def requires(self) -> Requires:
        """The needs of the recipe: views, columns of the dataset, spaces and more."""
        return requires_of(self.graph)

    def bind(self, dataset: Samples, *, others: Tensor | None = None) -> Program:
        """Binds the program to a dataset, for calls that depend on all samples.

        Args:
            dataset: The ids, labels and fields, with one entry per sample.
            others: The ids of samples outside the dataset, such as those of a test split. Files of
                pairs may name them.

        Returns:
            This program.

        Raises:
            RRLError: RRL401 or RRL417 if the dataset lacks a column, RRL402 if its columns are
                invalid, RRL416 if a file of pairs names an unknown sample, RRL420 if the dataset
                has too few samples, RRL507 if the cache cannot be written.
        """
        import torch

        from rrl_dsl.backends.nodes import Nodes
        from rrl_dsl.backends.sample_graph import sample_columns

        check_dataset(dataset)
        fields = getattr(dataset, "fields", {})
        rows = Nodes(dataset.sample, None, dataset.labels, fields, check=True).to("cpu")
        known = rows.sample if others is None else torch.cat([rows.sample, others.cpu()])
        faults = (lookup.lacking(known.numpy()) for lookup in self.plan.lookups)
        if (fault := next(filter(None, faults), None)) is not None:
            raise RRLError(fault)
        columns = sample_columns(rows)
        what = f"the lookups of the recipe over {len(rows):,} samples"
        with needing_memory(what, "lower the recipe's `k` or `within`, or bind fewer samples"):
            self._tables = tuple(lookup.table(columns, self.seed) for lookup in self.plan.lookups)
        self._samples = columns
        self._tables_on.clear()
        return self

    def __call__(
        self, nodes: Nodes, *, spaces: Spaces | None = None, epoch: int = 0, step: int = 0
    ) -> Tensor:
        """Returns the edge weights between the rows of a batch.

        Args:
            nodes: The n rows.
            spaces: Space -> embeddings of the rows, for calls that compare embeddings.
            epoch: The epoch.
            step: The optimizer step.

        Returns:
            (n, n) on the device of the rows: bool if the graph is binary, and float32 otherwise.

        Raises:
            RRLError: RRL401 or RRL417 if the rows lack a column, RRL403 if the recipe must be bound
                first, RRL418 if embeddings are missing, RRL419 if the recipe has additional
                columns, RRL421 if the bound dataset does not have a sample of the rows.
        """
        self._check_rows(nodes, None)
        with _needing_memory(nodes, nodes):
            prepared = self._prepare(nodes, nodes, spaces, epoch, step, len(nodes) ** 2)
            return prepared.weights(self.plan.result)

    def relate(
        self,
        rows: Nodes,
        cols: Nodes | None = None,
        *,
        spaces: Spaces | None = None,
        strategy: Strategy = "auto",
        width: int = WIDTH,
        gather: Gather | Parts | None = None,
        epoch: int = 0,
        step: int = 0,
    ) -> Relation:
        """Returns the relation between rows and columns, for a loss.

        Args:
            rows: The n rows.
            cols: The m columns; defaults to the rows. A recipe with a bank needs the rows followed
                by the rows of the bank.
            spaces: Space -> embeddings of the rows (n, d); with `cols`, the pair of the embeddings
                of the rows (n, d) and of the columns (m, d).
            strategy: `dense` computes the (n, m) weights. `blocked` computes them tile by tile, in
                memory that grows with n + m. `auto` chooses by the number of pairs, the width, the
                device and its free memory (`rrl-dsl explain` shows its choice). If memory runs
                out, `auto` and `blocked` continue with smaller tiles and warn once.
            width: The width of the embeddings, which `auto` takes into account.
            gather: How several processes of `torch.distributed` share the rows. Each passes its own
                rows, columns, spaces and embeddings, and gets the loss of all rows with its
                gradient. `all` gathers the embeddings. `ring` passes them from process to process,
                for losses that support it. `Parts` are rows and columns that are gathered already.
            epoch: The epoch.
            step: The optimizer step.

        Raises:
            RRLError: As `__call__`. RRL413 for an unknown strategy or `gather`, RRL419 if a recipe
                with a bank is given no columns, RRL515 if there is too little memory.
                Checked rows (`Nodes.checked`) raise the errors of `check_views`, and with `gather`
                RRL402 if the processes have different numbers of rows.
        """
        from rrl_dsl.backends.checks import check_views, vectors_of

        self._check_rows(rows, cols)
        check_strategy(strategy, gather)
        cols = rows if cols is None else cols
        if rows.checked:
            check_views(rows, cols, self.requires.views)
        parts = None if isinstance(gather, str) else gather
        if isinstance(gather, str):
            from rrl_dsl.backends.gathered import gathered

            own = vectors_of(self.requires.spaces, spaces, rows, cols)
            rows, cols, spaces, parts = gathered(rows, cols, own, ring=gather == "ring")
        every, rows = rows, rows if parts is None else rows[parts.own]
        device, shape = rows.device, (len(rows), len(cols))
        limit, free = self._limits.setdefault(device, Limit()), partial(free_memory, device)
        chosen = partial(choose, *shape, width, device.type, free, strategy=strategy)
        with _needing_memory(rows, cols):
            choice = chosen(most=limit.pairs)
            # only once, because the processes prepare their rows together
            shared = parts is not None
            prepared = self._prepare(every, cols, spaces, epoch, step, choice.tile, shared)
            if parts is not None:
                prepared = prepared.restricted(parts.own)
            at: Moment = {"seed": self.seed, "epoch": epoch, "step": step}
            while True:
                try:
                    related = self._related(prepared, rows, cols, choice, **at)
                    break
                except (MemoryError, RuntimeError) as problem:
                    again = strategy == "auto" and choice.strategy == "dense"
                    if not again or not is_out_of_memory(problem):
                        raise
                limit.lower(choice.tile, device.type)
                choice = chosen(most=limit.pairs)
        if parts is None:
            return related
        from rrl_dsl.backends.gathered import divided

        return divided(related, every, cols, parts)

    def _related(
        self, prepared: Prepared, rows: Nodes, cols: Nodes, choice: Choice, **at: Unpack[Moment]
    ) -> Relation:
        """The relation of rows and columns with the chosen strategy."""
        from rrl_dsl.backends.blocked import BlockedRelation
        from rrl_dsl.backends.dense_relation import DenseRelation

        related: Relation
        if choice.strategy == "blocked":
            related = BlockedRelation(
                prepared,
                rows,
                cols,
                symmetric=self.graph.symmetric,
                pairs=choice.tile,
                limit=self._limits[rows.device],
                shortcuts=True,
                **at,
            )
        else:
            contrast = None if self.plan.contrast is None else prepared.weights(self.plan.contrast)
            weights = prepared.weights(self.plan.result)
            related = DenseRelation(weights, rows, cols, contrast=contrast, **at)
        related.distinct = prepared.views is not None
        return related

    def to_scipy(
        self,
        nodes: Nodes,
        *,
        spaces: Spaces | None = None,
        epoch: int = 0,
        step: int = 0,
        progress: Progress = iter,
    ) -> sp.csr_array:
        """Returns the sparse (n, n) graph over rows on the CPU, float32, in memory for its edges.

        If lists and classes say which pairs may be edges, only these pairs are evaluated. This
        holds for calls such as `ssl`, `supervised`, `near`, `pairs` and `knn`, and for operators
        and transforms of them, except `~` and false edges.

        Args:
            nodes: The n rows.
            spaces: Space -> embeddings of the rows, for calls that compare embeddings.
            epoch: The epoch.
            step: The optimizer step.
            progress: Takes a sequence of parts of the work and yields each part in turn.

        Raises:
            RRLError: As `__call__`, and RRL515 if the graph does not fit into memory, with the
                expected number of edges.
        """
        from rrl_dsl.backends import sparse

        self._check_rows(nodes, None)
        with _needing_memory(nodes, nodes):
            prepared = self._prepare(nodes, nodes, spaces, epoch, step, sparse.BAND_PAIRS)
        return sparse.graph_of(prepared, len(nodes), progress)

    def to_networkx(
        self, nodes: Nodes, *, spaces: Spaces | None = None, epoch: int = 0, step: int = 0
    ) -> nx.Graph[int]:
        """Returns the graph as a networkx graph, without self-loops.

        Nodes have the attributes `sample` and `view`, and edges have `weight`. A recipe that is not
        symmetric returns an `nx.DiGraph`.

        Raises:
            RRLError: As `__call__`.
        """
        from rrl_dsl.backends import sparse

        weights = self.to_scipy(nodes, spaces=spaces, epoch=epoch, step=step)
        return sparse.networkx_graph(weights, nodes, directed=not self.graph.symmetric)

    @property
    def adds_edges(self) -> bool:
        """Whether the recipe's noise adds false edges."""
        return adds_edges(self.graph)

    def without_noise(self) -> Program:
        """The same recipe without the edges that noise adds, to recognize the false edges."""
        clean = Program(without_false_edges(self.graph), seed=self.seed, fused=self.fused)
        if self._tables is not None:
            known = dict(zip(self.plan.lookups, self._tables, strict=True))
            clean._tables = tuple(
                known[lookup] if lookup in known else lookup.table(self._samples, self.seed)
                for lookup in clean.plan.lookups
            )
        return clean

    def __repr__(self) -> str:
        kind = "binary" if self.binary else "weighted"
        return f"<{kind} program {self.identity[:12]}, seed {self.seed}>"

    def _repr_html_(self) -> str:
        """The picture of the graph with this seed, for notebooks."""
        from rrl_dsl.report import display

        return display.html_of(self.graph, self.seed)

    def _prepare(
        self,
        rows: Nodes,
        cols: Nodes,
        spaces: Spaces | None,
        epoch: int,
        step: int,
        at_once: int,
        shared: bool = False,
    ) -> Prepared:
        """The columns of the plan for rows and columns, to evaluate `at_once` pairs at once."""
        from rrl_dsl.backends import dense
        from rrl_dsl.backends.checks import check_bound, vectors_of
        from rrl_dsl.backends.edge import is_fused

        device, tables = rows.device, self._lookups(rows)
        if device.type == "cpu":  # on a GPU, the check would synchronize
            check_bound(rows, cols, self.plan.lookups, tables)
        vectors = vectors_of(self.requires.spaces, spaces, rows, cols)
        scalars = dense.scalars_of(self.plan, seed=self.seed, epoch=epoch, step=step, device=device)
        fused = is_fused(self.fused, device, at_once)
        inputs = dense.Inputs(scalars, tables, fused)
        return dense.prepare(self.plan, rows, cols, vectors, inputs, shared=shared)

    def _lookups(self, rows: Nodes) -> tuple[LookupTable, ...]:
        """The tables of the recipe's lookups, on the device of the rows."""
        from rrl_dsl.graph.stage import SampleColumns

        if self._tables is None:
            if self.requires.bound:
                message = "this recipe depends on the whole dataset and is not bound to one"
                raise error("RRL403", message, hint="call `program.bind(dataset)` first")
            self._samples = nothing = SampleColumns(rows[:0].to("cpu"))
            self._tables = tuple(lookup.table(nothing, self.seed) for lookup in self.plan.lookups)
        if rows.device not in self._tables_on:  # once per device: a copy synchronizes
            self._tables_on[rows.device] = tuple(table.to(rows.device) for table in self._tables)
        return self._tables_on[rows.device]

    def _check_rows(self, rows: Nodes, cols: Nodes | None) -> None:
        from rrl_dsl.backends.checks import check_nodes

        for nodes in (rows,) if cols is None else (rows, cols):
            check_nodes(nodes)
        bank = self.requires.bank
        if bank and cols is None:
            message = f"this recipe has the last {bank} rows as additional columns (`bank`)"
            raise error("RRL419", message, hint="use `program.relate(rows, cols, spaces=…)`")


def compile(  # noqa: A001  (the name users expect)
    recipe: Graph | Transform | str,
    *,
    params: Mapping[str, Scalar] | None = None,
    seed: int = 0,
    fused: bool | None = None,
) -> Program:
    """Compiles a recipe.

    Args:
        recipe: A graph, or the text of a recipe.
        params: Values for the `param`s of a text.
        seed: The seed of the recipe, 0 <= seed < 2^64. Calls with their own `seed=` ignore it.
        fused: Whether `torch.compile` fuses the edge function into one kernel. By default, it does
            if a compiler is installed and fusing pays off (`rrl-dsl bench fused`): on CUDA,
            with a warning if there is no compiler, and on the CPU for batches of at least 2048 x
            2048 pairs. Compiling takes seconds, which about twenty such batches save.

    Raises:
        RRLError: All errors of the text, or RRL204 or RRL210 if `recipe` is not a graph.
    """
    if isinstance(recipe, str):
        recipe, params = parse(recipe, params=params), None
    if params:
        name = next(iter(params))
        message = f"this graph has no parameter `{name}`; its values are fixed"
        raise error("RRL106", message, hint="pass `params` with a text, or to `parse`")
    return Program(cast(Graph, recipe), seed=seed, fused=fused)  # refuses anything but a graph


def _needing_memory(rows: Nodes, cols: Nodes) -> AbstractContextManager[None]:
    what = f"the graph over {len(rows):,} x {len(cols):,} rows at once"
    hint = 'lower `batch_size`, or use `program.relate(rows, strategy="blocked")`'
    return needing_memory(what, hint, "batch_size")
