"""Views per second of the trainer, beside its network alone and beside training in lightly.

The trainer is the one of `rrl-dsl train`, with its data loader, views, loss, probes, callbacks and
logs. Before each of its epochs, the other ways take as many steps, so that a change of the speed of
the machine affects all of them. The clock stops before the validation and the checkpoint of an
epoch, which the others do not have.
"""

from __future__ import annotations

import copy
import gc
import os
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from rrl_dsl.bench.claims import Plot, Report, Setup, Target, at_least
from rrl_dsl.bench.lightly_training import lightly_epoch
from rrl_dsl.bench.measuring import Timing, Timings, Way, ratio, seconds_of
from rrl_dsl.data import registry
from rrl_dsl.data.dataset import DataSet, Split
from rrl_dsl.graph.recipe import parse
from rrl_dsl.losses import create
from rrl_dsl.training.build import build, precision_of
from rrl_dsl.training.compiling import compiles
from rrl_dsl.training.config import Config
from rrl_dsl.training.display import Display
from rrl_dsl.training.fit import fit, without_advice
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.optimizer import build_optimizer
from rrl_dsl.training.presets import defaults, with_preset
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.run import RunDirectory

_VIEWS: Final = 2
_RECIPE: Final = f"ssl(views={_VIEWS})"
_TRAINER: Final = "rrl-dsl"
_ALONE: Final = "network alone"
_EPOCHS: Final = 1000
"""Of the learning rate's schedule; the measurement ends earlier."""
_CLASSES: Final = 10
_TESTED: Final = 64


class _Case(NamedTuple):
    """A training.

    Attributes:
        name: What is trained on what.
        data: The dataset.
        steps: The number of steps of an epoch.
        settings: What differs from the preset of `simclr` for these images.
    """

    name: str
    data: DataSet
    steps: int
    settings: Mapping[str, Any]


def measure(setup: Setup) -> Report:
    """Measures `small` and `resnet18` on 32 x 32 images (with `quick`, two steps of `small`)."""
    measured: dict[str, Timings] = {}
    table: list[tuple[str, ...]] = []
    targets: list[Target] = []
    for case in _cases(setup):
        timings = measured[case.name] = _measured(case, setup)
        views = _VIEWS * case.steps * _config_of(case, setup).batch_size
        table += [
            (case.name, way, _per_second(timing, views), _times(ratio(timings[_ALONE], timing)))
            for way, timing in timings.items()
        ]
        targets += _targets(case.name, timings, setup)
    bars = {
        f"{name}, {way}": [(0.0, 100 * share)]
        for name, timings in measured.items()
        for way, timing in timings.items()
        if (share := ratio(timings[_ALONE], timing)) is not None
    }
    return Report(
        columns=("training", "way", "views per second", f"of the {_ALONE}"),
        rows=table,
        targets=targets,
        plots=[Plot("Training", "", "% of the network alone", bars)],
        notes=[
            "`network alone` is forward, backward and optimizer of the same encoder on fixed "
            "views. "
            "`lightly` has its own transforms, loader, projector and loss, the same optimizer and "
            "precision, and its network in PyTorch's default memory layout. Validation and "
            "checkpoints are not part of the time."
        ],
    )


def _cases(setup: Setup) -> list[_Case]:
    if setup.quick:
        return [_Case("small, digits", _enlarged_digits(64), 2, {"batch_size": 32})]
    fast = {"preset": "simclr-fast"}
    if setup.on_gpu:
        return [_Case("resnet18, batch 512", _random_images(16_384), 32, fast)]
    digits = _enlarged_digits(1280)
    return [
        _Case("small, digits, batch 256", digits, 5, {}),
        _Case("resnet18, batch 16", _random_images(64), 4, {**fast, "batch_size": 16}),
    ]


def _enlarged_digits(samples: int) -> DataSet:
    """The digits with 32 x 32 pixels."""
    data = registry.load("digits", root=Path())
    train = data.train.at(torch.arange(samples))
    assert isinstance(train.images, torch.Tensor)
    images = train.images.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    return _dataset(images, train.labels["label"], data.augmentation)


