"""Views: random augmentations of a batch of images, computed on its device.

A preset is a function from the shape of an image to a module that augments a batch, float
(n, C, H, W) within [0, 1], and draws parameters for every image. It may also return a list of
modules, which the views use in turn. To add a preset, register it here or in any module that is
imported before training:

    @preset("mirrored", mean=(0.5,), std=(0.25,))
    def mirrored(shape: Shape) -> nn.Module:
        return augmentation.RandomHorizontalFlip()

If the images are files and the first module of a view is a `RandomCrop`, the data loader crops the
file itself: see `rrl_dsl.data.crops`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final

import torch
from kornia import augmentation
from torch import Tensor, nn

from rrl_dsl.data.crops import Crops, Scale
from rrl_dsl.data.dataset import Shape
from rrl_dsl.data.jitter import ColorJitter
from rrl_dsl.data.operations import RandomCrop, build
from rrl_dsl.language.diagnostics import did_you_mean, error, listing

Build = Callable[[Shape], nn.Module | list[nn.Module]]
BuildLocal = Callable[[Shape, Scale], nn.Module]


@dataclass(frozen=True)
class Preset:
    """The augmentation and normalization of a kind of image.

    Attributes:
        build: Maps the shape of an image to the module that augments a batch, or to a list of
            modules that the views use in turn.
        mean: The mean of every channel, scaled to [0, 1]; a single value is for all channels.
        std: The standard deviation of every channel.
        local: Maps the shape and the scale of a small crop to the module that draws it.
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
    """Returns a decorator that registers a function as the preset `name`."""

    def register(build: Build) -> Build:
        PRESETS[name] = Preset(build, mean, std, local)
        return build

    return register


