"""How each built-in lowers: a rule for each source and each transform.

A rule returns the position of the instruction that holds the weight: bool where the graph is
binary, else float.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from rrl_dsl.graph.call import Call
from rrl_dsl.graph.lowering import Lowering, key_of
from rrl_dsl.graph.plan import (
    Active,
    Affinities,
    Chosen,
    Column,
    Components,
    Geodesic,
    Heaviest,
    Listed,
    Lists,
    Nearest,
    Neighbours,
    OpName,
    Threshold,
)
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.types import MODEL_SPACES

# sources: (call, lowering) -> result


def _ssl(call: Call, lowering: Lowering) -> int:
    return lowering.same_sample()


def _supervised(call: Call, lowering: Lowering) -> int:
    arguments = call.arguments
    label = lowering.column(Column("label", field=arguments["labels"]))
    if arguments["per_class"] is not None:
        chosen = Chosen(arguments["labels"], arguments["per_class"], key_of(call))
        lookup = lowering.lookup(chosen)
        label = lowering.column(Column("chosen_label", inputs=(label,), lookup=lookup))
    elif call.draws:
        drawn = lowering.column(Column("sample_hash", scalars=(lowering.key(call),)))
        limit = lowering.scalar(Threshold(arguments["frac"]))
        label = lowering.column(Column("drawn_label", inputs=(label, drawn), scalars=(limit,)))
    return lowering.over("same", label)


def _pairs(call: Call, lowering: Lowering) -> int:
    links, weight = call.arguments["file"], call.arguments["weight"]
    lookup = lowering.lookup(Listed(links))
    place = lowering.place(lookup)
    diagonal = lowering.same_row()
    if links.weight is not None:
        listed = lowering.over("linked_weight", place, lookup=lookup)
        beside = lowering.emit("masked", listed, lowering.emit("negated", diagonal))
        return lowering.emit("total", beside, lowering.emit("number", diagonal))
    listed = lowering.over("linked", place, lookup=lookup)
    if weight in (None, 1.0):
        return lowering.emit("either", listed, diagonal)
    beside = lowering.emit("both", listed, lowering.emit("negated", diagonal))
    factor = (lowering.constant(weight),)
    weighed = lowering.emit("times", lowering.emit("number", beside), scalars=factor)
    return lowering.emit("total", weighed, lowering.emit("number", diagonal))


def _near(call: Call, lowering: Lowering) -> int:
    column = lowering.column(Column("number", field=call.arguments["field"]))
    return lowering.over("near", column, scalars=(lowering.measure(call.arguments["within"]),))


def _similarity(call: Call, lowering: Lowering) -> int:
    arguments = call.arguments
    field, kernel = arguments["field"], arguments["kernel"]
    if kernel in ("cosine", "dot", "exp"):
        temperature = (lowering.measure(arguments["temperature"]),)
        slices = lowering.column(Column("slices", field=field))
        square = lowering.column(Column("square", inputs=(slices,)))
        if kernel == "dot":
            unit = lowering.column(Column("unit", field=field))
            return lowering.over("dot", slices, square, unit, scalars=temperature)
        op: OpName = "cosine" if kernel == "cosine" else "exponential"
        return lowering.over(op, slices, square, scalars=temperature)
    vector = Column("vector", field=field)
    if kernel == "rbf":
        bandwidth = (lowering.measure(arguments["bandwidth"]),)
        return lowering.over("gaussian", lowering.column(vector), scalars=bandwidth)
    lookup = lowering.lookup(Affinities(field, arguments["perplexity"]))
    precision = lowering.column(Column("precision", lookup=lookup))
    weight = lowering.over("affinity", lowering.column(vector), precision)
    return lowering.emit("masked", weight, lowering.emit("negated", lowering.same_sample()))


def _geodesic(call: Call, lowering: Lowering) -> int:
    arguments = call.arguments
    lookup = lowering.lookup(Geodesic(arguments["field"], arguments["k"], arguments["within"]))
    return lowering.over("linked", lowering.place(lookup), lookup=lookup)


def _knn(call: Call, lowering: Lowering) -> int:
    arguments = call.arguments
    space, k, metric = arguments["space"], arguments["k"], arguments["metric"]
    directed = arguments["directed"]
    lists: Lists = "directed" if directed else _lists(call)
    if space in MODEL_SPACES:
        stage = Nearest(space, k, metric, arguments["query"] == "other", columns_alone=directed)
        related = lowering.listed(stage, lists)
        return lowering.emit("both", related, lowering.emit("negated", lowering.same_row()))
    lookup = lowering.lookup(Neighbours(space, k, metric, lists))
    return lowering.over("linked", lowering.place(lookup), lookup=lookup)


def _lists(call: Call) -> Lists:
    return "mutual" if call.arguments["mutual"] else "either"


def _random(call: Call, lowering: Lowering) -> int:
    limit = lowering.scalar(Threshold(call.arguments["p"]))
    drawn = lowering.emit("within", lowering.drawn(call), scalars=(limit,))
    return lowering.emit("either", drawn, lowering.same_row())


def _none(call: Call, lowering: Lowering) -> int:
    return lowering.nothing()


def _all(call: Call, lowering: Lowering) -> int:
    return lowering.emit("constant", scalars=(lowering.scalar(Active(0, None)),))


def _self(call: Call, lowering: Lowering) -> int:
    return lowering.same_row()


def _cross_view(call: Call, lowering: Lowering) -> int:
    return lowering.emit("negated", lowering.same_view())


SOURCES: Final[Mapping[str, Callable[[Call, Lowering], int]]] = {
    "ssl": _ssl,
    "supervised": _supervised,
    "pairs": _pairs,
    "near": _near,
    "similarity": _similarity,
    "geodesic": _geodesic,
    "knn": _knn,
    "random": _random,
    "none": _none,
    "all": _all,
    "self": _self,
    "cross_view": _cross_view,
}
"""How each source lowers: (call, lowering) -> result."""


# transforms: (call, whether the operand is binary, operand, lowering) -> result


def _corrupt(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    return _noise(call, binary, inner, lowering, call.arguments["tpr"], call.arguments["fpr"])


def _keep(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    return _noise(call, binary, inner, lowering, call.arguments["p"], 0.0)


def _noise(
    call: Call,
    binary: bool,
    inner: int,
    lowering: Lowering,
    tpr: float | Schedule,
    fpr: float | Schedule,
) -> int:
    """One draw with a selected threshold, so that the graphs of growing rates are nested."""
    related = lowering.above_zero(inner, binary)
    limits = (lowering.scalar(Threshold(tpr)), lowering.scalar(Threshold(fpr)))
    limit = lowering.emit("choose", related, scalars=limits)
    drawn = lowering.emit("within", lowering.drawn(call), limit)
    diagonal = lowering.same_row()
    beside = lowering.emit("both", drawn, lowering.emit("negated", diagonal))
    if binary:
        return lowering.emit("either", beside, lowering.emit("both", inner, diagonal))
    kept = lowering.emit("masked", inner, lowering.emit("either", drawn, diagonal))
    false_edge = lowering.emit("both", beside, lowering.emit("negated", related))
    return lowering.emit("largest", kept, lowering.emit("number", false_edge))


def _threshold(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    limit = (lowering.constant(call.arguments["at"]),)
    return lowering.emit("above", lowering.as_number(inner, binary), scalars=limit)


def _clip(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    if call.signature.makes_binary(call.arguments):
        return lowering.nothing()
    if binary and call.signature.stays_binary(call.arguments):
        return inner
    limit = (lowering.constant(call.arguments["max"]),)
    return lowering.emit("at_most", lowering.as_number(inner, binary), scalars=limit)


def _power(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    if binary:
        return inner
    return lowering.emit("raised", inner, scalars=(lowering.constant(call.arguments["p"]),))


def _topk(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    stage = Heaviest(inner, call.arguments["k"])
    listed = lowering.listed(stage, _lists(call))
    return lowering.emit("both" if binary else "masked", inner, listed)


def _closure(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    return lowering.over("same", lowering.column(Column("component", stage=Components(inner))))


def _drop_self(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    beside = lowering.emit("negated", lowering.same_row())
    return lowering.emit("both" if binary else "masked", inner, beside)


def _during(call: Call, binary: bool, inner: int, lowering: Lowering) -> int:
    bounds = Active(call.arguments["start"], call.arguments["end"])
    active = lowering.emit("constant", scalars=(lowering.scalar(bounds),))
    return lowering.emit("both" if binary else "masked", inner, active)


TRANSFORMS: Final[Mapping[str, Callable[[Call, bool, int, Lowering], int]]] = {
    "corrupt": _corrupt,
    "keep": _keep,
    "threshold": _threshold,
    "clip": _clip,
    "power": _power,
    "topk": _topk,
    "closure": _closure,
    "during": _during,
    "drop_self": _drop_self,
}
"""How each transform lowers: (call, whether its operand is binary, operand, lowering) -> result."""
