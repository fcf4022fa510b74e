"""Batches of images with their ids, labels and fields, and the data loaders that fetch them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler, get_worker_info

from rrl_dsl.data.crops import Crops
from rrl_dsl.data.dataset import Split
from rrl_dsl.data.image_files import ImageFiles
from rrl_dsl.language.diagnostics import RRLError, error


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch of b samples.

    Attributes:
        images: uint8 (b, C, H, W); (views, b, C, H, W) if the loader crops views from files.
        sample: int64 (b,), the stable ids.
        labels: Label name -> int64 (b,), or (b, k) for several labels per sample; -1 is none.
        fields: Field name -> numbers (b,) or vectors (b, d); NaN is missing.
        local: uint8 (local, b, C, side, side), the local views, if the loader crops them from
            files.
    """

    images: Tensor
    sample: Tensor
    labels: dict[str, Tensor]
    fields: dict[str, Tensor] = field(default_factory=dict)
    local: Tensor | None = None

    def __len__(self) -> int:
        return len(self.sample)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Returns the batch on a device.

        Args:
            device: The device.
            non_blocking: Whether the copy may be asynchronous. This is safe from pinned memory to
                an accelerator, but not back.
        """
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Returns the batch in page-locked memory; the data loader calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, move: Callable[[Tensor], Tensor]) -> Batch:
        labels = {name: move(label) for name, label in self.labels.items()}
        fields = {name: move(column) for name, column in self.fields.items()}
        local = None if self.local is None else move(self.local)
        return Batch(move(self.images), move(self.sample), labels, fields, local)


class SplitBatches(Dataset[Batch]):
    """A split as a map-style dataset of PyTorch, which fetches whole batches."""

    def __init__(self, split: Split, crops: Crops | None = None) -> None:
        """Initializes the dataset.

        Args:
            split: The samples.
            crops: The crops to draw from image files; None for whole images.
        """
        self._split = split
        self._crops = crops
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        """The epoch, on which crops depend; worker processes share it."""

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, place: int) -> Batch:
        """Returns a batch of one sample."""
        return self._fetch([place])

    def __getitems__(self, places: Sequence[int]) -> Batch | RRLError:
        """Returns the batch of the samples at some indices.

        Returns:
            The batch. In a worker process, an error such as a damaged image is returned, because
            PyTorch rebuilds exceptions of workers from their text alone.

        Raises:
            RRLError: An error of the images, outside of a worker process.
        """
        try:
            return self._fetch(places)
        except RRLError as problem:
            if get_worker_info() is None:
                raise
            return problem

    def _fetch(self, places: Sequence[int]) -> Batch:
        index = torch.as_tensor(places, dtype=torch.int64)
        index = index.to(self._split.sample.device, non_blocking=True)
        labels = {name: label[index] for name, label in self._split.labels.items()}
        fields = {name: column[index] for name, column in self._split.fields.items()}
        sample = self._split.sample[index]
        if self._crops is None:
            return Batch(self._split.images[index], sample, labels, fields)
        views, local = self._cropped(index, sample, self._crops)
        return Batch(views, sample, labels, fields, local)

    def _cropped(self, index: Tensor, sample: Tensor, crops: Crops) -> tuple[Tensor, Tensor | None]:
        """The crops of the views and of the local views."""
        every, epoch = [*crops.views, *crops.local], int(self.epoch)
        seeds = [
            [crops.draw(id_, view, epoch) for view in range(len(every))] for id_ in sample.tolist()
        ]
        assert isinstance(self._split.images, ImageFiles)
        cropped = self._split.images.cropped(index, every, seeds)
        views, local = cropped[: len(crops.views)], cropped[len(crops.views) :]
        return torch.stack(views), torch.stack(local) if local else None


class BatchLoader(DataLoader[Batch]):
    """A data loader that raises the errors that its workers return."""

    # torch declares a private class as the result
    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """Iterates over the batches of an epoch.

        Raises:
            RRLError: An error of the images.
        """
        if isinstance(self.dataset, SplitBatches):
            # Lightning sets the epoch of this sampler
            sampler = getattr(self.batch_sampler, "sampler", None)
            self.dataset.epoch.fill_(getattr(sampler, "epoch", 0))
        for batch in super().__iter__():
            if isinstance(batch, RRLError):
                # raising `batch` would create a reference cycle with this frame and the workers
                raise RRLError(batch.diagnostics)
            yield batch


def loader(
    split: Split,
    batch_size: int,
    *,
    shuffle: bool,
    seed: int = 0,
    world_size: int = 1,
    rank: int = 0,
    workers: int = 0,
    drop_last: bool = False,
    crops: Crops | None = None,
) -> BatchLoader:
    """Returns a loader over the share of a split that one process loads.

    The order of an epoch depends only on `seed` and on the epoch that `loader.sampler.set_epoch`
    sets, which Lightning calls.

    Args:
        split: The samples, on the device of the batches. With worker processes, on the CPU.
        batch_size: The number of samples per batch and process.
        shuffle: Whether to shuffle the samples in every epoch.
        seed: The seed of the order.
        world_size: The number of processes.
        rank: The rank of this process.
        workers: The number of worker processes; 0 fetches in this process.
        drop_last: Whether to drop an incomplete batch, as is usual in training. Otherwise some
            samples repeat, so that all processes have the same number.
        crops: As for `SplitBatches`.

    Returns:
        The loader.

    Raises:
        RRLError: RRL502 if the batch size is not positive, or if no batch is complete and
            incomplete ones are dropped.
    """
    share = len(split) // world_size
    if batch_size < 1:
        raise error("RRL502", f"the batch size must be at least 1, not {batch_size}")
    if drop_last and batch_size > share:
        processes = "" if world_size == 1 else f" for each of {world_size} processes"
        raise error(
            "RRL502",
            f"the batch size {batch_size} exceeds the {share} available samples{processes}",
            hint=f"set the batch size to {share} or less",
        )
    batches = SplitBatches(split, crops)
    sampler: DistributedSampler[Batch] = DistributedSampler(
        batches, world_size, rank, shuffle, seed, drop_last
    )
    fetching = _fetching(split, seed, workers)
    return BatchLoader(batches, batch_size, sampler=sampler, drop_last=drop_last, **fetching)


def listed_batches(
    split: Split,
    sampler: Sampler[list[int]],
    *,
    seed: int = 0,
    workers: int = 0,
    crops: Crops | None = None,
) -> BatchLoader:
    """Returns a loader over the batches of a batch sampler.

    Args:
        split: The samples, as for `loader`.
        sampler: Yields the indices of the samples of a batch.
        seed: The seed of the loader; batches do not depend on it.
        workers: The number of worker processes; 0 fetches in this process.
        crops: As for `SplitBatches`.
    """
    return BatchLoader(
        SplitBatches(split, crops), batch_sampler=sampler, **_fetching(split, seed, workers)
    )


def _fetching(split: Split, seed: int, workers: int) -> dict[str, Any]:
    return {
        "num_workers": workers,
        "collate_fn": _identity,
        "pin_memory": torch.cuda.is_available() and split.sample.device.type == "cpu",
        # the loader draws a seed in every epoch, which must not affect the global generator
        "generator": torch.Generator().manual_seed(seed),
        "persistent_workers": workers > 0,
    }


def row_columns(
    batch: Batch, views: int
) -> tuple[Tensor, Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Returns the sample ids, views, labels and fields of the rows of a batch.

    Args:
        batch: b samples.
        views: The number of views of a sample.

    Returns:
        The sample ids, the views and the labels, int64 (views * b,), and the fields, in the order
        of `rrl_dsl.data.views.Views`: the first view of all samples, then the second.
    """
    view = torch.arange(views, device=batch.sample.device).repeat_interleave(len(batch))
    labels = {
        name: label.repeat(views, *[1] * (label.ndim - 1)) for name, label in batch.labels.items()
    }
    fields = {
        name: column.repeat(views, *[1] * (column.ndim - 1))
        for name, column in batch.fields.items()
    }
    return batch.sample.repeat(views), view, labels, fields


def _identity(batch: Any) -> Any:
    return batch