class Views(nn.Module):
    """Draws and normalizes the views of a batch."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        shape: Shape,
        local: tuple[int, Scale] | None = None,
        drawn: Sequence[str | Sequence[Any]] | None = None,
    ) -> None:
        """Builds the modules of the views.

        Args:
            name: A key of `PRESETS`, which normalizes the images, and draws the views unless
                `drawn` does.
            shape: (C, H, W) of the images.
            local: The side and the scale of local views; None for no local views.
            drawn: For each view, a key of `PRESETS` or a list of operations, see
                `rrl_dsl.data.operations`. More views than that use them in turn.

        Raises:
            RRLError: RRL502 if there is no such preset or operation, if a preset is for another
                number of channels, or if it has no local views.
        """
        super().__init__()
        chosen = _preset(name, shape)
        built = _built(chosen, shape) if drawn is None else _drawn_by(drawn, shape)
        self.augment = nn.ModuleList(built)
        self.augment_local: nn.ModuleList | None = None
        if local is not None:
            if chosen.local is None:
                raise error("RRL502", f"the augmentation `{name}` has no local views")
            side, scale = local
            self.augment_local = nn.ModuleList([chosen.local((shape[0], side, side), scale)])
        self.register_buffer("mean", torch.tensor(chosen.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(chosen.std)[:, None, None], persistent=False)

    @torch.no_grad()
    def forward(self, images: Tensor, count: int, seed: int) -> Tensor:
        """Draws the views of a batch; on one kind of device they depend on the arguments alone.

        Args:
            images: uint8 (b, C, H, W); (count, b, C, H, W) if the views are already cropped.
            count: The number of views of an image.
            seed: The seed.

        Returns:
            float32 (count * b, C, H, W), normalized: the first view of all images, then the second.
        """
        return self._drawn(self.augment, images, count, seed)

    @torch.no_grad()
    def local(self, images: Tensor, count: int, seed: int) -> Tensor:
        """Draws local views as `forward` does: small crops, float32 (count * b, C, side, side)."""
        assert self.augment_local is not None
        return self._drawn(self.augment_local, images, count, seed)

    def crops(self, count: int, local: int, seed: int) -> Crops | None:
        """Returns the crops that the views start with; None if a view starts otherwise.

        Args:
            count: The number of views.
            local: The number of local views.
            seed: The seed.
        """
        views = [*_in_turn(self.augment, count), *_in_turn(self.augment_local or (), local)]
        first = [view[0] if isinstance(view, nn.Sequential) else view for view in views]
        crops = [module.crop for module in first if isinstance(module, RandomCrop)]
        return Crops(crops[:count], crops[count:], seed) if len(crops) == len(first) else None

    @torch.no_grad()
    def plain(self, images: Tensor) -> Tensor:
        """Normalizes images without augmentation.

        Args:
            images: uint8 (b, C, H, W).

        Returns:
            float32 (b, C, H, W).
        """
        with _without_autocast(images.device):
            return self._normalize(_unit(images))

    def unit(self, images: Tensor) -> Tensor:
        """Undoes the normalization of images, float (b, C, H, W)."""
        return images * self.std.to(images.device) + self.mean.to(images.device)

    def _drawn(self, augment: nn.ModuleList, images: Tensor, count: int, seed: int) -> Tensor:
        with _seeded(seed, images.device), _without_autocast(images.device):
            unit, cropped = _unit(images), images.ndim == 5
            views: dict[int, Tensor] = {}
            for first, module in enumerate(augment[:count]):
                numbers = range(first, count, len(augment))
                if cropped:
                    drawn = _behind_crop(module)(unit[first :: len(augment)].flatten(0, 1))
                else:
                    drawn = module(unit.repeat(len(numbers), 1, 1, 1))  # one pass for all of them
                views |= zip(numbers, drawn.chunk(len(numbers)), strict=True)
            return self._normalize(torch.cat([views[number] for number in range(count)]))

    def _normalize(self, images: Tensor) -> Tensor:
        return (images - self.mean.to(images.device)) / self.std.to(images.device)


def _preset(name: str, shape: Shape) -> Preset:
    """The preset of a name, which must be for the number of channels of the images."""
    if name not in PRESETS:
        message = f"there is no augmentation `{name}`; the augmentations are {listing(PRESETS)}"
        raise error("RRL502", message, hint=did_you_mean(name, tuple(PRESETS)))
    chosen = PRESETS[name]
    if len(chosen.mean) not in (1, shape[0]):
        raise error(
            "RRL502",
            f"the augmentation `{name}` is for images with {len(chosen.mean)} "
            f"channels, and these images have {shape[0]}",
        )
    return chosen


def _built(chosen: Preset, shape: Shape) -> list[nn.Module]:
    built = chosen.build(shape)
    return built if isinstance(built, list) else [built]


def _drawn_by(drawn: Sequence[str | Sequence[Any]], shape: Shape) -> list[nn.Module]:
    """The module of each view."""
    return [
        _built(_preset(view, shape), shape)[0] if isinstance(view, str) else build(view, shape)
        for view in drawn
    ]


def _in_turn(modules: Iterable[nn.Module], count: int) -> list[nn.Module]:
    """The module of every view; the modules repeat if there are more views."""
    return list(islice(cycle(modules), count))


def _behind_crop(module: nn.Module) -> nn.Module:
    """The module of a view without its crop."""
    return module[1:] if isinstance(module, nn.Sequential) else nn.Identity()


def _digits_local(shape: Shape, scale: Scale) -> nn.Module:
    return nn.Sequential(RandomCrop(shape, scale), augmentation.RandomGaussianNoise(std=0.2, p=1.0))


def _small_gray_local(shape: Shape, scale: Scale) -> nn.Module:
    return nn.Sequential(RandomCrop(shape, scale), augmentation.RandomHorizontalFlip())


@preset("digits", mean=(0.306,), std=(0.376,), local=_digits_local)
def digits(shape: Shape) -> nn.Module:
    """For handwriting: small translations, rotations and shears, and noise; no mirroring."""
    return nn.Sequential(
        augmentation.RandomAffine(
            degrees=15.0, translate=(0.1, 0.1), scale=(0.8, 1.1), shear=10.0, p=1.0
        ),
        augmentation.RandomGaussianNoise(std=0.2, p=1.0),
    )


@preset("small-gray", mean=(0.286,), std=(0.353,), local=_small_gray_local)
def small_gray(shape: Shape) -> nn.Module:
    """For small gray images that may be mirrored, such as clothes."""
    return nn.Sequential(
        RandomCrop(shape, (0.4, 1.0)),
        augmentation.RandomHorizontalFlip(),
        augmentation.RandomAffine(degrees=10.0, shear=5.0, p=1.0),
    )


# from solo-learn: scripts/pretrain/cifar/augmentations, and the method's own file for W-MSE and
# VICReg; local views as in imagenet-100-multicrop: the same jitter, no blur, no solarization

_Jitter = tuple[float, float, float, float]
_STRONG: Final[_Jitter] = (0.8, 0.8, 0.8, 0.2)
_WEAK: Final[_Jitter] = (0.4, 0.4, 0.4, 0.1)
_MILD: Final[_Jitter] = (0.4, 0.4, 0.2, 0.1)


def _local(jitter: _Jitter) -> BuildLocal:
    return lambda shape, scale: _color(shape, scale, jitter=jitter)


_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@preset("cifar", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_STRONG))
def cifar(shape: Shape) -> nn.Module:
    """`symmetric`: the same strong augmentation for all views."""
    return _color(shape, blur=9)


@preset("cifar-weak", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_WEAK))
def cifar_weak(shape: Shape) -> nn.Module:
    """`symmetric_weak`: half of the color jitter."""
    return _color(shape, jitter=_WEAK, blur=9)


@preset("cifar-asymmetric", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_MILD))
def cifar_asymmetric(shape: Shape) -> list[nn.Module]:
    """`asymmetric`: no blur; every second view may be solarized."""
    return [_color(shape, jitter=_MILD), _color(shape, jitter=_MILD, solarize=0.2)]


@preset("cifar-wmse", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_STRONG))
def cifar_wmse(shape: Shape) -> nn.Module:
    """For W-MSE: weaker crops and no blur."""
    return _color(shape, (0.2, 1.0))


@preset("cifar-vicreg", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_MILD))
def cifar_vicreg(shape: Shape) -> nn.Module:
    """For VICReg: weaker crops and no blur; some views are solarized."""
    return _color(shape, (0.2, 1.0), jitter=_MILD, solarize=0.1)


@preset("cifar-fast", mean=_CIFAR_MEAN, std=_CIFAR_STD, local=_local(_WEAK))
def cifar_fast(shape: Shape) -> nn.Module:
    """Of dkobak/simclr-cifar10: weak crops and colors, few gray images, no blur."""
    return _color(shape, (0.2, 1.0), jitter=_WEAK, gray=0.1)


@preset("photo", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), local=_local(_STRONG))
def photo(shape: Shape) -> nn.Module:
    """For photos: as `cifar`, with SimCLR's blur, whose kernel is a tenth of the image."""
    return _color(shape, blur=max(9, min(shape[1:]) // 20 * 2 + 1))


def _color(
    shape: Shape,
    scale: Scale = (0.08, 1.0),
    *,
    jitter: _Jitter = _STRONG,
    gray: float = 0.2,
    blur: int | None = None,
    solarize: float = 0.0,
) -> nn.Module:
    """Returns crop, color jitter, grayscale, blur, solarization and flip, as in SimCLR and BYOL.

    Args:
        shape: (C, H, W) of the views.
        scale: The range of the area of the crop.
        jitter: The strength of the changes of brightness, contrast, saturation and hue.
        gray: The probability of grayscale.
        blur: The side of the kernel in pixels; None for no blur.
        solarize: The probability of solarization.
    """
    modules = [
        RandomCrop(shape, scale),
        ColorJitter(*jitter, p=0.8),
        augmentation.RandomGrayscale(p=gray),
    ]
    if blur is not None:
        modules.append(_blur(shape, blur))
    if solarize:  # inverts values of at least 0.5
        half, none = (0.5, 0.5), (0.0, 0.0)
        modules.append(augmentation.RandomSolarize(half, none, p=solarize))
    return nn.Sequential(*modules, augmentation.RandomHorizontalFlip())


def _blur(shape: Shape, kernel: int) -> nn.Module:
    # the kernel must not be wider than the image, whose border it reflects
    side = min(kernel, (min(shape[1:]) - 1) // 2 * 2 + 1)
    blur: nn.Module = augmentation.RandomGaussianBlur((side, side), sigma=(0.1, 2.0), p=0.5)
    return blur


def _unit(images: Tensor) -> Tensor:
    return images.to(torch.float32) / 255


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds the generators of the CPU and of the device, and restores them afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        # torch.manual_seed would seed all devices, but only this one is restored
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _without_autocast(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, enabled=False)
