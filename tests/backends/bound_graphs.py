"""Graphs of recipes that are bound to a whole dataset."""

import numpy as np
import pytest

import rrl_dsl as rrl


def data(x: np.ndarray, ids: np.ndarray | None = None) -> rrl.Nodes:
    ids = np.arange(len(x)) if ids is None else ids
    return rrl.Nodes(ids, labels={"label": ids % 3}, fields={"x": x})


def whole(recipe: str | rrl.Graph, dataset: rrl.Nodes) -> np.ndarray:
    return rrl.compile(recipe).bind(dataset)(dataset).numpy()


def error_of(ask) -> object:
    with pytest.raises(rrl.RRLError) as caught:
        ask()
    return caught.value.diagnostics[0]
