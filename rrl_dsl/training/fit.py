"""Fits a module, then evaluates its features."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from rrl_dsl.backends.strategy import free_memory
from rrl_dsl.data.batches import Batch, BatchLoader, listed_batches, loader
from rrl_dsl.data.crops import Crops
from rrl_dsl.data.dataset import DataSet, Split, is_image
from rrl_dsl.data.image_files import ImageFiles
from rrl_dsl.language.machine import needing_memory
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.training import ranks
from rrl_dsl.training.build import precision_of
from rrl_dsl.training.callbacks import EdgeStatistics
from rrl_dsl.training.checkpoints import CheckpointFiles, Checkpoints
from rrl_dsl.training.compiling import compiles, device_of
from rrl_dsl.training.config import Config
from rrl_dsl.training.display import Display
from rrl_dsl.training.evaluation import (
    Accuracies,
    Encode,
    evaluate,
    pixels,
    unmeasured,
    unmeasured_inputs,
)
from rrl_dsl.training.history import History
from rrl_dsl.training.loggers import Service, described
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.progress import LiveProgress
from rrl_dsl.training.provenance import provenance_of
from rrl_dsl.training.record import Record
from rrl_dsl.training.retrieval import Embed, TowerEvaluation, evaluate_towers
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.sampler import RelationSampler
from rrl_dsl.training.stopping import interruptible
from rrl_dsl.training.tensorboard import Curves, silent_thread
from rrl_dsl.training.towers import towers_of
from rrl_dsl.training.watching import RANK_ROWS

_SHARE: Final = 0.25
"""The largest share of the free memory of a GPU that a split may take."""
_LOGGED_STEPS: Final = 10
"""Loggers get every tenth step: reading a figure waits for the device."""


@dataclass(frozen=True)
class Outcome:
    """The result of fitting and evaluating.

    Attributes:
        accuracies: The accuracies by kind of features: `pixels` (`features` of samples
            that are not images), `untrained`, `backbone`,
            `projector`, and `teacher` (its backbone) if there is one.
        figures: The metrics of the last epoch.
        seconds: The duration of fitting.
        history: The metrics of every epoch.
        largest_rank: The largest possible effective rank of the embeddings.
        unmeasured: Why there are no accuracies; None if there are some.
        unmeasured_inputs: Why the raw inputs have none, if other features have.
        notes: What changed when the run was resumed.
        towers: Retrieval across towers; None without towers, or without final probes.
    """

    accuracies: Mapping[str, Accuracies]
    figures: Mapping[str, float]
    seconds: float
    history: list[dict[str, float]] = field(default_factory=list)
    largest_rank: int = 0
    unmeasured: str | None = None
    unmeasured_inputs: str | None = None
    notes: Sequence[str] = ()
    towers: TowerEvaluation | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        records = {name: asdict(accuracies) for name, accuracies in self.accuracies.items()}
        figures = {"metrics": dict(self.figures), "seconds": self.seconds}
        towers = None if self.towers is None else asdict(self.towers)
        return {"accuracies": records, "towers": towers, **figures, "notes": list(self.notes)}


def fit(
    module: RelationalModule,
    dataset: DataSet,
    run: RunDirectory,
    display: Display,
    callbacks: Sequence[L.Callback] = (),
    *,
    directory: str | None = None,
    changes: Sequence[str] = (),
    service: Service | None = None,
) -> Outcome | None:
    """Fits a module and evaluates it; starts from the last checkpoint of the run if it has one.

    Args:
        module: The module, as `build` returns it.
        dataset: The dataset.
        run: The directory that checkpoints and metrics are written to.
        display: Shows progress.
        callbacks: Further callbacks of Lightning.
        directory: What the recipe's paths are relative to, as `RunDirectory.describe` returns it.
        changes: What the user changed before the run was resumed.
        service: Gets the metrics that TensorBoard gets.

    Returns:
        The result, or None in the processes of a distributed run that do not lead.

    Raises:
        RRLError: RRL409 or RRL508 if the embeddings collapse or the loss is not finite.
        KeyboardInterrupt: If the user interrupts training; its message says how to resume.
    """
    config = module.config
    resumed = run.resumed_from() if run.has_checkpoint() else None
    history = History(run.metrics)
    precision = precision_of(config).removesuffix("-true")
    identity = module.program.identity
    provenance = provenance_of(identity, directory, config, precision, dataset)
    done = resumed.epochs if resumed else 0
    record = Record(provenance, done, changes, display.text)
    watching = [EdgeStatistics(), history, record, LiveProgress(display.console)]
    curves = Curves(run.tensorboard)
    loggers = [curves, service] if service else [curves]
    trainer = _trainer(config, run, [*callbacks, *watching], loggers)
    train_loader, watched_loader = _loaders(module, dataset, trainer)
    if compiles(config, len(train_loader) * config.epochs):
        module.compile_encoder()
    last = resumed.checkpoint if resumed else None
    memory = needing_memory(
        "a step of training", _less_at_a_time(config), "micro_batch", "batch_size"
    )
    with interruptible(run), silent_thread(), memory:
        curves.log_hyperparams(described(module))
        trainer.fit(module, train_loader, watched_loader, ckpt_path=last, weights_only=True)
    if not trainer.is_global_zero:
        return None
    module.to(trainer.strategy.root_device)  # Lightning leaves it on the CPU
    figures = history.rows[-1]
    reason = unmeasured(dataset) if config.eval else "the final probes were skipped"
    with needing_memory("the final probes", "skip them with `--no-eval`"):
        accuracies = {} if reason else _accuracies(module, config, dataset, display)
    return Outcome(
        accuracies,
        figures,
        figures["seconds"],
        history.rows,
        largest_rank=min(
            module.network.encoder.projector.width, len(dataset.watched) - 1, RANK_ROWS - 1
        ),
        unmeasured=reason,
        unmeasured_inputs=None if reason else unmeasured_inputs(dataset),
        notes=record.notes,
        towers=_towers(module, dataset) if config.eval and config.towers else None,
    )


def _less_at_a_time(config: Config) -> str:
    """The fix of a step that takes too much memory."""
    if config.micro_batch is not None:
        return "lower `micro_batch`, or `batch_size`"
    return f"use `--set micro_batch={max(2, config.batch_size // 8)}`, or lower `batch_size`"


def _trainer(
    config: Config, run: RunDirectory, callbacks: list[L.Callback], loggers: Iterable[Logger]
) -> L.Trainer:
    on_gpu = device_of(config).type == "cuda"
    ranks.adopt(config.devices, config.num_nodes)
    trainer = L.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=config.devices,
        num_nodes=config.num_nodes,
        # a part may be without a gradient, such as the mask token of a step without masks
        strategy="ddp_find_unused_parameters_true" if config.processes > 1 else "auto",
        sync_batchnorm=on_gpu and config.processes > 1,
        plugins=[_Environment(), CheckpointFiles(run.last, run.previous)],
        use_distributed_sampler=False,
        precision=precision_of(config),
        max_epochs=config.epochs,
        callbacks=[
            *callbacks,
            LearningRateMonitor(logging_interval="step"),
            Checkpoints(run.last),
        ],
        logger=list(loggers),
        log_every_n_steps=_LOGGED_STEPS,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    # Lightning's handlers wait for other processes, and may be run while these wait for this one
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


def _loaders(
    module: RelationalModule, dataset: DataSet, trainer: L.Trainer
) -> tuple[BatchLoader, BatchLoader]:
    """The loaders of this rank's shares of the training and the validation samples."""
    config = module.config
    fetching: dict[str, Any] = {"seed": config.seed, "workers": config.workers}
    crops: Crops | None = None
    if isinstance(dataset.train.images, ImageFiles):
        local = config.local_views.count
        crops = module.views.crops(module.drawn_views, local, config.seed)
    placed_here = partial(placed, device=trainer.strategy.root_device, workers=config.workers)
    rank: dict[str, Any] = {"world_size": config.processes, "rank": trainer.global_rank}
    if config.sampler.name == "relation":
        meet = config.sampler.meet
        sampler = RelationSampler(
            module.program, dataset.train, config.batch_size, meet=meet, seed=config.seed, **rank
        )
        train = listed_batches(placed_here(dataset.train), sampler, crops=crops, **fetching)
    else:
        size = config.batch_size // config.processes
        train = loader(
            placed_here(dataset.train),
            size,
            shuffle=True,
            drop_last=True,
            crops=crops,
            **rank,
            **fetching,
        )
    watched = placed_here(dataset.watched)
    size = min(512, len(watched))
    return train, loader(watched, size, shuffle=False, **rank, **fetching)


