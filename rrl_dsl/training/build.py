"""From a recipe, a configuration and a dataset to a module with fresh weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, cast

import lightning as L
import torch

from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.data import registry
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, collected, error
from rrl_dsl.language.machine import needing_memory
from rrl_dsl.losses import create as create_loss
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.training import checks
from rrl_dsl.training.compiling import check_compile, device_of
from rrl_dsl.training.config import Config
from rrl_dsl.training.evaluation import probed_classes
from rrl_dsl.training.initial_weights import start_from
from rrl_dsl.training.loggers import check_installed
from rrl_dsl.training.module import RelationalModule, views_of
from rrl_dsl.training.optimizer import build_optimizer
from rrl_dsl.training.settings import Setting, pointing_at
from rrl_dsl.training.towers import build_towers

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


def load_data(config: Config) -> DataSet:
    """Loads the dataset of a configuration.

    Raises:
        RRLError: As `rrl_dsl.data.registry.load`.
    """
    return registry.load(
        config.dataset,
        root=config.data_dir,
        download=config.download,
        size=config.image_size,
        skip_unreadable=config.skip_unreadable,
        split=config.split,
        inputs=config.inputs,
    )


def build(
    graph: Graph,
    config: Config,
    dataset: DataSet,
    settings: Sequence[Setting] = (),
    *,
    resumed: bool = False,
    warn: Callable[[Diagnostic], None] = lambda _: None,
) -> RelationalModule:
    """Builds the module of a run with fresh weights, after every check that needs no training.

    Args:
        graph: The recipe.
        config: The configuration.
        dataset: The dataset.
        settings: The settings that the user gave, at which errors point.
        resumed: Whether a checkpoint has the weights, so that `pretrained` and `init` are not read.
        warn: Called if weights of `init` do not match the backbone.

    Raises:
        RRLError: If dataset, recipe, loss, model and machine do not fit together.
    """
    faults: list[Diagnostic] = []
    with (
        collected(faults),
        pointing_at(settings, "accelerator", "devices", "precision", "logger"),
    ):
        precision_of(config)
        check_installed(config.logger)
    with collected(faults), pointing_at(settings, "compile"):
        check_compile(config)
    with collected(faults), pointing_at(settings, "dataset", "batch_size"):
        checks.check_sizes(config, dataset)
    draws = config.seed if config.draws is None else config.draws
    program = compile_recipe(graph, seed=draws)
    loss = create_loss(config.loss.name, **config.loss.options)
    L.seed_everything(config.seed, verbose=False)
    with collected(faults), pointing_at(settings, "dataset"):
        checks.check_columns(program, dataset)
    with (
        collected(faults),
        pointing_at(settings, "backbone", "backbone_options", "patch_size", "pretrained"),
        needing_memory(f"the backbone `{config.backbone}`", "use a smaller one"),
    ):
        backbone = build_backbone(
            config.backbone,
            dataset.shape,
            patch_size=config.patch_size,
            options=config.backbone_options,
            pretrained=config.pretrained and not resumed,
        )
    if faults:
        raise RRLError(faults)
    if config.init is not None and not resumed:
        with pointing_at(settings, "init"):
            if note := start_from(backbone, config.init):
                warn(note)
    with pointing_at(settings, "dataset"):
        checks.bind(program, dataset)
    with pointing_at(settings, "towers"):
        towers = build_towers(config, dataset)
    with pointing_at(settings, "augmentation", "local_views"):
        views = views_of(config, dataset.shape, dataset.augmentation, dataset.statistics)
    heads, widest = ("projector", "predictor", "prototypes", "bank"), _widest(config)
    with (
        pointing_at(settings, "loss", "backbone", "local_views", *heads),
        needing_memory("the heads of the network", f"lower `{widest}`", widest),
    ):
        module = RelationalModule(
            config,
            program,
            loss,
            shape=dataset.shape,
            classes=probed_classes(dataset),
            backbone=backbone,
            views=views,
            towers=towers,
        )
    with pointing_at(settings, "optimizer"):
        build_optimizer(config, module.network.encoder)  # knows the layers that it scales
    with pointing_at(settings, "sampler"):
        checks.check_sampler(program, config, dataset)
    with pointing_at(settings, "dataset", "batch_size", "projector"):
        width = module.network.encoder.projector.width
        checks.check_batches(program, loss, config, dataset, width)
    return module


def precision_of(config: Config) -> Precision:
    """Returns the precision of a run: the one asked for, or bfloat16 on a GPU that supports it.

    Raises:
        RRLError: RRL506 if this machine lacks what the configuration asks for.
    """
    if config.accelerator == "gpu" and not torch.cuda.is_available():
        hint = "use `--set accelerator=cpu`, or install a version of torch that supports the GPU"
        raise error(
            "RRL506",
            "the `accelerator` is gpu, but there is no CUDA device",
            hint=hint,
            settings=("accelerator",),
        )
    on_gpu = device_of(config).type == "cuda"
    if on_gpu and config.devices > torch.cuda.device_count():
        message = f"`devices` is {config.devices}, but there are {torch.cuda.device_count()}"
        raise error("RRL506", message, settings=("devices",))
    if config.precision == "16-mixed" and not on_gpu:
        message = "the `precision` 16-mixed needs a GPU"
        raise error(
            "RRL506",
            message,
            hint="use `--set precision=bf16-mixed` or `--set precision=32`",
            settings=("precision",),
        )
    if config.precision == "auto":
        return "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported() else "32-true"
    return cast(Precision, config.precision.replace("32", "32-true"))


def _widest(config: Config) -> str:
    """Returns the setting of the head width that exceeds its default most."""
    usual = Config()
    widths = {
        "projector.out": config.projector.out / usual.projector.out,
        "projector.hidden": config.projector.hidden / usual.projector.hidden,
        "predictor.hidden": config.predictor.hidden / usual.predictor.hidden,
        "prototypes.count": config.prototypes.count / usual.prototypes.count,
        "bank": config.bank / usual.bank,
    }
    return max(widths, key=lambda name: widths[name])
