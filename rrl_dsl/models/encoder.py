"""The encoder: a backbone, a projector, and what loss and recipe need beside them."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn

from rrl_dsl.losses.outputs import Output, Part
from rrl_dsl.models.backbones import Backbone
from rrl_dsl.models.heads import Projector, Prototypes

Outputs = dict[Output, Tensor]


class Encoder(nn.Module):
    """From images to embeddings of the rows, and of their patches where those are compared."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        projector: Callable[[int], Projector],
        prototypes: int,
        parts: Collection[Part],
    ) -> None:
        """An encoder with fresh heads.

        Args:
            backbone: The backbone.
            projector: From the number of features to a fresh projector.
            prototypes: How many prototypes there are, where some are needed.
            parts: What is needed; `prototypes` and `patches` add heads.
        """
        super().__init__()
        self.backbone = backbone
        self.projector = projector(backbone.width)
        out = self.projector.width
        scored, patched = "prototypes" in parts, "patches" in parts
        self.prototypes = Prototypes(out, prototypes) if scored else None
        # heads of their own, as in DINOv2: the statistics of patches are others
        self.patch_projector = projector(backbone.width) if patched else None
        self.patch_prototypes = Prototypes(out, prototypes) if scored and patched else None

    def forward(self, images: Tensor, mask: Tensor | None = None) -> Outputs:
        """What the encoder makes of images.

        Args:
            images: float (n, C, H, W), normalized.
            mask: bool (n, P), which patches are hidden; only where there are patch heads.

        Returns:
            `backbone`, `projection`, and as there are heads `prototypes`, `patches`,
            `patch_prototypes`.
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
        """`backbone`, `projection` and `prototypes` for features (n, f)."""
        outputs: Outputs = {"backbone": features, "projection": self.projector(features)}
        if self.prototypes is not None:
            outputs["prototypes"] = self.prototypes(outputs["projection"])
        return outputs


def _each_patch(head: nn.Module, patches: Tensor) -> Tensor:
    rows: Tensor = head(patches.flatten(0, 1))
    return rows.reshape(*patches.shape[:2], -1)


def joined(parts: list[Outputs]) -> Outputs:
    """The outputs that all parts have, one after another along the rows."""
    shared = set.intersection(*(set(part) for part in parts))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0] if name in shared}
