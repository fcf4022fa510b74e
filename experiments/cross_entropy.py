"""A supervised network for the table of methods: the cross-entropy of the labels on the same views.

    python experiments/cross_entropy.py --epochs 20 --seeds 0 1 2

Backbone, views, batches, optimizer and schedule are those of `simclr` on the digits. A linear
classifier takes the place of the projector. The table `cross_entropy.csv` has one row per seed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DistributedSampler

from rrl_dsl.data import digits
from rrl_dsl.data.batches import Batch, loader
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.views import Views
from rrl_dsl.losses import create
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.study.table import Row, write_table
from rrl_dsl.training.evaluation import evaluate
from rrl_dsl.training.optimizer import build_optimizer, cosine_schedule
from rrl_dsl.training.presets import configuration

_TABLE: Final = Path(__file__).with_name("cross_entropy.csv")
_VIEWS: Final = 2


def train(data: DataSet, epochs: int, seed: int) -> Row:
    """Trains a network, and returns its row of the table.

    Args:
        data: The dataset.
        epochs: The number of epochs.
        seed: The seed of weights, order and views.
    """
    start = time.monotonic()
    torch.manual_seed(seed)
    config = configuration((), create("simclr"), data.shape, data.augmentation)
    backbone = build_backbone(config.backbone, data.shape)
    classifier = nn.Linear(backbone.width, len(data.class_names["label"]))
    network = nn.Sequential(backbone, classifier).train()
    views = Views(data.augmentation, data.shape)
    batches = loader(data.train, config.batch_size, shuffle=True, seed=seed, drop_last=True)
    optimizer = build_optimizer(config, network)
    steps = epochs * len(batches)
    warmup = min(config.optimizer.warmup * len(batches), steps // 2)
    schedule = cosine_schedule(optimizer, warmup=warmup, total=steps)
    step = 0
    for epoch in range(epochs):
        assert isinstance(batches.sampler, DistributedSampler)
        batches.sampler.set_epoch(epoch)
        for batch in batches:
            scores = network(views(batch.images, _VIEWS, seed * steps + step))
            loss = F.cross_entropy(scores, batch.labels["label"].repeat(_VIEWS))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
    network.eval()

    def encode(batch: Batch) -> torch.Tensor:
        features: torch.Tensor = backbone(views.plain(batch.images))
        return features

    evaluation = evaluate(data, encode)
    with torch.no_grad():
        guessed = network(views.plain(data.test.images[torch.arange(len(data.test))])).argmax(dim=1)
    return {
        "seed": seed,
        "epochs": epochs,
        "seconds": round(time.monotonic() - start, 2),
        "classifier": float((guessed == data.test.labels["label"]).double().mean()),
        **{f"backbone/{name}": value for name, value in vars(evaluation).items()},
    }


def main() -> None:
    """Trains a network for each seed, and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    data = digits.load(Path())
    rows = [train(data, given.epochs, seed) for seed in given.seeds]
    for row in rows:
        print(row)
    write_table(_TABLE, rows)


if __name__ == "__main__":
    main()
