"""What is refused before the first step, because data set, recipe and loss do not go together."""

from __future__ import annotations

import torch

from rrl_dsl.backends.program import Program
from rrl_dsl.data.batches import loader
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.language.diagnostics import did_you_mean, error, listing
from rrl_dsl.losses import Loss
from rrl_dsl.training.config import Config
from rrl_dsl.training.rows import sample_batches


def check(program: Program, loss: Loss, config: Config, dataset: DataSet) -> None:
    """Looks at everything that can be known before training.

    Raises:
        RRLError: RRL404 for a recipe that relates nothing, RRL405 for batches too small for the
            loss, RRL502 for a batch size that the devices or the data set cannot serve.
    """
    if config.batch_size % config.devices:
        message = f"a batch of {config.batch_size} does not divide among {config.devices} devices"
        raise error("RRL502", message)
    least = loss.least_rows(config.projector.out)
    if config.batch_size < least:
        message = (
            f"`{config.loss.name}` on {config.projector.out} dimensions wants batches of at least "
            f"{least} samples, not {config.batch_size}"
        )
        hint = f"use `--set batch_size={least}`, or a smaller `projector.out`"
        raise error("RRL405", message, hint=hint)
    share = config.batch_size // config.devices
    loader(dataset.train, share, shuffle=True, world_size=config.devices, drop_last=True)
    _check_relates(program, config, dataset)


def check_labels(program: Program, dataset: DataSet) -> None:
    """Refuses a recipe that reads labels the data set lacks.

    Raises:
        RRLError: RRL401.
    """
    known = list(dataset.class_names)
    for name in program.requires.labels:
        if name not in known:
            message = f"the data set `{dataset.name}` has no label field `{name}`"
            hint = did_you_mean(name, known) or f"its label fields are {listing(known)}"
            raise error("RRL401", message, hint=hint)


def _check_relates(program: Program, config: Config, dataset: DataSet) -> None:
    views = program.requires.views
    nodes = next(sample_batches(dataset, config.batch_size, views, 1, seed=config.seed))
    different = ~torch.eye(len(nodes), dtype=torch.bool)
    related = bool(((program(nodes) > 0) & different).any())
    if not related and not program.requires.epochs:
        message = f"this recipe relates no two rows of a batch of {config.batch_size} samples"
        hint = "relate the views of a sample with `ssl(views=2)`, or use larger batches"
        raise error("RRL404", message, hint=hint)
