"""Images, vectors and sequences from arrays: their axes, types and default augmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from rrl_dsl.data.column_files import Further
from rrl_dsl.data.columns import Array
from rrl_dsl.data.dataset import Shape, is_image
from rrl_dsl.language.diagnostics import RRLError, did_you_mean, listing

Fault = Callable[[str, str | None], RRLError]
"""Makes an error from what is wrong and a hint."""

_SMALL_SIDE: Final = 64
_USUAL: Final = (1, 3)
_MOST_CLASSES: Final = 10_000
_WHOLE: Final = (np.uint8, np.uint16)
_ORDER_HINT: Final = (
    "add an array `channels` with the text `first` or `last`; in Python, pass a tensor (C, H, W)"
)


def images_of(values: Array, channels: str | None, fault: Fault) -> Tensor:
    """Returns images (N, C, H, W) of an array.

    Args:
        values: uint8, uint16 or floating point; (N, H, W), (N, H, W, C) or (N, C, H, W).
        channels: `first` or `last`; None if the shape decides. Then the channels are the axis of
            length 1 or 3, or else the shorter of both axes.
        fault: Makes an error.

    Returns:
        uint8, uint16, or float32 for floating point.

    Raises:
        RRLError: If the type or the shape is wrong, or a value is not finite.
    """
    if values.dtype not in _WHOLE and values.dtype.kind != "f":
        what = f"has images of {values.dtype}; they must be uint8, uint16 or floating point"
        raise fault(what, "convert them, for example with `astype(np.float32)`")
    if values.size == 0:
        what = f"has images of shape {values.shape}, without pixels"
        raise fault(what, "leave out samples without an image")
    if values.ndim not in (3, 4):
        what = f"has images of shape {values.shape}; they must be (N, H, W), (N, H, W, C) or "
        raise fault(f"{what}(N, C, H, W)", "samples that are not images are an array `inputs`")
    if values.dtype.kind == "f":
        values = _finite(values, "images", fault)
    if values.ndim == 3:
        return torch.from_numpy(np.ascontiguousarray(values))[:, None]
    axis = _axis(values.shape, channels, fault)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, axis, 1)))


def _axis(shape: Shape, channels: str | None, fault: Fault) -> int:
    """The axis of the channels, 1 or 3."""
    if channels is not None:
        if channels not in ("first", "last"):
            raise fault(
                f"has `{channels}` in `channels`; it must be `first` or `last`", _ORDER_HINT
            )
        return 1 if channels == "first" else 3
    usual = [axis for axis in (1, 3) if shape[axis] in _USUAL]
    if len(usual) == 1:
        return usual[0]
    if usual or shape[1] == shape[3]:
        raise fault(f"has images of shape {shape}, whose channels are not apparent", _ORDER_HINT)
    return 1 if shape[1] < shape[3] else 3


def arrays_of(values: Array, name: str, fault: Fault) -> Tensor:
    """Returns vectors (N, d) or sequences (N, T, d) of an array, as float32.

    Raises:
        RRLError: If the type or the shape is wrong, or a value is infinite.
    """
    if values.dtype.kind not in "iuf" or values.ndim not in (2, 3) or values.size == 0:
        what = f"has `{name}` of {values.dtype} {values.shape}"
        hint = (
            "pass numbers: `array.astype(np.float32)`; a number is a vector: `array.reshape(-1, 1)`"
        )
        raise fault(f"{what}, which are neither vectors (N, d) nor sequences (N, T, d)", hint)
    if values.dtype.kind == "f" and np.isnan(values).all():
        raise fault(f"has no value in `{name}`: all are NaN", "NaN means a missing value")
    return torch.from_numpy(_finite(values, name, fault, missing=True))


def _finite(values: Array, name: str, fault: Fault, *, missing: bool = False) -> Array:
    """The values as float32; infinite ones, and NaN unless it may be missing, are errors."""
    with np.errstate(over="ignore"):
        single: Array = values.astype(np.float32)
    strange = np.isinf(single) if missing else ~np.isfinite(single)
    if strange.any():
        row = int(np.argwhere(strange)[0][0])
        what = f"has {values[strange][0]} in `{name}`, in row {row}"
        if np.isfinite(values[strange][0]):
            raise fault(f"{what}, which is beyond float32", "scale the values")
        raise fault(what, "NaN means a missing value" if missing else "fill in missing pixels")
    return single


def inputs_of(
    columns: Further, names: Sequence[str], rows: int, fault: Fault
) -> tuple[Tensor, Mapping[str, int]]:
    """Joins columns into vectors: numbers and vectors as they are, labels as one number per class.

    Args:
        columns: The columns of N samples.
        names: The columns to join.
        rows: N.
        fault: Makes an error.

    Returns:
        float32 (N, d), and the width of each column in it. A sample of unknown class is 0 for
        every class.

    Raises:
        RRLError: If a column does not exist or cannot be read, or a value is too large.
    """
    parts: dict[str, Array] = {}
    for name in names:
        if name in columns.unreadable:
            raise RRLError(columns.unreadable[name])
        if name in columns.fields:
            values = columns.fields[name].reshape(rows, -1)
            parts[name] = _finite(values, name, fault, missing=True)
        elif name in columns.labels:
            classes = len(columns.class_names[name])
            if classes > _MOST_CLASSES:
                what = (
                    f"has {classes:,} classes in `{name}`, and the encoder reads a number per class"
                )
                raise fault(what, f"leave it out of `inputs`; the limit is {_MOST_CLASSES:,}")
            parts[name] = _hot(columns.labels[name], classes)
        else:
            known = [*columns.fields, *columns.labels]
            hint = did_you_mean(name, known) or f"its columns are {listing(known, 'and')}"
            raise fault(f"has no column `{name}` for the encoder", hint)
    widths = {name: part.shape[1] for name, part in parts.items()}
    return torch.from_numpy(np.concatenate([*parts.values()], axis=1)), widths


def _hot(label: Array, classes: int) -> Array:
    """One number per class, float32 (n, classes), of labels (n,) or (n, k); -1 is none."""
    label = label.reshape(len(label), -1)
    hot = np.zeros((len(label), classes), dtype=np.float32)
    rows, places = np.nonzero(label >= 0)
    hot[rows, label[rows, places]] = 1
    return hot


def augmentation_of(inputs: Tensor) -> str:
    """Returns the default augmentation of images (N, C, H, W), vectors or sequences."""
    shape = inputs.shape[1:]
    if not is_image(shape):
        return "scarf"
    if inputs.is_floating_point() and not bool(((inputs >= 0) & (inputs <= 1)).all()):
        return "crop"
    if inputs.dtype == torch.uint16:  # may use a small part of the range, which noise would cover
        return "crop"
    if shape[0] == 1:
        # the images may show writing, which must not be mirrored
        return "digits"
    if shape[0] == 3:
        return "cifar" if max(shape) <= _SMALL_SIDE else "photo"
    return "crop"
