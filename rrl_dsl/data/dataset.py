"""A dataset: splits of images, or of other arrays, with stable ids, labels and fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from numpy.typing import NDArray
from torch import Tensor

from rrl_dsl.data.columns import Columns
from rrl_dsl.data.holding_out import held_out
from rrl_dsl.data.pixels import WHITE
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error

if TYPE_CHECKING:
    from rrl_dsl.data.channel_statistics import Statistics

Shape = tuple[int, ...]
"""(C, H, W) of an image, (d,) of a vector, or (T, d) of a sequence."""


class Images(Protocol):
    """A store of images or arrays: a tensor (n, *shape), or an object with the same indexing."""

    def __len__(self) -> int:
        """The number of images."""
        ...

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """Returns those at int64 indices (b,): uint8, uint16 or float32 (b, *shape)."""
        ...


@runtime_checkable
class Selectable(Protocol):
    """A store of images that is not a tensor, and that can be divided."""

    def at(self, index: Tensor, /) -> Images:
        """Returns a store of the images at int64 indices (b,)."""
        ...


@dataclass(frozen=True, eq=False)
class Split:
    """Images, or vectors or sequences, with their ids, labels and fields.

    Attributes:
        images: n images, uint8, uint16 or float32 (C, H, W), or n vectors or sequences, float32.
            White is 255 or 65535; float32 is not scaled. In arrays NaN is missing.
        sample: int64 (n,), the stable ids, non-negative and unique.
        labels: Label name -> int64 (n,), the class of every image, or (n, k), its classes; -1 is
            none.
        fields: Field name -> numbers (n,) or vectors (n, d), int64 or floating point; NaN is
            missing.
        names: The texts whose hashes are the ids, such as paths; empty if the ids are not hashes.

    Raises:
        RRLError: RRL412 if lengths, types or values are wrong.
    """

    images: Images
    sample: Tensor
    labels: Mapping[str, Tensor]
    fields: Mapping[str, Tensor] = field(default_factory=dict)
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(self) == 0:
            raise error("RRL412", "a split of a dataset has no images")
        _check_column("sample", self.sample, len(self))
        if int(self.sample.min()) < 0:
            raise error("RRL412", f"sample ids must not be negative: {int(self.sample.min())}")
        for name, label in self.labels.items():
            _check_column(f"label `{name}`", label, len(self), sets=True)
        for name, column in self.fields.items():
            _check_field(name, column, len(self))

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> Split:
        """Returns the samples on a device.

        Raises:
            TypeError: If the images are not a tensor.
        """
        if not isinstance(self.images, Tensor):
            raise TypeError("only images in memory can be moved to a device")
        return Split(
            self.images.to(device),
            self.sample.to(device),
            {name: label.to(device) for name, label in self.labels.items()},
            {name: column.to(device) for name, column in self.fields.items()},
            self.names,
        )

    def at(self, index: Tensor) -> Split:
        """Returns the samples at int64 indices (b,)."""
        images = self.images
        return Split(
            images.at(index) if isinstance(images, Selectable) else images[index],
            self.sample[index],
            {name: label[index] for name, label in self.labels.items()},
            {name: column[index] for name, column in self.fields.items()},
            [self.names[place] for place in index.tolist()] if self.names else (),
        )


@dataclass(frozen=True, eq=False)
class DataSet:
    """A dataset with a training and a test split, and optionally a validation split.

    Attributes:
        name: The name of the dataset.
        train: The training split.
        test: The split for the final evaluation.
        class_names: Label name -> the names of its classes. The finest label, if there is one, is
            called `label`.
        shape: (C, H, W) of every image, (d,) of every vector or (T, d) of every sequence.
        augmentation: The default preset of `rrl_dsl.data.view_presets`.
        val: The split that is evaluated after every epoch, if there is one.
        notes: Warnings about how the dataset was read.
        unreadable: Name of a column that cannot be read -> its errors. A recipe that reads the
            column raises them.
        statistics: The statistics by which inputs are normalized; None for those of the
            augmentation.
        test_is_drawn: Whether the data have no test split, and a hash of the ids draws it.
        prompts: Field name -> what the field says of each class of `label`, (classes, ...). Towers
            classify by it, without training (zero-shot).

    Raises:
        RRLError: RRL412 if the splits, the shape or the class names do not match.
    """

    name: str
    train: Split
    test: Split
    class_names: Mapping[str, tuple[str, ...]]
    shape: Shape
    augmentation: str
    val: Split | None = None
    notes: tuple[Diagnostic, ...] = ()
    unreadable: Mapping[str, tuple[Diagnostic, ...]] = field(default_factory=dict)
    statistics: Statistics | None = None
    test_is_drawn: bool = False
    prompts: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part, split in self._splits():
            self._check_images(part, split)
            self._check_labels(part, split)
            if _shapes(self.train) != _shapes(split):
                raise self._malformed(
                    f"has the fields {_shapes(self.train)} in train and {_shapes(split)} in {part}"
                )
        repeated = first_repeat(torch.cat([split.sample for _, split in self._splits()]))
        if repeated is not None:
            raise self._malformed(f"gives the sample id {repeated} to more than one image")
        for name, values in self.prompts.items():
            self._check_prompts(name, values)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the inputs."""
        return self.train.images[torch.zeros(1, dtype=torch.int64)].dtype

    @property
    def watched(self) -> Split:
        """The split that is evaluated after every epoch: validation, or else test."""
        return self.val or self.test

    @property
    def others(self) -> Tensor:
        """int64 (m,), the ids of the samples outside the training split."""
        return torch.cat([split.sample for part, split in self._splits() if part != "train"])

    def with_validation(self, share: float) -> DataSet:
        """Returns the dataset with a validation split from its training split.

        Args:
            share: The expected share of the training samples, between 0 and 1. A hash of the id
                draws them.

        Raises:
            RRLError: RRL502 if there is a validation split, or if no sample is drawn, or all are.
        """
        if self.val is not None:
            message = f"`split` draws a validation split, but `{self.name}` has one"
            raise error("RRL502", message, hint="leave it out", settings=("split",))
        drawn = held_out(self.train.sample, share)
        if bool(drawn.all()) or not bool(drawn.any()):
            message = f"`split` is {share:g}, which divides the {len(drawn)} training samples"
            message += f" into {int((~drawn).sum())} and {int(drawn.sum())}"
            raise error(
                "RRL502", message, hint="choose another share, such as 0.1", settings=("split",)
            )
        train, val = (self.train.at(part.nonzero().flatten()) for part in (~drawn, drawn))
        return replace(self, train=train, val=val)

    def _splits(self) -> Iterator[tuple[str, Split]]:
        yield "train", self.train
        if self.val is not None:
            yield "val", self.val
        yield "test", self.test

    def _check_images(self, part: str, split: Split) -> None:
        first = split.images[torch.zeros(1, dtype=torch.int64)]
        types: tuple[torch.dtype, ...] = (torch.float32,)
        if is_image(self.shape):
            types = (*WHITE, torch.float32) if part == "train" else (self.dtype,)
        if first.dtype not in types or tuple(first.shape) != (1, *self.shape):
            actual, what = (
                f"{first.dtype} {tuple(first.shape[1:])}",
                "images" * is_image(self.shape),
            )
            wanted = f"{' or '.join(map(str, types))} {self.shape}"
            raise self._malformed(f"has {part} {what or 'vectors'} of {actual}, not {wanted}")

    def _check_labels(self, part: str, split: Split) -> None:
        if split.labels.keys() != self.class_names.keys():
            labels, named = sorted(split.labels), sorted(self.class_names)
            raise self._malformed(f"names the classes of {named}, but {part} has labels {labels}")
        for name, label in split.labels.items():
            classes = len(self.class_names[name])
            low, high = int(label.min()), int(label.max())
            if low < -1 or high >= classes:
                wrong = low if low < -1 else high
                raise self._malformed(
                    f"has the value {wrong} in {part} label `{name}`, which has {classes} classes; "
                    "values are 0, 1, ... or -1 for unknown"
                )

    def _check_prompts(self, name: str, values: Tensor) -> None:
        classes = len(self.class_names.get("label", ()))
        wanted = (classes, *_shapes(self.train).get(name, ()))
        if name not in self.train.fields or tuple(values.shape) != wanted:
            what = f"has prompts `{name}` of shape {tuple(values.shape)}, not {wanted}: one value "
            hint = "list the prompts in the order of the classes, or leave them out"
            raise self._malformed(f"{what}of a field for each class of `label`", hint)

    def _malformed(self, what: str, hint: str | None = None) -> RRLError:
        return error("RRL412", f"dataset `{self.name}` {what}", hint=hint)


