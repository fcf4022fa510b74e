"""Samples of one class, as far as labels are known."""

from rrl_dsl.graph.builtin import Count, Fraction, LabelField, Scheduled, Seed, source
from rrl_dsl.graph.plan import Chosen
from rrl_dsl.graph.recording import Mask, Pair


@source(example="supervised(frac=0.7, labels=label)", excludes=(("frac", "per_class"),))
def supervised(
    pair: Pair,
    frac: Scheduled[Fraction] = 1.0,
    labels: LabelField = "label",
    per_class: Count | None = None,
    seed: Seed | None = None,
) -> Mask:
    """Relates samples of the same known label.

    An edge where both labels are known, both samples are in the labelled subset, and the labels are
    equal. A sample is in the subset when its own draw falls below `frac`, so the subset of a
    smaller fraction lies in that of a larger one. `per_class` keeps exactly the k samples of each
    class with the smallest draws; the recipe must then be bound to its data set.

    Args:
        frac: Share of the labels known.
        labels: The label field.
        per_class: Labels known in each class.
        seed: Draws that follow from it alone, whatever the recipe's seed: the same in every run.
    """
    if per_class is not None:
        chosen = Chosen(labels, per_class, pair.key("never"))
        return pair.equal(labels, among=pair.chosen_samples(chosen))
    if frac == 1.0:
        return pair.equal(labels)
    return pair.equal(labels, among=pair.drawn_samples(frac))
