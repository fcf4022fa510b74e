"""What to start from: settings by loss and by kind of image.

For colour images they are solo-learn's published CIFAR settings (da Costa et al. 2022) where it has
the method, else those of the nearest of its methods; for small grey images, what trains the `small`
backbone in a minute on two processor cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rrl_dsl.losses import Loss

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
    "wmse": {**_WHITENED, "loss": {"name": "wmse", "detach": "later"}},
    "laplacian": _WHITENED,
    "projection": _WHITENED,
    "nnclr": {
        "optimiser": {"name": "lars", "lr": 0.4, "weight_decay": 1e-5},
        "projector": {"hidden": 2048, "out": 256, "norm": True, "layers": 3},
        "predictor": {"hidden": 4096},
        "bank": 65536,
        "augmentation": "cifar-nnclr",
    },
    "barlow": {
        "optimiser": {"name": "lars", "lr": 0.3, "weight_decay": 1e-4},
        "projector": _WIDE,
        "augmentation": "cifar",
        "loss": {"name": "barlow", "scale": 0.1, "redundancy": 0.0051},
    },
    "vicreg": {
        "optimiser": {"name": "lars", "lr": 0.3, "weight_decay": 1e-4},
        "projector": _WIDE,
        "augmentation": "cifar-vicreg",
        "loss": {"name": "vicreg", "variance_over_views": "sum"},
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
    "dino": {**_DISTILLED, "loss": {"name": "dino", **_WARM_TEACHER}},
    "dinov2": {**_DISTILLED, "loss": {"name": "dinov2", **_WARM_TEACHER}, "backbone": "vit-tiny"},
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
    "dinov2": {**_SMALL_PATCHES, "loss": {"name": "dinov2", "ibot": 0.3}},
    "ibot": _SMALL_PATCHES,
    "simdino": _SMALL_PATCHES,
}
"""Loss -> what is different for small grey images."""


def defaults(loss: Loss, shape: tuple[int, int, int], augmentation: str) -> Settings:
    """The settings to start from; for a sum of losses those of its first.

    Args:
        loss: The loss.
        shape: (C, H, W) of the images.
        augmentation: The preset that the data set asks for.
    """
    grey = shape[0] == 1 and max(shape[1:]) <= _SMALL_SIDE
    presets = SMALL_GREY if grey else CIFAR
    known = [term.name() for term in (loss, loss.terms()[0][1]) if term.name() in presets]
    chosen = dict(presets[known[0]] if known else presets.get("simclr", {}))
    if not known or known[0] != loss.name():
        chosen.pop("loss", None)  # its options would be another's
    if grey:
        return {**_SMALL_GREY, **chosen, "augmentation": augmentation}
    if augmentation != "cifar":
        chosen["augmentation"] = augmentation
    return {**_COLOUR, **chosen}
