"""Sources: calls that make a graph."""

from __future__ import annotations

import math
from typing import Final

from rrl_dsl.graph.registry import Arguments, Need, Parameter, Scope, Signature, register
from rrl_dsl.graph.types import (
    COUNT,
    FIELD,
    FILE,
    FLAG,
    FRACTION,
    INDEX,
    MODEL_SPACES,
    PERPLEXITY,
    POSITIVE,
    PROBABILITY,
    SEED,
    SPACE,
    VIEWS,
    WEIGHT,
    Choice,
    Refusal,
)

SEED_PARAMETER: Final = Parameter(
    "seed",
    SEED,
    "Draws that follow from it alone, whatever the recipe's seed: the same in every run.",
    default=None,
)


def _in_model(arguments: Arguments) -> bool:
    return arguments["space"] in MODEL_SPACES


def _labels(arguments: Arguments) -> tuple[Need, ...]:
    return (Need("label", arguments["labels"]),)


def _vector(arguments: Arguments) -> tuple[Need, ...]:
    return (Need("vector", arguments["field"]),)


def _space(arguments: Arguments) -> tuple[Need, ...]:
    return (Need("space" if _in_model(arguments) else "vector", arguments["space"]),)


def _knn_scope(arguments: Arguments) -> Scope:
    return "batch" if _in_model(arguments) else "data set"


def _directed_or_mutual(arguments: Arguments) -> Refusal | None:
    if not (arguments["directed"] and arguments["mutual"]):
        return None
    message = "a relation is `directed` or `mutual`, not both"
    return Refusal("RRL303", message, "remove `mutual`", "directed", instead="mutual")


def _pairs_have_weights(arguments: Arguments) -> bool:
    return arguments["file"].weight is not None or arguments["weight"] not in (None, 1.0)


def _weights_once(arguments: Arguments) -> Refusal | None:
    if arguments["weight"] is None or arguments["file"].weight is None:
        return None
    message = f"`weight` is for files without weights, and `{arguments['file']}` has them"
    return Refusal("RRL303", message, "remove `weight`", "weight", instead="weight")


def _heaviest_pair(arguments: Arguments) -> float:
    listed = arguments["file"].weight
    # the diagonal is 1 whatever the file says
    return max(1.0, max(listed, default=1.0) if listed is not None else arguments["weight"] or 1.0)


def _most_similar(arguments: Arguments) -> float:
    match arguments["kernel"]:
        case "cosine":
            # rounding may lift the cosine of a vector with itself above 1
            return math.inf if arguments["temperature"] < 1 else 1.0
        case "dot":
            return math.inf
        case _:
            return 1.0


