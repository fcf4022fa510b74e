"""The optimiser of a run and its learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from rrl_dsl.training.config import Config
from rrl_dsl.training.lars import LARS


def build_optimiser(
    config: Config, encoder: nn.Module, probes: nn.Module | None = None
) -> Optimizer:
    """One optimiser, with groups for weights, for biases, norms and tokens, and for the probes.

    Biases, norms, tokens and embeddings of positions get no weight decay and no adaptation under
    LARS; the probes neither, and a learning rate of their own.
    """
    chosen = config.optimiser
    plain: dict[str, Any] = {"weight_decay": 0.0}
    if chosen.name == "lars":
        plain["adapt"] = False
    trained = [each for each in encoder.parameters() if each.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [each for each in trained if _is_weight(each)]},
        {"params": [each for each in trained if not _is_weight(each)], **plain},
    ]
    if probes is not None:
        groups.append({"params": list(probes.parameters()), "lr": config.probe.lr, **plain})
    return _optimiser(config, groups)


def _is_weight(parameter: nn.Parameter) -> bool:
    """Whether it is a matrix or a kernel; tokens are (1, 1, width), positions (1, P, width)."""
    return parameter.ndim > 1 and parameter.shape[0] > 1


def _optimiser(config: Config, groups: Iterable[dict[str, Any]]) -> Optimizer:
    chosen = config.optimiser
    common: dict[str, Any] = {"lr": chosen.lr, "weight_decay": chosen.weight_decay}
    if chosen.name == "adam":
        return torch.optim.Adam(groups, **common)
    if chosen.name == "sgd":
        return torch.optim.SGD(groups, momentum=chosen.momentum, **common)
    return LARS(groups, momentum=chosen.momentum, trust=chosen.trust, **common)


def cosine_schedule(optimiser: Optimizer, *, warmup: int, total: int) -> LambdaLR:
    """Linear warm-up over `warmup` steps, then half a cosine down to 0 at step `total`."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = (step - warmup) / max(1, total - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return LambdaLR(optimiser, factor)
