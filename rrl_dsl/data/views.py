"""Views: what augmentation makes of a batch of images, on the device that holds them.

A preset is a function from the shape of an image to a module that augments a batch, float
(n, C, H, W) within [0, 1], each image by parameters of its own; or to a list of modules, for one
view each, and again from the first where there are more views. To add one, register it here or in
any module that is imported before training:

    @preset("mirrored", mean=(0.5,), std=(0.25,))
    def mirrored(shape: Shape) -> nn.Module:
        return augmentation.RandomHorizontalFlip()

A view that begins with a `RandomCrop`, as the first of an `nn.Sequential`, is cropped from the
whole file where images are files: see `rrl_dsl.data.crops`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

import torch
from kornia import augmentation
from torch import Tensor, nn

from rrl_dsl.data.crops import Crop, Crops, Scale
from rrl_dsl.data.dataset import Shape
from rrl_dsl.data.jitter import ColorJitter
from rrl_dsl.language.diagnostics import did_you_mean, error, listing

Build = Callable[[Shape], nn.Module | list[nn.Module]]
BuildLocal = Callable[[Shape, Scale], nn.Module]


@dataclass(frozen=True)
class Preset:
    """How to draw views of a kind of image.

    Attributes:
        build: From the shape of an image to the module that augments a batch, or to one for each
            view.
        mean: What is subtracted of every channel, scaled to [0, 1]; one value serves any
            number of channels.
        std: What the channels are then divided by.
        local: From the shape of a small crop and its scale to the module that draws it.
    """

    build: Build
    mean: tuple[float, ...]
    std: tuple[float, ...]
    local: BuildLocal | None = None


PRESETS: Final[dict[str, Preset]] = {}
"""Name -> preset."""


def preset(
    name: str,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    local: BuildLocal | None = None,
) -> Callable[[Build], Build]:
    """A decorator that makes a function from a shape to a module a preset called `name`."""

    def register(build: Build) -> Build:
        PRESETS[name] = Preset(build, mean, std, local)
        return build

    return register


class Views(nn.Module):
    """Draws views of whole batches, and normalises."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, shape: Shape, local: tuple[int, Scale] | None = None) -> None:
        """Views by a preset.

        Args:
            name: A key of `PRESETS`.
            shape: (C, H, W) of the images.
            local: The side and the scale of local views, where some are drawn.

        Raises:
            RRLError: RRL502, if there is no such preset, it is for another number of channels, or
                has no local views where some are wanted.
        """
        super().__init__()
        if name not in PRESETS:
            hint = did_you_mean(name, tuple(PRESETS))
            known = listing(PRESETS)
            raise error("RRL502", f"there is no augmentation `{name}`; there is {known}", hint=hint)
        chosen = PRESETS[name]
        if len(chosen.mean) not in (1, shape[0]):
            raise error(
                "RRL502",
                f"augmentation `{name}` is for images of {len(chosen.mean)} channels, "
                f"and these have {shape[0]}",
            )
        built = chosen.build(shape)
        self.augment = nn.ModuleList(built if isinstance(built, list) else [built])
        self.augment_local: nn.ModuleList | None = None
        if local is not None:
            if chosen.local is None:
                raise error("RRL502", f"augmentation `{name}` has no local views")
            side, scale = local
            self.augment_local = nn.ModuleList([chosen.local((shape[0], side, side), scale)])
        self.register_buffer("mean", torch.tensor(chosen.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(chosen.std)[:, None, None], persistent=False)

    @torch.no_grad()
    def forward(self, images: Tensor, count: int, seed: int) -> Tensor:
        """Views of a batch; on one kind of device they depend on the arguments alone.

        Args:
            images: uint8 (b, C, H, W), or (count, b, C, H, W) where each view is cropped already.
            count: The number of views of each image.
            seed: What the draws follow from.

        Returns:
            float32 (count * b, C, H, W), normalised; first the first view of every image, then
            the second.
        """
        return self._drawn(self.augment, images, count, seed)

    @torch.no_grad()
    def local(self, images: Tensor, count: int, seed: int) -> Tensor:
        """Local views of a batch: small crops, float32 (count * b, C, side, side), as `forward`."""
        assert self.augment_local is not None
        return self._drawn(self.augment_local, images, count, seed)

    def crops(self, count: int, local: int, seed: int) -> Crops | None:
        """The crops that views begin with, or None where some view begins with something else.

        Args:
            count: The number of views.
            local: The number of local views.
            seed: What the draws follow from.
        """
        every = [*_in_turn(self.augment, count), *_in_turn(self.augment_local or (), local)]
        begin = [each[0] if isinstance(each, nn.Sequential) else each for each in every]
        found = [each.crop for each in begin if isinstance(each, RandomCrop)]
        return Crops(found[:count], found[count:], seed) if len(found) == len(begin) else None

    @torch.no_grad()
    def plain(self, images: Tensor) -> Tensor:
        """The images as they are, normalised.

        Args:
            images: uint8 (b, C, H, W).

        Returns:
            float32 (b, C, H, W).
        """
        with _without_autocast(images.device):
            return self._normalise(_unit(images))

    def _drawn(self, augment: nn.ModuleList, images: Tensor, count: int, seed: int) -> Tensor:
        with _seeded(seed, images.device), _without_autocast(images.device):
            unit, cropped = _unit(images), images.ndim == 5
            views: dict[int, Tensor] = {}
            for first, module in enumerate(augment[:count]):
                numbers = range(first, count, len(augment))
                if cropped:
                    drawn = _behind_crop(module)(unit[first :: len(augment)].flatten(0, 1))
                else:
                    drawn = module(unit.repeat(len(numbers), 1, 1, 1))  # one pass for all
                views |= zip(numbers, drawn.chunk(len(numbers)), strict=True)
            return self._normalise(torch.cat([views[number] for number in range(count)]))

    def _normalise(self, images: Tensor) -> Tensor:
        return (images - self.mean.to(images.device)) / self.std.to(images.device)


def _in_turn(modules: Iterable[nn.Module], count: int) -> list[nn.Module]:
    """A module for each view, and again from the first where there are more views."""
    return list(islice(cycle(modules), count))


def _behind_crop(module: nn.Module) -> nn.Module:
    """What is left of a view's module behind its crop."""
    return module[1:] if isinstance(module, nn.Sequential) else nn.Identity()


def _digits_local(shape: Shape, scale: Scale) -> nn.Module:
    return nn.Sequential(RandomCrop(shape, scale), augmentation.RandomGaussianNoise(std=0.2, p=1.0))


def _small_grey_local(shape: Shape, scale: Scale) -> nn.Module:
    return nn.Sequential(RandomCrop(shape, scale), augmentation.RandomHorizontalFlip())


@preset("digits", mean=(0.306,), std=(0.376,), local=_digits_local)
def digits(shape: Shape) -> nn.Module:
    """For writing: moved, turned and slanted a little and with noise; never mirrored."""
    return nn.Sequential(
        augmentation.RandomAffine(
            degrees=15.0, translate=(0.1, 0.1), scale=(0.8, 1.1), shear=10.0, p=1.0
        ),
        augmentation.RandomGaussianNoise(std=0.2, p=1.0),
    )


@preset("small-grey", mean=(0.286,), std=(0.353,), local=_small_grey_local)
def small_grey(shape: Shape) -> nn.Module:
    """For small grey images of things that may be mirrored, such as clothes."""
    return nn.Sequential(
        RandomCrop(shape, (0.4, 1.0)),
        augmentation.RandomHorizontalFlip(),
        augmentation.RandomAffine(degrees=10.0, shear=5.0, p=1.0),
    )


# solo-learn's, scripts/pretrain/cifar/augmentations and, of W-MSE and VICReg, the method's own
# file; local views as in imagenet-100-multicrop: the jitter of the others, no blur, no solarisation

_Jitter = tuple[float, float, float, float]
_STRONG: Final[_Jitter] = (0.8, 0.8, 0.8, 0.2)
_WEAK: Final[_Jitter] = (0.4, 0.4, 0.4, 0.1)
_MILD: Final[_Jitter] = (0.4, 0.4, 0.2, 0.1)


def _local(jitter: _Jitter) -> BuildLocal:
    return lambda shape, scale: _colour(shape, scale, jitter=jitter)


_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@preset("cifar", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_STRONG))
def cifar(shape: Shape) -> nn.Module:
    """`symmetric`: every view by the same strong one."""
    return _colour(shape, blur=9)


