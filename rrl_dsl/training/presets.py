"""Default settings by loss and by kind of image.

For color images they are solo-learn's published CIFAR settings (da Costa et al. 2022). A comment
names the file below `scripts/pretrain/cifar/` of its repository, or the most similar method for a
loss without a file. Differences from those runs:

- 400 epochs instead of 1000, and bilinear instead of bicubic crops.
- Biases and norms have no weight decay, under SGD and Adam too.
- Warm-up begins at 0, not at 3e-5.
- BYOL's loss is the mean cosine, a quarter of solo-learn's sum. LARS takes the same steps with
  both, except for biases and norms.
- DINO's head has torch's default initialization, not a standard deviation of 0.02.

A loss that solo-learn does not have follows the code of its authors, which a comment names. These
trained on ImageNet; here they have the crops and colors of the nearest file, 400 epochs, batches
of 256 and 4,096 prototypes. The transformers have no drop path and no layer scale, and patch
embeddings have no learning rate of their own.

For small gray images they train the `small` backbone in a minute on two CPU cores. For vectors and
sequences, they train the perceptron `mlp` with the same optimizer.

A named preset (the setting `preset`) replaces those of losses and images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rrl_dsl.losses import Loss
from rrl_dsl.losses.creation import read
from rrl_dsl.losses.registry import find
from rrl_dsl.models.backbones import MLP
from rrl_dsl.training.config import Config, LossOptions
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import Setting

Settings = dict[str, Any]

_SMALL_SIDE: Final = 32


def _published(name: str, lr: float, weight_decay: float) -> Settings:
    """An optimizer with a learning rate for batches of 256, as in solo-learn."""
    return {"name": name, "lr": lr, "weight_decay": weight_decay, "lr_scale": "linear"}


_SIMCLR: Final[Settings] = {  # simclr.yaml, symmetric.yaml
    "optimizer": _published("lars", 0.4, 1e-4),
    "projector": {"hidden": 2048, "out": 256, "norm": False},
    "augmentation": "cifar",
}
_WMSE: Final[Settings] = {  # wmse.yaml
    "optimizer": _published("adam", 2e-3, 1e-6),
    "projector": {"hidden": 1024, "out": 64, "norm": True},
    "probe": {"lr": 3e-3},
    "augmentation": "cifar-wmse",
}
_WIDE: Final[Settings] = {"hidden": 2048, "out": 2048, "norm": True, "layers": 3}
_BYOL: Final[Settings] = {  # byol.yaml, asymmetric.yaml
    "optimizer": _published("lars", 1.0, 1e-5),
    "projector": {"hidden": 4096, "out": 256, "norm": True},
    "predictor": {"hidden": 4096},
    "teacher": {"momentum": 0.99, "final": 1.0},
    "augmentation": "cifar-asymmetric",
}
_MEAN_SHIFT_TEACHER: Final = {"momentum": 0.99, "final": 0.99}
_DINOV2: Final[Settings] = {  # ssl_default_config.yaml of facebookresearch/dinov2
    "backbone": "vit-tiny",
    "optimizer": {
        "name": "adamw",
        "lr": 2e-3,  # 4e-3 for batches of 1024
        "lr_scale": "sqrt",
        "weight_decay": 0.04,
        "final_weight_decay": 0.4,
        "layer_decay": 0.9,
        "clip": 3.0,
    },
    "projector": {"hidden": 2048, "out": 256, "norm": False, "layers": 3, "activation": "gelu"},
    "prototypes": {"count": 4096, "frozen": 1},
    "teacher": {"momentum": 0.992, "final": 1.0},
    "augmentation": "cifar-asymmetric",
    "probe": {"lr": 1e-3},  # Adam's steps do not shrink with the gradient
}
_WARM_TRANSFORMER: Final[Settings] = {
    "teacher_temperature": 0.07,
    "warmup_teacher_temperature": 0.04,
    "warmup_epochs": 30,
}
_WARM_TEACHER: Final[Settings] = {  # solo-learn's defaults when its numbers were published
    "teacher_temperature": 0.07,
    "warmup_teacher_temperature": 0.04,
    "warmup_epochs": 50,
}

CIFAR: Final[Mapping[str, Settings]] = {
    "simclr": _SIMCLR,
    "supcon": _SIMCLR,  # the same loss; solo-learn's SupCon is `suncet`
    "suncet": {**_SIMCLR, "optimizer": _published("sgd", 0.4, 1e-5)},  # supcon.yaml, symmetric.yaml
    "wmse": {**_WMSE, "loss": {"detach": "later"}},
    "laplacian": _WMSE,  # the nearest: it whitens too
    "projection": _WMSE,
    "nnclr": {  # nnclr.yaml, asymmetric.yaml
        "optimizer": _published("lars", 0.4, 1e-5),
        "projector": {**_WIDE, "out": 256, "output_norm": "affine"},
        "predictor": {"hidden": 4096},
        "bank": 65536,
        "bank_views": 1,
        "augmentation": "cifar-asymmetric",
    },
    "barlow": {  # barlow.yaml, asymmetric.yaml
        "optimizer": _published("lars", 0.3, 1e-4),
        "projector": _WIDE,
        "augmentation": "cifar-asymmetric",
        "loss": {"scale": 0.1, "redundancy": 0.0051},
    },
    "vicreg": {  # vicreg.yaml
        "optimizer": _published("lars", 0.3, 1e-4),
        "projector": _WIDE,
        "augmentation": "cifar-vicreg",
        "loss": {"variance_over_views": "sum"},
    },
    "clip": {  # appendix F of the paper, for ViT-B/32 with batches of 32,768 pairs
        "optimizer": {"name": "adamw", "lr": 5e-4, "weight_decay": 0.2},
        "projector": {"hidden": 512, "out": 512, "layers": 1},
        "probe": {"lr": 1e-3},
    },
    "byol": _BYOL,
    "mean_shift": {  # train_msf.py and run_msf.sh of UMBCvision/MSF, with the widths of ResNet-18
        "optimizer": _published("sgd", 0.05, 1e-4),
        "projector": {"hidden": 1024, "out": 128, "norm": True},
        "predictor": {"hidden": 1024},
        "teacher": _MEAN_SHIFT_TEACHER,
        "augmentation": "cifar-weak",
    },
    "simsiam": {  # simsiam.yaml, symmetric_weak.yaml
        "optimizer": _published("sgd", 0.5, 1e-5),
        "projector": {**_WIDE, "output_norm": "plain"},
        "predictor": {"hidden": 512, "constant_lr": True},
        "augmentation": "cifar-weak",
    },
    "lejepa": {  # MINIMAL.md of rbalestr-lab/lejepa, and the optimizer of its README for ResNets
        "optimizer": {"name": "adamw", "lr": 5e-4, "weight_decay": 5e-4, "warmup": 1},
        "projector": {**_WIDE, "out": 16},
        "probe": {"lr": 1e-3},
        "augmentation": "cifar",  # which has no solarization
        "loss": {"weight": 0.02, "slices": 256},
    },
    "dino": {  # dino.yaml, asymmetric.yaml
        "optimizer": _published("lars", 0.3, 1e-6),
        "projector": {"hidden": 2048, "out": 256, "norm": False, "layers": 3, "activation": "gelu"},
        "prototypes": {"count": 4096, "frozen": 1},
        "teacher": {"momentum": 0.9995, "final": 1.0},
        "augmentation": "cifar-asymmetric",
        "loss": _WARM_TEACHER,
    },
    "dinov2": {**_DINOV2, "loss": _WARM_TRANSFORMER},
    "ibot": {  # main_ibot.py of bytedance/ibot, which clips the gradient of each weight
        **_DINOV2,
        "optimizer": {
            "name": "adamw",
            "lr": 5e-4,
            "lr_scale": "linear",
            "weight_decay": 0.04,
            "final_weight_decay": 0.4,
            "clip": 3.0,
        },
        "teacher": {"momentum": 0.996, "final": 1.0},
        "loss": _WARM_TRANSFORMER,
    },
    # simdinov2/configs/simdino_config.yaml of RobinWu218/SimDINO, with AdamW in place of SOAP
    "simdino": {**_DINOV2, "teacher": {"momentum": 0.9, "final": 1.0}},
}
"""Loss -> settings for color images; a loss that is not here starts from simclr's."""

