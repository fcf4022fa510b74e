"""Retrieval across the towers of a run, and classification by prompts, on the test split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.data.batches import loader
from rrl_dsl.data.dataset import DataSet, columns_of
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.training.evaluation import Encode

_BATCH: Final = 512
_TILE: Final = 1024

Embed = Callable[[Tensor], Tensor]
"""Maps values of a field, (n, ...), to the embeddings of its tower, float (n, d)."""


@dataclass(frozen=True)
class Retrieval:
    """How often the nearest embeddings of another tower belong to the query, from 0 to 1.

    A sample and a value of a field belong together if the value of the sample is equal: equal
    captions cannot be told apart.

    Attributes:
        query: The column of the tower whose embeddings search, one query per sample.
        answer: The column of the tower that is searched. Equal values of a field are one answer.
        r1: The share of queries whose nearest answer is right: recall at 1.
        r5: The share of queries with a right answer among the 5 nearest: recall at 5.
        chance: The expected recall at 1 of a random answer.
    """

    query: str
    answer: str
    r1: float
    r5: float
    chance: float


@dataclass(frozen=True)
class ZeroShot:
    """Classification by the nearest prompt of a class, without training.

    Attributes:
        column: The column of the tower that reads the prompts.
        accuracy: The share of the test samples with a known label that are classified correctly,
            from 0 to 1.
        chance: The accuracy of a random class.
    """

    column: str
    accuracy: float
    chance: float


@dataclass(frozen=True)
class TowerEvaluation:
    """The evaluation of the towers of a run, each after the first with the first.

    Attributes:
        retrieval: Both ways for each tower after the first.
        zero_shot: For each tower with prompts.
    """

    retrieval: list[Retrieval]
    zero_shot: list[ZeroShot]

    def lines(self) -> list[str]:
        """Returns the figures in words, in percent."""
        lines = [
            f"retrieval {recall.query} -> {recall.answer}: R@1 {100 * recall.r1:.1f}%, "
            f"R@5 {100 * recall.r5:.1f}%; R@1 by chance {100 * recall.chance:.1f}%"
            for recall in self.retrieval
        ]
        return lines + [
            f"zero-shot by prompts of {scores.column}: {100 * scores.accuracy:.1f}%; "
            f"by chance {100 * scores.chance:.1f}%"
            for scores in self.zero_shot
        ]


def evaluate_towers(
    data: DataSet, first: str, encode: Encode, towers: Mapping[str, Embed]
) -> TowerEvaluation:
    """Compares the embeddings of the first tower with those of every other, on the test split.

    Args:
        data: The dataset.
        first: The column of the first tower.
        encode: Maps a batch to the embeddings of the first tower.
        towers: Column -> the tower, for all towers after the first.

    Raises:
        RRLError: RRL401 if the dataset does not have a column.
    """
    if faults := columns_of(data).faults([("vector", name) for name in towers]):
        raise RRLError(faults)
    rows, retrieval, zero_shot = _embedded(data, encode), list[Retrieval](), list[ZeroShot]()
    for name, tower in towers.items():
        others = _embedded(data, _reading(name, tower))
        group, one_each = _grouped(data.test.fields[name], rows.device)
        there = _recalls(rows, group, others[one_each], group[one_each])
        back = _recalls(others, group, rows, group)
        retrieval += [Retrieval(first, name, *there), Retrieval(name, first, *back)]
        if name in data.prompts and data.test.labels["label"].ndim == 1:
            zero_shot += _zero_shot(data, rows, name, tower)
    return TowerEvaluation(retrieval, zero_shot)


def _reading(name: str, tower: Embed) -> Encode:
    return lambda batch: tower(batch.fields[name])


def _grouped(values: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the number of each value, (n,), equal for equal values, and where it comes first."""
    _, group, counts = torch.unique(values, dim=0, return_inverse=True, return_counts=True)
    places = counts.cumsum(0) - counts
    return group.to(device), group.argsort(stable=True)[places].to(device)


@torch.no_grad()
def _zero_shot(data: DataSet, rows: Tensor, name: str, tower: Embed) -> list[ZeroShot]:
    """The accuracy of the nearest prompt; empty if no label of the test split is known."""
    prompts = F.normalize(tower(data.prompts[name]).float())
    label = data.test.labels["label"].to(rows.device)
    right = ((rows @ prompts.T).argmax(dim=1) == label)[label >= 0].double()
    return [ZeroShot(name, float(right.mean()), 1 / len(prompts))] if len(right) else []


def _recalls(
    queries: Tensor, wanted: Tensor, answers: Tensor, groups: Tensor
) -> tuple[float, float, float]:
    """Recall at 1 and at 5 and by chance, of unit vectors (n, d) and (m, d) of groups."""
    right = [
        groups[(tile @ answers.T).topk(min(5, len(answers)), dim=1).indices] == own[:, None]
        for tile, own in zip(torch.split(queries, _TILE), torch.split(wanted, _TILE), strict=True)
    ]
    hits = torch.cat(right)
    sizes = groups.bincount(minlength=int(wanted.max()) + 1)
    chance = sizes[wanted].double().mean() / len(answers)
    at_one, at_five = hits[:, 0].double().mean(), hits.any(dim=1).double().mean()
    return float(at_one), float(at_five), float(chance)


@torch.no_grad()
def _embedded(data: DataSet, encode: Encode) -> Tensor:
    """The embeddings of the test split as unit vectors, float32 (n, d)."""
    batches = loader(data.test, min(_BATCH, len(data.test)), shuffle=False)
    return F.normalize(torch.cat([encode(batch).float() for batch in batches]))
