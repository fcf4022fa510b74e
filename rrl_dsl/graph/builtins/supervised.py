"""Samples with the same label."""

from dataclasses import dataclass
from typing import Any

from rrl_dsl.graph import draws
from rrl_dsl.graph.builtin import Count, Fraction, LabelField, Scheduled, Seed, source
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.plan import Key
from rrl_dsl.graph.recording import Mask
from rrl_dsl.graph.stage import Lookup, LookupTable, SampleColumns


@dataclass(frozen=True)
class Chosen(Lookup):
    """The samples of each class with the smallest draws; a class of fewer keeps them all."""

    labels: LabelField
    per_class: int
    key: Key
    covers_dataset = False

    def find(self, samples: SampleColumns, seed: int, wanted: Any = None) -> LookupTable:
        """The chosen samples, without links."""
        import numpy as np

        label = samples.label(self.labels).reshape(len(samples.ids), -1)
        draw = draws.row_hash(samples.ids, None, self.key.at(seed, 0, 0)) >> 1
        # a sample counts in each of its classes
        ids, draw = (column.repeat(label.shape[1]) for column in (samples.ids, draw))
        classes = label.ravel()
        order = np.lexsort((ids, draw, classes))  # by class, then by draw, then by id
        ids, classes = ids[order], classes[order]
        rank = np.arange(len(ids)) - np.searchsorted(classes, classes)
        return LookupTable.of_samples(np.unique(ids[(rank < self.per_class) & (classes >= 0)]))


@source(example="supervised(frac=0.7, labels=label)", excludes=(("frac", "per_class"),))
def supervised(
    pair: Pair,
    frac: Scheduled[Fraction] = 1.0,
    labels: LabelField = "label",
    per_class: Count | None = None,
    seed: Seed | None = None,
) -> Mask:
    """Relates samples with the same known label.

    Two samples have an edge if their labels are known and equal, and both samples are in the
    labeled subset. Where samples have several labels, one that both have is enough. A sample is in
    the subset if its random number in [0, 1) is below `frac`, so a smaller fraction gives a subset
    of a larger one. `per_class=k` instead selects the k samples of each class with the smallest
    random numbers; the recipe must then be bound to its dataset. A sample with several labels
    counts in each of its classes.

    Args:
        frac: The fraction of samples whose label is known.
        labels: The label field.
        per_class: The number of known labels in each class, in place of `frac`.
        seed: A seed for this call, in place of the recipe's: the same draws in every run.
    """
    if per_class is not None:
        chosen = Chosen(labels, per_class, pair.key("never"))
        return pair.equal(labels, subset=pair.chosen_samples(chosen))
    if frac == 1.0:
        return pair.equal(labels)
    return pair.equal(labels, subset=pair.drawn_samples(frac))