_COLOR: Final[Settings] = {"epochs": 400, "batch_size": 256, "backbone": "resnet18"}

_SMALL_WIDTH: Final = 32
_SMALL_PROJECTOR: Final[Settings] = {"hidden": 256, "out": _SMALL_WIDTH, "norm": True}
_SMALL_GRAY: Final[Settings] = {
    "epochs": 60,
    "batch_size": 256,
    "backbone": "small",
    "optimizer": {"name": "adam", "lr": 2e-3, "weight_decay": 1e-6, "warmup": 5},
    "projector": _SMALL_PROJECTOR,
    "predictor": {"hidden": 128},
    "teacher": {"momentum": 0.98, "final": 1.0},
    "prototypes": {"count": 256},
    "bank": 1024,
    "probe": {"lr": 3e-3},
}

_SMALL_PATCHES: Final[Settings] = {
    "backbone": "vit-micro",
    "batch_size": 64,  # a transformer needs more steps than the epochs of so few samples have
    "optimizer": {"name": "adam", "lr": 1e-3, "weight_decay": 1e-6, "warmup": 5},
    "teacher": {"momentum": 0.99, "final": 1.0},
}

_TAUGHT_VIEWS: Final = "digits-weak"
"""The views of digits for a transformer that learns from its moving average.

Features of a random `vit-micro` have a correlation of 0.09 between two views of `digits`, and 0.36
here. Scores that a student can hardly predict from another view shrink in the student, and then in
its teacher, faster than the temperatures of DINO (0.1 and 0.04) sharpen them, until all prototypes
are equally likely.
"""

