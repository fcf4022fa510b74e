"""`table:PATH`: vectors from the columns of a CSV, TSV or Parquet file.

| column | content |
|---|---|
| `sample` | optional ids: numbers from 0, or texts, whose hash is the id; by default, the row |
| `split` | optional texts: `train`, `val`, `test`; else a hash of the id draws `test` |
| `label` | optional classes; without it, `target`, `class` or `y`, or the only column of texts |
| any other | `rrl_dsl.data.kinds` decides by the values |

The encoder reads all numbers and vectors except `label`, or the columns that the setting `inputs`
lists. A listed column of texts becomes one number per class. Names that recipes cannot use are
changed: `Sepal length (cm)` is `sepal_length_cm`. `columns.yaml` beside the table may list the
words for a missing value, see `rrl_dsl.data.unknown`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from rrl_dsl.data.arrays import augmentation_of, inputs_of
from rrl_dsl.data.assembling import Rows, dataset_of
from rrl_dsl.data.cells import Cells, of_table_column
from rrl_dsl.data.column_files import Further, further, plain, with_vectors
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.ids_and_splits import Ids, ids_of, splits_in
from rrl_dsl.data.unknown import how_to_list, words_of
from rrl_dsl.language.diagnostics import RRLError, error, listing
from rrl_dsl.language.files import TABLE_BYTES
from rrl_dsl.tables.table import SUFFIXES, Table, open_table

_LABELS: Final = ("label", "target", "class", "y")
_LISTED: Final = 8


def load(
    path: Path, test_share: float | None = None, *, inputs: Sequence[str] | None = None
) -> DataSet:
    """Loads a table with the layout that this module describes.

    Args:
        path: The file.
        test_share: The share of the rows to hold out for testing if there are only training rows;
            None for a fifth.
        inputs: The columns that the encoder reads; None for all numbers and vectors.

    Returns:
        The dataset, with float32 (d,) vectors and the labels and fields of the table.

    Raises:
        RRLError: RRL410 if the file cannot be opened; RRL412 if its content is malformed; RRL428 if
            it is too large.
    """

    def fault(what: str, hint: str | None) -> RRLError:
        return error("RRL412", f"{path} {what}", hint=hint)

    table, unknown = _opened(path), words_of(path.parent)
    cells = [of_table_column(column, unknown) for column in table.columns()]
    table.faults.stop()
    cells, renamed = _with_plain_names(cells)
    own = {cell.name: cell for cell in cells if cell.name in ("sample", "split")}
    others = [cell for cell in cells if cell.name not in own]
    rows = len(cells[0].values) if cells else 0
    if not rows:
        raise fault("has no rows below its header", "each row is a sample")
    columns = further(with_vectors(others), (), table.faults, how_to_list(path.parent))
    columns, note_of_label = _labeled(columns)
    names = inputs if inputs is not None else [name for name in columns.fields if name != "label"]
    if not names:
        unread = [
            problem.message for problems in columns.unreadable.values() for problem in problems
        ]
        hint = table.delimiter_hint(table.header) or (
            f"it has {listing(columns.labels, 'and')}; `--set inputs=[NAME]` reads texts"
            if columns.labels
            else None
        )
        raise fault("has no column of numbers for the encoder", unread[0] if unread else hint)
    vectors, widths = inputs_of(columns, names, rows, fault)
    ids = ids_of(own["sample"], fault) if "sample" in own else Ids(torch.arange(rows))
    declared = splits_in(own["split"], fault) if "split" in own else ["train"] * rows

    def notes() -> Iterator[str]:
        if renamed:
            yield f"columns are renamed: {_pairs(renamed)}"
        if note_of_label:
            yield note_of_label
        shown = ", ".join(f"`{name}`" for name in [*widths][:_LISTED])
        more = f" and {len(widths) - _LISTED} more" if len(widths) > _LISTED else ""
        count = vectors.shape[1]
        yield f"the encoder reads {count} number{'s' * (count > 1)}: {shown}{more}"
        if missing := int(vectors.isnan().sum()):
            yield f"{missing:,} of {vectors.numel():,} numbers are missing and count as the mean"

    return dataset_of(
        f"table:{path}",
        vectors,
        Rows(str(path), columns, ids, declared, [f"{path}: {note}" for note in notes()]),
        augmentation_of(vectors),
        test_share,
    )


def _opened(path: Path) -> Table:
    if path.suffix.lower() not in SUFFIXES:
        hint = f"a table is a file with the suffix {listing(SUFFIXES)}"
        raise error("RRL412", f"{path} is not a table", hint=hint)
    try:
        return open_table(path, str(path), code="RRL412", unreadable="RRL412", limit=TABLE_BYTES)
    except OSError as reason:
        hint = f"give the path of a file with the suffix {listing(SUFFIXES)}"
        what = f"{path} cannot be read: {reason.strerror or reason}"
        raise error("RRL410", what, hint=hint) from reason


def _with_plain_names(cells: Sequence[Cells]) -> tuple[list[Cells], dict[str, str]]:
    """The columns with names that recipes can use, and the names that changed."""
    taken = {cell.name for cell in cells}
    renamed: dict[str, str] = {}
    result = []
    for cell in cells:
        name = plain(cell.name)
        if name != cell.name and name not in taken:
            taken.add(name)
            renamed[cell.name] = name
            cell = replace(cell, name=name)
        result.append(cell)
    return result, renamed


def _labeled(columns: Further) -> tuple[Further, str | None]:
    """The columns with a column `label`, and a note if another column becomes it."""
    if "label" in columns.labels:
        columns.fields.pop("label", None)
        return columns, None
    if "label" in columns.fields or "label" in columns.unreadable:
        return columns, None
    texts = [
        name
        for name, label in columns.labels.items()
        if name not in columns.fields and label.ndim == 1
    ]
    named = [name for name in _LABELS if name in columns.labels]
    if not named and len(texts) != 1:
        also = f"; if one of {listing(texts)} is, rename it" if texts else ""
        return columns, f"there is no column `label`{also}"
    name = named[0] if named else texts[0]
    columns.labels["label"] = columns.labels[name]
    columns.class_names["label"] = columns.class_names[name]
    columns.fields.pop(name, None)
    return columns, f"there is no column `label`, so `{name}` is the label"


def _pairs(renamed: dict[str, str]) -> str:
    shown = [f"`{old}` is `{new}`" for old, new in [*renamed.items()][:_LISTED]]
    more = [f"{len(renamed) - _LISTED} more"] if len(renamed) > _LISTED else []
    return ", ".join([*shown, *more])
