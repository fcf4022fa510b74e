"""What to start from: settings by loss and by kind of image.

For colour images they are solo-learn's published CIFAR settings (da Costa et al. 2022) where it has
the method, else those of the nearest of its methods; for small grey images, what trains the `small`
backbone in a minute on two processor cores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rrl_dsl.losses import Loss, create
from rrl_dsl.losses.creation import read
from rrl_dsl.losses.registry import find
from rrl_dsl.training.config import Config
from rrl_dsl.training.config import Loss as LossSettings
from rrl_dsl.training.settings import Setting, resolve

Settings = dict[str, Any]

_SMALL_SIDE: Final = 32

_LARS: Final[Settings] = {"name": "lars", "lr": 0.4, "weight_decay": 1e-4}

_CONTRASTIVE: Final[Settings] = {
    "optimiser": _LARS,
    "projector": {"hidden": 2048, "out": 256, "norm": False},
    "augmentation": "cifar",
}
_WIDE: Final[Settings] = {"hidden": 2048, "out": 2048, "norm": True, "layers": 3}
_WHITENED: Final[Settings] = {
    "optimiser": {"name": "adam", "lr": 2e-3, "weight_decay": 1e-6},
    "projector": {"hidden": 1024, "out": 64, "norm": True},
    "probe": {"lr": 3e-3},
    "augmentation": "cifar-wmse",
}
_DISTILLED: Final[Settings] = {
    "optimiser": {"name": "lars", "lr": 0.3, "weight_decay": 1e-6},
    "projector": {"hidden": 2048, "out": 256, "norm": True, "layers": 3},
    "prototypes": {"count": 4096},
    "teacher": {"momentum": 0.9995, "final": 1.0},
    "augmentation": "cifar",
}
_WARM_TEACHER: Final[Settings] = {
    "teacher_temperature": 0.07,
    "warmup_teacher_temperature": 0.04,
    "warmup_epochs": 50,
}

CIFAR: Final[Mapping[str, Settings]] = {
    "simclr": _CONTRASTIVE,
    "suncet": _CONTRASTIVE,
    "supcon": {**_CONTRASTIVE, "optimiser": {"name": "sgd", "lr": 0.4, "weight_decay": 1e-5}},
    "wmse": {**_WHITENED, "loss": {"detach": "later"}},
    "laplacian": _WHITENED,
    "projection": _WHITENED,
    "nnclr": {
        "optimiser": {"name": "lars", "lr": 0.4, "weight_decay": 1e-5},
        "projector": {"hidden": 2048, "out": 256, "norm": True, "layers": 3},
        "predictor": {"hidden": 4096},
        "bank": 65536,
        "augmentation": "cifar-asymmetric",
    },
    "barlow": {
        "optimiser": {"name": "lars", "lr": 0.3, "weight_decay": 1e-4},
        "projector": _WIDE,
        "augmentation": "cifar",
        "loss": {"scale": 0.1, "redundancy": 0.0051},
    },
    "vicreg": {
        "optimiser": {"name": "lars", "lr": 0.3, "weight_decay": 1e-4},
        "projector": _WIDE,
        "augmentation": "cifar-vicreg",
        "loss": {"variance_over_views": "sum"},
    },
    "byol": {
        "optimiser": {"name": "lars", "lr": 1.0, "weight_decay": 1e-5},
        "projector": {"hidden": 4096, "out": 256, "norm": True},
        "predictor": {"hidden": 4096},
        "teacher": {"momentum": 0.99, "final": 1.0},
        "augmentation": "cifar",
    },
    "simsiam": {
        "optimiser": {"name": "sgd", "lr": 0.5, "weight_decay": 1e-5},
        "projector": _WIDE,
        "predictor": {"hidden": 512},
        "augmentation": "cifar",
    },
    "dino": {**_DISTILLED, "loss": {**_WARM_TEACHER}},
    "dinov2": {**_DISTILLED, "loss": {**_WARM_TEACHER}, "backbone": "vit-tiny"},
    "simdino": {**_DISTILLED, "backbone": "vit-tiny"},
}
"""Loss -> settings for colour images; a loss that is not here starts from simclr's."""

