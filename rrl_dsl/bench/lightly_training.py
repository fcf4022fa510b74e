"""SimCLR in lightly, as its documentation trains it, with the settings of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from rrl_dsl.bench.measuring import Way
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.view_presets import PRESETS
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.training.build import precision_of
from rrl_dsl.training.config import Config
from rrl_dsl.training.optimizer import build_optimizer

_DIGITS: Final = "digits"
_NOISE: Final = 0.2


class _Pictures(Dataset[tuple[Any, int]]):
    """Images as the datasets of torchvision return them: what a transform makes of a PIL image."""

    def __init__(self, images: Tensor, label: Tensor) -> None:
        pixels = images.permute(0, 2, 3, 1).numpy()
        self._pixels = pixels[..., 0] if pixels.shape[3] == 1 else pixels
        self._label = label.tolist()
        self.transform: Callable[[Image.Image], Any] | None = None  # which lightly sets

    def __len__(self) -> int:
        return len(self._label)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        assert self.transform is not None
        return self.transform(Image.fromarray(self._pixels[index])), self._label[index]


def lightly_epoch(config: Config, data: DataSet, device: torch.device, workers: int) -> Way:
    """Returns a function that trains for one epoch.

    Args:
        config: The settings: backbone, projector, optimizer, batch size and precision.
        data: The dataset, in memory.
        device: The device.
        workers: The number of processes that load and transform images.

    Raises:
        ImportError: If lightly is not installed.
    """
    from lightly.data import LightlyDataset
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead

    assert isinstance(data.train.images, Tensor)
    pictures = _Pictures(data.train.images, data.train.labels["label"])
    batches = DataLoader(
        LightlyDataset.from_torch_dataset(pictures, transform=_transform(config, data)),
        batch_size=config.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
    )
    backbone = build_backbone(config.backbone, data.shape)
    backbone.to(memory_format=torch.contiguous_format)
    head = config.projector
    projector = SimCLRProjectionHead(backbone.width, head.hidden, head.out, batch_norm=head.norm)
    model = nn.Sequential(backbone, projector).to(device)
    criterion = NTXentLoss(temperature=config.loss.options.get("temperature", 0.2))
    optimizer = build_optimizer(config, model)
    half = precision_of(config) == "bf16-mixed"

    def epoch() -> None:
        for (first, second), _, _ in batches:
            views = (view.to(device, non_blocking=True) for view in (first, second))
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                loss = criterion(*(model(view) for view in views))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def _transform(config: Config, data: DataSet) -> Callable[[Image.Image], list[Tensor]]:
    """lightly's transform for color images, and one of torchvision's transforms for the digits."""
    from lightly.transforms.multi_view_transform import MultiViewTransform
    from lightly.transforms.simclr_transform import SimCLRTransform

    name = config.augmentation.name or data.augmentation
    known = PRESETS[name]
    transform: Any
    if name == _DIGITS:
        view = v2.Compose(
            [
                v2.RandomAffine(15.0, (0.1, 0.1), (0.8, 1.1), 10.0),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.GaussianNoise(sigma=_NOISE, clip=False),
                v2.Normalize(list(known.mean), list(known.std)),
            ]
        )
        transform = MultiViewTransform([view, view])
    else:  # that of `cifar-fast`
        transform = SimCLRTransform(
            input_size=data.shape[1],
            cj_bright=0.4,
            cj_contrast=0.4,
            cj_sat=0.4,
            cj_hue=0.1,
            min_scale=0.2,
            random_gray_scale=0.1,
            gaussian_blur=0.0,
            normalize={"mean": list(known.mean), "std": list(known.std)},
        )
    return transform  # type: ignore[no-any-return]
