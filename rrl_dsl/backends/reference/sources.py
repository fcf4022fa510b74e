"""What each source means: (call, setting) -> weights (u, u) over the universe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends.reference.draws import sample_draws
from rrl_dsl.backends.reference.rows import Ids, Mask, Setting, Vectors, equal
from rrl_dsl.graph import draws
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.registry import Arguments
from rrl_dsl.graph.schedule import Schedule, at_epoch
from rrl_dsl.graph.types import MODEL_SPACES
from rrl_dsl.graph.weights import ORTHOGONAL, number


def rate(value: float | Schedule, setting: Setting) -> int:
    """A probability as the largest draw that still counts."""
    return draws.threshold(at_epoch(value, setting.epoch))


# labels and draws


def _supervised(call: Call, setting: Setting) -> Mask:
    label = setting.rows.label(call.arguments["labels"])
    known = (label >= 0) & _labelled(call, setting)
    return equal(label) & known[:, None] & known[None, :]


def _labelled(call: Call, setting: Setting) -> Mask:
    """(u,): whether the sample's label is known to this call."""
    sample, per_class = setting.rows.sample, call.arguments["per_class"]
    if per_class is not None:
        dataset = setting.known_dataset()
        label = dataset.label(call.arguments["labels"])
        chosen = _chosen(dataset.sample, label, per_class, setting.key(call))
        return np.isin(sample, np.array(sorted(chosen), dtype=np.int64))
    drawn = sample_draws(sample, setting.key(call)).astype(np.int64)
    return drawn <= rate(call.arguments["frac"], setting)


def _chosen(sample: Ids, label: Ids, per_class: int, key: int) -> set[int]:
    """The samples of each known class with the smallest draws; ties go to the smaller id."""
    drawn = sample_draws(sample, key)
    chosen: set[int] = set()
    for each in np.unique(label[label >= 0]):
        members = np.flatnonzero(label == each)
        order = np.lexsort((sample[members], drawn[members]))
        chosen.update(sample[members[order[:per_class]]].tolist())
    return chosen


def _random(call: Call, setting: Setting) -> Mask:
    drawn = setting.pair_draws(call).astype(np.int64)
    return (drawn <= rate(call.arguments["p"], setting)) | setting.same_row


# annotations and fields


def _pairs(call: Call, setting: Setting) -> Vectors:
    links, weight = call.arguments["file"], call.arguments["weight"]
    ends = np.array([links.a, links.b], dtype=np.int64).reshape(2, -1)
    weights = np.full(ends.shape[1], 1.0 if weight is None else weight)
    weights = weights if links.weight is None else np.array(links.weight)
    here = np.isin(ends, setting.rows.sample).all(axis=0)  # of a long file, few pairs are
    heaviest: dict[tuple[int, int], float] = {}
    for a, b, w in zip(*ends[:, here].tolist(), weights[here].tolist(), strict=True):
        for pair in ((a, b), (b, a)):
            heaviest[pair] = max(number(w), heaviest.get(pair, 0.0))
    sample = setting.rows.sample.tolist()
    found = [[heaviest.get((i, j), 0.0) for j in sample] for i in sample]
    return np.where(setting.same_row, 1.0, np.array(found).reshape(len(sample), -1))


def _near(call: Call, setting: Setting) -> Mask:
    number = setting.rows.number(call.arguments["field"])
    if number.dtype.kind != "f":
        number = number.astype(np.int64)
    return np.asarray(np.abs(number[:, None] - number[None, :]) <= call.arguments["within"])


def _similarity(call: Call, setting: Setting) -> Vectors:
    arguments = call.arguments
    if arguments["kernel"] == "sne":
        return _sne(call, setting)
    x = setting.rows.vector(arguments["field"])
    with np.errstate(invalid="ignore"):
        match arguments["kernel"]:
            case "cosine":
                weight = _cosine(x) / arguments["temperature"]
            case "dot":
                weight = _inner(x) / arguments["temperature"]
            case "exp":
                weight = np.exp(np.minimum(_cosine(x) - 1.0, 0.0) / arguments["temperature"])
            case _:
                weight = np.exp(-_squared(x, x) / (2 * arguments["bandwidth"] ** 2))
        return np.where(weight > 0, weight, 0.0)


def _sne(call: Call, setting: Setting) -> Vectors:
    """Joint probabilities over the whole data set, then those of the rows' samples."""
    dataset = setting.known_dataset()
    x = dataset.vector(call.arguments["field"])
    there = np.flatnonzero(np.isfinite(x).all(axis=1))
    count = len(there)
    given = np.zeros((len(x), len(x)))  # given[i, j] = p_j|i
    for i in there:
        others = there[there != i]
        distance = _squared(x[[i]], x[others])[0]
        given[i, others] = _gaussian(distance, call.arguments["perplexity"])
    joint = (given + given.T) / (2 * count)
    place = setting.places()
    return np.where(setting.same_sample, 0.0, joint[np.ix_(place, place)])


def _gaussian(distance: Vectors, perplexity: float) -> Vectors:
    """p_j|i of one sample, its bandwidth found by bisection for the perplexity."""
    nearest = distance <= distance.min() * (1 + 1e-9)
    if nearest.sum() >= perplexity:  # which no bandwidth reaches: the limit is taken
        return np.asarray(nearest / nearest.sum())
    low, high = -700.0, 700.0  # of the logarithm of the precision
    shifted = distance - distance.min()
    for _ in range(80):
        middle = (low + high) / 2
        p = np.exp(-np.exp(middle) * shifted)
        p /= p.sum()
        entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum()
        low, high = (middle, high) if entropy > np.log(perplexity) else (low, middle)
    return np.asarray(p)


