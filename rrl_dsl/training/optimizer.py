"""The optimizer of a run and its learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from rrl_dsl.training.config import Config
from rrl_dsl.training.lars import LARS

_REFERENCE_BATCH: Final = 256
"""The batch size that scaled learning rates refer to."""


def build_optimizer(
    config: Config,
    encoder: nn.Module,
    probes: nn.Module | None = None,
    predictor: nn.Module | None = None,
) -> Optimizer:
    """Builds the optimizer with its groups of parameters.

    Biases, norms, tokens and position embeddings have no weight decay and no adaptation under LARS.
    Neither have the probes, which have their own learning rate. The predictor has its own groups,
    marked `constant_lr` if its learning rate is constant: see `cosine_schedule`.
    """
    plain: dict[str, Any] = {"weight_decay": 0.0}
    if config.optimizer.name == "lars":
        plain["adapt"] = False
    groups = list(_groups(encoder, plain))
    if predictor is not None:
        constant = config.predictor.constant_lr
        groups += [{**group, "constant_lr": constant} for group in _groups(predictor, plain)]
    if probes is not None:
        lr = config.probe.lr * _scale(config)
        groups.append({"params": list(probes.parameters()), "lr": lr, **plain})
    return _optimizer(config, groups)


def _groups(module: nn.Module, plain: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Returns the weights of a module, and its other parameters."""
    trained = [each for each in module.parameters() if each.requires_grad]
    yield {"params": [each for each in trained if _is_weight(each)]}
    yield {"params": [each for each in trained if not _is_weight(each)], **plain}


def _scale(config: Config) -> float:
    """Returns the factor of the learning rates (Goyal et al. 2017)."""
    return config.batch_size / _REFERENCE_BATCH if config.optimizer.scale_lr else 1.0


def _is_weight(parameter: nn.Parameter) -> bool:
    """Returns whether a parameter is a matrix or kernel, not a token (1, 1, d) or (1, P, d)."""
    return parameter.ndim > 1 and parameter.shape[0] > 1


def _optimizer(config: Config, groups: Iterable[dict[str, Any]]) -> Optimizer:
    chosen = config.optimizer
    lr = chosen.lr * _scale(config)
    common: dict[str, Any] = {"lr": lr, "weight_decay": chosen.weight_decay}
    if chosen.name == "adam":
        return torch.optim.Adam(groups, **common)
    if chosen.name == "sgd":
        return torch.optim.SGD(groups, momentum=chosen.momentum, **common)
    return LARS(groups, momentum=chosen.momentum, trust=chosen.trust, **common)


def cosine_schedule(optimizer: Optimizer, *, warmup: int, total: int) -> LambdaLR:
    """Returns a linear warm-up over `warmup` steps, then a cosine down to 0 at step `total`.

    Groups marked `constant_lr` keep their learning rate, as the predictor of SimSiam does.
    """

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = (step - warmup) / max(1, total - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    constant = [group.get("constant_lr", False) for group in optimizer.param_groups]
    return LambdaLR(optimizer, [_one if each else factor for each in constant])


def set_anew(optimizer: Optimizer, schedule: LambdaLR, fresh: Optimizer) -> None:
    """Applies the settings of a fresh optimizer to one that was restored from a checkpoint.

    Args:
        optimizer: The restored optimizer; it keeps its state.
        schedule: Its restored schedule; it keeps its step.
        fresh: An optimizer of the same class and parameters, with its own schedule.
    """
    for group, new in zip(optimizer.param_groups, fresh.param_groups, strict=True):
        group.update({name: value for name, value in new.items() if name != "params"})
    schedule.base_lrs = [group["initial_lr"] for group in fresh.param_groups]
    for group, base, factor in zip(
        optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
    ):
        group["lr"] = base * factor(schedule.last_epoch)


def _one(step: int) -> float:
    return 1.0
