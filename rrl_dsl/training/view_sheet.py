"""A sheet of the views that a configuration draws, to find an augmentation that does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from rrl_dsl.data.batches import Batch, SplitBatches
from rrl_dsl.data.crops import Crops
from rrl_dsl.data.dataset import DataSet, is_image
from rrl_dsl.data.image_files import ImageFiles
from rrl_dsl.language.diagnostics import error
from rrl_dsl.losses import create as create_loss
from rrl_dsl.show.sheet import draw_sheet
from rrl_dsl.training.build import load_data
from rrl_dsl.training.config import Config
from rrl_dsl.training.module import views_of
from rrl_dsl.training.presets import configuration
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import Setting, pointing_at
from rrl_dsl.training.train import import_code

_SHOWN: Final = 16


def sheet_of(settings: Sequence[Setting], *, samples: int, views: int) -> Figure:
    """Draws samples of the training split beside the views that settings draw of them.

    Args:
        settings: The settings that the user gave.
        samples: The number of samples; fewer if the split has fewer.
        views: The number of views of a sample.

    Raises:
        RRLError: As `rrl_dsl.train`, for settings and data.
    """
    wanted = resolve(settings, {})
    import_code(wanted, settings)
    with pointing_at(settings, "loss"):
        loss = create_loss(wanted.loss.name, **wanted.loss.options)
    with pointing_at(settings, "dataset"):
        data = load_data(wanted)
        if not is_image(data.shape):
            message = f"a sheet shows images, and the samples of `{data.name}` are vectors"
            raise error("RRL502", message)
    config = configuration(settings, loss, data.shape, data.augmentation)
    with pointing_at(settings, "augmentation", "local_views"):
        return view_sheet(config, data, samples=samples, views=views)


def view_sheet(config: Config, data: DataSet, *, samples: int, views: int) -> Figure:
    """Draws samples of the training split beside their views.

    Args:
        config: The configuration, whose `seed` chooses the samples and draws the views.
        data: The dataset.
        samples: The number of samples; fewer if the split has fewer.
        views: The number of views of a sample.

    Raises:
        RRLError: RRL502 if the augmentation does not fit the images; RRL412 for a damaged image.
    """
    drawn = views_of(config, data.shape, data.augmentation, data.statistics)
    generator = torch.Generator().manual_seed(config.seed)
    chosen = torch.randperm(len(data.train), generator=generator)[:samples].tolist()
    local, crops = config.local_views.count, None
    whole = _batch(data, chosen)
    if isinstance(data.train.images, ImageFiles):
        crops = drawn.crops(views, local, config.seed)
    batch = whole if crops is None else _batch(data, chosen, crops)
    columns = {"image": drawn.plain(whole.images)}
    for number, view in enumerate(drawn(batch.images, views, config.seed).chunk(views), 1):
        columns[f"view {number}"] = view
    if local:
        images = batch.images if batch.local is None else batch.local
        for number, view in enumerate(drawn.local(images, local, config.seed + 1).chunk(local), 1):
            columns[f"local {number}"] = view
    values = {heading: drawn.unit(images) for heading, images in columns.items()}
    black, white = _range(values["image"], data.dtype)
    pixels = {heading: _pixels(images, black, white) for heading, images in values.items()}
    ids = data.train.names or [str(sample) for sample in data.train.sample.tolist()]
    shown = [_ending(ids[place]) for place in chosen]
    return draw_sheet(_title(config, data), pixels, _names(whole, data, shown))


def _batch(data: DataSet, chosen: list[int], crops: Crops | None = None) -> Batch:
    """The samples as the trainer loads them."""
    batch = SplitBatches(data.train, crops).__getitems__(chosen)
    assert isinstance(batch, Batch)  # errors are returned in worker processes only
    return batch


def _ending(text: str) -> str:
    """The end of an id, which differs in the names of files, as long as an image is high."""
    return text if len(text) <= _SHOWN else f"…{text[1 - _SHOWN :]}"


def _names(batch: Batch, data: DataSet, ids: Sequence[str]) -> list[str]:
    """The class of each sample, or its id."""
    classes = data.class_names.get("label", ())
    numbers = batch.labels.get("label", torch.full((len(batch),), -1)).tolist()
    return [
        classes[number] if number >= 0 else id_ for number, id_ in zip(numbers, ids, strict=True)
    ]


def _title(config: Config, data: DataSet) -> str:
    augmentation = config.augmentation
    name = augmentation.name or data.augmentation
    drawn = f"the augmentation {name}" if augmentation.drawn is None else "the configured views"
    count, shown = data.shape[0], _channels(data.shape[0])
    which = f"channels 1 to {shown}" if shown > 1 else "channel 1"
    part = f", {which} of {count}" if shown < count else ""
    return f"{data.name}, {drawn}{part}"


def _channels(count: int) -> int:
    """The number of channels to show: three as colors, or one as gray."""
    return 3 if count >= 3 else 1


def _range(images: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The values to show as black and white, of float images.

    With 8 bits these are 0 and 1. Images with more bits may use a small part of their range, and
    floating-point images have none.
    """
    if dtype == torch.uint8:
        return torch.zeros(()), torch.ones(())
    shown = images[:, : _channels(images.shape[1])]
    return shown.min(), shown.max()


def _pixels(images: Tensor, black: Tensor, white: Tensor) -> NDArray[np.float32]:
    """Returns images as float32 (n, H, W, 1 or 3) within [0, 1]."""
    shown = images[:, : _channels(images.shape[1])]
    scaled = (shown - black) / (white - black).clamp(min=torch.finfo(torch.float32).tiny)
    pixels: NDArray[np.float32] = scaled.clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return pixels
