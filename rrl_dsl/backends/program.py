"""A compiled recipe: what a user calls.

`compile` needs no torch; evaluating a program does, and imports it then.
"""

from __future__ import annotations

import numbers
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from rrl_dsl.graph.algebra import Call, Graph, Transform, call_of, walk
from rrl_dsl.graph.lower import lower
from rrl_dsl.graph.plan import Plan
from rrl_dsl.graph.recipe import parse
from rrl_dsl.graph.types import Scalar, described
from rrl_dsl.language.diagnostics import did_you_mean, error, listing

if TYPE_CHECKING:
    import networkx as nx
    import scipy.sparse as sp
    import torch
    from torch import Tensor

    from rrl_dsl.backends.nodes import Nodes
    from rrl_dsl.backends.relation import Relation

Strategy = Literal["auto", "dense"]

_STRATEGIES: Final = ("auto", "dense")
_TILE: Final = 1024
_FUSED_PAIRS: Final = 2048 * 2048


class LabelledSamples(Protocol):
    """What `Program.bind` asks of a data set."""

    @property
    def sample(self) -> Tensor:
        """int64 (n,), the ids."""

    @property
    def labels(self) -> Mapping[str, Tensor]:
        """Label field -> int64 (n,), -1 where unknown."""


@dataclass(frozen=True)
class Requires:
    """What a recipe needs of the trainer and of the data set.

    Attributes:
        views: How many views of each sample to draw.
        labels: The label fields it reads, in order of appearance.
        bound: Whether it must be bound to the whole data set first.
        draws: Whether its graph is random.
        epochs: Whether its graph depends on the epoch or step.
    """

    views: int
    labels: tuple[str, ...]
    bound: bool
    draws: bool
    epochs: bool


class Program:
    """A recipe compiled to `prepare` and `edge`; evaluates to weights over the rows of a batch."""

    def __init__(self, graph: Graph, *, seed: int = 0, fused: bool | None = None) -> None:
        """See `compile`."""
        self.graph = graph
        self.seed = seed
        self.fused = fused
        self.plan: Plan = lower(graph)
        self._subsets: tuple[Tensor, ...] | None = None if self.plan.subsets else ()
        self._subsets_on: dict[torch.device, tuple[Tensor, ...]] = {}

    @property
    def identity(self) -> str:
        """SHA-256 of the recipe's canonical form."""
        return self.graph.identity

    @property
    def binary(self) -> bool:
        """Whether every weight is 0 or 1."""
        return self.graph.binary

    @cached_property
    def requires(self) -> Requires:
        """What the recipe needs of the trainer and of the data set."""
        calls = list(_calls(self.graph))
        views = [int(call.arguments["views"] or 1) for call in calls if "views" in call.arguments]
        labels = [name for call in calls for name in call.signature.needs_labels(call.arguments)]
        redrawn = any(call.arguments.get("redraw", "never") != "never" for call in calls)
        return Requires(
            views=max(views, default=1),
            labels=tuple(dict.fromkeys(labels)),
            bound=bool(self.plan.subsets),
            draws=any(call.draws for call in calls),
            epochs=redrawn or any(call.signature.name == "during" for call in calls),
        )

    def bind(self, dataset: LabelledSamples) -> Program:
        """Gives the program the whole data set, for calls that choose among all samples.

        Args:
            dataset: Its ids and labels, one entry for each sample.

        Returns:
            This program.

        Raises:
            RRLError: RRL401 where the data set lacks a label field, RRL402 where its ids or labels
                are malformed.
        """
        from rrl_dsl.backends.nodes import Nodes
        from rrl_dsl.backends.subsets import choose

        rows = Nodes(dataset.sample, labels=dataset.labels, check=True)
        self._subsets = tuple(
            choose(subset, rows.sample, rows.labels, self.seed) for subset in self.plan.subsets
        )
        self._subsets_on.clear()
        return self

    def __call__(self, nodes: Nodes, *, epoch: int = 0, step: int = 0) -> Tensor:
        """The weights over the rows of a batch.

        Args:
            nodes: The n rows.
            epoch: The epoch.
            step: The optimiser step.

        Returns:
            (n, n) on the rows' device: bool where the graph is binary, else float32.

        Raises:
            RRLError: RRL401 where the rows lack a label field, RRL403 where the recipe must be
                bound first.
        """
        return self._weights(nodes, nodes, epoch, step)

    def relate(
        self,
        rows: Nodes,
        cols: Nodes | None = None,
        *,
        spaces: Mapping[str, Tensor] | None = None,
        strategy: Strategy = "auto",
        epoch: int = 0,
        step: int = 0,
    ) -> Relation:
        """The relation of rows and columns, as losses take it.

        Args:
            rows: The n rows.
            cols: The m columns; the rows themselves where left out.
            spaces: Embeddings of the rows by space, for calls that look at them; none does yet.
            strategy: How to evaluate.
            epoch: The epoch.
            step: The optimiser step.

        Raises:
            RRLError: As `__call__`, and RRL413 for an unknown strategy.
        """
        from rrl_dsl.backends.relation import DenseRelation

        if strategy not in _STRATEGIES:
            hint = did_you_mean(strategy, _STRATEGIES) or f"choose {listing(_STRATEGIES)}"
            raise error("RRL413", f"there is no strategy called `{strategy}`", hint=hint)
        cols = rows if cols is None else cols
        weights = self._weights(rows, cols, epoch, step)
        return DenseRelation(weights, rows, cols, seed=self.seed, step=step)

    def to_scipy(self, nodes: Nodes, *, epoch: int = 0, step: int = 0) -> sp.csr_array:
        """The sparse (n, n) graph over rows on the host, built in tiles."""
        import numpy as np
        import scipy.sparse as sp

        rows, cols, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
        for top in range(0, len(nodes), _TILE):
            band = nodes[slice(top, top + _TILE)]
            for left in range(0, len(nodes), _TILE):
                tile = self._weights(band, nodes[slice(left, left + _TILE)], epoch, step).cpu()
                at = tile.nonzero(as_tuple=True)
                rows.append(at[0].numpy() + top)
                cols.append(at[1].numpy() + left)
                values.append(tile[at].numpy())
        entries = np.concatenate(values).astype(np.float32)
        places = (np.concatenate(rows), np.concatenate(cols))
        return sp.csr_array((entries, places), shape=(len(nodes), len(nodes)))

    def to_networkx(self, nodes: Nodes, *, epoch: int = 0, step: int = 0) -> nx.Graph[int]:
        """The graph over rows; nodes carry `sample` and `view`, edges `weight`; no self-loops."""
        import networkx as nx

        matrix = self.to_scipy(nodes, epoch=epoch, step=step).tocoo()
        graph: nx.Graph[int] = nx.Graph()
        samples, views = nodes.sample.tolist(), nodes.view.tolist()
        for row, (sample, view) in enumerate(zip(samples, views, strict=True)):
            graph.add_node(row, sample=sample, view=view)
        entries = zip(matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True)
        graph.add_weighted_edges_from((i, j, float(weight)) for i, j, weight in entries if i < j)
        return graph

    @property
    def adds_edges(self) -> bool:
        """Whether the recipe's noise adds false edges."""
        return any((call.arguments.get("fpr") or 0.0) != 0.0 for call in _calls(self.graph))

    def without_noise(self) -> Program:
        """The same recipe with no edge added by `corrupt`: what its false edges are told by."""
        from rrl_dsl.graph.denoise import without_false_edges

        clean = Program(without_false_edges(self.graph), seed=self.seed, fused=self.fused)
        clean._subsets = self._subsets
        return clean

    def __repr__(self) -> str:
        kind = "binary" if self.binary else "weighted"
        return f"<{kind} program {self.identity[:12]}, seed {self.seed}>"

    def _weights(self, rows: Nodes, cols: Nodes, epoch: int, step: int) -> Tensor:
        from rrl_dsl.backends import dense

        if self._subsets is None:
            message = "this recipe chooses among all samples (`per_class`) and knows no data set"
            raise error("RRL403", message, hint="call `program.bind(dataset)` first")
        device = rows.device
        scalars = dense.scalars_of(self.plan, seed=self.seed, epoch=epoch, step=step, device=device)
        if device not in self._subsets_on:  # once a device: copying waits
            self._subsets_on[device] = tuple(each.to(device) for each in self._subsets)
        subsets = self._subsets_on[device]
        fused = _pays(device, len(rows) * len(cols)) if self.fused is None else self.fused
        return dense.evaluate(self.plan, rows, cols, scalars, subsets, fused=fused)


