"""The teacher: a moving average of the encoder, and the running means of its scores."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from rrl_dsl.losses.outputs import Output
from rrl_dsl.models.encoder import Encoder, Outputs

_TEACHERS: dict[Output, Output] = {
    "projection": "teacher_projection",
    "prototypes": "teacher_prototypes",
    "patches": "teacher_patches",
    "patch_prototypes": "teacher_patch_prototypes",
}


class Teacher(nn.Module):
    """A copy of an encoder that follows it slowly and has no gradients (Tarvainen, Valpola 2017).

    Batch norms use the statistics of the batch and keep running ones of their own, as in BYOL and
    DINO. Whatever else differs in training is left out: the published teachers drop no unit and no
    path, so that their targets are the same whenever they are computed.
    """

    def __init__(self, encoder: Encoder) -> None:
        """A teacher that starts as the encoder is.

        Args:
            encoder: Whom to follow.
        """
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Teacher:
        """Puts what keeps running statistics into training mode, and nothing else."""
        super().train(False)
        for module in self.modules():
            if any("running" in name for name, _ in module.named_buffers(recurse=False)):
                module.training = mode
        self.training = mode
        return self

    @torch.no_grad()
    def forward(self, images: Tensor) -> Outputs:
        """What the teacher makes of whole images, float (n, C, H, W), by its outputs' names."""
        outputs = self.encoder(images)
        return {_TEACHERS[name]: outputs[name] for name in outputs if name in _TEACHERS}


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Moves every weight of a teacher to `momentum` times itself plus the rest of the student's.

    Args:
        teacher: A copy of the student, of the same parameters in the same order.
        student: Whom it follows.
        momentum: From 0, to become the student, to 1, to stay.
    """
    ours: list[Tensor] = list(teacher.parameters())
    theirs: list[Tensor] = list(student.parameters())
    torch._foreach_lerp_(ours, theirs, 1 - momentum)


def momentum_at(step: int, total: int, first: float, final: float) -> float:
    """The momentum of a step: from the first to the final along half a cosine (BYOL, DINO)."""
    progress = min(1.0, step / max(1, total))
    return final - (final - first) * (1 + math.cos(math.pi * progress)) / 2


class Center(nn.Module):
    """The running mean of the teacher's scores, from which DINO subtracts it (Caron et al. 2021).

    Attributes:
        value: float32 (K,).
    """

    value: Tensor

    def __init__(self, count: int, momentum: float) -> None:
        """A center at 0.

        Args:
            count: How many prototypes there are.
            momentum: How much of the old mean stays at each step.
        """
        super().__init__()
        self._momentum = momentum
        self.register_buffer("value", torch.zeros(count))

    @torch.no_grad()
    def update(self, scores: Tensor, chosen: Tensor | None = None) -> None:
        """Moves towards the mean of a batch.

        Args:
            scores: (..., K), of all ranks.
            chosen: bool (...), which of them count; all where left out. Where none is, nothing
                moves.
        """
        flat = scores.reshape(-1, scores.shape[-1]).float()
        kept = torch.ones_like(flat[:, :1]) if chosen is None else chosen.reshape(-1, 1).float()
        total = kept.sum()
        mean = (flat * kept).sum(dim=0) / total.clamp(min=1)
        moved = torch.lerp(mean, self.value, self._momentum)
        self.value.copy_(torch.where(total > 0, moved, self.value))
