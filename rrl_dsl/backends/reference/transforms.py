"""What each transform means: (call, weights (u, u), setting) -> weights over the universe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from rrl_dsl.backends.reference.rows import Setting
from rrl_dsl.backends.reference.sources import rate
from rrl_dsl.backends.weights import Weights, above, clipped, raised, rounded
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.schedule import Schedule

_NONE: Final = np.float32(0)


def _corrupt(call: Call, weights: Weights, setting: Setting) -> Weights:
    return _noise(call, weights, setting, call.arguments["tpr"], call.arguments["fpr"])


def _keep(call: Call, weights: Weights, setting: Setting) -> Weights:
    return _noise(call, weights, setting, call.arguments["p"], 0.0)


def _noise(
    call: Call, weights: Weights, setting: Setting, tpr: float | Schedule, fpr: float | Schedule
) -> Weights:
    drawn = setting.pair_draws(call).astype(np.int64)
    kept = np.where(drawn <= rate(tpr, setting), weights, _NONE)
    added = rounded(drawn <= rate(fpr, setting))
    return np.where(setting.same_row, weights, np.where(weights > 0, kept, added))


def _topk(call: Call, weights: Weights, setting: Setting) -> Weights:
    """Rows stand by (sample, view), so a stable sort gives ties to the smaller one."""
    kept = np.zeros(weights.shape, dtype=bool)
    for row, weight in enumerate(weights):
        order = np.argsort(-weight, kind="stable")[: call.arguments["k"]]
        kept[row, order[weight[order] > 0]] = True
    both = kept & kept.T if call.arguments["mutual"] else kept | kept.T
    return np.where(both, weights, _NONE)


def _closure(call: Call, weights: Weights, setting: Setting) -> Weights:
    edges = weights > 0
    reached = edges | edges.T | setting.same_row  # a path may go an edge either way
    while True:
        further = (reached.astype(np.float64) @ reached.astype(np.float64)) > 0
        if np.array_equal(further, reached):
            return rounded(reached)
        reached = further


def _during(call: Call, weights: Weights, setting: Setting) -> Weights:
    start, end = call.arguments["start"], call.arguments["end"]
    active = start <= setting.epoch and (end is None or setting.epoch < end)
    return weights if active else np.zeros_like(weights)


TRANSFORMS: Final[Mapping[str, Callable[[Call, Weights, Setting], Weights]]] = {
    "corrupt": _corrupt,
    "keep": _keep,
    "threshold": lambda call, weights, _: rounded(above(weights, call.arguments["at"])),
    "clip": lambda call, weights, _: clipped(weights, call.arguments["max"]),
    "power": lambda call, weights, setting: raised(weights, call.arguments["p"], setting.epoch),
    "topk": _topk,
    "closure": _closure,
    "during": _during,
    "drop_self": lambda call, weights, setting: np.where(setting.same_row, _NONE, weights),
}
