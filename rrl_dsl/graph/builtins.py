"""The built-ins of the language: their signatures and what they mean.

To add one: register its signature here, give its meaning in `rrl_dsl/backends/reference.py`, and
its instructions in `rrl_dsl/graph/lower.py`. Everything else follows from the signature.
"""

from __future__ import annotations

from rrl_dsl.graph.registry import Arguments, Parameter, Signature, register
from rrl_dsl.graph.types import (
    COUNT,
    FIELD,
    FRACTION,
    INDEX,
    POSITIVE,
    PROBABILITY,
    SEED,
    VIEWS,
    WEIGHT,
    Choice,
)

_SEED = Parameter(
    "seed", SEED, "Draws of their own: calls with the same seed draw the same.", default=None
)
_NOISE = (
    Parameter(
        "unit",
        Choice(("sample", "row")),
        "One draw for a pair of samples, all their views sharing it, or one for a pair of rows.",
        default="sample",
        positional=False,
    ),
    Parameter(
        "redraw",
        Choice(("never", "epoch", "step")),
        "When new draws are made.",
        default="never",
        positional=False,
    ),
    Parameter("seed", SEED, _SEED.doc, default=None, positional=False),
)


def _labels_of(arguments: Arguments) -> tuple[str, ...]:
    return (str(arguments["labels"]),)


register(
    Signature(
        "ssl",
        "source",
        "Relates the views of one sample.\n\n"
        "An edge where both rows are views of the same sample: self-supervised learning. `views` "
        "also tells the trainer how many views to draw.",
        (Parameter("views", VIEWS, "How many views of each sample to draw.", default=2),),
    )
)
register(
    Signature(
        "supervised",
        "source",
        "Relates samples of the same known label.\n\n"
        "An edge where both labels are known, both samples are in the labelled subset, and the "
        "labels are equal. A sample is in the subset when its own draw falls below `frac`, so the "
        "subset of a smaller fraction lies in that of a larger one. `per_class` keeps exactly the "
        "k samples of each class with the smallest draws; the recipe must then be bound to its "
        "data set.",
        (
            Parameter(
                "frac", FRACTION, "Share of the labels known.", default=1.0, schedulable=True
            ),
            Parameter("labels", FIELD, "The label field.", default="label"),
            Parameter("per_class", COUNT, "Labels known in each class.", default=None),
            _SEED,
        ),
        draws=lambda arguments: arguments["frac"] != 1.0 or arguments["per_class"] is not None,
        needs_labels=_labels_of,
        excludes=(("frac", "per_class"),),
    )
)
register(
    Signature(
        "random",
        "source",
        "Relates pairs of samples at random.\n\n"
        "An independent draw below p for every pair of samples; the diagonal is 1.",
        (
            Parameter("p", PROBABILITY, "The chance of an edge.", schedulable=True),
            _SEED,
        ),
        draws=lambda arguments: True,
    )
)
register(Signature("none", "source", "Relates nothing.\n\nNo edge at all, not even i = j."))
register(Signature("all", "source", "Relates everything.\n\nAn edge for every pair, i = j too."))
register(Signature("self", "source", "Relates a row to itself.\n\nAn edge where i = j."))
register(
    Signature(
        "cross_view",
        "source",
        "Relates rows of different views.\n\nAn edge where the view numbers differ.",
    )
)
register(
    Signature(
        "corrupt",
        "transform",
        "Removes edges and adds false ones.\n\n"
        "Each existing edge stays with probability tpr; each absent pair i != j becomes an edge of "
        "weight 1 with probability fpr; the diagonal is left alone. `fpr` is the chance of an "
        "absent pair, not a share of the edges: false edges soon outnumber true ones.",
        (
            Parameter(
                "tpr",
                PROBABILITY,
                "The chance that an edge stays.",
                default=1.0,
                positional=False,
                schedulable=True,
            ),
            Parameter(
                "fpr",
                PROBABILITY,
                "The chance that an absent pair becomes an edge.",
                default=0.0,
                positional=False,
                schedulable=True,
            ),
            *_NOISE,
        ),
        draws=lambda arguments: arguments["tpr"] != 1.0 or arguments["fpr"] != 0.0,
    )
)
register(
    Signature(
        "keep",
        "transform",
        "Keeps each edge with probability p.\n\nThe same as `corrupt(tpr=p)`.",
        (
            Parameter("p", PROBABILITY, "The chance that an edge stays.", schedulable=True),
            *_NOISE,
        ),
        draws=lambda arguments: arguments["p"] != 1.0,
    )
)
register(
    Signature(
        "threshold",
        "transform",
        "Makes a graph binary.\n\nWeight 1 where the weight is above `at`, else 0.",
        (Parameter("at", WEIGHT, "The weight to exceed."),),
        makes_binary=True,
    )
)
register(
    Signature(
        "clip",
        "transform",
        "Limits the weights.\n\nThe smaller of the weight and `max`.",
        (Parameter("max", WEIGHT, "The greatest weight left.", default=1.0),),
        stays_binary=lambda arguments: float(arguments["max"] or 0.0) >= 1.0,
    )
)
register(
    Signature(
        "power",
        "transform",
        "Raises the weights to a power.\n\nThe weight to the power p; absent pairs stay absent.",
        (Parameter("p", POSITIVE, "The exponent.", schedulable=True),),
    )
)
register(Signature("drop_self", "transform", "Removes the diagonal.\n\nWeight 0 where i = j."))
register(
    Signature(
        "during",
        "transform",
        "Limits a graph to some epochs.\n\n"
        "Empty outside the epochs from `start` up to, not including, `end`.",
        (
            Parameter("start", INDEX, "The first epoch.", default=0),
            Parameter("end", INDEX, "The epoch after the last; none: to the end.", default=None),
        ),
    )
)
