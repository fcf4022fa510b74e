"""The mean and the standard deviation of the channels of images, or of the features of arrays."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.data.dataset import Images, Selectable, is_image
from rrl_dsl.data.image_files import ImageFiles
from rrl_dsl.data.pixels import unit
from rrl_dsl.language.cache import Cache
from rrl_dsl.language.digest import stable_id

_MOST: Final = 4096
"""The number of files to decode; the standard error of a mean is below 1% of the deviation."""
_PART: Final = 64


@dataclass(frozen=True)
class Statistics:
    """The statistics of each channel or feature, by which inputs are normalized.

    Attributes:
        mean: The means, of pixels in [0, 1] or of the values.
        std: The standard deviations; 1 for a constant channel or feature.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def statistics_of(images: Images, sample: Tensor) -> Statistics:
    """Measures the training inputs. Results for files are cached on disk.

    Args:
        images: The images, or arrays whose last axis has the features. NaN is ignored. If they
            are not in memory, only the `_MOST` samples whose ids have the smallest hashes are
            measured.
        sample: int64 (n,), the ids.
    """
    if not isinstance(images, Selectable):
        return _measured(images, torch.arange(len(images)))
    order = sorted(range(len(sample)), key=lambda place: stable_id(str(int(sample[place]))))
    chosen = images.at(torch.tensor(order[:_MOST]))
    if not isinstance(chosen, ImageFiles):
        return _measured(chosen, torch.arange(len(chosen)))
    cache, key = Cache("statistics"), repr((1, chosen.size, chosen.deep, *chosen.digests))
    known = cache.read(key)
    if known is not None:
        values = json.loads(known)
        return Statistics(tuple(values["mean"]), tuple(values["std"]))
    measured = _measured(chosen, torch.arange(len(chosen)))
    cache.write(key, json.dumps(asdict(measured)).encode())
    return measured


def _measured(images: Images, rows: Tensor) -> Statistics:
    count = total = squares = torch.zeros((), dtype=torch.float64)
    for part in rows.tensor_split(tuple(range(_PART, len(rows), _PART))):
        values = unit(images[part]).double()
        values = values.movedim(1 if is_image(values.shape[1:]) else -1, 0).flatten(1)
        known = ~values.isnan()
        values = values.nan_to_num()
        count, total = count + known.sum(dim=1), total + values.sum(dim=1)
        squares = squares + values.square().sum(dim=1)
    count = count.clamp(min=1)
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    # of a constant, what is left is rounding
    std = std.masked_fill(std <= 1e-7 * mean.abs(), 1.0).masked_fill(std == 0, 1.0)
    return Statistics(tuple(mean.tolist()), tuple(std.tolist()))