def _geodesic(call: Call, setting: Setting) -> Mask:
    """Shortest paths from each row's sample by relaxing every step until none is shortened.

    A step is a whole number of 2^-40 of `within`, so a path is as long there as back; what rounding
    adds to a path does not count.
    """
    dataset, place, within = setting.known_dataset(), setting.places(), call.arguments["within"]
    x = dataset.vector(call.arguments["field"])
    there = np.asarray(np.isfinite(x).all(axis=1))
    here = np.arange(len(x))
    near = _neighbours(x, call.arguments["k"], "euclidean", here, here)
    start, end = np.nonzero(near | near.T)
    unit = 2.0 ** (math.frexp(within)[1] - 40)
    length = np.sqrt(np.square(x[start] - x[end]).sum(axis=1))
    length = np.ceil(np.minimum(length, 4 * within + unit) / unit)  # farther is out of reach
    path = np.full((len(place), len(x)), np.inf)
    path[np.arange(len(place)), place] = np.where(there[place], 0.0, np.inf)
    while True:
        shorter = path.copy()
        np.minimum.at(shorter.T, end, (path[:, start] + length).T)
        if np.array_equal(shorter, path):
            return np.asarray(path <= np.floor(within / unit * (1 + 2.0**-30)))[:, place]
        path = shorter


# neighbours


def _knn(call: Call, setting: Setting) -> Mask:
    arguments = call.arguments
    if arguments["space"] in MODEL_SPACES:
        x = setting.rows.spaces[arguments["space"]].astype(np.float64)
        here = np.arange(len(x))
        asked = _next_view(setting) if arguments["query"] == "other" else here
        offered = setting.is_column if arguments["directed"] else True
        near = _neighbours(x, arguments["k"], arguments["metric"], here, asked, offered)
    else:
        x = setting.known_dataset().vector(arguments["space"])
        place = setting.places()
        near = _neighbours(x, arguments["k"], arguments["metric"], place, place)[:, place]
    return linked(near, arguments) & ~setting.same_row


def linked(near: Mask, arguments: Arguments) -> Mask:
    """(n, n): where there is an edge, of whether j is among the nearest of i."""
    if arguments["directed"]:
        return near
    return np.asarray(near & near.T if arguments["mutual"] else near | near.T)


def _neighbours(
    x: Vectors,
    k: int,
    metric: str,
    place: npt.NDArray[Any],
    asked: npt.NDArray[Any],
    offered: Mask | bool = True,
) -> Mask:
    """(n, m): whether each of x is among the k nearest that a row asks for, ties to the first.

    Row i is x[place[i]] and asks for the nearest of x[asked[i]], of none where that is -1; neither
    of the two counts, nor what is not offered.
    """
    there = np.asarray(np.isfinite(x).all(axis=1))
    near = np.zeros((len(place), len(x)), dtype=bool)
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    for row, query in enumerate(asked):
        if query < 0 or not there[query]:
            continue
        others = np.flatnonzero(there & offered & ~np.isin(np.arange(len(x)), [query, place[row]]))
        if metric == "cosine":
            distance = 2.0 - (unit[others] * unit[query]).sum(axis=1)
        else:
            distance = np.sqrt(_squared(x[[query]], x[others])[0])
        # equal vectors must have equal distances, whatever the order of a sum: 40 bits count
        mantissa, exponent = np.frexp(distance)
        distance = np.ldexp(np.round(mantissa * 2.0**40), exponent)
        near[row, others[np.argsort(distance, kind="stable")[:k]]] = True
    return near


def _next_view(setting: Setting) -> npt.NDArray[np.int64]:
    """(u,): the next view of the same sample, the first after the last; -1 for none."""
    sample, view = setting.rows.sample, setting.rows.view
    found = np.full(len(sample), -1)
    for row in range(len(sample)):
        views = np.flatnonzero(sample == sample[row])
        later = views[view[views] > view[row]]
        if len(views) > 1:
            found[row] = later[0] if len(later) else views[0]
    return found


def _inner(x: Vectors) -> Vectors:
    """(n, n): inner products, 0 where the cosine is no more than rounding."""
    inner = np.array([(row * x).sum(axis=1) for row in x]).reshape(len(x), len(x))
    return np.where(np.abs(inner) <= ORTHOGONAL * _lengths(x), 0.0, inner)


def _cosine(x: Vectors) -> Vectors:
    return np.asarray(_inner(x) / np.maximum(_lengths(x), np.finfo(np.float64).tiny))


def _lengths(x: Vectors) -> Vectors:
    """(n, n): the products of the lengths of two vectors."""
    length = np.linalg.norm(x, axis=1)
    return np.asarray(length[:, None] * length)


def _squared(a: Vectors, b: Vectors) -> Vectors:
    """(n, m): squared distances from differences."""
    return np.array([np.square(row - b).sum(axis=1) for row in a]).reshape(len(a), len(b))


SOURCES: Final[Mapping[str, Callable[[Call, Setting], npt.NDArray[Any]]]] = {
    "ssl": lambda call, setting: setting.same_sample,
    "supervised": _supervised,
    "pairs": _pairs,
    "near": _near,
    "similarity": _similarity,
    "geodesic": _geodesic,
    "knn": _knn,
    "random": _random,
    "none": lambda call, setting: np.zeros_like(setting.same_row),
    "all": lambda call, setting: np.ones_like(setting.same_row),
    "self": lambda call, setting: setting.same_row,
    "cross_view": lambda call, setting: ~equal(setting.rows.view),
}
