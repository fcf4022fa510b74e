"""SIGReg and LeJEPA: losses that make the embeddings an isotropic Gaussian."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.autograd.function import once_differentiable

from rrl_dsl.backends.relation import Relation
from rrl_dsl.graph import draws
from rrl_dsl.graph.streams import stream_word
from rrl_dsl.losses.base import OPTIONS, Loss, Normalize, mean_over_edges
from rrl_dsl.losses.registry import register


@register("sigreg")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SIGReg(Loss):
    """Sketched isotropic Gaussian regularization: tests random projections for normality.

    mean over views and slices a of N x integral |phi_a(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt,
    phi_a(t) = mean_i exp(i t a . z_i) over the N rows of the view

    Balestriero and LeCun (2025): the statistic of Epps and Pulley (1983) for the standard normal
    distribution, in random directions a of length 1. It does not depend on the graph. Embeddings
    are not normalized. Every step draws new directions from the seed of the recipe; they are the
    same in all processes and on all devices. If the columns are other rows, only the rows count.

    The integral over [-t_max, t_max] is computed with the trapezoidal rule at `knots` points of
    [0, t_max], as the integrand is even. The defaults are those of the authors' package. The
    listing of their paper has 17 points on [-5, 5], which is `t_max=5` with `knots=9`.
    """

    slices: Annotated[
        int, Field(ge=1, le=2**20, description="The number of random directions.")
    ] = 1024
    knots: Annotated[int, Field(ge=2, le=1000, description="The points of the quadrature.")] = 17
    t_max: Annotated[float, Field(gt=0, le=100, description="The upper end of the quadrature.")] = (
        3.0
    )

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        directions = sketch(z.shape[1], self.slices, seed=relation.seed, step=relation.step)
        projected = z @ directions.to(z.device, z.dtype)
        view = relation.rows.view
        parts = [projected[view == index] for index in torch.unique(view)]
        return torch.stack([self._statistic(part) for part in parts]).mean()

    def _statistic(self, x: Tensor) -> Tensor:
        """The statistic of x (n, slices), its mean over slices, a scalar."""
        t = torch.linspace(0, self.t_max, self.knots, dtype=x.dtype, device=x.device)
        normal = torch.exp(-t.square() / 2)
        real, imaginary = _CharacteristicFunction.apply(x, t)
        error = ((real - normal[:, None]).square() + imaginary.square()).mean(dim=1)
        return 2 * len(x) * torch.trapezoid(error * normal, t)


@register("lejepa")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class LeJEPA(SIGReg):
    """Pulls related rows together and makes the embeddings an isotropic Gaussian.

    (1 - weight) I + weight x sigreg, where

    I = mean over edges of |z_i - z_j|^2 / (2 d), each row with an edge of weight 1 to itself

    Balestriero and LeCun (2025), for a relation. On `ssl(views=V)`, I is the mean squared distance
    of a view to the mean of all views of its sample, which is the prediction loss of the authors'
    code. The listing of their paper predicts the mean of the global views from all views; here
    local views are views like all others. With `normalize=edges`, I is sum w |z_i - z_j|^2 / (2 d
    sum w), with the edges to the rows themselves in the denominator.
    """

    weight: Annotated[
        float, Field(ge=0, le=1, description="The weight of `sigreg`; I has the rest.")
    ] = 0.05
    normalize: Annotated[
        Normalize, Field(description="Whether to average over rows or over edges.")
    ] = "rows"

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        degree = relation.degree()
        degree = degree + (degree > 0)
        distance = relation.sqdist(z, keys) / (2 * z.shape[1])
        invariance = mean_over_edges(distance, degree, self.normalize)
        return (1 - self.weight) * invariance + self.weight * super().value(relation, z, keys)


def sketch(width: int, slices: int, *, seed: int, step: int) -> Tensor:
    """Random directions of length 1, uniform on the sphere and the same on every device.

    Args:
        width: The width of the embeddings, d.
        slices: The number of directions, k.
        seed: The recipe's seed.
        step: The optimizer step.

    Returns:
        float32 (d, k), on the CPU.
    """
    draw = draws.key(seed, stream_word("sigreg", 0), step)
    generator = torch.Generator().manual_seed(draw)
    return torch.nn.functional.normalize(torch.randn(width, slices, generator=generator), dim=0)


class _CharacteristicFunction(torch.autograd.Function):
    """mean_i cos(t x_i) and mean_i sin(t x_i), each (knots, slices), for x (n, slices).

    Autograd would save a sine and a cosine of x for every t. This function saves only x.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x, t)
        angles = (knot * x for knot in t)
        means = [(angle.cos().mean(dim=0), angle.sin().mean(dim=0)) for angle in angles]
        real, imaginary = (torch.stack(parts) for parts in zip(*means, strict=True))
        return real, imaginary

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, real: Tensor, imaginary: Tensor) -> tuple[Tensor, None]:
        x, t = ctx.saved_tensors
        gradient = torch.zeros_like(x)
        for knot, of_cos, of_sin in zip(t, real, imaginary, strict=True):
            angle = knot * x
            gradient += knot * (of_sin * angle.cos() - of_cos * angle.sin())
        return gradient / len(x), None
