"""The further columns of a data set: their names, their kinds, and the file beside its images.

A folder of images may hold one table `columns.csv`, `columns.tsv` or `columns.parquet`. Its column
`file` names an image by its path below the folder, written with `/`; every other column says
something of that image, which `rrl_dsl.data.kinds` reads by its values. Columns of numbers called
`NAME_0`, `NAME_1`, ... are the parts of a vector `NAME`; in Parquet a column of lists is one too.
What an image without a row has is missing in every column. `columns.yaml` may name the words for a
missing value, see `rrl_dsl.data.unknown`. A column that cannot be read refuses no other: the error
is that of a recipe that reads it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.data.cells import Cells, of_table_column, unreadable
from rrl_dsl.data.columns import Array
from rrl_dsl.data.kinds import Column, column, vector_of
from rrl_dsl.data.unknown import FILE, KEY, words_of
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error, listing, nearest
from rrl_dsl.language.digest import normal
from rrl_dsl.language.files import TABLE_BYTES
from rrl_dsl.language.spelling import is_name
from rrl_dsl.tables.faults import HEADER, Faults, Location
from rrl_dsl.tables.table import Table, open_table

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
        unreadable: Name of a column that cannot be read -> what is wrong with it.
        notes: What the user should know of how they were read, as warnings.
    """

    labels: dict[str, NDArray[np.int64]]
    class_names: dict[str, tuple[str, ...]]
    fields: dict[str, Array]
    unreadable: dict[str, tuple[Diagnostic, ...]] = field(default_factory=dict)
    notes: tuple[Diagnostic, ...] = ()


def further(columns: Sequence[Cells], taken: Collection[str], faults: Faults) -> Further:
    """Columns by their values.

    Args:
        columns: As they were read.
        taken: The labels that the data set has already.
        faults: Where to note names that mean something else.

    Raises:
        RRLError: RRL412, with every such name.
    """
    _check_names(columns, taken, faults)
    kept: dict[str, Column] = {}
    unreadable: dict[str, tuple[Diagnostic, ...]] = {}
    for each in columns:
        try:
            kept[each.name] = column(each)
        except RRLError as problem:
            unreadable[plain(each.name)] = problem.diagnostics
    labelled = {name: each.label for name, each in kept.items() if each.label is not None}
    return Further(
        labels=labelled,
        class_names={name: kept[name].class_names for name in labelled},
        fields={name: each.field for name, each in kept.items() if each.field is not None},
        unreadable=unreadable,
        notes=tuple(_notes(columns, kept)),
    )


def _notes(columns: Sequence[Cells], kept: Mapping[str, Column]) -> Iterator[Diagnostic]:
    """What the user should know of how columns were read."""
    left = [f"`{each.name}`" for each in columns if each.name not in kept]
    if left:
        names = ", ".join(left[:_LISTED]) + ", …" * (len(left) > _LISTED)
        yield _note(f"columns that cannot be read, and that no recipe can read: {names}")
    for each in columns:
        if each.name not in kept:
            continue
        if each.words:
            listed = ", ".join(f"`{word}`" for word, _ in each.words.most_common(_LISTED))
            many = f"{each.words.total():,} of {len(each.values):,} values"
            hint = f"`{KEY}` in `{FILE}`, or as an array of an archive, names other words"
            yield _note(f"`{each.name}`: {many} are missing, written as {listed}", hint)
        if negative := kept[each.name].negative:
            many = f"{negative:,} of {len(each.values):,} values"
            yield _note(f"`{each.name}`: {many} are below -1, and unknown as a label")


def _note(message: str, hint: str | None = None) -> Diagnostic:
    return Diagnostic("RRL426", message, hint=hint, severity="warning")


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
    unknown, table = words_of(folder), _open(path)
    columns = [of_table_column(column, unknown) for column in table.columns()]
    named = _file_column(table, columns)
    columns = [column for column in columns if column.name != _FILE]
    rows = _rows_of(named, files, folder, table.faults)
    table.faults.stop()
    found = further(_with_vectors(columns), taken, table.faults)
    return replace(
        found,
        labels={name: _label_at(rows, label) for name, label in found.labels.items()},
        fields={name: _field_at(rows, field) for name, field in found.fields.items()},
    )


