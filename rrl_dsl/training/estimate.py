"""Estimates the duration of a run on the CPU before it starts."""

from __future__ import annotations

import copy
from time import perf_counter
from typing import Final

import torch
from torch import Tensor, nn

from rrl_dsl.data.dataset import DataSet, Shape, is_image
from rrl_dsl.training.compiling import device_of
from rrl_dsl.training.config import Config
from rrl_dsl.training.module import RelationalModule

_IMAGES: Final = 8
_PASSES: Final = 2, 10
"""The least number of passes that are timed, and the most."""
_ENOUGH: Final = 1.0
"""The seconds after which no more than the least number of passes is timed."""
_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_WORTH_SAYING: Final = 5 * _MINUTE


def long_run(module: RelationalModule, dataset: DataSet) -> str | None:
    """Estimates the duration of a run that takes more than some minutes on the CPU.

    Times forward and backward passes of random images through a copy of the backbone, and scales
    the fastest to all epochs. Neither the module nor a random generator changes.

    Args:
        module: The module to train.
        dataset: The dataset.

    Returns:
        A line of text; None for a short run or a run on a GPU.
    """
    config = module.config
    if device_of(config).type == "cuda":
        return None
    images = _images_of_an_epoch(module, dataset)
    seconds = _seconds_per_image(module, dataset) * images * config.epochs
    if seconds < _WORTH_SAYING:
        return None
    what, threads = _kind(dataset.shape), torch.get_num_threads()
    return (
        f"about {_in_words(seconds)}: {config.epochs:,} epochs of {images:,} "
        f"{what} through `{config.backbone}` on the CPU with {threads} "
        f"thread{'s' if threads > 1 else ''}"
    )


def _images_of_an_epoch(module: RelationalModule, dataset: DataSet) -> int:
    """Returns the number of views per epoch; local views count by their area."""
    config: Config = module.config
    samples = len(dataset.train) // config.batch_size * config.batch_size
    local = config.local_views
    views: float = module.drawn_views
    if local.count:
        views += local.count * ((local.size or dataset.shape[1] // 2) / dataset.shape[1]) ** 2
    return round(samples * views)


def _kind(shape: Shape) -> str:
    if is_image(shape):
        return f"images of {shape[1]} pixels"
    return f"samples of {' x '.join(map(str, shape))} numbers"


def _seconds_per_image(module: RelationalModule, dataset: DataSet) -> float:
    backbone = copy.deepcopy(module.network.encoder.backbone).train()
    least, most = _PASSES
    times: list[float] = []
    with torch.random.fork_rng(devices=[]):
        images = torch.randn(_IMAGES, *dataset.shape)
        _pass(backbone, images)  # also allocates memory
        while len(times) < least or (len(times) < most and sum(times) < _ENOUGH):
            start = perf_counter()
            _pass(backbone, images)
            times.append(perf_counter() - start)
    return min(times) / _IMAGES  # other processes slow down single passes


def _pass(backbone: nn.Module, images: Tensor) -> None:
    features: Tensor = backbone(images)
    features.sum().backward()  # type: ignore[no-untyped-call]


def _in_words(seconds: float) -> str:
    for unit, name in ((_DAY, "days"), (_HOUR, "hours")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / _MINUTE:.0f} minutes"
