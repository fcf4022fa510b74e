"""What each transform means: (call, weights (u, u), setting) -> weights over the universe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from rrl_dsl.backends.reference.rows import Setting, Vectors
from rrl_dsl.backends.reference.sources import rate
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.schedule import Schedule, at_epoch


def _corrupt(call: Call, weights: Vectors, setting: Setting) -> Vectors:
    return _noise(call, weights, setting, call.arguments["tpr"], call.arguments["fpr"])


def _keep(call: Call, weights: Vectors, setting: Setting) -> Vectors:
    return _noise(call, weights, setting, call.arguments["p"], 0.0)


def _noise(
    call: Call, weights: Vectors, setting: Setting, tpr: float | Schedule, fpr: float | Schedule
) -> Vectors:
    drawn = setting.pair_draws(call).astype(np.int64)
    kept = np.where(drawn <= rate(tpr, setting), weights, 0.0)
    added = np.where(drawn <= rate(fpr, setting), 1.0, 0.0)
    return np.where(setting.same_row, weights, np.where(weights > 0, kept, added))


def _topk(call: Call, weights: Vectors, setting: Setting) -> Vectors:
    """Rows stand by (sample, view), so a stable sort gives ties to the smaller one.

    Weights are ranked as they are given out, in float32.
    """
    kept = np.zeros(weights.shape, dtype=bool)
    for row, weight in enumerate(weights.astype(np.float32)):
        order = np.argsort(-weight, kind="stable")[: call.arguments["k"]]
        kept[row, order[weight[order] > 0]] = True
    both = kept & kept.T if call.arguments["mutual"] else kept | kept.T
    return np.where(both, weights, 0.0)


def _closure(call: Call, weights: Vectors, setting: Setting) -> Vectors:
    reached = (weights > 0) | setting.same_row
    while True:
        further = (reached.astype(np.float64) @ reached.astype(np.float64)) > 0
        if np.array_equal(further, reached):
            return reached.astype(np.float64)
        reached = further


def _during(call: Call, weights: Vectors, setting: Setting) -> Vectors:
    start, end = call.arguments["start"], call.arguments["end"]
    active = start <= setting.epoch and (end is None or setting.epoch < end)
    return weights if active else np.zeros_like(weights)


TRANSFORMS: Final[Mapping[str, Callable[[Call, Vectors, Setting], Vectors]]] = {
    "corrupt": _corrupt,
    "keep": _keep,
    "threshold": lambda call, weights, _: np.where(weights > call.arguments["at"], 1.0, 0.0),
    "clip": lambda call, weights, _: np.minimum(weights, call.arguments["max"]),
    "power": lambda call, weights, setting: weights ** at_epoch(call.arguments["p"], setting.epoch),
    "topk": _topk,
    "closure": _closure,
    "during": _during,
    "drop_self": lambda call, weights, setting: np.where(setting.same_row, 0.0, weights),
}