SMALL_GRAY: Final[Mapping[str, Settings]] = {
    # 1 / width (Tsai et al. 2021): .0051 is for thousands of dimensions, and leaves 32 redundant
    "barlow": {"loss": {"redundancy": 1 / _SMALL_WIDTH}},
    # these runs have hundreds of steps, in which the teachers of published runs hardly move
    "byol": {"teacher": {"momentum": 0.9, "final": 1.0}},
    "mean_shift": {"teacher": {"momentum": 0.9, "final": 0.9}},
    "simsiam": {  # the head and the predictor of the paper (Chen and He 2021, sections 3 and 4.2)
        "projector": {**_SMALL_PROJECTOR, "output_norm": "plain"},
        "predictor": {"hidden": 128, "constant_lr": True},
    },
    "dinov2": {
        **_SMALL_PATCHES,
        # chosen with the teacher's momentum by probes within the training digits, in 440 steps
        "optimizer": {"name": "adam", "lr": 2e-3, "weight_decay": 1e-6, "warmup": 2},
        "teacher": {"momentum": 0.95, "final": 1.0},
        "augmentation": _TAUGHT_VIEWS,
        # patches of 2 x 2 pixels carry little information about each other
        "loss": {"ibot": 0.3},
    },
    "ibot": _SMALL_PATCHES,
    "simdino": {
        **_SMALL_PATCHES,
        "teacher": {"momentum": 0.9, "final": 1.0},  # as published
        "augmentation": _TAUGHT_VIEWS,
    },
}
"""Loss -> what is different for small gray images; an augmentation here replaces `digits` alone."""

