"""What to start from: settings by loss and by kind of image.

For colour images they are solo-learn's published CIFAR settings (da Costa et al. 2022); for small
grey images, what trains the `small` backbone in a minute on two processor cores.
"""

from __future__ import annotations

from typing import Any, Final

Settings = dict[str, Any]

_SMALL_SIDE: Final = 32

_LARS: Final[Settings] = {"name": "lars", "lr": 0.4, "weight_decay": 1e-4}

CIFAR: Final[dict[str, Settings]] = {
    "simclr": {
        "optimiser": _LARS,
        "projector": {"hidden": 2048, "out": 256, "norm": False},
        "augmentation": "cifar",
    },
    "suncet": {
        "optimiser": _LARS,
        "projector": {"hidden": 2048, "out": 256, "norm": False},
        "augmentation": "cifar",
    },
    "supcon": {
        "optimiser": {"name": "sgd", "lr": 0.4, "weight_decay": 1e-5},
        "projector": {"hidden": 2048, "out": 256, "norm": False},
        "augmentation": "cifar",
    },
    "wmse": {
        "optimiser": {"name": "adam", "lr": 2e-3, "weight_decay": 1e-6},
        "projector": {"hidden": 1024, "out": 64, "norm": True},
        "probe": {"lr": 3e-3},
        "augmentation": "cifar-wmse",
    },
}
"""Loss -> settings for colour images; a loss that is not here starts from simclr's."""

_COLOUR: Final[Settings] = {"epochs": 400, "batch_size": 256, "backbone": "resnet18"}

_SMALL_GREY: Final[Settings] = {
    "epochs": 60,
    "batch_size": 256,
    "backbone": "small",
    "optimiser": {"name": "adam", "lr": 2e-3, "weight_decay": 1e-6, "warmup": 5},
    "projector": {"hidden": 256, "out": 32, "norm": True},
    "probe": {"lr": 3e-3},
}


def defaults(loss: str, shape: tuple[int, int, int], augmentation: str) -> Settings:
    """The settings to start from.

    Args:
        loss: The name of the loss.
        shape: (C, H, W) of the images.
        augmentation: The preset that the data set asks for.
    """
    if shape[0] == 1 and max(shape[1:]) <= _SMALL_SIDE:
        return {**_SMALL_GREY, "augmentation": augmentation}
    settings = {**_COLOUR, **CIFAR.get(loss, CIFAR["simclr"])}
    if augmentation != "cifar":
        settings["augmentation"] = augmentation
    return settings
