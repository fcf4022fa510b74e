"""Datasets of Python: any sequence or map-style dataset of PyTorch whose items are dicts.

| key of an item | content |
|---|---|
| `image` | a PIL image; a NumPy array (H, W), (H, W, C) or (C, H, W); or a tensor (C, H, W) |
| `input` | in place of an image: a vector (d,) or a sequence (T, d); NaN is missing |
| `sample` | optional: the id, a whole number or a text; by default, the position |
| `split` | optional: `train`, `val` or `test` |
| any other | a value of a column; `rrl_dsl.data.kinds` decides by the values |

Every item is read once before training: to check it, to collect the columns, and for the digest
that a resumed run compares. Later, batches read the items that they need, in worker processes if
there are any. An item must therefore be the same whenever it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, get_worker_info
from torchvision.transforms.v2.functional import pil_to_tensor

from rrl_dsl.data.arrays import arrays_of, augmentation_of, images_of
from rrl_dsl.data.assembling import dataset_of, rows_of
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.ids_and_splits import PARTS, Ids, part_of
from rrl_dsl.data.image_files import upright_rgb
from rrl_dsl.data.records import cells_of, plain
from rrl_dsl.language.diagnostics import RRLError, error, listing
from rrl_dsl.language.machine import is_out_of_memory

Items = Dataset[Any] | Sequence[Mapping[str, Any]]
"""A map-style dataset of dicts."""
Given = Items | Mapping[str, Items] | tuple[Items, Items]
"""A dataset, one for each split by name, or one for training and one for testing."""

_CODE: Final = "RRL412"
_IMAGE: Final = "image"
_INPUT: Final = "input"
_SHAPE_HINT: Final = "all samples need one shape and type: resize or crop them in `__getitem__`"
_OTHER_WORDS: Final = "in Python, `None` is missing too; rename a class that is such a word"
_BATCH: Final = 64
_DIGITS: Final = 16


class Form(NamedTuple):
    """The shape and the type of a sample."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


class Facts(NamedTuple):
    """What is kept of an item: its columns, and the form and the digest of its sample."""

    columns: dict[str, Any]
    form: Form
    digest: str


@dataclass(frozen=True, eq=False)
class ItemStore:
    """Items as a store of images, vectors or sequences, which reads them on access.

    Attributes:
        items: The dataset.
        places: int64 (n,), the indices of the items.
        form: The shape and the type of every sample.
        digests: The first hexadecimal digits of the SHA-256 of every sample.
    """

    items: Items
    places: Tensor
    form: Form
    digests: Sequence[str]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """Returns those at int64 indices (b,): uint8, uint16 or float32 (b, *shape).

        Raises:
            RRLError: RRL412 if an item cannot be read, or has another shape or type than before.
        """
        return torch.stack([self._sample(place) for place in self.places[index].tolist()])

    def at(self, index: Tensor, /) -> ItemStore:
        """Returns a store of the samples at int64 indices (b,)."""
        digests = [self.digests[place] for place in index.tolist()]
        return replace(self, places=self.places[index], digests=digests)

    def _sample(self, place: int) -> Tensor:
        _, sample = _read_one(self.items, place)
        _check_form(place, _form_of(sample), self.form)
        return sample


