"""Which strategy `auto` chooses, by the number of pairs and the type of the device.

This module does not import torch, so `rrl-dsl explain` can use it.
"""

from __future__ import annotations

from typing import Final

TILE_PAIRS: Final = {"cpu": 2**18, "cuda": 2**24}
"""Pairs of a tile, by device: 1 MiB of float32 stays in a core's cache; a GPU wants few kernels."""
BLOCKED_PAIRS: Final = {"cpu": 2**22, "cuda": 2**26}
"""From how many pairs on `auto` is blocked, by device."""


def is_blocked(pairs: int, device: str) -> bool:
    """Whether `auto` evaluates a relation of so many pairs tile by tile."""
    return pairs >= _at(BLOCKED_PAIRS, device)


def tile_pairs(device: str) -> int:
    """The most pairs of a tile."""
    return _at(TILE_PAIRS, device)


def choice_in_words(pairs: int, device: str) -> str:
    """What `auto` chooses for a relation of so many pairs, and why."""
    limit = _at(BLOCKED_PAIRS, device)
    if is_blocked(pairs, device):
        tile = f"tiles of {tile_pairs(device):,} pairs"
        return f"blocked on {device}, in {tile}: {pairs:,} pairs are {limit:,} or more"
    return f"dense on {device}: {pairs:,} pairs are fewer than {limit:,}"


def _at(table: dict[str, int], device: str) -> int:
    return table.get(device, table["cuda"])