def placed(split: Split, *, device: torch.device, workers: int) -> Split:
    """Returns a split on the device if it has room, so that no step waits for a copy.

    Args:
        split: The samples.
        device: The device.
        workers: The number of processes that load images; these need a split on the CPU.
    """
    if device.type == "cpu" or workers or not isinstance(split.images, Tensor):
        return split
    free = free_memory(device)
    return split.to(device) if free and split.images.nbytes <= free * _SHARE else split


def _accuracies(
    module: RelationalModule, config: Config, dataset: DataSet, display: Display
) -> dict[str, Accuracies]:
    module.eval()
    torch.manual_seed(config.seed)
    untrained = build_backbone(
        config.backbone,
        dataset.shape,
        patch_size=config.patch_size,
        options=config.backbone_options,
    )
    encoder = module.network.encoder
    encoders: dict[str, Encode] = {
        **_raw(module, dataset),
        "untrained": _encoder(module, untrained.eval().to(module.device)),
        "backbone": _encoder(module, encoder.backbone),
        "projector": _encoder(module, nn.Sequential(encoder.backbone, encoder.projector)),
    }
    if module.network.teacher is not None:
        encoders["teacher"] = _encoder(module, module.network.teacher.encoder.backbone)
    accuracies: dict[str, Accuracies] = {}
    for name, encode in encoders.items():
        with display.console.status(
            f"final probes: {name}, {len(accuracies) + 1} of {len(encoders)}"
        ):
            accuracies[name] = evaluate(dataset, encode)
    return accuracies


