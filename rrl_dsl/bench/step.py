"""The share of relation and loss in a training step."""

from __future__ import annotations

from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from rrl_dsl.bench.claims import Plot, Report, Setup, Target, at_most
from rrl_dsl.bench.measuring import Timing, Timings, in_turn, milliseconds
from rrl_dsl.bench.ways import RECIPES, batch, by_recipe, step
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.models.heads import Projector

_ROWS: Final = 512
_WIDTH: Final = 128
_NETWORKS: Final = {"small": (1, 8, 8), "resnet18": (3, 32, 32)}
"""Backbone -> the shape of its images."""
_LIMITS: Final = {
    ("small", "cpu"): 6.0,
    ("resnet18", "cpu"): 1.0,
    ("resnet18", "cuda"): 3.0,
}


def measure(setup: Setup) -> Report:
    """Measures steps of 512 rows of two networks (with `quick`, 64 rows of the small one)."""
    rows = 64 if setup.quick else _ROWS
    networks = ["small"] if setup.quick else list(_NETWORKS)
    table: list[tuple[str, ...]] = []
    targets: list[Target] = []
    bars: dict[str, list[tuple[float, float]]] = {}
    for name in networks:
        timings = _measured(name, rows, setup)
        network = timings.pop("network")
        table.append((name, "network alone", milliseconds(network), ""))
        for way, timing in timings.items():
            share = _share(timing, network)
            table.append((name, f"relation and loss, {way}", milliseconds(timing), _percent(share)))
            if share is not None:
                bars[f"{name}, {way}"] = [(0, share)]
            if limit := _LIMITS.get((name, setup.device.type)):
                recipe = RECIPES[way]
                targets.append(at_most(f"{name}, {rows} rows, `{recipe}`", limit, share, " %"))
    return Report(
        columns=("backbone", "part", "time", "share of the step"),
        rows=table,
        targets=targets,
        plots=[Plot("Relation and loss", "", "% of a step", bars)],
        notes=[
            "The network is the backbone and a projector, forward and backward, without data "
            "loading and optimizer. The share is relation and loss of the sum of both."
        ],
    )


def _measured(name: str, rows: int, setup: Setup) -> Timings:
    shape = _NETWORKS[name]
    backbone = build_backbone(name, shape)
    network = nn.Sequential(backbone, Projector(backbone.width, 512, _WIDTH, norm=True))
    network.to(setup.device)
    images = torch.randn(rows, *shape, device=setup.device)
    slope = torch.randn(rows, _WIDTH, device=setup.device)
    given = batch(rows, _WIDTH, setup.device)
    return in_turn(
        {
            "network": partial(_pass, network, images, slope),
            **{
                way: step(by_recipe(given, recipe, "auto"), given.z)
                for way, recipe in RECIPES.items()
            },
        },
        setup.device,
        runs=2 if setup.quick else 30,
        seconds=60,
    )


def _pass(network: nn.Module, images: Tensor, slope: Tensor) -> None:
    """Forward and backward, with a given gradient of the output."""
    network.zero_grad(set_to_none=True)
    torch.autograd.backward(network(images), slope)


def _share(timing: Timing | str, network: Timing | str) -> float | None:
    """The percentage of relation and loss in a step."""
    if isinstance(timing, str) or isinstance(network, str):
        return None
    return 100 * timing.median / (timing.median + network.median)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2g} %"
