"""Augmentations as a list of operations, with their names in kornia and torchvision.

An operation is a name, or a name with its arguments:

    - RandomResizedCrop: {scale: [0.2, 1.0]}
    - ColorJitter: {brightness: 0.4, contrast: 0.4, p: 0.8}
    - torchvision:RandomPosterize: {bits: 3}
    - RandomHorizontalFlip

A name is that of an image augmentation of `kornia.augmentation`. With `torchvision:` it is that of
a transform of `torchvision.transforms.v2`, which is applied to one image after the other, since a
transform draws its parameters once per call. `RandomResizedCrop` keeps the size of the images, and
takes `scale` and `ratio`. `ColorJitter` draws the order of its changes for every image. For vectors
and sequences, a name is that of a class of `rrl_dsl.data.vector_operations`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from kornia import augmentation as kornia
from torch import Tensor, nn
from torchvision.transforms import v2

from rrl_dsl.data.crops import Crop, Scale
from rrl_dsl.data.dataset import Shape, is_image
from rrl_dsl.data.jitter import ColorJitter
from rrl_dsl.data.vector_operations import FeatureDropout, MarginalSwap, Noise
from rrl_dsl.language.diagnostics import RRLError, did_you_mean, error, listing

_KINDS: Final = (kornia.IntensityAugmentationBase2D, kornia.GeometricAugmentationBase2D)
_TORCHVISION: Final = "torchvision:"


class RandomCrop(kornia.RandomResizedCrop):  # type: ignore[misc]  # kornia has no types
    """Kornia's random crop, with its parameters as a `Crop`."""

    def __init__(self, shape: Shape, scale: Scale, ratio: Scale = Crop.ratio) -> None:
        """Initializes the crop.

        Args:
            shape: (C, H, W) of the result.
            scale: The range of the area, as a fraction of the area of the image.
            ratio: The range of the aspect ratio, width / height.
        """
        self.crop = Crop(shape[1], scale, ratio)
        super().__init__(
            shape[1:],
            scale=scale,
            ratio=ratio,
            cropping_mode="resample",  # the other mode crops the images one by one
        )


class EachImage(nn.Module):
    """Applies a transform to each image of a batch, with new random parameters per image."""

    def __init__(self, transform: nn.Module) -> None:
        """Initializes the module with a transform of an image, float (C, H, W)."""
        super().__init__()
        self.transform = transform

    def forward(self, images: Tensor) -> Tensor:
        """Returns the transformed images, float (n, C, H, W)."""
        return torch.stack([self.transform(image) for image in images])


def build(operations: Sequence[Any], shape: Shape) -> nn.Sequential:
    """Builds a list of operations.

    Args:
        operations: A name, or a mapping of one name to its arguments, for each operation.
        shape: (C, H, W) of the images, or the shape of vectors or sequences.

    Returns:
        A module that augments a batch, float (n, *shape): images within [0, 1], vectors
        standardized.

    Raises:
        RRLError: RRL502 if there is no such operation, if it refuses its arguments or the samples,
            or if it changes their shape.
    """
    built = nn.Sequential(*(_operation(*_read(entry), shape) for entry in operations))
    _check(built, operations, shape)
    return built


def _read(operation: Any) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of an operation."""
    if isinstance(operation, str):
        return operation, {}
    if isinstance(operation, Mapping) and len(operation) == 1:
        ((name, arguments),) = operation.items()
        if isinstance(name, str) and isinstance(arguments, Mapping | None):
            return name, {str(key): _tuples(value) for key, value in (arguments or {}).items()}
    raise _fault(
        f"an operation is a name, or a name with its arguments, not {operation!r:.60}",
        "write `- ColorJitter: {brightness: 0.4}`",
    )


def _tuples(value: Any) -> Any:
    """The value with tuples in place of lists, as the operations expect."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _operation(name: str, arguments: Mapping[str, Any], shape: Shape) -> nn.Module:
    make = _maker(name, shape)
    try:
        inspect.signature(make).bind(**arguments)
    except TypeError as reason:
        known = [key for key in inspect.signature(make).parameters if key not in _HIDDEN]
        raise _fault(f"`{name}`: {reason}", f"its arguments are {listing(known, 'and')}") from None
    try:
        made = make(**arguments)
    except Exception as reason:  # the library can raise any error
        raise _fault(f"`{name}` refuses its arguments: {reason}") from reason
    return EachImage(made) if name.startswith(_TORCHVISION) else made


_HIDDEN: Final = ("args", "kwargs", "return_transform", "keepdim", "same_on_batch")


def _maker(name: str, shape: Shape) -> Callable[..., nn.Module]:
    """The function that makes an operation."""
    known = _known(shape)
    if name not in known:
        other = f"{_TORCHVISION}{name}"
        hint = did_you_mean(name, [*known]) or (f"write `{other}`" if other in known else None)
        if ":" in name and not name.startswith(_TORCHVISION):
            hint = f"a function of your own draws a whole view: `augmentation={name}`"
        if not is_image(shape):
            hint = hint or f"the operations on vectors are {listing(known, 'and')}"
        raise _fault(f"there is no operation `{name}`", hint or "see docs/training.md")
    return known[name]


def _known(shape: Shape) -> Mapping[str, Callable[..., nn.Module]]:
    """Name -> the function that makes an operation on samples of a shape."""
    if not is_image(shape):
        return {kind.__name__: kind for kind in (Noise, FeatureDropout, MarginalSwap)}
    known: dict[str, Callable[..., nn.Module]] = {
        name: kind for name, kind in vars(kornia).items() if _is_subclass(kind, _KINDS)
    }
    known["ColorJitter"] = ColorJitter

    def resized_crop(scale: Scale = (0.08, 1.0), ratio: Scale = Crop.ratio) -> nn.Module:
        crop: nn.Module = RandomCrop(shape, scale, ratio)
        return crop

    known["RandomResizedCrop"] = resized_crop
    return known | {
        f"{_TORCHVISION}{name}": kind
        for name, kind in vars(v2).items()
        if _is_subclass(kind, (v2.Transform,)) and kind is not v2.Lambda
    }


def _is_subclass(kind: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(kind, type) and issubclass(kind, kinds) and kind not in kinds


def _check(built: nn.Module, operations: Sequence[Any], shape: Shape) -> None:
    """Refuses operations that cannot augment samples of this shape."""
    what = f"images {shape}" if is_image(shape) else f"vectors {shape}"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            result = built(torch.rand(2, *shape))
        except RRLError:
            raise
        except Exception as reason:
            raise _fault(f"these operations cannot augment {what}: {reason}") from reason
    if not isinstance(result, Tensor) or result.shape != (2, *shape):
        got = tuple(result.shape[1:]) if isinstance(result, Tensor) else type(result).__name__
        raise _fault(f"these operations turn {what} into {got}", "keep the shape")
    if not result.is_floating_point():
        raise _fault(f"these operations return values of the type {result.dtype}, not float")


def _fault(message: str, hint: str | None = None) -> RRLError:
    return error("RRL502", f"`augmentation`: {message}", hint=hint)
