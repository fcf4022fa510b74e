"""Splits drawn by a hash of the sample ids, so that adding samples moves no other sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.digest import stable_id

TEST_SHARE: Final = 0.2
"""The share of the samples that is held out for testing if a dataset has only training samples."""

_STEPS: Final = 10**6


def held_out(sample: Tensor, share: float) -> Tensor:
    """Chooses a share of samples by a hash of the id; a larger share contains a smaller one.

    Args:
        sample: int64 (n,), the ids.
        share: The probability that a sample is chosen, between 0 and 1.

    Returns:
        bool (n,), true for a chosen sample.
    """
    draws = [stable_id(f"split {number}") % _STEPS for number in sample.tolist()]
    return torch.tensor(draws) < share * _STEPS


def splits_of(declared: Sequence[str], sample: Tensor, share: float | None, name: str) -> list[str]:
    """Returns the split of every sample; the training and the test split are not empty.

    Without a test split, the validation split is the test split. If there is none either, the test
    split is drawn from the training samples.

    Args:
        declared: The split of every sample as the dataset has it: `train`, `val` or `test`.
        sample: int64 (n,), the ids.
        share: The share of the samples to draw; None for `TEST_SHARE`.
        name: The dataset, for errors.

    Raises:
        RRLError: RRL412 if there are no training samples, or too few to hold some out.
    """
    there = set(declared)
    if "train" not in there:
        hint = "give some samples the split `train`"
        raise error("RRL412", f"{name} has no training samples", hint=hint)
    if "test" in there:
        return [*declared]
    if "val" in there:
        return ["test" if part == "val" else part for part in declared]
    share = TEST_SHARE if share is None else share
    splits = ["test" if held else "train" for held in held_out(sample, share).tolist()]
    if len(set(splits)) == 1:
        message = f"the {len(splits)} samples of {name} are too few to hold out {share:.0%}"
        raise error("RRL412", message, hint="add samples, or a test split")
    return splits
