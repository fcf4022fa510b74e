"""The handle of a pair of rows. A built-in uses it to record the weight of the pair.

A built-in is called once with handles: a `Pair`, and for a transform the `Weight` of the pair. Its
operations on them are recorded as the instructions of a plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from rrl_dsl.graph.plan import Active, Column, Constant, Key, Redraw, Scalar, Threshold
from rrl_dsl.graph.recording import Mask, Real, Recording, Weight, checked, of_type
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.stage import Lookup, Stage
from rrl_dsl.graph.types import INDEX, POSITIVE, PROBABILITY, VIEWS, WEIGHT, Choice

Unit = Literal["sample", "row"]
Lists = Literal["either", "mutual", "directed"]
"""Rows have an edge if one is in the list of the other, if both are, or if j is in that of i."""

_LISTED: Final[dict[Lists, str]] = {
    "either": "listed",
    "mutual": "listed_mutually",
    "directed": "listed_by_row",
}
_UNIT: Final = Choice(get_args(Unit))
_REDRAW: Final = Choice(get_args(Redraw))


Subset = Column
"""Some of the samples: the column of a label that is unknown for others, without the label."""


@dataclass(frozen=True)
class Pair:
    """The pair of rows, i and j, to which a built-in assigns a weight.

    Attributes:
        recording: The recording that receives the instructions.
        stream: The stream of the call.
        seed: The `seed` argument of the call; None to use the seed of the recipe.
    """

    recording: Recording = field(repr=False)
    stream: int
    seed: int | None

    # the rows themselves

    @property
    def always(self) -> Mask:
        """A mask that holds for every pair."""
        return self.recording.constant(True)

    @property
    def never(self) -> Mask:
        """A mask that holds for no pair."""
        return self.recording.constant(False)

    @property
    def same_sample(self) -> Mask:
        """Whether both rows are views of the same sample."""
        return self._compared("same", Column("sample"))

    @property
    def same_view(self) -> Mask:
        """Whether both rows have the same view number."""
        return self._compared("same", Column("view"))

    @property
    def same_row(self) -> Mask:
        """Whether i = j."""
        return self.same_sample.where(self.same_view)

    def during(self, start: int, end: int | None) -> Mask:
        """Whether the epoch is at least `start` and before `end`."""
        for epoch in (start, end):
            if epoch is not None:
                checked("an epoch of `during`", INDEX, epoch)
        return Mask(self.recording, self.recording.emit("constant", scalars=(Active(start, end),)))

    # fields of the dataset

    def equal(self, label: str, subset: Subset | None = None) -> Mask:
        """Whether both samples have a known label in common.

        Args:
            label: A label field, with one or several labels per sample.
            subset: Samples to which both samples must belong.
        """
        return self._same_of(Column("label", field=label), subset)

    def jaccard(self, label: str) -> Weight:
        """|A & B| / |A | B| of the sets of known labels of both samples; 0 if both are empty."""
        return self._kernel("jaccard", (Column("label", field=label),))

    def near(self, number: str, within: float) -> Mask:
        """Whether both numbers are known and differ by at most `within`."""
        limit = Constant(checked("`within`", WEIGHT, within), exact=True)
        return self._compared("near", Column("number", field=number), scalar=limit)

    def cosine(self, vector: str, temperature: float = 1.0) -> Weight:
        """max(0, cos(x, y) / temperature) of two vectors; 0 if one is missing."""
        return self._kernel("cosine", self._sliced(vector), temperature)

    def exponential(self, vector: str, temperature: float = 1.0) -> Weight:
        """exp((cos(x, y) - 1) / temperature) of two vectors; 0 if one is missing."""
        return self._kernel("exponential", self._sliced(vector), temperature)

    def dot(self, vector: str, temperature: float = 1.0) -> Weight:
        """max(0, x . y / temperature) of two vectors; 0 if one is missing."""
        columns = (*self._sliced(vector), Column("unit", field=vector))
        return self._kernel("dot", columns, temperature)

    def gaussian(self, vector: str, bandwidth: float = 1.0) -> Weight:
        """exp(-d^2 / (2 bandwidth^2)) of the Euclidean distance d; 0 if a vector is missing."""
        return self._kernel("gaussian", (Column("vector", field=vector),), bandwidth)

    # draws

    def drawn(
        self,
        p: Real,
        *,
        where: Mask | None = None,
        otherwise: Real = 0.0,
        unit: Unit = "sample",
        redraw: Redraw = "never",
    ) -> Mask:
        """Whether the random number of the pair is below `p`.

        All draws of a call for one pair are the same number, so the graph of a smaller probability
        is a subgraph of that of a larger one.

        Args:
            p: The probability.
            where: The pairs with the probability `p`; defaults to all pairs.
            otherwise: The probability of the other pairs.
            unit: Whether to draw per pair of samples, for all views, or per pair of rows.
            redraw: When to draw again.
        """
        recording = self.recording
        p = checked("`p`", PROBABILITY, p, scheduled=True)
        otherwise = checked("`otherwise`", PROBABILITY, otherwise, scheduled=True)
        checked("`unit`", _UNIT, unit)
        key = recording.scalar(self.key(redraw))
        if where is None and not isinstance(p, Schedule) and p in (0.0, 1.0):
            return recording.constant(p == 1.0)
        kind: Literal["row_hash", "sample_hash"] = "row_hash" if unit == "row" else "sample_hash"
        if where is None:
            draw = recording.emit("draw", columns=(Column(kind, scalars=(key,)),))
            return Mask(recording, recording.emit("within", draw, scalars=(Threshold(p),)))
        limits = (Threshold(p), Threshold(otherwise))
        limit = recording.emit("choose", of_type(Mask, where).at, scalars=limits)
        draw = recording.emit("draw", columns=(Column(kind, scalars=(key,)),))
        return Mask(recording, recording.emit("within", draw, limit))

    def row_drawn(self, p: Real, *, redraw: Redraw = "never") -> Mask:
        """Whether the random number of the pair of rows is below `p`; see `drawn`."""
        return self.drawn(p, unit="row", redraw=redraw)

    def drawn_samples(self, share: Real) -> Subset:
        """The samples whose random number is below `share`."""
        share = checked("`share`", PROBABILITY, share, scheduled=True)
        key = self.recording.scalar(self.key("never"))
        drawn = self.recording.column(Column("sample_hash", scalars=(key,)))
        limit = self.recording.scalar(Threshold(share))
        return Column("drawn_label", inputs=(drawn,), scalars=(limit,))

    def sample_drawn(self, share: Real) -> Mask:
        """Whether the random numbers of both samples are below `share`."""
        return self._same_of(Column("zero"), self.drawn_samples(share))

    def key(self, redraw: Redraw) -> Key:
        """The key of the stream of the call, for lookups and stages that draw."""
        checked("`redraw`", _REDRAW, redraw)
        self.recording.draws = True
        return Key(self.stream, redraw, self.seed)

    # lookups over the dataset, stages over the batch

    def chosen_samples(self, lookup: Lookup) -> Subset:
        """The samples that a lookup selects."""
        return Column("chosen_label", lookup=self.recording.lookup(lookup))

    def linked(self, lookup: Lookup) -> Mask:
        """Whether a lookup over the dataset links the two samples."""
        return Mask(self.recording, self._linked("linked", lookup))

    def linked_weight(self, lookup: Lookup) -> Weight:
        """The weight that a lookup over the dataset assigns to the two samples."""
        return Weight(self.recording, self._linked("linked_weight", lookup))

    def affinity(self, vector: str, lookup: Lookup) -> Weight:
        """Symmetric SNE's joint probability, by the Gaussians that a lookup finds."""
        at = self.recording.lookup(lookup)
        columns = (Column("vector", field=vector), Column("values", lookup=at))
        return self._kernel("affinity", columns)

    def listed(self, stage: Stage, lists: Lists = "either", hashed: Key | None = None) -> Mask:
        """Whether the rows are in the lists that a stage computes for the rows of the batch.

        Args:
            stage: The stage.
            lists: Whether the list of one row is enough.
            hashed: The key of the row hashes that the stage takes as its input; None for no input.
        """
        inputs: tuple[int, ...] = ()
        if hashed is not None:
            key = self.recording.scalar(hashed)
            inputs = (self.recording.column(Column("row_hash", scalars=(key,))),)
        return self._compared(
            _LISTED[lists],
            Column("row"),
            Column("list", inputs=inputs, stage=of_type(Stage, stage)),
        )

    def grouped(self, stage: Stage) -> Mask:
        """Whether both rows are in the same group of a stage."""
        return self._compared("same", Column("component", stage=of_type(Stage, stage)))

    def is_grouped(self, weight: Weight) -> bool:
        """Whether a weight is 1 within groups that a stage made, and else 0."""
        instruction = list(self.recording.instructions)[weight.at]
        columns = list(self.recording.columns)
        return any(columns[column].kind == "component" for column in instruction.columns)

    # requests to the trainer

    def ask_views(self, views: int) -> None:
        """Requests this number of views per sample."""
        self.recording.views = max(self.recording.views, checked("`views`", VIEWS, views))

    def ask_bank(self, rows: int) -> None:
        """Requests this number of earlier rows as additional columns."""
        self.recording.bank = max(self.recording.bank, checked("`rows`", INDEX, rows))

    def _compared(self, op: str, *columns: Column, scalar: Scalar | None = None) -> Mask:
        scalars = () if scalar is None else (scalar,)
        at = self.recording.emit(op, columns=columns, scalars=scalars)
        return Mask(self.recording, at)

    def _same_of(self, column: Column, subset: Subset | None) -> Mask:
        if subset is not None:
            inputs = (self.recording.column(column), *subset.inputs)
            column = subset._replace(inputs=inputs)
        return self._compared("share", column)

    def _sliced(self, vector: str) -> tuple[Column, ...]:
        slices = Column("slices", field=vector)
        return (slices, Column("square", inputs=(self.recording.column(slices),)))

    def _kernel(self, op: str, columns: tuple[Column, ...], scale: float | None = None) -> Weight:
        name = "the bandwidth" if op == "gaussian" else "the temperature"
        value = None if scale is None else checked(name, POSITIVE, scale)
        scalars = () if value is None else (Constant(value, exact=True),)
        return Weight(self.recording, self.recording.emit(op, columns=columns, scalars=scalars))

    def _linked(self, op: str, lookup: Lookup) -> int:
        at = self.recording.lookup(lookup)
        return self.recording.emit(op, columns=(Column("place", lookup=at),), lookup=lookup)
