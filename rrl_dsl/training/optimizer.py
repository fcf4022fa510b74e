"""The optimizer of a run, and the schedules of its learning rate and weight decay."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from rrl_dsl.language.diagnostics import error
from rrl_dsl.models.backbones import Backbone
from rrl_dsl.models.schedule import value_at
from rrl_dsl.training.config import Config, OptimizerOptions
from rrl_dsl.training.lars import LARS

_REFERENCE_BATCH: Final = 256
"""The batch size that scaled learning rates refer to."""


_LAYER: Final = re.compile(
    r"(?:^|\.)(?:layers\.encoder_layer_|(?:body|blocks|layers|stages|features)\.|layer)(\d+)\."
)
"""The number of a layer in the name of a weight: a block of a transformer, a stage of a residual
network, or a module of an `nn.Sequential`."""


def build_optimizer(
    config: Config,
    encoder: nn.Module,
    probes: nn.Module | None = None,
    predictor: nn.Module | None = None,
) -> Optimizer:
    """Builds the optimizer with its groups of parameters.

    Biases, norms, tokens and position embeddings have no weight decay and no adaptation under LARS.
    Neither have the probes, which have their own learning rate. The predictor has its own groups,
    marked `constant_lr` if its learning rate is constant: see `cosine_schedule`. With layer decay,
    every layer of the backbone has its own groups. Groups without weight decay are marked
    `decays=False`: see `schedule_weight_decay`.

    Raises:
        RRLError: RRL502 if layer decay does not know the layers of the backbone.
    """
    plain: dict[str, Any] = {"weight_decay": 0.0, "decays": False}
    if config.optimizer.name == "lars":
        plain["adapt"] = False
    groups = list(_scaled_groups(config, encoder, plain))
    if predictor is not None:
        constant = config.predictor.constant_lr
        groups += [{**group, "constant_lr": constant} for group in _groups(predictor, plain)]
    if probes is not None:
        lr = config.probe.lr * _scale(config)
        groups.append({"params": list(probes.parameters()), "lr": lr, **plain})
    return _optimizer(config, groups)


def _scaled_groups(
    config: Config, encoder: nn.Module, plain: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Returns the groups of the encoder; those of a scaled layer have a learning rate."""
    decay, lr = config.optimizer.layer_decay, config.optimizer.lr * _scale(config)
    scales: Mapping[nn.Parameter, float] = {}
    if decay != 1:
        backbones = (part for part in encoder.modules() if isinstance(part, Backbone))
        scales = layer_scales(next(backbones), decay, config.backbone)  # of the first tower
    for scale in sorted({scales.get(parameter, 1.0) for parameter in encoder.parameters()}):
        for group in _groups(encoder, plain, scales, scale):
            yield group if scale == 1 else {**group, "lr": lr * scale}


def _groups(
    module: nn.Module,
    plain: dict[str, Any],
    scales: Mapping[nn.Parameter, float] | None = None,
    scale: float = 1.0,
) -> Iterator[dict[str, Any]]:
    """Returns the weights of a module with a scale, and its other parameters with that scale."""
    known = scales or {}
    trained = [
        parameter
        for parameter in module.parameters()
        if parameter.requires_grad and known.get(parameter, 1.0) == scale
    ]
    yield {"params": [parameter for parameter in trained if _is_weight(parameter)]}
    yield {"params": [parameter for parameter in trained if not _is_weight(parameter)], **plain}


def _scale(config: Config) -> float:
    """Returns the factor of the learning rates.

    Goyal et al. (2017) scale them with the batch, Krizhevsky (2014) with its square root.
    """
    ratio = config.batch_size / _REFERENCE_BATCH
    return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[config.optimizer.lr_scale]


def _is_weight(parameter: nn.Parameter) -> bool:
    """Returns whether a parameter is a matrix or kernel, not a token (1, 1, d) or (1, P, d)."""
    return parameter.ndim > 1 and parameter.shape[0] > 1


def _optimizer(config: Config, groups: Iterable[dict[str, Any]]) -> Optimizer:
    chosen = config.optimizer
    lr = chosen.lr * _scale(config)
    common: dict[str, Any] = {"lr": lr, "weight_decay": chosen.weight_decay}
    if chosen.name == "adam":
        return torch.optim.Adam(groups, **common)
    if chosen.name == "adamw":
        return torch.optim.AdamW(groups, **common)
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
    return LambdaLR(optimizer, [_one if is_constant else factor for is_constant in constant])


def schedule_weight_decay(
    optimizer: Optimizer, options: OptimizerOptions, step: int, total: int
) -> None:
    """Sets the weight decay of a step, if it changes over the training (DINO).

    Args:
        optimizer: The optimizer, as `build_optimizer` returns it.
        options: Its options.
        step: The step, from 0.
        total: The number of steps.
    """
    if options.final_weight_decay is None:
        return
    decay = value_at(step, total, options.weight_decay, options.final_weight_decay)
    for group in optimizer.param_groups:
        if group.get("decays", True):
            group["weight_decay"] = decay


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


def layer_scales(backbone: Backbone, decay: float, name: str) -> dict[nn.Parameter, float]:
    """Returns the factor of the learning rate of every weight of a backbone.

    The factor of layer i of L is decay ** (L + 1 - i) (Clark et al. 2020, as in BEiT and DINOv2).
    The weights before the layers, such as the embedding of the patches, are layer 0; those after
    them, such as the last norm, have the factor 1.

    Args:
        backbone: The backbone.
        decay: The factor from one layer to the layer before it.
        name: The name of the backbone, for the error.

    Raises:
        RRLError: RRL502 if the names of the weights do not number the layers.
    """
    numbers = {key: _LAYER.search(key) for key, _ in backbone.named_parameters()}
    known = sorted({int(match[1]) for match in numbers.values() if match})
    if len(known) < 2:
        message = f"`optimizer.layer_decay` does not know the layers of the backbone `{name}`"
        hint = "use `--set optimizer.layer_decay=1`, or number its layers as `blocks.0`, `blocks.1`"
        raise error("RRL502", message, hint=hint, settings=("optimizer.layer_decay",))
    place = {number: layer for layer, number in enumerate(known, start=1)}
    layer, scales = 0, {}
    for key, weight in backbone.named_parameters():
        if match := numbers[key]:
            layer = place[int(match[1])]
        elif layer:
            layer = len(place) + 1
        scales[weight] = decay ** (len(place) + 1 - layer)
    return scales