def compile(  # noqa: A001  (the name users expect)
    recipe: Graph | Transform | str,
    *,
    params: Mapping[str, Scalar] | None = None,
    seed: int = 0,
    fused: bool | None = None,
) -> Program:
    """Compiles a recipe.

    Args:
        recipe: A graph, or the text of a recipe. A transform is refused with a hint.
        params: New values for the `param`s of a text.
        seed: The recipe's seed, 0 <= seed < 2^64: other seeds draw other graphs.
        fused: Whether `torch.compile` fuses the edge function into one kernel. Left out, it does
            where that pays (`benchmarks/fused_edges.py`): on CUDA, and on a CPU with a C++
            compiler for batches of 2048 x 2048 pairs or more, where the seconds of compiling are
            earned back within some twenty batches.

    Raises:
        RRLError: With every error of the text, or where `recipe` is no graph.
    """
    if isinstance(recipe, str):
        recipe, params = parse(recipe, params=params), None
    if params:
        name = next(iter(params))
        message = f"this graph has no parameter `{name}`: it was built with its values"
        raise error("RRL106", message, hint="give `params` with a text, or to `parse`")
    if isinstance(recipe, Transform):
        hint = f"write `ssl(views=2) | {recipe}`"
        raise error("RRL204", "a recipe is a graph, and this is a transform", hint=hint)
    if not isinstance(recipe, Graph):
        raise error(
            "RRL210",
            f"a recipe is a graph, and this is {described(recipe)}",
            hint="`rrl.load(path)` reads a file",
        )
    _check_seed(seed)
    return Program(recipe, seed=int(seed), fused=fused)


def _pays(device: torch.device, pairs: int) -> bool:
    """Whether compiling the edge function is soon earned back."""
    if device.type == "cuda":
        return True
    return pairs >= _FUSED_PAIRS and any(map(shutil.which, ("g++", "clang++")))


def _check_seed(seed: Any) -> None:
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**64:
        raise error("RRL301", f"`seed` wants a whole number from 0 to 2^64 - 1, not {seed!r:.40}")


def _calls(graph: Graph) -> Iterator[Call]:
    return (call for node in walk(graph) if (call := call_of(node)) is not None)
