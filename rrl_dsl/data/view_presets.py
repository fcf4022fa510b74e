"""Presets: augmentations with a name, for images and for vectors.

A preset is a function from the shape of a sample to a module that augments a batch, float
(n, *shape), and draws parameters for every sample. Images are within [0, 1], or as they are in a
floating-point dataset; vectors and sequences are standardized. The function may also return a list
of modules, which the views use in turn. To add a preset, register it here or in any module that is
imported before training:

    @preset("mirrored", mean=(0.5,), std=(0.25,))
    def mirrored(shape: Shape) -> nn.Module:
        return augmentation.RandomHorizontalFlip()

If the images are files and the first module of a view is a `RandomCrop`, the data loader crops the
file itself: see `rrl_dsl.data.crops`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kornia import augmentation
from torch import nn

from rrl_dsl.data.crops import Scale
from rrl_dsl.data.dataset import Shape, is_image
from rrl_dsl.data.jitter import ColorJitter
from rrl_dsl.data.operations import RandomCrop
from rrl_dsl.data.vector_operations import FeatureDropout, MarginalSwap, Noise
from rrl_dsl.language.diagnostics import did_you_mean, error, listing

Build = Callable[[Shape], nn.Module | list[nn.Module]]
BuildLocal = Callable[[Shape, Scale], nn.Module]


@dataclass(frozen=True)
class Preset:
    """The augmentation and normalization of a kind of sample.

    Attributes:
        build: Maps the shape of a sample to the module that augments a batch, or to a list of
            modules that the views use in turn.
        mean: The mean of every channel, scaled to [0, 1]; a single value is for all channels. A
            dataset with statistics of its own is normalized by these.
        std: The standard deviation of every channel.
        local: Maps the shape and the scale of a small crop to the module that draws it.
        images: Whether the samples are images, as opposed to vectors or sequences.
    """

    build: Build
    mean: tuple[float, ...]
    std: tuple[float, ...]
    local: BuildLocal | None = None
    images: bool = True

    def modules(self, shape: Shape) -> list[nn.Module]:
        """Returns the modules that the views use in turn."""
        built = self.build(shape)
        return built if isinstance(built, list) else [built]


PRESETS: Final[dict[str, Preset]] = {}
"""Name -> preset."""


def preset(
    name: str,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    local: BuildLocal | None = None,
    images: bool = True,
) -> Callable[[Build], Build]:
    """Returns a decorator that registers a function as the preset `name`."""

    def register(build: Build) -> Build:
        PRESETS[name] = Preset(build, mean, std, local, images)
        return build

    return register


def find(name: str, shape: Shape) -> Preset:
    """Returns the preset of a name.

    Raises:
        RRLError: RRL502 if there is none, or if it is for samples of another kind or for another
            number of channels.
    """
    kind = "images" if is_image(shape) else "vectors"
    fitting = [name for name, preset in PRESETS.items() if preset.images == is_image(shape)]
    chosen = PRESETS.get(name)
    if chosen is None:
        message = f"there is no augmentation `{name}`; the augmentations of {kind} are "
        raise error("RRL502", message + listing(fitting), hint=did_you_mean(name, fitting))
    if chosen.images != is_image(shape):
        other = "vectors" if is_image(shape) else "images"
        message = f"the augmentation `{name}` is for {other}, and these samples are {kind}"
        raise error(
            "RRL502", message, hint=f"the augmentations of {kind} are {listing(fitting, 'and')}"
        )
    if len(chosen.mean) not in (1, shape[0]):
        raise error(
            "RRL502",
            f"the augmentation `{name}` is for images with {len(chosen.mean)} "
            f"channels, and these images have {shape[0]}",
        )
    return chosen


@preset("scarf", mean=(0.0,), std=(1.0,), images=False)
def scarf(shape: Shape) -> list[nn.Module]:
    """The first view is the sample itself, as in SCARF (Bahri et al. 2022)."""
    return [nn.Identity(), MarginalSwap(0.6)]


@preset("noise", mean=(0.0,), std=(1.0,), images=False)
def noise(shape: Shape) -> nn.Module:
    """A tenth of a standard deviation."""
    return Noise(0.1)


@preset("dropout", mean=(0.0,), std=(1.0,), images=False)
def dropout(shape: Shape) -> nn.Module:
    """A fifth of the features."""
    return FeatureDropout(0.2)


def _crop_local(shape: Shape, scale: Scale) -> nn.Module:
    return nn.Sequential(RandomCrop(shape, scale), augmentation.RandomHorizontalFlip())


@preset("crop", mean=(0.5,), std=(0.25,), local=_crop_local)
def crop(shape: Shape) -> nn.Module:
    """For images of any number of channels and any range of values: crop and flip alone."""
    return _crop_local(shape, (0.2, 1.0))


def _digits_local(shape: Shape, scale: Scale) -> nn.Module:
    return nn.Sequential(RandomCrop(shape, scale), augmentation.RandomGaussianNoise(std=0.2, p=1.0))


@preset("digits", mean=(0.306,), std=(0.376,), local=_digits_local)
def digits(shape: Shape) -> nn.Module:
    """For handwriting: small translations, rotations and shears, and noise; no mirroring."""
    return _handwriting(degrees=15.0, shift=0.1, scale=(0.8, 1.1), shear=10.0, noise=0.2)


@preset("digits-weak", mean=(0.306,), std=(0.376,), local=_digits_local)
def digits_weak(shape: Shape) -> nn.Module:
    """As `digits`, with about half of every change."""
    return _handwriting(degrees=8.0, shift=0.05, scale=(0.9, 1.05), shear=5.0, noise=0.1)


def _handwriting(
    degrees: float, shift: float, scale: tuple[float, float], shear: float, noise: float
) -> nn.Module:
    return nn.Sequential(
        augmentation.RandomAffine(degrees, (shift, shift), scale, shear, p=1.0),
        augmentation.RandomGaussianNoise(std=noise, p=1.0),
    )


@preset("small-gray", mean=(0.286,), std=(0.353,), local=_crop_local)
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
