"""One loss computed in several ways: with a recipe, by hand, and with other libraries."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.backends.edge import has_compiler
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.backends.strategy import free_memory
from rrl_dsl.bench.measuring import Way
from rrl_dsl.losses import create

TEMPERATURE: Final = 0.2
RECIPES: Final = {
    "ssl": "ssl(views=2)",
    "labels": "ssl(views=2) | supervised()",
    "false edges": "ssl(views=2) | supervised() | corrupt(fpr=0.05)",
}
DENSE: Final = ("by hand", "by hand, compiled", "lightly", "pytorch-metric-learning", "dense")
"""The ways that keep values of all pairs in memory."""
_PAIR_BYTES: Final = 24
"""About what they hold per pair; pytorch-metric-learning holds twice as much."""
_CLASSES: Final = 10
FLOOR: Final = "products and exponentials alone"

Loss = Callable[[Tensor], Tensor]


class Batch(NamedTuple):
    """Rows of two views, and their embeddings."""

    nodes: Nodes
    z: Tensor


def batch(rows: int, width: int, device: torch.device) -> Batch:
    """Returns random embeddings of two views of `rows / 2` samples with ten labels."""
    samples = rows // 2
    label = torch.randint(0, _CLASSES, (samples,), generator=torch.Generator().manual_seed(0))
    nodes = Nodes(
        torch.arange(samples).repeat(2),
        torch.arange(2).repeat_interleave(samples),
        {"label": label.repeat(2)},
    )
    z = torch.randn(rows, width, generator=torch.Generator().manual_seed(1)).to(device)
    return Batch(nodes.to(device), z.requires_grad_())


def too_large(rows: int, device: torch.device) -> str | None:
    """The reason why a way with values of all pairs is not run, in words; None if it is run.

    It is not if it would take more than a third of the free memory, or minutes on a CPU.
    """
    size, free = _PAIR_BYTES * rows**2, free_memory(device)
    if (free is None or 3 * size <= free) and (device.type == "cuda" or rows <= 8192):
        return None
    return f"not run, takes about {size / 1e9:,.0f} GB"


def step(loss: Loss, z: Tensor) -> Way:
    """Forward and backward."""
    return lambda: torch.autograd.grad(loss(z), z)


def floor(z: Tensor) -> Tensor:
    """The least that a way computes: similarities, an exponential per pair, a product backward."""
    return (z @ z.T).exp_() @ z


def by_recipe(given: Batch, recipe: str, strategy: Literal["auto", "dense", "blocked"]) -> Loss:
    """Relation and loss. The measurement includes the relation."""
    program, loss = compile_recipe(recipe), create(f"simclr(temperature={TEMPERATURE})")
    width = given.z.shape[1]
    return lambda z: loss(program.relate(given.nodes, strategy=strategy, width=width), z)


def by_hand(given: Batch, recipe: str, *, compiled: bool = False) -> Loss:
    """The same loss with precomputed masks, which the measurement does not include."""
    n = len(given.z)
    own = torch.eye(n, dtype=torch.bool, device=given.z.device)
    related = compile_recipe(recipe)(given.nodes).bool() & ~own
    if compiled and not has_compiler(given.z.device):
        raise ImportError(name="a compiler for `torch.compile`")
    function = _compiled() if compiled else handwritten
    return partial(_with_masks, function, own, related.float())


def _with_masks(function: Callable[..., Tensor], own: Tensor, related: Tensor, z: Tensor) -> Tensor:
    return function(z, own, related)


def handwritten(z: Tensor, own: Tensor, related: Tensor) -> Tensor:
    """The supervised contrastive loss (Khosla et al. 2020, equation 2) of rows with an edge.

    Args:
        z: Embeddings, float (n, d).
        own: Which pairs are of a row with itself, bool (n, n).
        related: Which other pairs are related, 0 or 1 (n, n).
    """
    z = F.normalize(z)
    logits = (z @ z.T / TEMPERATURE).masked_fill(own, -1e9)
    degree = related.sum(dim=1)
    total = -(related * logits.log_softmax(dim=1)).sum(dim=1)
    return (total / degree.clamp(min=1)).sum() / (degree > 0).sum()


@cache
def _compiled() -> Callable[..., Tensor]:
    function: Callable[..., Tensor] = torch.compile(handwritten, dynamic=True)
    return function


def lightly(given: Batch) -> Loss:
    """lightly's NTXentLoss, the loss of `ssl(views=2)`."""
    from lightly.loss import NTXentLoss

    loss = NTXentLoss(temperature=TEMPERATURE)
    return lambda z: loss(*z.chunk(2))


def metric_learning(given: Batch, recipe: str) -> Loss:
    """pytorch-metric-learning's SupConLoss; rows with an equal label are related."""
    from pytorch_metric_learning.losses import SupConLoss

    loss = SupConLoss(temperature=TEMPERATURE)
    labels = given.nodes.sample if recipe == RECIPES["ssl"] else given.nodes.labels["label"]
    return lambda z: loss(z, labels)


def ways(given: Batch, recipe: str) -> dict[str, Way]:
    """All ways, by name. A way of a library that is not installed raises ImportError."""
    return {name: _later(make, given.z) for name, make in _makers(given, recipe).items()}


def _makers(given: Batch, recipe: str) -> dict[str, Callable[[], Loss]]:
    makers: dict[str, Callable[[], Loss]] = {
        "by hand": partial(by_hand, given, recipe),
        "by hand, compiled": partial(by_hand, given, recipe, compiled=True),
    }
    if recipe == RECIPES["ssl"]:
        makers["lightly"] = partial(lightly, given)
    if recipe != RECIPES["false edges"]:
        makers["pytorch-metric-learning"] = partial(metric_learning, given, recipe)
    for strategy in ("dense", "blocked"):
        makers[strategy] = partial(by_recipe, given, recipe, strategy)
    return makers


def _later(make: Callable[[], Loss], z: Tensor) -> Way:
    """A way that is created in its first run, so that its errors occur in this run."""
    made: list[Way] = []

    def way() -> object:
        if not made:
            made.append(step(make(), z))
        return made[0]()

    return way