def plain(name: str) -> str:
    """The name that a recipe can write which is nearest to that of a column."""
    written = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_")
    return written if is_name(written) else name


def _check_names(columns: Sequence[Cells], taken: Collection[str], faults: Faults) -> None:
    """Notes names that no recipe can write with their columns, and those that mean something else.

    Raises:
        RRLError: RRL412, for those that mean something else.
    """
    count = Counter(each.name for each in columns)
    for each in columns:
        place, name = Location(HEADER, each.at), each.name
        if name in _RESERVED:
            what = f"a column cannot be called `{name}`, which means something else"
            faults.add(what, place, "call it otherwise")
        elif name in taken:
            faults.add(f"the data set has a label `{name}` already", place, "call it otherwise")
        elif not name:
            hint = "pandas leaves its index out with `index=False`"
            each.faults.add(f"column {each.at + 1} has no name", place, hint)
        elif not is_name(name):
            what = f"`{name}` is no name; names are lower-case ASCII letters, digits, `_`"
            other = plain(name)
            each.faults.add(what, place, f"call it `{other}`" if other != name else None)
        elif count[name] > 1:
            what = f"two columns are called `{name}`"
            each.faults.add(what, place, "call one of them otherwise")
    faults.stop()


def _table_in(folder: Path) -> Path | None:
    """The table beside the images, if there is one."""
    called = [path for path in folder.iterdir() if path.stem.lower() == _STEM and path.name != FILE]
    strange = sorted(path.name for path in called if path.name not in FILES)
    if strange:
        message = f"{folder / strange[0]} is not read"
        raise error("RRL412", message, hint=f"a table of columns is called {listing(FILES)}")
    if len(called) > 1:
        names = " and ".join(f"`{name}`" for name in FILES if folder / name in called)
        raise error("RRL412", f"{folder} has the tables {names}", hint="keep one of them")
    return called[0] if called else None


def _open(path: Path) -> Table:
    try:
        return open_table(path, str(path), code="RRL412", unreadable="RRL412", limit=TABLE_BYTES)
    except OSError as reason:
        raise error("RRL412", f"{path} cannot be read: {reason.strerror or reason}") from reason


def _file_column(table: Table, columns: Sequence[Cells]) -> Cells:
    """The column that names the images."""
    named = [column for column in columns if column.name == _FILE]
    if len(named) != 1:
        what = f"{'two columns are' if named else 'no column is'} called `{_FILE}`"
        names = [column.name for column in columns]
        listed = ", ".join(names[:_LISTED]) + ", …" * (len(names) > _LISTED)
        hint = f"`{_FILE}` names each image by its path; the columns are {listed or 'none'}"
        table.faults.add(what, Location(HEADER), table.delimiter_hint(names) or hint)
        table.faults.stop()
    named[0].faults.stop()
    return named[0]


def _rows_of(named: Cells, files: Sequence[str], folder: Path, faults: Faults) -> NDArray[np.int64]:
    """The row of each image, int64 (n,), -1 where it has none."""
    image = {file: place for place, file in enumerate(files)}
    rows = np.full(len(files), -1, dtype=np.int64)
    if len(named.values) == 0:
        faults.add("there is no row below the header", Location(HEADER))
    for row, cell in enumerate(normal(str(value)) for value in named.values):
        place = Location(row, named.at)
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


def _with_vectors(columns: Sequence[Cells]) -> list[Cells]:
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
        if gap is None:
            result.append(vector_of(name, [parts[number] for number in range(len(parts))]))
            continue
        last = parts[max(parts)]
        place = Location(HEADER, last.at)
        last.faults.add(f"`{name}_{gap}` is missing from the vector `{name}`", place)
        result.append(unreadable(name, last.at, len(last.values), last.faults))
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
