"""What the numbers of a run follow from: kept in each checkpoint, compared where a run goes on."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from rrl_dsl.data.dataset import DataSet, Shape
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.training.config import Config

FREE: Final = frozenset({"dataset", "data_dir", "download", "workers", "eval", "accelerator"})
"""The settings that move no number of a run's training, and may be others where it goes on.

The data are known by their content. `epochs` may be another by `--epochs`. A device rounds in its
own way, which is noted. All other settings are those that the run was started with.
"""

_VERSIONS_OF: Final = ("rrl-dsl", "torch", "torchvision", "lightning", "kornia", "numpy")
_IDENTITY_DIGITS: Final = 12


class Difference(NamedTuple):
    """One thing that is not what it was.

    Attributes:
        name: What it is called.
        before: What it was in the run.
        now: What it is.
        file: Where it stands in the run's directory; empty where it stands elsewhere.
    """

    name: str
    before: str
    now: str
    file: str = ""

    def __str__(self) -> str:
        return f"`{self.name}` was {self.before} and is {self.now}"


@dataclass(frozen=True)
class Provenance:
    """What the numbers of a run follow from, beside the number of threads and the device.

    Attributes:
        identity: The identity of the recipe.
        directory: What the recipe's paths are relative to, below the run's directory; None where it
            reads no files.
        configuration: Every setting, as JSON has it; the precision is the one that was chosen.
        data: The fingerprint of the data.
        shape: (C, H, W) of the images.
        augmentation: The preset of views that suits them.
        libraries: Their versions.
    """

    identity: str
    directory: str | None
    configuration: Mapping[str, Any]
    data: Mapping[str, str]
    shape: Shape
    augmentation: str
    libraries: Mapping[str, str]

    def differences(self, now: Provenance) -> list[Difference]:
        """What is another now and moves numbers, in order: recipe, settings, data, libraries."""
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
        """As plain data."""
        return asdict(self)


def provenance_of(
    identity: str, directory: str | None, config: Config, precision: str, data: DataSet
) -> Provenance:
    """What the numbers of a run follow from.

    Args:
        identity: The identity of the recipe.
        directory: What its paths are relative to, below the run's directory.
        config: The configuration.
        precision: The one that was chosen, as the setting has it.
        data: The data.
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
    )


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that numbers depend on."""
    return {"python": platform.python_version(), **_libraries()}


def _libraries() -> dict[str, str]:
    return {package: version(package) for package in _VERSIONS_OF}


def settings(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The settings that are not free by their names, and their values as text."""
    return dict(_flat({k: v for k, v in configuration.items() if k not in FREE}))


def differences(
    before: Mapping[str, str], now: Mapping[str, str], file: str = ""
) -> Iterator[Difference]:
    """The values of two mappings that differ, in order."""
    for name in dict.fromkeys([*before, *now]):
        one, other = before.get(name, "missing"), now.get(name, "missing")
        if one != other:
            yield Difference(name, one, other, file)


def _parts(data: Mapping[str, str]) -> dict[str, str]:
    return {f"data: {part}": each for part, each in data.items()}


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        elif value != {}:
            yield f"{above}{key}", json.dumps(value)
