"""MeanShift in a plain PyTorch loop: `Network` builds the teacher and the bank of earlier rows.

python examples/mean_shift_loop.py [EPOCHS]
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

import rrl_dsl as rrl


def views(images: Tensor) -> Tensor:
    """Two noisy copies, shifted by at most one pixel: (n, 1, 8, 8) -> (2n, 1, 8, 8)."""
    both = images.repeat(2, 1, 1, 1)
    moves = torch.randint(-1, 2, (len(both), 2)).tolist()
    both = torch.stack([image.roll(move, (1, 2)) for image, move in zip(both, moves, strict=True)])
    return both + 0.1 * torch.randn(both.shape)


def main(epochs: int) -> float:
    """Trains, and returns the 10-nearest-neighbor accuracy on held-out digits."""
    torch.manual_seed(0)
    data = load_digits()
    images, label = torch.tensor(data.images / 16).float()[:, None], data.target
    train, test = torch.arange(1400), torch.arange(1400, len(images))

    # each view is related to the neighbors of the other view, in the batch and the bank
    recipe = "ssl(views=2) | knn(4, space=teacher, bank=800, query=other, directed=true)"
    network = rrl.Network.for_(
        rrl.losses.create("mean_shift"),
        rrl.compile(recipe),
        "small",
        (1, 8, 8),
        projector={"hidden": 256, "out": 32, "norm": True},
        predictor={"hidden": 128},
        teacher={"momentum": 0.98},
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-6)
    for _ in range(epochs):
        for ids in train[torch.randperm(len(train))].split(200):
            nodes = rrl.Nodes(ids.repeat(2), torch.arange(2).repeat_interleave(len(ids)))
            optimizer.zero_grad()
            network.loss(nodes, network(views(images[ids]))).backward()
            optimizer.step()
            network.follow()

    network.eval()
    with torch.no_grad():
        z = network.encoder.backbone(images)
    vote = KNeighborsClassifier(10, metric="cosine").fit(z[train], label[train])
    return float(vote.score(z[test], label[test]))


if __name__ == "__main__":
    print(f"nearest neighbors: {main(int(sys.argv[1]) if len(sys.argv) > 1 else 20):.1%}")