def _raw(module: RelationalModule, dataset: DataSet) -> dict[str, Encode]:
    """The inputs themselves as features, on the device where their probe is fitted."""
    if unmeasured_inputs(dataset):
        return {}
    if is_image(dataset.shape):
        return {"pixels": lambda batch: pixels(batch).to(module.device)}
    return {"features": lambda batch: module.views.plain(batch.images.to(module.device)).flatten(1)}


def _towers(module: RelationalModule, dataset: DataSet) -> TowerEvaluation:
    module.eval()
    first, *columns = towers_of(module.config)
    encoder = module.network.encoder
    encode = _encoder(module, nn.Sequential(encoder.backbone, encoder.projector))
    towers = {
        column: _embed(module, tower)
        for column, tower in zip(columns, module.network.towers, strict=True)
    }
    return evaluate_towers(dataset, first, encode, towers)


def _embed(module: RelationalModule, tower: nn.Module) -> Embed:
    def embed(values: Tensor) -> Tensor:
        embeddings: Tensor = tower(values.to(module.device))["projection"]
        return embeddings

    return embed


def _encoder(module: RelationalModule, network: nn.Module) -> Encode:
    def encode(batch: Batch) -> Tensor:
        features: Tensor = network(module.views.plain(batch.images.to(module.device)))
        return features

    return encode


@contextmanager
def without_advice() -> Iterator[None]:
    """Hides what Lightning tells those who write the loop, not those who run it."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", category=UserWarning, module="torch.optim.lr_scheduler")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


class _Environment(LightningEnvironment):
    """Gives Lightning the ranks that `rrl_dsl.training.ranks.adopt` set, with every launcher."""

    def __init__(self) -> None:
        super().__init__()
        # Lightning reads the variable only when it is imported
        self.set_global_rank(int(os.environ.get("RANK", 0)))

    def teardown(self) -> None:
        """Keeps the variables of a launcher for the next training in this process."""
        if "RANK" not in os.environ:
            super().teardown()
