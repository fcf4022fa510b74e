"""Loads the encoder of a run for use without the trainer."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal

import torch
from torch import Tensor, nn

from rrl_dsl.data.views import Views
from rrl_dsl.language.diagnostics import did_you_mean, error, listing
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.models.heads import Projector
from rrl_dsl.training.config import Config
from rrl_dsl.training.resume import newest
from rrl_dsl.training.run import Resumed

EncoderPart = Literal["backbone", "projector", "teacher"]

_PREFIXES: Final[dict[str, str]] = {
    "backbone": "network.encoder.backbone.",
    "projector": "network.encoder.projector.",
    "teacher": "network.teacher.encoder.backbone.",
}
"""The prefix of the weights of each part in a checkpoint."""


class TrainedEncoder(nn.Module):
    """Maps images to features: normalizes them as the run did, and applies its network.

    Attributes:
        network: From normalized float images (n, C, H, W) to features (n, d).
        views: Its `plain` normalizes the images.
    """

    def __init__(self, network: nn.Module, views: Views) -> None:
        """Creates the encoder.

        Args:
            network: The network.
            views: The views of the run.
        """
        super().__init__()
        self.network = network
        self.views = views

    def forward(self, images: Tensor) -> Tensor:
        """Returns the features of images.

        Args:
            images: uint8 (n, C, H, W), of the size that the run was trained on.

        Returns:
            float (n, d).

        Raises:
            RRLError: RRL402 if the images are not uint8 with four axes.
        """
        if images.dtype != torch.uint8 or images.ndim != 4:
            message = f"images must be torch.uint8 (n, C, H, W), not {images.dtype} "
            message += f"{tuple(images.shape)}"
            hint = "pass pixels from 0 to 255, or pass normalized images to `encoder.network`"
            raise error("RRL402", message, hint=hint)
        features: Tensor = self.network(self.views.plain(images))
        return features


def load_encoder(
    run: str | Path, part: EncoderPart = "backbone", *, allow_code: Collection[str] = ()
) -> TrainedEncoder:
    """Loads the encoder of a run, in evaluation mode on the CPU, with its input normalization.

    It is built only from the newest checkpoint, whose checksum is verified.

    Args:
        run: The run directory.
        part: `backbone` returns features, `projector` the embeddings that the loss uses, and
            `teacher` the features of the teacher's backbone.
        allow_code: The modules whose code the configuration of the run may name as
            `package.module:attribute`.

    Raises:
        RRLError: RRL505 if the run does not exist, its checkpoint is damaged or does not match its
            configuration, or it does not have the part. RRL510 if the configuration names code of
            another module. RRL502 as `rrl_dsl.models.backbones.build_backbone`.
    """
    _prefix(part)  # before the checkpoint is read
    return encoder_of(newest(Path(run), allow_code), part)


def encoder_of(checkpoint: Resumed, part: EncoderPart) -> TrainedEncoder:
    """Returns the encoder in a checkpoint, as `load_encoder` does.

    Raises:
        RRLError: As `load_encoder`.
    """
    prefix = _prefix(part)
    config, data = Config.model_validate(checkpoint.provenance.configuration), checkpoint.provenance
    features = _PREFIXES["backbone"] if part == "projector" else prefix
    backbone = build_backbone(
        config.backbone,
        data.shape,
        patch_size=config.patch_size,
        options=config.backbone_options,
    )
    _take_up(backbone, checkpoint, features)
    network: nn.Module = backbone
    if part == "projector":
        projector = Projector(backbone.width, **config.projector.model_dump())
        _take_up(projector, checkpoint, prefix)
        network = nn.Sequential(backbone, projector)
    views = Views(config.augmentation.name or data.augmentation, data.shape)
    return TrainedEncoder(network, views).eval()


def parts_of(checkpoint: Resumed) -> list[EncoderPart]:
    """Returns the parts of the model in a checkpoint: all have a backbone and a projector."""
    teacher = _PREFIXES["teacher"]
    has_teacher = any(name.startswith(teacher) for name in checkpoint.weights)
    return ["backbone", "projector", "teacher"] if has_teacher else ["backbone", "projector"]


def weights_of(run: str | Path, part: str) -> dict[str, Tensor]:
    """Returns the weights of a part of the model of a run, with the names of the network.

    Args:
        run: The run directory.
        part: `backbone`, `projector` (without the backbone) or `teacher` (its backbone).

    Raises:
        RRLError: RRL505, as `load_encoder`.
    """
    prefix = _prefix(part)
    weights = _own(newest(Path(run), None), prefix)
    return {name.removeprefix("body."): value.contiguous() for name, value in weights.items()}


def _prefix(part: str) -> str:
    if part not in _PREFIXES:
        hint = did_you_mean(part, list(_PREFIXES)) or f"its parts are {listing(_PREFIXES)}"
        raise error("RRL505", f"a run has no part `{part}`", hint=hint)
    return _PREFIXES[part]


def _own(run: Resumed, prefix: str) -> dict[str, Tensor]:
    """Returns the weights of the newest checkpoint with a prefix, and removes the prefix."""
    weights = {
        name.removeprefix(prefix): value
        for name, value in run.weights.items()
        if name.startswith(prefix)
    }
    if not weights and prefix == _PREFIXES["teacher"]:
        hint = "only losses such as `byol` and `dino` train a teacher"
        raise error("RRL505", f"the model of `{run.checkpoint}` has no teacher", hint=hint)
    return weights


def _take_up(module: nn.Module, run: Resumed, prefix: str) -> None:
    try:
        module.load_state_dict(_own(run, prefix))
    except RuntimeError as problem:
        message = f"`{run.checkpoint}` does not match the network of its configuration"
        raise error("RRL505", f"{message}: {str(problem).splitlines()[-1].strip()}") from None
