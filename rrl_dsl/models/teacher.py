"""The teacher: a moving average of the encoder, and the running mean of its scores."""

from __future__ import annotations

import copy

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
    """A moving average of an encoder, without gradients (Tarvainen, Valpola 2017).

    Batch norms use the statistics of the batch and have their own running statistics, as in BYOL
    and DINO. All other modules are in evaluation mode: the published teachers use no dropout and
    no drop path, so their targets are deterministic.
    """

    def __init__(self, encoder: Encoder) -> None:
        """Creates a teacher with the weights of an encoder.

        Args:
            encoder: The encoder that it follows.
        """
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Teacher:
        """Sets only the modules with running statistics to training mode."""
        super().train(False)
        for module in self.modules():
            if any("running" in name for name, _ in module.named_buffers(recurse=False)):
                module.training = mode
        self.training = mode
        return self

    @torch.no_grad()
    def forward(self, images: Tensor) -> Outputs:
        """Computes the outputs, by their names, for whole images, float (n, C, H, W)."""
        outputs = self.encoder(images)
        return {_TEACHERS[name]: outputs[name] for name in outputs if name in _TEACHERS}


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Updates a teacher: weight = momentum * weight + (1 - momentum) * student's weight.

    Args:
        teacher: A copy of the student, with the same parameters in the same order.
        student: The module that it follows.
        momentum: From 0, which copies the student, to 1, which changes nothing.
    """
    ours: list[Tensor] = list(teacher.parameters())
    theirs: list[Tensor] = list(student.parameters())
    torch._foreach_lerp_(ours, theirs, 1 - momentum)


class Center(nn.Module):
    """The running mean of the teacher's scores, which DINO subtracts from them (Caron et al. 2021).

    Attributes:
        value: float32 (K,).
    """

    value: Tensor

    def __init__(self, count: int, momentum: float) -> None:
        """Creates a center at 0.

        Args:
            count: The number of prototypes, K.
            momentum: The share of the previous mean that each step keeps.
        """
        super().__init__()
        self._momentum = momentum
        self.register_buffer("value", torch.zeros(count))

    @torch.no_grad()
    def update(self, scores: Tensor, chosen: Tensor | None = None) -> None:
        """Moves the center towards the mean of a batch.

        Args:
            scores: (..., K), of all processes.
            chosen: bool (...), the scores to use; all by default. If none is chosen, the center
                stays.
        """
        flat = scores.reshape(-1, scores.shape[-1]).float()
        kept = torch.ones_like(flat[:, :1]) if chosen is None else chosen.reshape(-1, 1).float()
        total = kept.sum()
        mean = (flat * kept).sum(dim=0) / total.clamp(min=1)
        moved = torch.lerp(mean, self.value, self._momentum)
        self.value.copy_(torch.where(total > 0, moved, self.value))
