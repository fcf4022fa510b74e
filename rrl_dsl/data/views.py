"""Views: random augmentations of a batch of samples, computed on its device.

What draws a view is a preset (`rrl_dsl.data.view_presets`), a list of operations
(`rrl_dsl.data.operations`) or a function of the user (`rrl_dsl.data.view_functions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any

import torch
from torch import Tensor, nn

from rrl_dsl.data.channel_statistics import Statistics
from rrl_dsl.data.crops import Crops, Scale
from rrl_dsl.data.dataset import Shape, is_image
from rrl_dsl.data.operations import RandomCrop, build
from rrl_dsl.data.pixels import unit
from rrl_dsl.data.view_functions import FunctionView, is_function, view_function
from rrl_dsl.data.view_presets import Preset, find
from rrl_dsl.language.diagnostics import error


class Views(nn.Module):
    """Draws and normalizes the views of a batch.

    Images are augmented within [0, 1] and then normalized. Vectors and sequences are standardized
    first, so that 0 is the mean of a feature and 1 its standard deviation; NaN becomes the mean.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        shape: Shape,
        local: tuple[int | None, Scale] | None = None,
        drawn: Sequence[str | Sequence[Any]] | None = None,
        statistics: Statistics | None = None,
    ) -> None:
        """Builds the modules of the views.

        Args:
            name: A key of `PRESETS`. It draws the views unless `drawn` does, and the local views.
            shape: (C, H, W) of the images, or the shape of vectors or sequences.
            local: The side and the scale of local views; None for no local views. Without a side,
                it is half of that of the images.
            drawn: For each view, a key of `PRESETS`, a list of operations or a function as
                `package.module:function`. More views than that use them in turn.
            statistics: The statistics to normalize by; None for those of the preset.

        Raises:
            RRLError: RRL502 if there is no such preset, operation or function, if one does not fit
                the samples, or if the preset has no local views.
        """
        super().__init__()
        chosen = find(name, shape)
        self.augment = nn.ModuleList(
            chosen.modules(shape)
            if drawn is None
            else [_module(view, number, shape) for number, view in enumerate(drawn)]
        )
        self.augment_local: nn.ModuleList | None = None
        if local is not None:
            self.augment_local = nn.ModuleList([_local(name, chosen, shape, *local)])
        used = chosen if statistics is None else statistics
        self._of_images = is_image(shape)
        behind = (1, 1) if self._of_images else ()
        self.register_buffer("mean", torch.tensor(used.mean).view(-1, *behind), persistent=False)
        self.register_buffer("std", torch.tensor(used.std).view(-1, *behind), persistent=False)

    @torch.no_grad()
    def forward(self, images: Tensor, count: int, seed: int) -> Tensor:
        """Draws the views of a batch; on one kind of device they depend on the arguments alone.

        Args:
            images: As in `Split`, (b, *shape); (count, b, C, H, W) if the views are cropped.
            count: The number of views of a sample.
            seed: The seed.

        Returns:
            float32 (count * b, *shape), normalized: the first view of all samples, then the second.
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
        """Normalizes samples without augmentation.

        Args:
            images: As in `Split`, (b, *shape).

        Returns:
            float32 (b, *shape).
        """
        with _without_autocast(images.device):
            return self._normalize(unit(images))

    def unit(self, images: Tensor) -> Tensor:
        """Undoes the normalization of samples, float (b, *shape)."""
        return images * self.std.to(images.device) + self.mean.to(images.device)

    def _drawn(self, augment: nn.ModuleList, images: Tensor, count: int, seed: int) -> Tensor:
        with _seeded(seed, images.device), _without_autocast(images.device):
            values, cropped = unit(images), images.ndim == 5
            if not self._of_images:
                values = self._normalize(values)
            views: dict[int, Tensor] = {}
            for first, module in enumerate(augment[:count]):
                numbers = range(first, count, len(augment))
                if cropped:
                    drawn = _behind_crop(module)(values[first :: len(augment)].flatten(0, 1))
                elif isinstance(module, FunctionView):  # it may draw once per call
                    drawn = torch.cat([module(values) for _ in numbers])
                else:
                    drawn = module(torch.cat([values] * len(numbers)))  # one pass for all of them
                views |= zip(numbers, drawn.chunk(len(numbers)), strict=True)
            result = torch.cat([views[number] for number in range(count)])
            return self._normalize(result) if self._of_images else result

    def _normalize(self, values: Tensor) -> Tensor:
        scaled = (values - self.mean.to(values.device)) / self.std.to(values.device)
        return scaled if self._of_images else scaled.nan_to_num(nan=0.0)


def _module(view: str | Sequence[Any], number: int, shape: Shape) -> nn.Module:
    """The module of one of several views; of a preset, that of the view with the same number."""
    if not isinstance(view, str):
        return build(view, shape)
    if is_function(view):
        return view_function(view)
    modules = find(view, shape).modules(shape)
    return modules[number % len(modules)]


def _local(name: str, chosen: Preset, shape: Shape, side: int | None, scale: Scale) -> nn.Module:
    if chosen.local is None:
        message = f"the augmentation `{name}` has no local views"
        raise error("RRL502", message, hint="use `--set local_views.count=0`")
    side = side or max(2, min(shape[1:]) // 2)
    return chosen.local((shape[0], side, side), scale)


def _in_turn(modules: Iterable[nn.Module], count: int) -> list[nn.Module]:
    """The module of every view; the modules repeat if there are more views."""
    return list(islice(cycle(modules), count))


def _behind_crop(module: nn.Module) -> nn.Module:
    """The module of a view without its crop."""
    return module[1:] if isinstance(module, nn.Sequential) else nn.Identity()


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