def is_image(shape: Sequence[int]) -> bool:
    """Whether a shape is that of an image, as opposed to a vector or a sequence."""
    return len(shape) == 3


def tensors(columns: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Returns NumPy columns as tensors."""
    return {name: torch.from_numpy(column) for name, column in columns.items()}


def columns_of(dataset: DataSet) -> Columns:
    """Returns the columns of the training split."""
    train = dataset.train
    return Columns(
        name=dataset.name,
        sample=train.sample.numpy(),
        labels={name: label.numpy() for name, label in train.labels.items()},
        class_names=dataset.class_names,
        fields={name: field.numpy() for name, field in train.fields.items()},
        others=dataset.others.numpy(),
        notes=dataset.notes,
        unreadable=dataset.unreadable,
    )


def first_repeat(values: Tensor) -> int | None:
    """Returns the smallest value that occurs more than once in an int64 (n,) tensor, or None."""
    ordered = values.sort().values
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    return int(repeated[0]) if len(repeated) else None


def coarsen(label: Tensor, coarse_of: Sequence[int]) -> Tensor:
    """Maps fine classes to coarse ones.

    Args:
        label: int64 (n,), the fine classes; -1 is unknown.
        coarse_of: The coarse class of every fine class.

    Returns:
        int64 (n,), the coarse classes; -1 is unknown.
    """
    return torch.tensor([*coarse_of, -1], dtype=torch.int64)[label]


def _shapes(split: Split) -> dict[str, list[int]]:
    """Field name -> the shape of a value."""
    return {name: list(split.fields[name].shape[1:]) for name in sorted(split.fields)}


def _check_column(name: str, column: Tensor, rows: int, *, sets: bool = False) -> None:
    shape = column.shape[:1] if sets and column.ndim == 2 else column.shape
    if column.dtype != torch.int64 or tuple(shape) != (rows,):
        actual = f"{column.dtype} {tuple(column.shape)}"
        raise error("RRL412", f"{name} must be torch.int64 ({rows},), not {actual}")


def _check_field(name: str, column: Tensor, rows: int) -> None:
    numeric = column.is_floating_point() or column.dtype == torch.int64
    if not numeric or column.ndim not in (1, 2) or len(column) != rows:
        actual = f"{column.dtype} {tuple(column.shape)}"
        message = f"field `{name}` must be numbers ({rows},) or vectors ({rows}, d), not {actual}"
        raise error("RRL412", message)
    if column.is_floating_point() and bool(column.isinf().any()):
        raise error(
            "RRL412", f"field `{name}` has an infinite value", hint="use NaN for a missing value"
        )
