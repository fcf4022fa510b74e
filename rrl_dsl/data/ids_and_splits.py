"""The columns of a dataset that hold its ids and its splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rrl_dsl.data.arrays import Fault
from rrl_dsl.data.cells import Cells
from rrl_dsl.data.dataset import first_repeat
from rrl_dsl.language.diagnostics import listing
from rrl_dsl.language.digest import stable_id
from rrl_dsl.tables.pairs import LARGEST_ID

NAMES: Final = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
"""Split -> the names that mean it, the usual one first."""
PARTS: Final = (*NAMES,)
"""The splits."""

_DIGITS: Final = 18
"""The decimal digits of which any number fits into 63 bits."""


class Ids(NamedTuple):
    """The ids of n samples.

    Attributes:
        sample: int64 (n,).
        names: The texts whose hashes are the ids; empty if the ids are numbers of the user.
    """

    sample: Tensor
    names: Sequence[str] = ()


def hashed(names: Sequence[str]) -> Ids:
    """Returns ids that are hashes of texts."""
    return Ids(torch.tensor([stable_id(name) for name in names]), names)


def ids_of(cells: Cells, fault: Fault) -> Ids:
    """Returns the ids in a column: its whole numbers, or hashes of its texts.

    Raises:
        RRLError: If a value is missing, negative, repeated or of another kind.
    """
    cells.faults.stop()
    values, name = cells.values, cells.name
    if bool(cells.missing.any()):
        row = int(cells.missing.argmax())
        hint = f"give every row an id, or leave out `{name}`"
        raise fault(f"has no value in `{name}` in row {row}, counted from 0", hint)
    if isinstance(values, np.ndarray):
        whole = values.ndim == 1 and values.dtype.kind in "iu"
        if not whole or int(values.min()) < 0 or int(values.max()) > LARGEST_ID:
            what = f"has values in `{name}` that are neither whole numbers from 0 nor texts"
            raise fault(what, f"the largest whole number is {LARGEST_ID}")
        ids = Ids(torch.from_numpy(values.astype(np.int64)))
    elif all(text.isascii() and text.isdecimal() and len(text) <= _DIGITS for text in values):
        ids = Ids(torch.tensor([int(text) for text in values]))
    else:
        ids = hashed(values)
    if (repeated := first_repeat(ids.sample)) is not None:
        one, other = np.flatnonzero(ids.sample.numpy() == repeated)[:2].tolist()
        what = f"has `{values[one]}` in `{name}` in rows {one} and {other}, counted from 0"
        raise fault(what, f"ids must differ; leave out `{name}`, or rename it")
    return ids


def splits_in(cells: Cells, fault: Fault) -> list[str]:
    """Returns the split of each row, as a column names it: one of `PARTS`.

    Raises:
        RRLError: If there is another value.
    """
    cells.faults.stop()
    parts = [part_of(str(value)) for value in cells.values]
    if None in parts:
        strange = cells.values[parts.index(None)]
        raise fault(f"has `{strange}` in `{cells.name}`", f"the splits are {listing(PARTS, 'and')}")
    return [part for part in parts if part is not None]


def part_of(name: str) -> str | None:
    """Returns the split that a name means, one of `PARTS`; None if it means none."""
    return next((part for part, names in NAMES.items() if name.casefold() in names), None)