register(
    Signature(
        "ssl",
        "source",
        "Relates the views of one sample.\n\n"
        "An edge where both rows are views of the same sample: self-supervised learning. `views` "
        "also tells the trainer how many views to draw.",
        "ssl(views=2)",
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
        "supervised(frac=0.7, labels=label)",
        (
            Parameter(
                "frac", FRACTION, "Share of the labels known.", default=1.0, schedulable=True
            ),
            Parameter("labels", FIELD, "The label field.", default="label"),
            Parameter("per_class", COUNT, "Labels known in each class.", default=None),
            SEED_PARAMETER,
        ),
        draws=lambda arguments: arguments["frac"] != 1.0 or arguments["per_class"] is not None,
        scope=lambda arguments: "pair" if arguments["per_class"] is None else "data set",
        needs=_labels,
        excludes=(("frac", "per_class"),),
    )
)
register(
    Signature(
        "pairs",
        "source",
        "Relates the pairs of samples that a file lists.\n\n"
        "An edge where the file lists the two samples, in either order: must-links from "
        "annotators. The file is CSV, TSV or Parquet with the columns `a`, `b` and perhaps "
        "`weight`, and no others, one pair a line; text without a header has them in that order. "
        "Its path is relative to the recipe's folder. An id is the number of a sample, or the path "
        "of an image below its image folder. A pair that stands twice has its larger weight. The "
        "diagonal is 1.",
        'pairs("links.csv")',
        (
            Parameter("file", FILE, "The file, in quotes.", example='"links.csv"'),
            Parameter(
                "weight", WEIGHT, "The weight of every pair, in a file without any.", default=None
            ),
        ),
        binary=lambda arguments: not _pairs_have_weights(arguments),
        limit=_heaviest_pair,
        check=_weights_once,
    )
)
register(
    Signature(
        "near",
        "source",
        "Relates samples whose numbers are close.\n\n"
        "An edge where the field's values differ by at most `within`: frames close in time, images "
        "taken at one place. Times are seconds. A missing value makes no edge.",
        "near(time, 5)",
        (
            Parameter("field", FIELD, "A field of numbers.", example="time"),
            Parameter("within", WEIGHT, "The largest difference.", example="5"),
        ),
        needs=lambda arguments: (Need("number", arguments["field"]),),
    )
)
register(
    Signature(
        "similarity",
        "source",
        "Weighs pairs by the similarity of their vectors.\n\n"
        "A weight from the vectors of both rows, as the kernel says. `cosine` and `dot` give the "
        "cosine or the inner product over `temperature`, 0 where the cosine is below 1e-12, which "
        "rounding may make of 0. `exp` gives exp((cosine - 1) / temperature), which a row "
        "normalises to the softmax of X-Sample contrastive learning. `rbf` gives "
        "exp(-d^2 / (2 bandwidth^2)) of the distance d. `sne` gives the joint probabilities of "
        "symmetric SNE over the data set: each sample's bandwidth is chosen for the perplexity, "
        "and p_ij = (p_j|i + p_i|j) / 2n. Where no fewer samples than the perplexity are equally "
        "near to a sample, and nearest, no bandwidth has it, and p_j|i is the limit, uniform over "
        "these. A missing vector makes no edge.",
        "similarity(caption, kernel=rbf, bandwidth=0.5)",
        (
            Parameter("field", FIELD, "A field of vectors.", example="caption"),
            Parameter(
                "kernel",
                Choice(("cosine", "rbf", "dot", "exp", "sne")),
                "How two vectors make a weight.",
                default="cosine",
            ),
            Parameter("temperature", POSITIVE, "Of `cosine`, `dot` and `exp`.", default=1.0),
            Parameter("bandwidth", POSITIVE, "Of `rbf`.", default=1.0),
            Parameter(
                "perplexity", PERPLEXITY, "Of `sne`: how many neighbours count.", default=30.0
            ),
        ),
        binary=lambda arguments: False,
        limit=_most_similar,
        scope=lambda arguments: "data set" if arguments["kernel"] == "sne" else "pair",
        needs=_vector,
    )
)
register(
    Signature(
        "geodesic",
        "source",
        "Relates samples that are close along the data.\n\n"
        "An edge where the shortest path over the data set's graph of k nearest neighbours, its "
        "steps as long as the Euclidean distance, is at most `within`: the relation of ISOMAP. A "
        "missing vector makes no edge.",
        "geodesic(caption, k=2, within=1)",
        (
            Parameter("field", FIELD, "A field of vectors.", example="caption"),
            Parameter("k", COUNT, "Neighbours of each sample.", example="5"),
            Parameter("within", WEIGHT, "The longest path.", example="1.0"),
        ),
        scope=lambda arguments: "data set",
        needs=_vector,
    )
)
register(
    Signature(
        "knn",
        "source",
        "Relates rows to their nearest neighbours.\n\n"
        "An edge where j is among the k nearest of i or i among those of j; with `mutual`, where "
        "both are. With `directed` it leads from row i to each of its k nearest columns j and not "
        "back, whether the rows are the columns or not: such a graph is not symmetric. A "
        "row never is its own neighbour, and ties go to the smaller (sample, view). In the spaces "
        "`projection`, `backbone` and `teacher` the neighbours are those of the batch. In a field "
        "of the data set they are those of the whole data set, found once when the recipe is bound "
        "to it. `query=other` takes the neighbours of the next view of the same sample, "
        "which is none of them either; in a field of the data set views are alike. With `bank=m` "
        "the last m rows are further columns.",
        "knn(2, space=caption)",
        (
            Parameter("k", COUNT, "How many neighbours.", example="5"),
            Parameter("space", SPACE, "Where distances are measured.", default="projection"),
            Parameter("metric", Choice(("cosine", "euclidean")), "The distance.", default="cosine"),
            Parameter("mutual", FLAG, "Whether each must be a neighbour.", default=False),
            Parameter("bank", INDEX, "How many earlier rows are columns too.", default=0),
            Parameter(
                "query",
                Choice(("self", "other")),
                "Whose neighbours: the row's own, or those of the sample's other view.",
                default="self",
            ),
            Parameter(
                "directed",
                FLAG,
                "Whether only the row's own neighbours count, which are columns.",
                default=False,
            ),
        ),
        loopless=True,
        symmetric=lambda arguments: not arguments["directed"],
        check=_directed_or_mutual,
        scope=_knn_scope,
        needs=_space,
    )
)
register(
    Signature(
        "random",
        "source",
        "Relates pairs of samples at random.\n\n"
        "An independent draw below p for every pair of samples; the diagonal is 1.",
        "random(0.2)",
        (
            Parameter("p", PROBABILITY, "The chance of an edge.", schedulable=True, example="0.1"),
            SEED_PARAMETER,
        ),
        draws=lambda arguments: True,
    )
)
register(
    Signature(
        "none",
        "source",
        "Relates nothing.\n\nNo edge at all, not even i = j.",
        "none()",
        loopless=True,
    )
)
register(
    Signature("all", "source", "Relates everything.\n\nAn edge for every pair, i = j too.", "all()")
)
register(Signature("self", "source", "Relates a row to itself.\n\nAn edge where i = j.", "self()"))
register(
    Signature(
        "cross_view",
        "source",
        "Relates rows of different views.\n\nAn edge where the view numbers differ.",
        "cross_view()",
        loopless=True,
    )
)
