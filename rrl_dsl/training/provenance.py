"""What the numbers of a run depend on: saved in each checkpoint, compared on resuming."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from rrl_dsl.data.channel_statistics import Statistics
from rrl_dsl.data.dataset import DataSet, Shape
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.data.pixels import WHITE
from rrl_dsl.training.config import Config
from rrl_dsl.training.towers import tower_inputs

FREE: Final = frozenset(
    {"dataset", "data_dir", "download", "workers", "eval", "accelerator", "compile", "logger"}
)
"""The settings that do not affect the numbers of a training, and may change on resuming.

The data are compared by their content. `--epochs` may change `epochs`. A change of the device
or of `compile`, which affects rounding, is noted. No other setting may change.
"""

_VERSIONS_OF: Final = ("rrl-dsl", "torch", "torchvision", "lightning", "kornia", "numpy")
_IDENTITY_DIGITS: Final = 12


class Difference(NamedTuple):
    """A value that differs between a checkpoint and now.

    Attributes:
        name: The name of the value.
        before: The value in the checkpoint.
        now: The value now.
        file: The file in the run directory that holds it; empty if there is none.
    """

    name: str
    before: str
    now: str
    file: str = ""

    def __str__(self) -> str:
        return f"`{self.name}` was {self.before} and is {self.now}"


@dataclass(frozen=True)
class Provenance:
    """What the numbers of a run depend on, except the number of threads and the device.

    Attributes:
        identity: The identity of the recipe.
        directory: The folder in the run directory that the recipe's paths are relative to; None if
            the recipe reads no files.
        configuration: Every setting as a JSON value; `auto` is resolved to the chosen precision.
        data: The fingerprint of the data.
        shape: (C, H, W) of the images, or the shape of other samples.
        augmentation: The preset of views for these images.
        libraries: The versions of the libraries.
        scaled: Whether the inputs are whole numbers, which are scaled to [0, 1].
        statistics: The statistics that inputs are normalized by; None for those of the
            augmentation.
        towers: What the towers after the first read: the attributes of a `TowerInput` each.
    """

    identity: str
    directory: str | None
    configuration: Mapping[str, Any]
    data: Mapping[str, str]
    shape: Shape
    augmentation: str
    libraries: Mapping[str, str]
    scaled: bool = True
    statistics: Statistics | None = None
    towers: Sequence[Mapping[str, Any]] = ()

    def differences(self, now: Provenance) -> list[Difference]:
        """Returns what differs now: recipe, settings, data and libraries, in this order."""
        one, other = self.identity[:_IDENTITY_DIGITS], now.identity[:_IDENTITY_DIGITS]
        identity = {"identity of the recipe": one}, {"identity of the recipe": other}
        configuration = settings(self.configuration), settings(now.configuration)
        return [
            *differences(*identity, "recipe.rrl"),
            *differences(*configuration, "config.yaml"),
            *differences(_parts(self.data), _parts(now.data)),
            *differences(self.libraries, now.libraries),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Returns the values as JSON types."""
        return asdict(self)


def provenance_of(
    identity: str, directory: str | None, config: Config, precision: str, data: DataSet
) -> Provenance:
    """Returns what the numbers of a run depend on.

    Args:
        identity: The identity of the recipe.
        directory: The folder in the run directory that its paths are relative to.
        config: The configuration.
        precision: The chosen precision, as a value of the setting.
        data: The dataset.
    """
    configuration = {**config.model_dump(mode="json"), "precision": precision}
    return Provenance(
        identity,
        directory,
        configuration,
        fingerprint(data),
        data.shape,
        data.augmentation,
        _libraries(),
        data.dtype in WHITE,
        data.statistics,
        [given._asdict() for given in tower_inputs(config, data)],
    )


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the libraries that numbers depend on."""
    return {"python": platform.python_version(), **_libraries()}


def _libraries() -> dict[str, str]:
    return {package: version(package) for package in _VERSIONS_OF}


def settings(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Returns the settings that may not change, by name, with their values as text.

    Settings that a checkpoint of an earlier release does not have are at their defaults.
    """
    whole = {**Config().model_dump(mode="json"), **configuration}
    return dict(_flat({k: v for k, v in whole.items() if k not in FREE}))


def differences(
    before: Mapping[str, str], now: Mapping[str, str], file: str = ""
) -> Iterator[Difference]:
    """Yields the values that differ between two mappings, in order."""
    for name in dict.fromkeys([*before, *now]):
        one, other = before.get(name, "missing"), now.get(name, "missing")
        if one != other:
            yield Difference(name, one, other, file)


def _parts(data: Mapping[str, str]) -> dict[str, str]:
    return {f"data: {part}": value for part, value in data.items()}


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        elif value != {}:
            yield f"{above}{key}", json.dumps(value)
