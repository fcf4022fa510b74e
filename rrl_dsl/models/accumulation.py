"""Large batches in small memory: the network sees parts of a batch, the loss sees all of it.

A relation joins rows of the whole batch, so its loss is not a mean over parts, and gradients
accumulated over parts would train on another relation. This module concatenates the embeddings of
all parts before the loss. The backward pass recomputes the activations of one part at a time, with
PyTorch's activation checkpointing. These are the cached gradients of Gao et al. (2021), "Scaling
Deep Contrastive Learning Batch Size under Memory Limited Setup".
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
    """Computes the outputs for a whole batch, with the activations of one part in memory.

    The gradients equal those of the whole batch up to rounding, and cost one more forward pass.
    Random numbers, such as those of dropout, are the same in the recomputation.

    Batch normalization is the exception: it normalizes each part by the part's own mean and
    variance. Its gradients are those of a network that runs part by part, and its running
    statistics are updated once per part. All parts have nearly the same size; if the rows are
    ordered by view, most parts hold rows of one view.

    Args:
        network: An `nn.Module`, or a method of one. It maps tensors of b rows each to a tensor of
            b rows, or to a dict, tuple or list of such tensors, nested or not.
        images: The input, (n, ...), with at least one row.
        more: Further arguments with n rows; None is passed through.
        size: The largest number of rows in a part, at least 1; None for a single part.

    Returns:
        The output of the network for all n rows.

    Raises:
        TypeError: If `network` does not belong to an `nn.Module`, or returns something else.
    """
    if size is None or len(images) <= size:
        return network(images, *more)
    module = _module_of(network)
    run: Callable[..., _Output] = network
    if torch.is_grad_enabled():
        contexts = partial(_contexts, module)
        run = partial(checkpoint, network, use_reentrant=False, context_fn=contexts)
    count = -(-len(images) // size)
    cut = [
        [None] * count if tensor is None else tensor.tensor_split(count)
        for tensor in (images, *more)
    ]
    return cast(_Output, _joined([run(*part) for part in zip(*cut, strict=True)]))


def _module_of(network: object) -> nn.Module:
    """Returns the module that a network or its method belongs to."""
    module = getattr(network, "__self__", network)
    if not isinstance(module, nn.Module):
        raise TypeError(f"the network must be a module or a method of a module, not {network!r}")
    return module


def _contexts(
    module: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Returns the contexts of a forward pass and of its recomputation."""
    return nullcontext(), _running_statistics_kept(module)


@contextmanager
def _running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Keeps running statistics: the forward pass has already updated them.

    Norms get a momentum of 0. If they did not see their statistics, the recomputation would save
    fewer tensors than the forward pass, which activation checkpointing refuses.
    """
    norms = [part for part in module.modules() if isinstance(part, _NormBase)]
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    try:
        for norm in norms:
            norm.momentum, norm.num_batches_tracked = 0.0, None
        yield
    finally:
        for norm, momentum, tracked in before:
            norm.momentum, norm.num_batches_tracked = momentum, tracked


def _joined(parts: Sequence[Any]) -> Any:
    """Concatenates the outputs of the parts along the rows."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(list(parts))
    if isinstance(first, Mapping):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple | list):
        columns = [_joined(column) for column in zip(*parts, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    raise TypeError(f"a network must return tensors, in dicts, tuples or lists, not {first!r:.60}")
