"""The optimizer LARS, which torch does not provide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
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
            moved = [weight for weight in group["params"] if weight.grad is not None]
            if moved:
                self._move(moved, [weight.grad for weight in moved], group)
        return loss

    def _move(self, weights: list[Tensor], given: list[Tensor], group: dict[str, Any]) -> None:
        """Moves the weights of a group with one kernel per operation, not per weight."""
        gradients = torch._foreach_add(given, weights, alpha=group["weight_decay"])
        if group["adapt"]:
            torch._foreach_mul_(gradients, _scales(weights, given, group))
        momenta = [self._momentum(weight) for weight in weights]
        torch._foreach_mul_(momenta, group["momentum"])
        torch._foreach_add_(momenta, gradients)
        torch._foreach_add_(weights, momenta, alpha=-group["lr"])

    def _momentum(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        momentum: Tensor = state["momentum"]
        return momentum


def _scales(weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
    """Returns the scale of each weight's step, tensors of shape ()."""
    norms = torch.stack(torch._foreach_norm(weights))
    of_gradients = torch.stack(torch._foreach_norm(gradients))
    bounds = of_gradients + group["weight_decay"] * norms
    scales = group["trust"] * norms / bounds / group["lr"]
    usable = (norms > 0) & (of_gradients > 0)
    return list(torch.where(usable, scales.clamp(max=1.0), 1.0).unbind())