@preset("cifar-weak", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_WEAK))
def cifar_weak(shape: Shape) -> nn.Module:
    """`symmetric_weak`: colours change half as much."""
    return _colour(shape, jitter=_WEAK, blur=9)


@preset("cifar-asymmetric", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_MILD))
def cifar_asymmetric(shape: Shape) -> list[nn.Module]:
    """`asymmetric`: no blur, and every second view may be solarised."""
    return [_colour(shape, jitter=_MILD), _colour(shape, jitter=_MILD, solarize=0.2)]


@preset("cifar-wmse", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_STRONG))
def cifar_wmse(shape: Shape) -> nn.Module:
    """W-MSE's: milder crops and no blur."""
    return _colour(shape, (0.2, 1.0))


@preset("cifar-vicreg", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_MILD))
def cifar_vicreg(shape: Shape) -> nn.Module:
    """VICReg's: milder crops, no blur, and a few views are solarised."""
    return _colour(shape, (0.2, 1.0), jitter=_MILD, solarize=0.1)


@preset("photo", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), local=_local(_STRONG))
def photo(shape: Shape) -> nn.Module:
    """For photographs: as `cifar`, with SimCLR's blur over a tenth of the image."""
    return _colour(shape, blur=max(9, min(shape[1:]) // 20 * 2 + 1))


def _colour(
    shape: Shape,
    scale: Scale = (0.08, 1.0),
    *,
    jitter: _Jitter = _STRONG,
    blur: int | None = None,
    solarize: float = 0.0,
) -> nn.Module:
    """Crop, colour jitter, grey, blur, solarisation and flip, as SimCLR and BYOL have them.

    Args:
        shape: (C, H, W) of the views.
        scale: Of the crop.
        jitter: How much brightness, contrast, saturation and hue change.
        blur: The side of the kernel in pixels; None for no blur.
        solarize: The share of views that are solarised.
    """
    modules = [
        RandomCrop(shape, scale),
        ColorJitter(*jitter, p=0.8),
        augmentation.RandomGrayscale(p=0.2),
    ]
    if blur is not None:
        modules.append(_blur(shape, blur))
    if solarize:  # what is at least half as bright as white is inverted
        half, none = (0.5, 0.5), (0.0, 0.0)
        modules.append(augmentation.RandomSolarize(half, none, p=solarize))
    return nn.Sequential(*modules, augmentation.RandomHorizontalFlip())


class RandomCrop(augmentation.RandomResizedCrop):  # type: ignore[misc]
    """Kornia's random crop, which knows what it draws."""

    def __init__(self, shape: Shape, scale: Scale) -> None:
        """A crop.

        Args:
            shape: (C, H, W) of the result.
            scale: The least and the largest share of the area.
        """
        self.crop = Crop(shape[1], scale)
        super().__init__(
            shape[1:],
            scale=scale,
            ratio=self.crop.ratio,
            cropping_mode="resample",  # the other mode cuts the images out one by one
        )


def _blur(shape: Shape, kernel: int) -> nn.Module:
    # a kernel wider than the image would reflect more of it than there is
    side = min(kernel, (min(shape[1:]) - 1) // 2 * 2 + 1)
    blur: nn.Module = augmentation.RandomGaussianBlur((side, side), sigma=(0.1, 2.0), p=0.5)
    return blur


def _unit(images: Tensor) -> Tensor:
    return images.to(torch.float32) / 255


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The processor's and the device's generators set to a seed, and given back as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        # not torch.manual_seed, which would seed every device and restore but this one
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _without_autocast(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, enabled=False)
