"""The recipe, settings, data and machine of a run, for its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rrl_dsl.data.dataset import DataSet, is_image
from rrl_dsl.graph.text import text_of
from rrl_dsl.language.markdown import code
from rrl_dsl.training.build import precision_of
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.provenance import versions
from rrl_dsl.training.record import machine


@dataclass(frozen=True)
class Facts:
    """The recipe, settings, data and machine of a run.

    Attributes:
        recipe: The recipe in one line, with the values of its parameters.
        identity: The identity of the recipe.
        loss: The loss with its options.
        configuration: Every setting.
        samples: The number of samples of each split.
        image: (C, H, W) of the images, or the shape of other samples.
        parameters: The number of weights of the backbone.
        warmup: The epochs of warm-up, at most half of the run.
        precision: The precision, as a value of the setting.
        versions: The versions of Python and of the libraries.
        machine: The number of threads and the device, and whether the encoder is compiled.
    """

    recipe: str
    identity: str
    loss: str
    configuration: Mapping[str, Any]
    samples: Mapping[str, int]
    image: tuple[int, ...]
    parameters: int
    warmup: float
    precision: str
    versions: Mapping[str, str]
    machine: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Returns the values as JSON types; the seeds are also at the top level."""
        config = self.configuration
        return {**asdict(self), "seed": config["seed"], "draws": config["draws"]}

    def lines(self) -> list[tuple[str, str]]:
        """Returns the titles and texts for the summary page."""
        config = self.configuration
        optimizer = config["optimizer"]
        scaled = "" if optimizer["lr_scale"] == "none" else " for batches of 256"
        return [
            ("loss", code(self.loss)),
            ("dataset", f"{code(config['dataset'])}, {_counts(self.samples)}"),
            ("images" if is_image(self.image) else "vectors", " x ".join(map(str, self.image))),
            ("backbone", f"{code(config['backbone'])}, {self.parameters:,} weights"),
            *_towers(config["towers"]),
            ("epochs", f"{config['epochs']}, including {self.warmup:g} of warm-up"),
            ("batch", f"{config['batch_size']} samples"),
            (
                "optimizer",
                f"{optimizer['name']}, learning rate {optimizer['lr']:g}{scaled}, "
                f"weight decay {optimizer['weight_decay']:g}{_final(optimizer)}",
            ),
            ("precision", self.precision),
            ("seed", f"{config['seed']}" + _draws(config["draws"])),
            ("versions", _listed(self.versions)),
            ("machine", _listed(self.machine)),
        ]


def facts_of(module: RelationalModule, data: DataSet) -> Facts:
    """Returns the facts of a run of a trained module."""
    config = module.config
    splits = {"train": data.train, "validation": data.val, "test": data.test}
    return Facts(
        recipe=text_of(module.program.graph),
        identity=module.program.identity,
        loss=config.loss.text,
        configuration=config.model_dump(mode="json"),
        samples={name: len(split) for name, split in splits.items() if split is not None},
        image=data.shape,
        parameters=sum(
            parameter.numel() for parameter in module.network.encoder.backbone.parameters()
        ),
        warmup=min(config.optimizer.warmup, config.epochs / 2),
        precision=precision_of(config).removesuffix("-true"),
        versions=versions(),
        machine=machine(module.device, compiled=module.is_compiled),
    )


def _towers(towers: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    columns = ", ".join(code(tower["column"]) for tower in towers)
    return [("towers", columns)] if towers else []


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _counts(samples: Mapping[str, int]) -> str:
    return ", ".join(
        f"{count:,} to {name}" if name == "train" else f"{count:,} {name}"
        for name, count in samples.items()
    )


def _final(optimizer: Mapping[str, Any]) -> str:
    final = optimizer["final_weight_decay"]
    return "" if final is None else f" to {final:g}"


def _draws(draws: int | None) -> str:
    return "" if draws is None else f", draws {draws}"
