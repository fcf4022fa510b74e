"""DINO in a plain PyTorch loop: `Network` builds the teacher, the prototypes and the center.

python examples/dino_loop.py [EPOCHS]
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

import rrl_dsl as rrl


def views(images: Tensor, count: int, side: int) -> Tensor:
    """Random noisy crops, ordered by view: (n, 1, 8, 8) -> (count * n, 1, side, side)."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1)).repeat(count, 1, 1, 1)
    corners = torch.randint(11 - side, (len(padded), 2)).tolist()
    crops = [p[:, y : y + side, x : x + side] for p, (y, x) in zip(padded, corners, strict=True)]
    return torch.stack(crops) + 0.1 * torch.randn(len(crops), 1, side, side)


def main(epochs: int) -> float:
    """Trains, and returns the 10-nearest-neighbor accuracy on held-out digits."""
    torch.manual_seed(0)
    data = load_digits()
    images, label = torch.tensor(data.images / 16).float()[:, None], data.target
    train, test = torch.arange(1400), torch.arange(1400, len(images))

    network = rrl.Network.for_(
        rrl.losses.create("dino"),
        rrl.compile("ssl(views=2)"),
        "small",
        (1, 8, 8),
        projector={"hidden": 256, "out": 32, "norm": True},
        prototypes={"count": 256},
        teacher={"momentum": 0.98},
        local_views={"count": 2},
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-6)
    for epoch in range(epochs):
        for ids in train[torch.randperm(len(train))].split(200):
            outputs = network(views(images[ids], 2, 8), views(images[ids], 2, 6))
            nodes = rrl.Nodes(ids.repeat(4), torch.arange(4).repeat_interleave(len(ids)))
            optimizer.zero_grad()
            network.loss(nodes, outputs, epoch=epoch).backward()
            optimizer.step()
            network.follow(steps=7 * epochs)

    network.eval()
    with torch.no_grad():
        z = network.encoder.backbone(images)
    vote = KNeighborsClassifier(10, metric="cosine").fit(z[train], label[train])
    return float(vote.score(z[test], label[test]))


if __name__ == "__main__":
    print(f"nearest neighbors: {main(int(sys.argv[1]) if len(sys.argv) > 1 else 20):.1%}")
