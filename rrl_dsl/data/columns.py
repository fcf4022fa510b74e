"""The further columns of a data set: their names, their kinds, and the file beside its images.

A folder of images may hold one table `columns.csv`, `columns.tsv` or `columns.parquet`. Its column
`file` names an image by its path below the folder, written with `/`; every other column says
something of that image, which `rrl_dsl.data.cells` reads by its values. Columns of numbers called
`NAME_0`, `NAME_1`, ... are the parts of a vector `NAME`; in Parquet a column of lists is one too.
What an image without a row has is missing in every column.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.data.cells import Cells, column, vector_of
from rrl_dsl.data.parquet_tables import ParquetTable
from rrl_dsl.data.table import Array
from rrl_dsl.data.text_tables import TextTable
from rrl_dsl.language.delimited import DELIMITERS
from rrl_dsl.language.diagnostics import error, listing, nearest
from rrl_dsl.language.digest import normal
from rrl_dsl.language.faults import HEADER, Faults, Place
from rrl_dsl.language.spelling import is_name

FILES: Final = ("columns.csv", "columns.tsv", "columns.parquet")
"""What the table may be called."""

_STEM: Final = "columns"
_FILE: Final = "file"
_RESERVED: Final = (_FILE, "sample", "view", "images", "split")
_LISTED: Final = 10
_PART: Final = re.compile(r"(.+)_(0|[1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True, eq=False)
class Further:
    """Further columns of n samples.

    Attributes:
        labels: Label name -> int64 (n,); -1 is unknown.
        class_names: Label name -> the names of its classes.
        fields: Name -> numbers (n,), int64 or float64, or vectors (n, d), float32 or float64; NaN
            is missing. A column of whole numbers is both a label and a field.
    """

    labels: dict[str, NDArray[np.int64]]
    class_names: dict[str, tuple[str, ...]]
    fields: dict[str, Array]


def further(columns: Sequence[Cells], taken: Collection[str], faults: Faults) -> Further:
    """Columns by their values.

    Args:
        columns: As they were read.
        taken: The labels that the data set has already.
        faults: Where to note what fits no kind or has no proper name.

    Raises:
        RRLError: RRL412, with every fault that was found so far.
    """
    check_names([(each.name, each.at) for each in columns], taken, faults)
    found = {each.name: column(each, faults) for each in columns}
    faults.stop()
    kept = {name: each for name, each in found.items() if each is not None}
    labelled = {name: each.label for name, each in kept.items() if each.label is not None}
    return Further(
        labels=labelled,
        class_names={name: kept[name].class_names for name in labelled},
        fields={name: each.field for name, each in kept.items() if each.field is not None},
    )


def read(folder: Path, files: Sequence[str], taken: Collection[str]) -> Further:
    """The table beside the images of a folder.

    Args:
        folder: Where the images and the table lie.
        files: The path of each of the n images below it, in Unicode's normal form C.
        taken: The labels that the data set has already.

    Returns:
        Its columns, one value for each image; none where there is no table.

    Raises:
        RRLError: RRL412 where there is more than one table, or one that is malformed: the first ten
            faults, each with its line.
    """
    path = _table_in(folder)
    if path is None:
        return Further({}, {}, {})
    table = _open(path)
    named = _file_column(table)
    columns = [each for each in table.columns if each.name != _FILE]
    check_names([(each.name, each.at) for each in columns], taken, table.faults)
    table.faults.stop()
    rows = _rows_of(named, files, folder, table.faults)
    table.faults.stop()
    found = further(_with_vectors(columns, table.faults), taken, table.faults)
    return Further(
        labels={name: _label_at(rows, label) for name, label in found.labels.items()},
        class_names=found.class_names,
        fields={name: _field_at(rows, field) for name, field in found.fields.items()},
    )


def check_names(named: Iterable[tuple[str, int]], taken: Collection[str], faults: Faults) -> None:
    """Notes names that no recipe can write, or that mean something else.

    Args:
        named: The name of each column, and which of the file's it is.
        taken: The labels that the data set has already.
        faults: Where to note them.
    """
    seen: set[str] = set()
    for name, at in named:
        hint = None
        if not name:
            what = f"column {at + 1} has no name"
            hint = "pandas leaves its index out with `index=False`"
        elif not is_name(name):
            what = f"`{name}` is no name; names are lower-case ASCII letters, digits, `_`"
            plain = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_")
            hint = f"call it `{plain}`" if is_name(plain) else None
        elif name in seen:
            what = f"two columns are called `{name}`"
            hint = "call one of them otherwise"
        elif name in _RESERVED:
            what = f"a column cannot be called `{name}`, which means something else"
            hint = "call it otherwise"
        elif name in taken:
            what = f"the data set has a label `{name}` already"
            hint = "call it otherwise"
        else:
            seen.add(name)
            continue
        faults.add(what, Place(HEADER, at), hint)


def _table_in(folder: Path) -> Path | None:
    """The table beside the images, if there is one."""
    called = [path for path in folder.iterdir() if path.stem.lower() == _STEM]
    strange = sorted(path.name for path in called if path.name not in FILES)
    if strange:
        message = f"{folder / strange[0]} is not read"
        raise error("RRL412", message, hint=f"a table of columns is called {listing(FILES)}")
    if len(called) > 1:
        names = " and ".join(f"`{name}`" for name in FILES if folder / name in called)
        raise error("RRL412", f"{folder} has the tables {names}", hint="keep one of them")
    return called[0] if called else None


def _open(path: Path) -> TextTable | ParquetTable:
    try:
        if path.suffix == ".parquet":
            return ParquetTable(path)
        return TextTable(path, DELIMITERS[path.suffix])
    except OSError as reason:
        raise error("RRL412", f"{path} cannot be read: {reason.strerror or reason}") from reason


def _file_column(table: TextTable | ParquetTable) -> Cells:
    """The column that names the images."""
    named = [each for each in table.columns if each.name == _FILE]
    if len(named) != 1:
        what = f"{'two columns are' if named else 'no column is'} called `{_FILE}`"
        names = [each.name for each in table.columns]
        listed = ", ".join(names[:_LISTED]) + ", …" * (len(names) > _LISTED)
        hint = f"`{_FILE}` names each image by its path; the columns are {listed or 'none'}"
        if isinstance(table, TextTable):
            hint = table.other_delimiter(names) or hint
        table.faults.add(what, Place(HEADER), hint)
        table.faults.stop()
    return named[0]


def _rows_of(named: Cells, files: Sequence[str], folder: Path, faults: Faults) -> NDArray[np.int64]:
    """The row of each image, int64 (n,), -1 where it has none."""
    image = {file: place for place, file in enumerate(files)}
    rows = np.full(len(files), -1, dtype=np.int64)
    if len(named.values) == 0:
        faults.add("there is no row below the header", Place(HEADER))
    for row, cell in enumerate(normal(str(value)) for value in named.values):
        place = Place(row, named.at)
        if not cell:
            faults.add("this row names no file", place)
        elif cell not in image:
            hint = None if faults.full else _image_meant(cell, files, folder)
            faults.add(f"the data set has no image `{cell}`", place, hint)
        elif rows[image[cell]] >= 0:
            faults.add(f"a row before has `{cell}` too", place)
        else:
            rows[image[cell]] = row
    return rows


def _image_meant(cell: str, files: Sequence[str], folder: Path) -> str:
    """A hint with the image that a path is near to, else with how paths are written."""
    word = cell.replace("\\", "/")
    split, name = word.partition("/")[0], word.rpartition("/")[2]
    # those of the same split alone, if it is one: the name of a file says nothing across splits
    inside = [file for file in files if file.partition("/")[0] == split] or files
    # those of the same name first, because only so many are compared
    likely = sorted(inside, key=lambda file: file.rpartition("/")[2] != name)
    found = nearest(word, likely)
    if found is not None:
        return f"did you mean `{found}`?"
    return f"a path is written as it is below {folder}, such as `{files[0]}`"


def _with_vectors(columns: Sequence[Cells], faults: Faults) -> list[Cells]:
    """The columns, with those that are the parts of a vector as one."""
    numbered: dict[str, dict[int, Cells]] = {}
    for each in columns:
        if part := _PART.fullmatch(each.name):
            numbered.setdefault(part[1], {})[int(part[2])] = each
    vectors = {name: parts for name, parts in numbered.items() if 0 in parts}
    inside = {part.name for parts in vectors.values() for part in parts.values()}
    result = [each for each in columns if each.name not in inside]
    for name, parts in vectors.items():
        gap = next((number for number in range(len(parts)) if number not in parts), None)
        if gap is not None:
            place = Place(HEADER, parts[max(parts)].at)
            faults.add(f"`{name}_{gap}` is missing from the vector `{name}`", place)
            continue
        vector = vector_of(name, [parts[number] for number in range(len(parts))], faults)
        result += [] if vector is None else [vector]
    return result


def _label_at(rows: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """The label of each image from that of each row; -1 for images without a row."""
    return np.where(rows < 0, -1, label[rows])


def _field_at(rows: NDArray[np.int64], field: Array) -> Array:
    """The field of each image from that of each row; NaN for images without a row."""
    found: Array = field[rows]
    if (rows < 0).any():
        found = found.astype(np.float64) if found.dtype == np.int64 else found
        found[rows < 0] = np.nan
    return found
