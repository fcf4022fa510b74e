"""Relations, a loss and a teacher in a plain PyTorch loop: BYOL on a semi-supervised graph.

    python examples/own_loop.py [EPOCHS]

The example does not use the trainer: the network, the views and the loop are your own. A program
returns the relation of a batch, and a loss compares it with the embeddings.
"""

import copy
import sys

import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

import rrl_dsl as rrl


def views(images: Tensor, generator: torch.Generator) -> Tensor:
    """Two noisy copies, shifted by at most one pixel: (n, 64) -> (2n, 64), ordered by view."""
    both = images.reshape(-1, 8, 8).repeat(2, 1, 1)
    moves = torch.randint(-1, 2, (len(both), 2), generator=generator).tolist()
    both = torch.stack([image.roll(move, (0, 1)) for image, move in zip(both, moves, strict=True)])
    return (both + 0.1 * torch.randn(both.shape, generator=generator)).flatten(1)


def main(epochs: int) -> float:
    """Trains, and returns the 10-nearest-neighbor accuracy on held-out digits."""
    torch.manual_seed(0)
    data = load_digits()
    images, label = torch.tensor(data.data / 16).float(), torch.tensor(data.target)
    train, test = torch.arange(0, 1400), torch.arange(1400, len(images))

    # 10% of the labels are known: the same samples in every batch and epoch
    program = rrl.compile("ssl(views=2) | supervised(frac=0.1)", seed=0)
    loss = rrl.losses.create("byol")

    encoder = nn.Sequential(nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64))
    predictor = nn.Sequential(
        nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 64)
    )
    teacher = copy.deepcopy(encoder).requires_grad_(False)
    weights = [*encoder.parameters(), *predictor.parameters()]
    optimizer = torch.optim.Adam(weights, lr=2e-3, weight_decay=1e-6)

    generator = torch.Generator().manual_seed(0)
    step = 0
    for epoch in range(epochs):
        for ids in train[torch.randperm(len(train), generator=generator)].split(200):
            rows = views(images[ids], generator)
            nodes = rrl.Nodes(
                sample=ids.repeat(2),  # the stable id of the sample of each row
                view=torch.arange(2).repeat_interleave(len(ids)),
                labels={"label": label[ids].repeat(2)},
            )
            relation = program.relate(nodes, epoch=epoch, step=step)
            value = loss(relation, predictor(encoder(rows)), keys=teacher(rows))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            with torch.no_grad():
                for ours, theirs in zip(teacher.parameters(), encoder.parameters(), strict=True):
                    ours.lerp_(theirs, 1 - 0.98)
            step += 1

    encoder.eval()
    with torch.no_grad():
        features = encoder[:3](images)
    vote = KNeighborsClassifier(10, metric="cosine").fit(features[train], label[train])
    accuracy = float(vote.score(features[test], label[test]))
    print(f"nearest neighbors, {epochs} epochs: {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