def _random_images(samples: int) -> DataSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (samples, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return _dataset(images, torch.arange(samples) % _CLASSES, "cifar")


def _dataset(images: torch.Tensor, label: torch.Tensor, augmentation: str) -> DataSet:
    """A dataset that tests a few of its training images, under other ids."""
    ids, tested = torch.arange(len(images)), slice(_TESTED)
    train = Split(images, ids, {"label": label})
    test = Split(images[tested], ids[tested] + len(images), {"label": label[tested]})
    names = {"label": tuple(map(str, range(_CLASSES)))}
    _, channels, height, width = images.shape
    return DataSet("images", train, test, names, (channels, height, width), augmentation)


def _config_of(case: _Case, setup: Setup) -> Config:
    data, preset = case.data, case.settings.get("preset")
    usual = defaults(create("simclr"), data.shape, data.augmentation, preset)
    accelerator = "gpu" if setup.on_gpu else "cpu"
    always = {"epochs": _EPOCHS, "eval": False, "accelerator": accelerator}
    config = resolve([], {**usual, **case.settings, **always})
    return config.model_copy(update={"loss": with_preset(config.loss, data.shape, preset)})


def _measured(case: _Case, setup: Setup) -> Timings:
    config = _config_of(case, setup)
    module = build(parse(_RECIPE), config, case.data)
    others: dict[str, Way] = {_ALONE: _alone(module, case, setup.device)}
    failed: Timings = {}
    cores = os.cpu_count() or 1
    for workers in (cores,) if setup.on_gpu else (0,) if setup.quick else (0, cores):
        name = f"lightly, {workers} worker{'' if workers == 1 else 's'}"
        try:
            others[name] = lightly_epoch(config, case.data, setup.device, workers)
        except ImportError as problem:
            failed[name] = f"not installed: {problem.name}"
    turns = _Turns(others, setup)
    with TemporaryDirectory() as folder, without_advice():
        run = RunDirectory(Path(folder))
        run.checkpoints.mkdir()
        fit(module, case.data, run, Display(), [turns])
    return {name: Timing(tuple(times), None) for name, times in turns.times.items()} | failed


class _Turns(Callback):
    """Measures the epochs of a training, and before each of them the other ways.

    The first epoch is not measured: it compiles what is compiled late, and allocates memory.
    """

    def __init__(self, others: Mapping[str, Way], setup: Setup) -> None:
        self.times: dict[str, list[float]] = {name: [] for name in (_TRAINER, *others)}
        self._others = others
        self._device = setup.device
        self._rounds, self._seconds = (1, 0.0) if setup.quick else (20, 120.0)
        self._began = time.perf_counter()
        self._epoch_began = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measures the other ways, and starts the clock of the epoch."""
        for name, way in self._others.items():
            gc.collect()
            self._add(name, seconds_of(way, self._device), trainer.current_epoch)
        gc.collect()
        self._epoch_began = time.perf_counter()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stops the clock of the epoch, and the training once it is measured."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self._add(_TRAINER, now - self._epoch_began, trainer.current_epoch)
        late = now - self._began > self._seconds and trainer.current_epoch > 0
        trainer.should_stop = late or trainer.current_epoch == self._rounds

    def _add(self, name: str, seconds: float, epoch: int) -> None:
        if epoch > 0:
            self.times[name].append(seconds)


def _alone(module: RelationalModule, case: _Case, device: torch.device) -> Way:
    """Steps of a copy of the encoder on the views of one batch, with a given gradient."""
    config = module.config
    encoder = copy.deepcopy(module.network.encoder).to(device)
    if compiles(config, case.steps * config.epochs):
        encoder.compile()
    optimizer = build_optimizer(config, encoder)
    images = case.data.train.images[torch.arange(config.batch_size)].to(device)
    views = copy.deepcopy(module.views).to(device)(images, _VIEWS, 0)
    slope = torch.randn(len(views), encoder.projector.width, device=device)
    half = precision_of(config) == "bf16-mixed"

    def way() -> None:
        for _ in range(case.steps):
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                z = encoder(views)["projection"]
            torch.autograd.backward(z, slope.to(z.dtype))
            optimizer.step()

    return way


def _targets(name: str, timings: Timings, setup: Setup) -> list[Target]:
    """Targets against the network alone, and against the fastest way of lightly."""
    ours = timings[_TRAINER]
    alone, lightly = (0.9, 3.0) if setup.on_gpu else (0.85, 1.5)
    ratios = [
        value
        for way, timing in timings.items()
        if way.startswith("lightly") and (value := ratio(timing, ours)) is not None
    ]
    return [
        at_least(name, alone, ratio(timings[_ALONE], ours), f" of the {_ALONE}"),
        at_least(name, lightly, min(ratios, default=None), " of lightly"),
    ]


def _per_second(timing: Timing | str, views: int) -> str:
    if isinstance(timing, str):
        return timing
    first, third = timing.quartiles
    return f"{views / timing.median:,.0f} ({views / third:,.0f} to {views / first:,.0f})"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
