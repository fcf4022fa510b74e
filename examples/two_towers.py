"""CLIP with two encoders of your own in a plain PyTorch loop: digits and captions of two words.

python examples/two_towers.py [EPOCHS]
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

import rrl_dsl as rrl

SHAPE = torch.tensor([0, 1, 2, 2, 1, 2, 0, 1, 0, 0])  # of each digit: round, straight or curved
PROMPTS = torch.stack([SHAPE, 3 + torch.arange(10)], dim=1)  # "round zero", ..., "round nine"


def main(epochs: int) -> float:
    """Trains, and returns the accuracy of the nearest prompt on held-out digits (zero-shot)."""
    torch.manual_seed(0)
    data = load_digits()
    images, label = torch.tensor(data.data / 16).float(), torch.tensor(data.target)
    captions = PROMPTS[label]
    image_tower = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32))
    text_tower = nn.Sequential(nn.EmbeddingBag(13, 64), nn.ReLU(), nn.Linear(64, 32))
    program = rrl.compile("ssl(views=2) & cross_view()\ncontrast cross_view()")
    loss = rrl.losses.create("clip")  # its temperature is learned
    weights = [*image_tower.parameters(), *text_tower.parameters(), *loss.learned()]
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    for _ in range(epochs):
        for ids in torch.randperm(1400).split(200):
            views = torch.cat([image_tower(images[ids]), text_tower(captions[ids])])
            nodes = rrl.Nodes(ids.repeat(2), torch.arange(2).repeat_interleave(len(ids)))
            value = loss(program.relate(nodes), views)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    with torch.no_grad():
        nearest = (image_tower(images[1400:]) @ rrl.losses.unit(text_tower(PROMPTS)).T).argmax(1)
    accuracy = float((nearest == label[1400:]).float().mean())
    print(f"zero-shot, {epochs} epochs: {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