_COLOUR: Final[Settings] = {"epochs": 400, "batch_size": 256, "backbone": "resnet18"}

_SMALL_GREY: Final[Settings] = {
    "epochs": 60,
    "batch_size": 256,
    "backbone": "small",
    "optimiser": {"name": "adam", "lr": 2e-3, "weight_decay": 1e-6, "warmup": 5},
    "projector": {"hidden": 256, "out": 32, "norm": True},
    "predictor": {"hidden": 128},
    "teacher": {"momentum": 0.98, "final": 1.0},
    "prototypes": {"count": 256},
    "bank": 1024,
    "probe": {"lr": 3e-3},
}

_SMALL_PATCHES: Final[Settings] = {
    "backbone": "vit-micro",
    "batch_size": 64,  # a transformer wants more steps than epochs of so few samples have
    "optimiser": {"name": "adam", "lr": 1e-3, "weight_decay": 1e-6, "warmup": 5},
    "teacher": {"momentum": 0.99, "final": 1.0},
}

SMALL_GREY: Final[Mapping[str, Settings]] = {
    # patches of 2 x 2 pixels say little of each other
    "dinov2": {**_SMALL_PATCHES, "loss": {"ibot": 0.3}},
    "ibot": _SMALL_PATCHES,
    "simdino": _SMALL_PATCHES,
}
"""Loss -> what is different for small grey images."""


def configuration(
    settings: Sequence[Setting], shape: tuple[int, int, int], augmentation: str
) -> Config:
    """The configuration of a run: what suits loss and images, overlaid by what the user set.

    Every loss of a sum starts from the loss options of its own preset, everything else from the
    preset of the first.

    Args:
        settings: What the user set.
        shape: (C, H, W) of the images.
        augmentation: The preset of views that the data set asks for.

    Raises:
        RRLError: As `resolve` and `rrl_dsl.losses.create`.
    """
    wanted = resolve(settings, {}).loss
    loss = create(wanted.name, **wanted.options)
    chosen = resolve(settings, defaults(loss, shape, augmentation))
    return chosen.model_copy(update={"loss": with_preset(wanted, shape)})


def defaults(loss: Loss, shape: tuple[int, int, int], augmentation: str) -> Settings:
    """The settings to start from, but for the loss; for a sum of losses those of its first.

    Args:
        loss: The loss.
        shape: (C, H, W) of the images.
        augmentation: The preset of views that the data set asks for.
    """
    presets = _presets(shape)
    known = [term.name() for term in (loss, loss.terms()[0][1]) if term.name() in presets]
    chosen = dict(presets[known[0]] if known else presets.get("simclr", {}))
    chosen.pop("loss", None)
    if presets is SMALL_GREY:
        return {**_SMALL_GREY, **chosen, "augmentation": augmentation}
    if augmentation != "cifar":
        chosen["augmentation"] = augmentation
    return {**_COLOUR, **chosen}


def with_preset(loss: LossSettings, shape: tuple[int, int, int]) -> LossSettings:
    """A loss with the options of its preset where the user set no other.

    Args:
        loss: The loss, or a sum of losses.
        shape: (C, H, W) of the images.
    """
    presets = _presets(shape)
    terms = []
    for term in read(loss.name, loss.options):
        preset = presets.get(find(term.name).name(), {})
        terms.append(replace(term, options={**preset.get("loss", {}), **term.options}))
    if len(terms) == 1 and terms[0].weight == 1:
        return LossSettings(name=terms[0].name, **terms[0].options)
    return LossSettings(name=" + ".join(map(str, terms)))


def _presets(shape: tuple[int, int, int]) -> Mapping[str, Settings]:
    return SMALL_GREY if shape[0] == 1 and max(shape[1:]) <= _SMALL_SIDE else CIFAR
