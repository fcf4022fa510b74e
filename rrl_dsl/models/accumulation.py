"""Large batches in small memory: the network sees parts of a batch, the loss sees all of it.

A relation joins rows of the whole batch, so its loss is no mean over parts, and adding up gradients
of part losses would train on another relation. Here the embeddings of all parts are put together
before the loss, and the backward pass computes the activations of one part after the other anew:
the cached gradients of Gao et al. (2021), "Scaling Deep Contrastive Learning Batch Size under
Memory Limited Setup", by way of PyTorch's activation checkpointing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

_Output = TypeVar("_Output")


def in_parts(
    network: Callable[..., _Output], images: Tensor, *more: Tensor | None, size: int | None
) -> _Output:
    """The outputs of a network for a whole batch, with the activations of one part in memory.

    The gradients are those of the batch in one piece, up to rounding, and a forward pass more is
    paid for them. What a network draws, as dropout does, is drawn again alike.

    Batch normalization is the exception: it normalizes each part by the part's own mean and
    variance, so with it gradients are those of a network that is run part by part, and running
    statistics move once for each part. Parts are near-equal, so none is much smaller than others;
    where rows stand view by view, most parts hold rows of one view.

    Args:
        network: An `nn.Module`, or a method of one. It maps tensors of b rows each to a tensor of
            b rows, or to a dict, tuple or list of such, nested as one likes.
        images: What goes in, (n, ...), at least one row.
        more: Further arguments of n rows; None is passed on.
        size: The most rows in a part, at least 1; None for one part of all rows.

    Returns:
        What the network returns for all n rows.

    Raises:
        TypeError: Where `network` belongs to no `nn.Module`, or returns something else.
    """
    if size is None or len(images) <= size:
        return network(images, *more)
    module = _module_of(network)
    run: Callable[..., _Output] = network
    if torch.is_grad_enabled():
        contexts = partial(_contexts, module)
        run = partial(checkpoint, network, use_reentrant=False, context_fn=contexts)
    count = -(-len(images) // size)
    cut = [[None] * count if each is None else each.tensor_split(count) for each in (images, *more)]
    return cast(_Output, _joined([run(*part) for part in zip(*cut, strict=True)]))


def _module_of(network: object) -> nn.Module:
    """The module whose norms are looked after."""
    module = getattr(network, "__self__", network)
    if not isinstance(module, nn.Module):
        raise TypeError(f"the network must be a module or a method of a module, not {network!r}")
    return module


def _contexts(
    module: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """What a part's forward pass runs in, and what its recomputation runs in."""
    return nullcontext(), _running_statistics_kept(module)


@contextmanager
def _running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Norms do not move their running statistics: they did so in the forward pass.

    They are given a momentum of 0 and no count. To hide the statistics from them would be simpler,
    and the checkpoint would miss tensors that the forward pass saved.
    """
    norms = [each for each in module.modules() if isinstance(each, _NormBase)]
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    try:
        for norm in norms:
            norm.momentum, norm.num_batches_tracked = 0.0, None
        yield
    finally:
        for norm, momentum, tracked in before:
            norm.momentum, norm.num_batches_tracked = momentum, tracked


def _joined(parts: Sequence[Any]) -> Any:
    """Outputs of parts, row after row."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(list(parts))
    if isinstance(first, Mapping):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple | list):
        columns = [_joined(column) for column in zip(*parts, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    raise TypeError(f"a network must return tensors, in dicts, tuples or lists, not {first!r:.60}")
