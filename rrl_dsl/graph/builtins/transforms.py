"""Transforms: calls that make a graph of the graph on their left."""

from __future__ import annotations

from typing import Final

from rrl_dsl.graph.builtins.sources import SEED_PARAMETER
from rrl_dsl.graph.registry import Arguments, Parameter, Signature, register
from rrl_dsl.graph.types import (
    COUNT,
    FLAG,
    INDEX,
    POSITIVE,
    PROBABILITY,
    SEED,
    WEIGHT,
    Choice,
)

_NOISE: Final = (
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
    Parameter("seed", SEED, SEED_PARAMETER.doc, default=None, positional=False),
)


def _redraws(arguments: Arguments) -> bool:
    return bool(arguments["redraw"] != "never")


register(
    Signature(
        "corrupt",
        "transform",
        "Removes edges and adds false ones.\n\n"
        "Each existing edge stays with probability tpr; each absent pair i != j becomes an edge of "
        "weight 1 with probability fpr; the diagonal is left alone. `fpr` is the chance of an "
        "absent pair, not a share of the edges: false edges soon outnumber true ones.",
        "supervised() | corrupt(tpr=0.8, fpr=0.05)",
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
                adds_edges=True,
            ),
            *_NOISE,
        ),
        draws=lambda arguments: arguments["tpr"] != 1.0 or arguments["fpr"] != 0.0,
        timed=_redraws,
    )
)
register(
    Signature(
        "keep",
        "transform",
        "Keeps each edge with probability p.\n\n"
        "No edge is added: what `corrupt(tpr=p)` does, with draws of its own.",
        "supervised() | keep(0.5)",
        (
            Parameter(
                "p",
                PROBABILITY,
                "The chance that an edge stays.",
                schedulable=True,
                example="0.9",
            ),
            *_NOISE,
        ),
        draws=lambda arguments: arguments["p"] != 1.0,
        timed=_redraws,
    )
)
register(
    Signature(
        "threshold",
        "transform",
        "Makes a graph binary.\n\nWeight 1 where the weight is above `at`, else 0.",
        "similarity(caption) | threshold(0.9)",
        (Parameter("at", WEIGHT, "The weight to exceed.", example="0.5"),),
        makes_binary=lambda arguments: True,
    )
)
register(
    Signature(
        "clip",
        "transform",
        "Limits the weights.\n\nThe smaller of the weight and `max`.",
        "similarity(caption) | clip(0.5)",
        (Parameter("max", WEIGHT, "The greatest weight left.", default=1.0),),
        stays_binary=lambda arguments: float(arguments["max"]) >= 1.0,
        makes_binary=lambda arguments: arguments["max"] == 0.0,
    )
)
register(
    Signature(
        "power",
        "transform",
        "Raises the weights to a power.\n\nThe weight to the power p; absent pairs stay absent.",
        "similarity(caption) | power(4)",
        (Parameter("p", POSITIVE, "The exponent.", schedulable=True, example="2"),),
    )
)
register(
    Signature(
        "topk",
        "transform",
        "Keeps the heaviest edges of each row.\n\n"
        "An edge stays where it is among the k heaviest of its row i or of its row j; with "
        "`mutual`, where it is among both. Ties go to the smaller (sample, view). The diagonal is "
        "an edge like any other: `drop_self()` before it keeps k edges to other rows.",
        "similarity(caption) | drop_self() | topk(2)",
        (
            Parameter("k", COUNT, "How many edges of each row.", example="5"),
            Parameter(
                "mutual", FLAG, "Whether an edge must be among both rows' heaviest.", default=False
            ),
        ),
        scope=lambda arguments: "batch",
    )
)
register(
    Signature(
        "closure",
        "transform",
        "Joins what is connected.\n\n"
        "An edge of weight 1 between any two rows of a batch that a path of edges joins, whichever "
        "way they lead; the diagonal is 1.",
        'pairs("links.csv") | closure()',
        makes_binary=lambda arguments: True,
        scope=lambda arguments: "batch",
    )
)
register(
    Signature(
        "during",
        "transform",
        "Limits a graph to some epochs.\n\n"
        "Empty outside the epochs from `start` up to, not including, `end`.",
        "ssl() | (supervised() | during(0, 10))",
        (
            Parameter("start", INDEX, "The first epoch.", default=0),
            Parameter("end", INDEX, "The epoch after the last; none: to the end.", default=None),
        ),
        timed=lambda arguments: bool(arguments["start"]) or arguments["end"] is not None,
    )
)
register(
    Signature(
        "drop_self",
        "transform",
        "Removes the diagonal.\n\nWeight 0 where i = j.",
        "supervised() | drop_self()",
    )
)
