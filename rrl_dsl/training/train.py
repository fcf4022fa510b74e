"""A whole run: data, model, fitting, evaluation, summary."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from torch import Tensor, nn

from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.data import registry
from rrl_dsl.data.batches import Batch, BatchLoader, listed_batches, loader
from rrl_dsl.data.crops import Crops
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.image_files import ImageFiles
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.machine import needing_memory
from rrl_dsl.language.span import Source
from rrl_dsl.losses import Loss
from rrl_dsl.losses import create as create_loss
from rrl_dsl.losses.sums import Sum
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.training import checks, ranks
from rrl_dsl.training.callbacks import EdgeStatistics
from rrl_dsl.training.checkpoints import CheckpointFiles, Checkpoints
from rrl_dsl.training.config import Config
from rrl_dsl.training.environment import Environment
from rrl_dsl.training.evaluation import (
    Accuracies,
    Encode,
    evaluate,
    pixels,
    probed_classes,
    unmeasured,
)
from rrl_dsl.training.history import History
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.progress import LiveProgress
from rrl_dsl.training.provenance import provenance_of
from rrl_dsl.training.record import Record
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.sampler import RelationSampler
from rrl_dsl.training.settings import Setting, pointing_at
from rrl_dsl.training.watch import Stopped
from rrl_dsl.training.watching import RANK_ROWS

_LOGGED_STEPS: Final = 10
"""TensorBoard has every tenth step: reading a figure waits for the device."""

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        accuracies: By kind of features: `pixels`, `untrained`, `backbone`, `projector`, and
            `teacher`, its backbone, where there is one.
        figures: The last epoch's metrics.
        seconds: How long fitting took.
        history: The metrics of every epoch.
        largest_rank: What the effective rank of the embeddings can be at most.
        unmeasured: Why there are no accuracies, where there are none.
        notes: What changed where the run went on.
    """

    accuracies: Mapping[str, Accuracies]
    figures: Mapping[str, float]
    seconds: float
    history: list[dict[str, float]] = field(default_factory=list)
    largest_rank: int = 0
    unmeasured: str | None = None
    notes: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        found = {name: asdict(each) for name, each in self.accuracies.items()}
        figures = {"metrics": dict(self.figures), "seconds": self.seconds}
        return {"accuracies": found, **figures, "notes": list(self.notes)}


def load_data(config: Config) -> DataSet:
    """The data set of a configuration.

    Raises:
        RRLError: RRL410, RRL411 or RRL412.
    """
    with needing_memory("the data set", "`imagefolder:PATH` reads images when they are needed"):
        return registry.load(
            config.dataset,
            root=config.data_dir,
            download=config.download,
            size=config.image_size,
            skip_unreadable=config.skip_unreadable,
        )


def build(
    graph: Graph, config: Config, dataset: DataSet, settings: Sequence[Setting] = ()
) -> RelationalModule:
    """The module of a run with fresh weights, after every check that needs no training.

    Args:
        graph: The recipe.
        config: The configuration.
        dataset: The data.
        settings: What of the configuration the user wrote, for errors to point at.

    Raises:
        RRLError: Where data set, recipe, loss, model and machine do not go together.
    """
    with pointing_at(settings, "accelerator", "devices", "precision"):
        precision_of(config)
    draws = config.seed if config.draws is None else config.draws
    program = compile_recipe(graph, seed=draws)
    loss = create_loss(config.loss.name, **config.loss.options)
    L.seed_everything(config.seed, verbose=False)
    with (
        pointing_at(settings, "backbone", "backbone_options", "patch_size"),
        needing_memory(f"the backbone `{config.backbone}`", "take a smaller one"),
    ):
        backbone = build_backbone(
            config.backbone,
            dataset.shape,
            patch_size=config.patch_size,
            options=config.backbone_options,
        )
    with pointing_at(settings, "dataset"):
        checks.check_columns(program, dataset)
        checks.bind(program, dataset)
    heads = ("projector", "predictor", "prototypes", "bank")
    with (
        pointing_at(settings, "loss", "backbone", "local_views", *heads),
        needing_memory("the heads of the network", f"lower `{_widest(config)}`"),
    ):
        module = RelationalModule(
            config,
            program,
            loss,
            shape=dataset.shape,
            classes=probed_classes(dataset),
            backbone=backbone,
        )
    with pointing_at(settings, "sampler"):
        checks.check_sampler(program, config, dataset)
    with pointing_at(settings, "dataset", "batch_size", "projector"):
        width = module.network.encoder.projector.width
        checks.check_batches(program, loss, config, dataset, width)
    _quiet()
    return module


