"""The towers of a run: what they read of the dataset, and their networks."""

from __future__ import annotations

from typing import Final

from torch import Tensor

from rrl_dsl.data.batches import Batch
from rrl_dsl.data.dataset import DataSet, Shape, columns_of, is_image
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.models.encoder import Encoder
from rrl_dsl.models.towers import Standardized, TowerInput, TowerOptions, build_tower
from rrl_dsl.training.config import Config

_MOST_TOKENS: Final = 1_000_000
"""The largest vocabulary; the tables of large language models have a quarter of it."""


def own_column(shape: Shape) -> str:
    """Returns the name of the samples themselves as a column: `image`, or `inputs`."""
    return "image" if len(shape) == 3 else "inputs"


def towers_of(config: Config) -> list[str]:
    """Returns the columns of the towers of a run."""
    return [tower.column for tower in config.towers]


def tower_inputs(config: Config, data: DataSet) -> list[TowerInput]:
    """Returns what the towers after the first read.

    Raises:
        RRLError: RRL502 if the first tower is not for the samples themselves, or the others are not
            for different fields; RRL401 or RRL417 if there is no such field, or it has numbers.
    """
    if not config.towers:
        return []
    own, columns = own_column(data.shape), towers_of(config)
    if columns[0] != own:
        message = f"the first tower must read `{own}`, the samples, not `{columns[0]}`"
        others = [column for column in columns[1:] if column != own]
        hint = f"write `towers: [{', '.join([own, *(others or columns[:1])])}]`"
        if others and not is_image(data.shape):
            hint += f", and `inputs: [{columns[0]}]` for what `{own}` reads"
        raise error("RRL502", message, hint=hint, settings=("towers",))
    repeated = [column for column in columns if columns.count(column) > 1]
    if repeated or len(columns) == 1:
        several = f"has several towers for `{repeated[0]}`" if repeated else "has only one tower"
        hint = "give each tower a column of its own; without towers, all views are of the samples"
        raise error("RRL502", f"`towers` {several}", hint=hint, settings=("towers",))
    faults = columns_of(data).faults([("vector", name) for name in columns[1:]])
    if faults:
        raise RRLError(faults)
    return [_input(tower, data) for tower in config.towers[1:]]


def _input(tower: TowerOptions, data: DataSet) -> TowerInput:
    name, splits = tower.column, [data.train, data.test, *([data.val] if data.val else [])]
    if data.train.fields[name].ndim != 2:
        message = f"`{name}` of the dataset `{data.name}` has numbers, not vectors or tokens"
        raise error("RRL417", message, settings=("towers",))
    values = [split.fields[name] for split in splits]
    whole = all(bool(((value >= 0) & (value == value.floor())).all()) for value in values)
    shape = tuple(values[0].shape[1:])
    if not (whole if tower.tokens is None else tower.tokens):
        return TowerInput(shape, None)
    if not whole:
        message = f"`{name}` of the dataset `{data.name}` has values that are not whole numbers "
        message += "from 0, so they are not tokens"
        raise error("RRL502", message, hint="pad with 0", settings=("towers",))
    largest = int(max(value.max() for value in values))
    if largest >= _MOST_TOKENS:
        message = f"`{name}` of the dataset `{data.name}` has the token {largest}; the largest "
        message += f"vocabulary is {_MOST_TOKENS:,}"
        raise error("RRL502", message, hint="number the tokens from 1", settings=("towers",))
    return TowerInput(shape, largest + 1)


def build_towers(config: Config, data: DataSet) -> list[Encoder]:
    """Builds the towers after the first with random weights; vectors are measured.

    Raises:
        RRLError: As `tower_inputs` and `rrl_dsl.models.towers.build_tower`.
    """
    towers = []
    for options, given in zip(config.towers[1:], tower_inputs(config, data), strict=True):
        tower = build_tower(options, given, config.projector)
        for part in tower.modules():
            if isinstance(part, Standardized):
                part.measure(data.train.fields[options.column])
        towers.append(tower)
    return towers


def columns_for(config: Config, batch: Batch) -> list[Tensor]:
    """Returns what the towers after the first read of a batch, (b, ...) each."""
    return [batch.fields[column] for column in towers_of(config)[1:]]
