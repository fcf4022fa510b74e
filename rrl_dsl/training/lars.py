"""The optimizer LARS, which torch does not provide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class LARS(Optimizer):
    """SGD with momentum that scales the step of each weight by the norm of the weight.

    You, Gitman and Ginsburg (2017), clipped as in NVIDIA's LARC: the scale is at most 1. A group
    with `adapt=False` (biases, norms, probes) uses plain SGD.
    """

    def __init__(
        self, params: Any, lr: float, *, momentum: float, weight_decay: float, trust: float
    ) -> None:
        """Creates the optimizer.

        Args:
            params: Parameters, or groups with their own options.
            lr: The learning rate.
            momentum: The momentum.
            weight_decay: Added to the gradient as weight_decay * weight, before scaling.
            trust: The largest step, relative to the norm of the weight.
        """
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust": trust,
            "adapt": True,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Makes one step; evaluates `closure` first if it is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group)
        return loss

    def _move(self, weight: torch.Tensor, group: dict[str, Any]) -> None:
        gradient = weight.grad.add(weight, alpha=group["weight_decay"])  # type: ignore[union-attr]
        if group["adapt"]:
            gradient = gradient * self._scale(weight, group)
        state = self.state[weight]
        if "momentum" in state:
            state["momentum"].mul_(group["momentum"]).add_(gradient)
        else:
            state["momentum"] = gradient.clone()
        weight.add_(state["momentum"], alpha=-group["lr"])

    @staticmethod
    def _scale(weight: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        norm, gradient_norm = weight.norm(), weight.grad.norm()  # type: ignore[union-attr]
        bound = gradient_norm + group["weight_decay"] * norm
        scale = group["trust"] * norm / bound / group["lr"]
        usable = (norm > 0) & (gradient_norm > 0)
        return torch.where(usable, scale.clamp(max=1.0), 1.0)