NAMED: Final[Mapping[str, Mapping[str, Settings]]] = {
    # README and simclr-cifar10.py of dkobak/simclr-cifar10: nearest neighbors reach 91.4 % on
    # CIFAR-10 after 1000 epochs. There, biases and norms have weight decay too, images are not
    # normalized, the rate falls once per epoch, and a batch norm sees one view at a time
    "simclr-fast": {
        "simclr": {
            "epochs": 1000,
            "batch_size": 512,
            "optimizer": {**_published("sgd", 0.03, 5e-4), "warmup": 0},
            "projector": {"hidden": 1024, "out": 128, "norm": False},
            "augmentation": "cifar-fast",
            "loss": {"temperature": 0.5},
        }
    },
}
"""The value of `preset` -> settings as in `CIFAR`."""


_VECTORS: Final[Settings] = {**_SMALL_GRAY, "backbone": MLP, "batch_size": 128}

VECTORS: Final[Mapping[str, Settings]] = {"mean_shift": {"teacher": _MEAN_SHIFT_TEACHER}}
"""Loss -> what is different for vectors and sequences."""


def configuration(
    settings: Sequence[Setting], loss: Loss, shape: tuple[int, ...], augmentation: str
) -> Config:
    """Returns the configuration of a run: the presets, overridden by the user's settings.

    Each loss of a sum has the loss options of its own preset. All other settings are those of the
    first loss's preset.

    Args:
        settings: The settings that the user gave.
        loss: The loss that they name.
        shape: (C, H, W) of the images.
        augmentation: The augmentation that suits the dataset.

    Raises:
        RRLError: As `resolve`.
    """
    wanted = resolve(settings, {})
    chosen = resolve(settings, defaults(loss, shape, augmentation, wanted.preset))
    return chosen.model_copy(update={"loss": with_preset(wanted.loss, shape, wanted.preset)})


def defaults(
    loss: Loss, shape: tuple[int, ...], augmentation: str, preset: str | None = None
) -> Settings:
    """Returns the default settings except the loss; for a sum, those of its first loss.

    Args:
        loss: The loss.
        shape: (C, H, W) of the images.
        augmentation: The augmentation that suits the dataset.
        preset: The named preset, a key of `NAMED`, if there is one.
    """
    presets = _presets(shape, preset)
    known = [term.name() for term in (loss, loss.terms()[0][1]) if term.name() in presets]
    chosen = dict(presets[known[0]] if known else presets.get("simclr", {}))
    chosen.pop("loss", None)
    small = preset is None and presets is not CIFAR
    if augmentation != ("digits" if small else "cifar"):  # for which the presets choose views
        chosen["augmentation"] = augmentation
    if not small:
        return {**_COLOR, **chosen}
    usual = _SMALL_GRAY if presets is SMALL_GRAY else _VECTORS
    return {**usual, "augmentation": augmentation, **chosen}


def with_preset(
    loss: LossOptions, shape: tuple[int, ...], preset: str | None = None
) -> LossOptions:
    """Adds the options of a loss's preset that the user did not set.

    Args:
        loss: The loss, or a sum of losses.
        shape: (C, H, W) of the images.
        preset: The named preset, a key of `NAMED`, if there is one.
    """
    presets = _presets(shape, preset)
    terms = []
    for term in read(loss.name, loss.options):
        known = presets.get(find(term.name).name(), {})
        terms.append(replace(term, options={**known.get("loss", {}), **term.options}))
    if len(terms) == 1 and terms[0].weight == 1:
        return LossOptions(name=terms[0].name, **terms[0].options)
    return LossOptions(name=" + ".join(map(str, terms)))


def _presets(shape: tuple[int, ...], preset: str | None) -> Mapping[str, Settings]:
    if preset is not None:
        return NAMED[preset]
    if len(shape) != 3:
        return VECTORS
    return SMALL_GRAY if shape[0] == 1 and max(shape[1:]) <= _SMALL_SIDE else CIFAR
