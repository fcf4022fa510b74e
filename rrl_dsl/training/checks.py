"""Checks before the first step that dataset, recipe, loss and settings fit together."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program
from rrl_dsl.backends.ring import refused
from rrl_dsl.data.batches import listed_batches, loader, row_columns
from rrl_dsl.data.dataset import DataSet, columns_of
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.losses import Loss
from rrl_dsl.training.config import Config
from rrl_dsl.training.related_samples import relating
from rrl_dsl.training.sampler import RelationSampler, batch_sizes

_BATCH: Final = ("batch_size",)
_NEAR_EQUAL: Final = (
    "raise `batch_size`: the sampler divides an epoch into batches of nearly equal size"
)


def check_sizes(config: Config, dataset: DataSet) -> None:
    """Checks the size of batches against the devices and the dataset.

    Raises:
        RRLError: RRL502 if batches cannot be divided among the devices, or are larger than the
            dataset.
    """
    if config.batch_size % config.processes:
        message = (
            f"the batch size {config.batch_size} is not divisible by the {config.processes} devices"
        )
        whole = max(1, config.batch_size // config.processes) * config.processes
        raise error("RRL502", message, hint=f"use `--set batch_size={whole}`", settings=_BATCH)
    most = len(dataset.train) // config.processes * config.processes
    if config.batch_size > most:
        message = f"the batch size {config.batch_size} exceeds the {most} training samples"
        raise error(
            "RRL502", message, hint=f"use `--set batch_size={most}`, or less", settings=_BATCH
        )


def check_batches(
    program: Program, loss: Loss, config: Config, dataset: DataSet, width: int
) -> None:
    """Checks the batches against the recipe and the loss.

    Args:
        program: The recipe.
        loss: The loss.
        config: The configuration.
        dataset: The data.
        width: The width of the embeddings.

    Raises:
        RRLError: RRL404 if the recipe relates no samples of a batch, RRL405 if batches are too
            small for the loss, RRL429 if it cannot be computed in a ring.
    """
    smallest = _smallest_batch(config, dataset)
    for _, term in loss.flat_terms():
        if config.gather == "ring" and config.processes > 1 and not term.row_wise:
            raise refused(f"the loss `{term.name()}`")
        least = term.least_rows(width)
        if smallest < least:
            message = (
                f"`{term.name()}` on {width} dimensions needs batches of at least "
                f"{least} samples, not {smallest}"
            )
            larger = f"use `--set batch_size={least}`" if config.batch_size < least else _NEAR_EQUAL
            narrower = "a smaller `projector.out`" if config.projector.layers else "a projector"
            raise error(
                "RRL405",
                message,
                hint=f"{larger}, or {narrower}",
                settings=(*_BATCH, "projector.out"),
            )
    _check_relates(program, config, dataset)


def check_sampler(program: Program, config: Config, dataset: DataSet) -> None:
    """Checks that the relation sampler can find related samples.

    Raises:
        RRLError: RRL404 if no relation of the recipe is known before a batch is drawn, RRL502 if
            `sampler.meet` is larger than a batch.
    """
    if config.sampler.name != "relation":
        return
    if config.sampler.meet > config.batch_size:
        message = f"`meet` is {config.sampler.meet}, more than the batch size {config.batch_size}"
        raise error("RRL502", message, hint="usual values are 2 to 16", settings=("sampler.meet",))
    hint = "use `--set sampler=random`, or relate samples by labels, pairs or neighbors in a field"
    if not any(relating(program.plan, epoch) for epoch in range(config.epochs)):
        message = "the `relation` sampler finds no relation between samples in this recipe"
        raise error("RRL404", message, hint=hint)
    if not program.requires.epochs and not _relation_sampler(program, config, dataset).meeting(0):
        message = "the `relation` sampler finds no related samples in the dataset"
        raise error("RRL404", message, hint=hint)


def check_columns(program: Program, dataset: DataSet) -> None:
    """Checks that the dataset has the columns that the recipe reads, of the right kind.

    Raises:
        RRLError: RRL401 or RRL417, for every column that is missing or of another kind.
    """
    if faults := columns_of(dataset).faults(program.requires.columns):
        raise RRLError(faults)


def bind(program: Program, dataset: DataSet) -> None:
    """Binds a program that reads the whole dataset, or a list of its pairs.

    Raises:
        RRLError: As `Program.bind`: RRL416 for a pair with a sample that is not in the dataset.
    """
    if program.requires.bound or program.plan.lookups:
        program.bind(dataset.train, others=dataset.others)


def random_spaces(program: Program, rows: int, seed: int = 0) -> dict[str, Tensor]:
    """Returns random embeddings of rows, float32 (rows, 8), for every space that a recipe reads.

    They replace a model in checks of the relation.
    """
    generator = torch.Generator().manual_seed(seed)
    spaces = program.requires.spaces
    return {name: torch.randn(rows, 8, generator=generator) for name in spaces}


def _check_relates(program: Program, config: Config, dataset: DataSet) -> None:
    nodes = _first_rows(program, config, dataset)
    spaces = random_spaces(program, len(nodes), config.seed)
    columns = nodes if program.requires.bank else None  # while the bank is empty
    related = bool((program.relate(nodes, columns, spaces=spaces).degree() > 0).any())
    if not related and not program.requires.epochs:
        message = f"this recipe relates no two rows of a batch of {config.batch_size} samples"
        hint = "relate the views of a sample with `ssl(views=2)`, or raise `batch_size`"
        raise error("RRL404", message, hint=hint, settings=_BATCH)


def _first_rows(program: Program, config: Config, dataset: DataSet) -> Nodes:
    """Returns the rows of the first batch of a run."""
    views = program.requires.views
    if config.sampler.name == "relation":
        batches = listed_batches(dataset.train, _relation_sampler(program, config, dataset))
    else:
        size = min(config.batch_size, len(dataset.train))
        batches = loader(dataset.train, size, shuffle=True, seed=config.seed, drop_last=True)
    return Nodes(*row_columns(next(iter(batches)), views))


def _smallest_batch(config: Config, dataset: DataSet) -> int:
    if config.sampler.name == "relation":
        return min(batch_sizes(len(dataset.train), config.batch_size, config.processes))
    return config.batch_size


def _relation_sampler(program: Program, config: Config, dataset: DataSet) -> RelationSampler:
    meet, seed = config.sampler.meet, config.seed
    return RelationSampler(program, dataset.train, config.batch_size, meet=meet, seed=seed)