def train(
    module: RelationalModule,
    dataset: DataSet,
    run: RunDirectory,
    console: Console,
    callbacks: Sequence[L.Callback] = (),
    *,
    directory: str | None = None,
    changes: Sequence[str] = (),
) -> Outcome | None:
    """Fits and evaluates; goes on from the last checkpoint where the run has one.

    Args:
        module: What `build` made.
        dataset: The data.
        run: Where everything is written.
        console: Where progress is shown.
        callbacks: Further callbacks of Lightning.
        directory: What the recipe's paths are relative to, as `RunDirectory.describe` says.
        changes: What the user changed before the run goes on.

    Returns:
        What came out, or None on the ranks of a distributed run that only help.

    Raises:
        RRLError: RRL409 or RRL508 where training went out of bounds.
        KeyboardInterrupt: Where the user interrupted it.
    """
    config = module.config
    resumed = run.resumed_from() if run.has_checkpoint() else None
    history = History(run.metrics)
    precision = precision_of(config).removesuffix("-true")
    identity = module.program.identity
    provenance = provenance_of(identity, directory, config, precision, dataset)
    done = resumed.epochs if resumed else 0
    record = Record(provenance, done, changes, lambda note: console.print(note, markup=False))
    watching = [EdgeStatistics(), history, record, LiveProgress(console)]
    trainer = _trainer(config, run, [*callbacks, *watching])
    train_loader, watched_loader = _loaders(module, dataset, trainer)
    assert trainer.logger is not None
    trainer.logger.log_hyperparams(config.model_dump(mode="json"))
    try:
        last = resumed.checkpoint if resumed else None
        with needing_memory("a step of training", _less_at_a_time(config)):
            trainer.fit(module, train_loader, watched_loader, ckpt_path=last, weights_only=True)
    except Stopped:
        raise
    except SystemExit as stop:  # how Lightning ends a run that the user interrupts
        raise KeyboardInterrupt from stop
    if not trainer.is_global_zero:
        return None
    module.to(trainer.strategy.root_device)  # Lightning leaves it on the CPU
    figures = history.rows[-1]
    reason = unmeasured(dataset) if config.eval else "the final probes were left out"
    with needing_memory("the final probes", "leave them out with `--no-eval`"):
        accuracies = {} if reason else _accuracies(module, config, dataset, console)
    return Outcome(
        accuracies,
        figures,
        figures["seconds"],
        history.rows,
        largest_rank=min(
            module.network.encoder.projector.width, len(dataset.watched) - 1, RANK_ROWS - 1
        ),
        unmeasured=reason,
        notes=record.notes,
    )


def precision_of(config: Config) -> Precision:
    """The precision of a run: as asked for, else bfloat16 on a GPU that has it.

    Raises:
        RRLError: RRL506 where more is asked for than this machine has.
    """
    has_gpu = torch.cuda.is_available()
    if config.accelerator == "gpu" and not has_gpu:
        hint = "use `--set accelerator=cpu`, or install a torch that finds the GPU"
        raise error("RRL506", "the `accelerator` is gpu, and there is no CUDA device", hint=hint)
    on_gpu = has_gpu and config.accelerator != "cpu"
    if on_gpu and config.devices > torch.cuda.device_count():
        message = f"`devices` is {config.devices}, and there are {torch.cuda.device_count()}"
        raise error("RRL506", message)
    if config.precision == "16-mixed" and not on_gpu:
        message = "the `precision` 16-mixed needs a GPU"
        raise error(
            "RRL506", message, hint="use `--set precision=bf16-mixed` or `--set precision=32`"
        )
    if config.precision == "auto":
        return "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported() else "32-true"
    return cast(Precision, config.precision.replace("32", "32-true"))


