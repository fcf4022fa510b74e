"""The encoder: a backbone, a projector, and the heads that loss and recipe need."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from rrl_dsl.losses.outputs import Output, Part
from rrl_dsl.models.backbones import Backbone
from rrl_dsl.models.heads import Projector, Prototypes

Outputs = dict[Output, Tensor]


class Encoder(nn.Module):
    """Maps images to the embeddings of the rows, and of their patches if the loss compares them."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        projector: Callable[[int], Projector],
        prototypes: int,
        parts: Collection[Part],
    ) -> None:
        """Creates an encoder with new heads.

        Args:
            backbone: The backbone.
            projector: Maps the number of features to a new projector.
            prototypes: The number of prototypes, if `parts` has them.
            parts: The parts of the model; `prototypes` and `patches` add heads.
        """
        super().__init__()
        self.backbone = backbone
        self.projector = projector(backbone.width)
        out = self.projector.width
        scored, patched = "prototypes" in parts, "patches" in parts
        self.prototypes = Prototypes(out, prototypes) if scored else None
        # separate heads, as in DINOv2: patches have other statistics than images
        self.patch_projector = projector(backbone.width) if patched else None
        self.patch_prototypes = Prototypes(out, prototypes) if scored and patched else None

    def forward(self, images: Tensor, mask: Tensor | None = None) -> Outputs:
        """Computes the outputs for images.

        Args:
            images: float (n, C, H, W), normalized.
            mask: bool (n, P), True for hidden patches; only with patch heads.

        Returns:
            `backbone`, `projection`, and the outputs of the heads that exist: `prototypes`,
            `patches`, `patch_prototypes`.
        """
        if self.patch_projector is None:
            return self.heads(self.backbone(images))
        tokens = self.backbone.tokens(images, mask)
        outputs = self.heads(tokens.features)
        outputs["patches"] = _each_patch(self.patch_projector, tokens.patches)
        if self.patch_prototypes is not None:
            outputs["patch_prototypes"] = _each_patch(self.patch_prototypes, outputs["patches"])
        return outputs

    def heads(self, features: Tensor) -> Outputs:
        """Computes `backbone`, `projection` and `prototypes` from features (n, f)."""
        outputs: Outputs = {"backbone": features, "projection": self.projector(features)}
        if self.prototypes is not None:
            outputs["prototypes"] = self.prototypes(outputs["projection"])
        return outputs


def _each_patch(head: nn.Module, patches: Tensor) -> Tensor:
    rows: Tensor = head(patches.flatten(0, 1))
    return rows.reshape(*patches.shape[:2], -1)


def joined(parts: list[Outputs]) -> Outputs:
    """Concatenates the outputs that all parts have, along the rows."""
    shared = set.intersection(*(set(part) for part in parts))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0] if name in shared}