class _Facts(Dataset[Facts | RRLError]):
    """The facts of every item; errors are returned, as workers cannot raise them."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def __getitem__(self, place: int) -> Facts | RRLError:
        try:
            return _facts_of(self._items, place)
        except RRLError as problem:
            if get_worker_info() is None:
                raise
            return problem

    def __len__(self) -> int:
        return len(self._items)  # type: ignore[arg-type]


def name_of(given: DataSet | Given) -> str:
    """Returns the name of a dataset in the configuration of a run; it has that of its class."""
    if isinstance(given, DataSet):
        return given.name
    first: Any = next(iter(_parts_of(given).values()), ())
    return f"python:{type(first).__name__}"


def load(given: Given, *, split: float | None = None, workers: int = 0) -> DataSet:
    """Loads a dataset of Python. The docstring of this module describes its items.

    Args:
        given: The dataset, a mapping of datasets with the keys `train`, `val` and `test`, or a pair
            of datasets, for training and for testing. The positions count through all of them.
        split: The share of the training samples to draw as the validation split; if there is no
            test split either, as the test split. By default, there is no validation split, and the
            share of the test split is a fifth.
        workers: The number of processes that read the items before training.

    Returns:
        The dataset, with images uint8, uint16 or float32 (C, H, W), vectors float32 (d,) or
        sequences float32 (T, d).

    Raises:
        RRLError: RRL412 if the items are malformed, or differ when they are read again.
    """
    parts = _parts_of(given)
    sizes = {part: _size_of(part, items) for part, items in parts.items()}
    name, total = name_of(given), sum(sizes.values())
    datasets: list[Any] = [*parts.values()]
    items: Items = ConcatDataset(datasets) if len(datasets) > 1 else datasets[0]
    if not total:
        raise error(_CODE, f"the dataset `{name}` has no items")
    facts = [*_read(items, workers)]
    if _facts_of(items, 0).digest != facts[0].digest:
        hint = "leave out random transforms: the augmentation of the run draws the views"
        raise error(_CODE, "item 0 differs when it is read again", hint=hint)
    form = facts[0].form
    for place, fact in enumerate(facts):
        _check_form(place, fact.form, form)
    declared = [part for part, size in sizes.items() for _ in range(size)]
    called = f"the dataset `{name}`"
    rows = rows_of(
        called,
        cells_of([fact.columns for fact in facts], called, [f"item {row}" for row in range(total)]),
        Ids(torch.arange(total)),
        _OTHER_WORDS,
        declared if any(parts) else None,
    )
    store = ItemStore(items, torch.arange(total), form, [fact.digest for fact in facts])
    augmentation = augmentation_of(store[torch.arange(min(total, _BATCH))])
    dataset = dataset_of(name, store, rows, augmentation, split)
    return dataset if split is None or dataset.test_is_drawn else dataset.with_validation(split)


def _parts_of(given: Any) -> dict[str, Items]:
    """Split -> its items; the name of a dataset without splits is the empty text."""
    if isinstance(given, tuple) and not any(isinstance(items, Mapping) for items in given):
        if len(given) != 2:
            what = f"a tuple of {len(given)} datasets has no meaning"
            raise error(_CODE, what, hint='write `(train, test)` or `{"train": train, ...}`')
        return dict(zip(("train", "test"), given, strict=True))
    if not isinstance(given, Mapping):
        return {"": given}
    named = {part_of(str(name)): items for name, items in given.items()}
    if None in named or len(named) < len(given):
        message = f"the datasets have the names {listing(map(str, given), 'and')}"
        raise error(_CODE, message, hint=f"the splits are {listing(PARTS, 'and')}")
    return {part: named[part] for part in PARTS if part in named}


def _size_of(part: str, items: Any) -> int:
    called = f"the dataset `{part}`" if part else "the dataset"
    if isinstance(items, IterableDataset) or not hasattr(items, "__getitem__"):
        hint = "give it `__len__` and `__getitem__`; epochs are shuffled, and ids must be stable"
        raise error(_CODE, f"{called} is a {type(items).__name__}, not map-style", hint=hint)
    try:
        return len(items)
    except (TypeError, NotImplementedError) as reason:
        hint = "give it `__len__`, the number of items"
        raise error(_CODE, f"{called} has no length: {reason}", hint=hint) from reason


def _read(items: Items, workers: int) -> Iterator[Facts]:
    """The facts of all items, in order."""
    loader: DataLoader[Facts | RRLError] = DataLoader(
        _Facts(items),
        _BATCH,
        num_workers=workers,
        collate_fn=_as_list,
        # the loader draws a seed, which must not affect the global generator
        generator=torch.Generator(),
    )
    for batch in loader:
        for fact in batch:
            if isinstance(fact, RRLError):
                raise RRLError(fact.diagnostics)
            yield fact


def _as_list(facts: list[Facts | RRLError]) -> list[Facts | RRLError]:
    return facts


def _facts_of(items: Items, place: int) -> Facts:
    item, sample = _read_one(items, place)
    columns = {str(key): plain(value) for key, value in item.items() if key not in (_IMAGE, _INPUT)}
    form = _form_of(sample)
    digest = hashlib.sha256(str(form).encode())
    digest.update(sample.contiguous().numpy().tobytes())
    return Facts(columns, form, digest.hexdigest()[:_DIGITS])


def _read_one(items: Items, place: int) -> tuple[Mapping[str, Any], Tensor]:
    """An item, and its image, vector or sequence."""
    try:
        item = items[place]
        if not isinstance(item, Mapping):
            hint = 'return a dict, such as `{"image": image, "label": label}`'
            raise error(_CODE, f"item {place} is a {type(item).__name__}, not a dict", hint=hint)
        return item, _sample_of(item, place)
    except RRLError:
        raise
    except Exception as reason:  # it is the code of the user
        if is_out_of_memory(reason):
            raise
        message = f"item {place} cannot be read: {type(reason).__name__}: {reason}"
        raise error(_CODE, message) from reason


def _sample_of(item: Mapping[str, Any], place: int) -> Tensor:
    """The image, vector or sequence of an item."""

    def fault(what: str, hint: str | None) -> RRLError:
        return error(_CODE, f"item {place} {what}", hint=hint)

    given = [key for key in (_IMAGE, _INPUT) if key in item]
    if len(given) != 1:
        what = f"has the keys {listing(map(str, item), 'and')}" if item else "is empty"
        raise fault(what, f"an item has either `{_IMAGE}` or `{_INPUT}`")
    value = item[given[0]]
    if isinstance(value, Image.Image):
        if given[0] == _INPUT:
            raise fault(f"has a PIL image in `{_INPUT}`", f"name the key `{_IMAGE}`")
        image: Tensor = pil_to_tensor(upright_rgb(value, f"item {place}"))
        return image
    order = "first" if isinstance(value, Tensor) else None
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if given[0] == _INPUT:
        return arrays_of(array[None], _INPUT, fault)[0]
    return images_of(array[None], order, fault)[0]


def _form_of(sample: Tensor) -> Form:
    return Form(tuple(sample.shape), sample.dtype)


def _check_form(place: int, form: Form, first: Form) -> None:
    if form != first:
        raise error(_CODE, f"item {place} is {form}, but item 0 is {first}", hint=_SHAPE_HINT)