def _widest(config: Config) -> str:
    """The width of the heads that is raised most over its default."""
    usual = Config()
    widths = {
        "projector.out": config.projector.out / usual.projector.out,
        "projector.hidden": config.projector.hidden / usual.projector.hidden,
        "predictor.hidden": config.predictor.hidden / usual.predictor.hidden,
        "prototypes.count": config.prototypes.count / usual.prototypes.count,
        "bank": config.bank / usual.bank,
    }
    return max(widths, key=lambda name: widths[name])


def _less_at_a_time(config: Config) -> str:
    """The fix of a step that takes too much memory."""
    if config.micro_batch is not None:
        return "lower `micro_batch`, or `batch_size`"
    return f"use `--set micro_batch={max(2, config.batch_size // 8)}`, or lower `batch_size`"


def _trainer(config: Config, run: RunDirectory, callbacks: list[L.Callback]) -> L.Trainer:
    on_gpu = torch.cuda.is_available() and config.accelerator != "cpu"
    ranks.adopt(config.devices)
    trainer = L.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=config.devices,
        # a part may be without a gradient, such as the mask token of a step without masks
        strategy="ddp_find_unused_parameters_true" if config.devices > 1 else "auto",
        sync_batchnorm=on_gpu and config.devices > 1,
        plugins=[Environment(), CheckpointFiles(run.last, run.previous)],
        use_distributed_sampler=False,
        precision=precision_of(config),
        max_epochs=config.epochs,
        callbacks=[
            *callbacks,
            LearningRateMonitor(logging_interval="step"),
            Checkpoints(run.last),
        ],
        logger=TensorBoardLogger(run.path, name=run.tensorboard.name, version=""),
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
    """The loaders of this rank's shares of what is trained on and of what is watched."""
    config = module.config
    fetching: dict[str, Any] = {"seed": config.seed, "workers": config.workers}
    crops: Crops | None = None
    if isinstance(dataset.train.images, ImageFiles):
        local = config.local_views.count
        crops = module.views.crops(module.program.requires.views, local, config.seed)
    rank: dict[str, Any] = {"world_size": config.devices, "rank": trainer.global_rank}
    if config.sampler.name == "relation":
        meet = config.sampler.meet
        sampler = RelationSampler(
            module.program, dataset.train, config.batch_size, meet=meet, seed=config.seed, **rank
        )
        train = listed_batches(dataset.train, sampler, crops=crops, **fetching)
    else:
        size = config.batch_size // config.devices
        train = loader(
            dataset.train, size, shuffle=True, drop_last=True, crops=crops, **rank, **fetching
        )
    watched = dataset.watched
    size = min(512, len(watched))
    return train, loader(watched, size, shuffle=False, **rank, **fetching)


def _accuracies(
    module: RelationalModule, config: Config, dataset: DataSet, console: Console
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
        "pixels": lambda batch: pixels(batch).to(module.device),  # where its probe is fitted
        "untrained": _encoder(module, untrained.eval().to(module.device)),
        "backbone": _encoder(module, encoder.backbone),
        "projector": _encoder(module, nn.Sequential(encoder.backbone, encoder.projector)),
    }
    if module.network.teacher is not None:
        encoders["teacher"] = _encoder(module, module.network.teacher.encoder.backbone)
    found: dict[str, Accuracies] = {}
    for name, encode in encoders.items():
        with console.status(f"final probes: {name}, {len(found) + 1} of {len(encoders)}"):
            found[name] = evaluate(dataset, encode)
    return found


def _encoder(module: RelationalModule, network: nn.Module) -> Encode:
    def encode(batch: Batch) -> Tensor:
        features: Tensor = network(module.views.plain(batch.images.to(module.device)))
        return features

    return encode


def _quiet() -> None:
    """Lightning's own advice is for those who write the loop, not for those who run it."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", category=UserWarning, module="torch.optim.lr_scheduler")


def run_name(source: Source, loss: Loss, config: Config) -> str:
    """What a run is called: recipe, losses and data set."""
    dataset = config.dataset.partition(":")[0]
    losses = loss.name()
    if isinstance(loss, Sum):
        losses = "+".join(term.name() for _, term in loss.terms())
    recipe = "recipe" if source.name == "-e" else Path(source.name).stem
    return f"{recipe}-{losses}-{dataset}"
