"""`RelationalModule` and its callbacks in a Lightning project of your own.

    python examples/lightning_project.py [EPOCHS]

The network, the data module, a callback and the trainer are yours. `RelationalModule` draws the
views, evaluates the recipe on every batch and computes the loss.
"""

import sys
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import rrl_dsl as rrl


class Digits(L.LightningDataModule):
    """The digits. Batches must become a `Batch`: uint8 images, stable ids, labels."""

    def setup(self, stage: str) -> None:
        """Splits the digits into training and held-out images."""
        data = load_digits()
        images = torch.tensor(data.images * (255 / 16)).to(torch.uint8)[:, None]
        whole = TensorDataset(images, torch.arange(len(images)), torch.tensor(data.target))
        self.train = torch.utils.data.Subset(whole, range(1400))
        self.held_out = torch.utils.data.Subset(whole, range(1400, len(images)))

    def train_dataloader(self) -> DataLoader[Any]:
        """The training images, in shuffled batches."""
        return DataLoader(self.train, 200, shuffle=True, drop_last=True, collate_fn=batch)

    def val_dataloader(self) -> DataLoader[Any]:
        """The held-out images, in order."""
        return DataLoader(self.held_out, 200, collate_fn=batch)


def batch(items: list[tuple[Tensor, ...]]) -> rrl.Batch:
    """A batch of samples. An unknown label is -1."""
    images, sample, label = (torch.stack(column) for column in zip(*items, strict=True))
    return rrl.Batch(images, sample, {"label": label})


class Print(Callback):
    """A callback that prints a metric; it has access to all of them."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Prints the accuracy of the probe."""
        accuracy = float(trainer.callback_metrics["probe/backbone"])
        print(f"epoch {trainer.current_epoch + 1}: probe {accuracy:.1%}")


def main(epochs: int) -> dict[str, float]:
    """Trains, and returns the last metrics."""
    L.seed_everything(0, verbose=False)
    backbone = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 128)
    )
    settings = {
        "augmentation": "digits",
        "projector": {"hidden": 256, "out": 32, "norm": True},
        "optimizer": {"name": "adam", "lr": 2e-3, "weight_decay": 1e-6, "warmup": 1},
        "probe": {"lr": 3e-3},
    }
    module = rrl.RelationalModule(
        rrl.Config.model_validate(settings),
        rrl.compile("ssl(views=2) | supervised(frac=0.1)", seed=0),
        rrl.losses.create("simclr + 0.1*koleo"),
        shape=(1, 8, 8),
        classes=10,
        backbone=backbone,
    )
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[rrl.EdgeStatistics(), Print()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=Digits())
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
