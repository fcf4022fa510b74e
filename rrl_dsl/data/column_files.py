"""Further columns of a dataset: their names and kinds, and the table in an image folder.

An image folder may contain a table `columns.csv`, `columns.tsv` or `columns.parquet`. Its column
`file` has the path of an image relative to the folder, with `/`. `rrl_dsl.data.kinds` decides the
kinds of the other columns by their values. Columns of numbers `NAME_0`, `NAME_1`, ... are the
components of a vector `NAME`. In Parquet, a column of lists is a vector too. An image without a row
has missing values in all columns. `columns.yaml` may list the words for a missing value, see
`rrl_dsl.data.unknown`.

A column that cannot be read does not affect the others: only a recipe that reads it raises its
errors.
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
from rrl_dsl.data.unknown import FILE, how_to_list, words_of
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error, listing, nearest
from rrl_dsl.language.digest import normal
from rrl_dsl.language.files import TABLE_BYTES
from rrl_dsl.language.spelling import is_name
from rrl_dsl.tables.faults import HEADER, Faults, Location
from rrl_dsl.tables.table import Table, open_table

FILES: Final = ("columns.csv", "columns.tsv", "columns.parquet")
"""The names that the table may have."""

STEM: Final = "columns"
"""The name of a table of columns without its suffix; case is ignored."""
_FILE: Final = "file"
_RESERVED: Final = (_FILE, "sample", "view", "images", "split")
_LISTED: Final = 10
_COMPONENT: Final = re.compile(r"(.+)_(0|[1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True, eq=False)
class Further:
    """Further columns of n samples.

    Attributes:
        labels: Label name -> int64 (n,), or (n, k) for several labels per sample; -1 is none.
        class_names: Label name -> the names of its classes.
        fields: Field name -> numbers (n,), int64 or float64, or vectors (n, d), float32 or float64;
            NaN is missing. A column of whole numbers is both a label and a field.
        unreadable: Name of a column that cannot be read -> its errors.
        notes: Warnings about how the columns were read.
    """

    labels: dict[str, NDArray[np.int64]]
    class_names: dict[str, tuple[str, ...]]
    fields: dict[str, Array]
    unreadable: dict[str, tuple[Diagnostic, ...]] = field(default_factory=dict)
    notes: tuple[Diagnostic, ...] = ()


def further(
    columns: Sequence[Cells], taken: Collection[str], faults: Faults, other_words: str
) -> Further:
    """Decides the kinds of columns by their values.

    Args:
        columns: The columns as read from a file.
        taken: The labels that the dataset already has.
        faults: The collection for errors of names.
        other_words: A hint that says how to use other words for a missing value.

    Raises:
        RRLError: RRL412 with every column whose name is reserved or taken.
    """
    _check_names(columns, taken, faults)
    kept: dict[str, Column] = {}
    unreadable: dict[str, tuple[Diagnostic, ...]] = {}
    for cells in columns:
        try:
            kept[cells.name] = column(cells)
        except RRLError as problem:
            unreadable[plain(cells.name)] = problem.diagnostics
    return Further(
        labels={name: col.label for name, col in kept.items() if col.label is not None},
        class_names={name: col.class_names for name, col in kept.items() if col.label is not None},
        fields={name: col.field for name, col in kept.items() if col.field is not None},
        unreadable=unreadable,
        notes=tuple(_notes(columns, kept, unreadable, other_words)),
    )


def _notes(
    columns: Sequence[Cells],
    kept: Mapping[str, Column],
    unreadable: Mapping[str, Sequence[Diagnostic]],
    other_words: str,
) -> Iterator[Diagnostic]:
    """Warnings about how columns were read."""
    left = [f"`{cells.name}`" for cells in columns if cells.name not in kept]
    if left:
        names = ", ".join(left[:_LISTED]) + ", …" * (len(left) > _LISTED)
        first = next(problems[0].message for problems in unreadable.values())
        yield _note(f"these columns cannot be read, so nothing can use them: {names}", first)
    for cells in columns:
        if cells.name not in kept:
            continue
        if cells.words:
            listed = ", ".join(f"`{word}`" for word, _ in cells.words.most_common(_LISTED))
            many = f"{cells.words.total():,} of {len(cells.values):,} values"
            message = f"`{cells.name}`: {many} are missing, written as {listed}"
            yield _note(message, other_words)
        label = kept[cells.name].label
        if label is not None and label.ndim == 2:
            message = f"`{cells.name}` has up to {label.shape[1]:,} labels per sample"
            hint = "probes and other figures that need one label per sample ignore it"
            yield _note(message, hint)
        if negative := kept[cells.name].negative:
            many = f"{negative:,} of {len(cells.values):,} values"
            yield _note(f"`{cells.name}`: {many} are below -1 and count as unknown labels")


def _note(message: str, hint: str | None = None) -> Diagnostic:
    return Diagnostic("RRL426", message, hint=hint, severity="warning")


def read(folder: Path, files: Sequence[str], taken: Collection[str]) -> Further:
    """Reads the table of an image folder.

    Args:
        folder: The folder of the images and the table.
        files: The relative paths of the n images, in Unicode's normal form C.
        taken: The labels that the dataset already has.

    Returns:
        The columns with a value for every image; no columns if there is no table.

    Raises:
        RRLError: RRL412 if `columns.yaml` is malformed, there are several tables, or the table is
            malformed, with the first ten errors and their lines.
    """
    unknown, path = words_of(folder), _table_in(folder)
    if path is None:
        return Further({}, {}, {})
    table = _open(path)
    columns = [of_table_column(column, unknown) for column in table.columns()]
    named = _file_column(table, columns)
    columns = [column for column in columns if column.name != _FILE]
    rows = _rows_of(named, files, folder, table.faults)
    table.faults.stop()
    of_rows = further(with_vectors(columns), taken, table.faults, how_to_list(folder))
    return replace(
        of_rows,
        labels={name: _label_at(rows, label) for name, label in of_rows.labels.items()},
        fields={name: _field_at(rows, field) for name, field in of_rows.fields.items()},
    )


def plain(name: str) -> str:
    """Returns the name of a column in the spelling that recipes can use."""
    written = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_")
    return written if is_name(written) else name


def _check_names(columns: Sequence[Cells], taken: Collection[str], faults: Faults) -> None:
    """Adds errors for names.

    A name that recipes cannot use is an error of its column alone; a reserved or taken name is an
    error of the table.

    Raises:
        RRLError: RRL412 for reserved and taken names.
    """
    count = Counter(cells.name for cells in columns)
    for cells in columns:
        place, name = Location(HEADER, cells.at), cells.name
        if name in _RESERVED:
            what = f"a column cannot have the reserved name `{name}`"
            faults.add(what, place, "rename it")
        elif name in taken:
            faults.add(f"the dataset already has a label `{name}`", place, "rename it")
        elif not name:
            hint = "pandas omits the index with `index=False`"
            cells.faults.add(f"column {cells.at + 1} has no name", place, hint)
        elif not is_name(name):
            what = f"`{name}` is not a name; names are lower-case ASCII letters, digits, `_`"
            other = plain(name)
            cells.faults.add(what, place, f"rename it to `{other}`" if other != name else None)
        elif count[name] > 1:
            what = f"two columns have the name `{name}`"
            cells.faults.add(what, place, "rename one of them")
    faults.stop()


def _table_in(folder: Path) -> Path | None:
    """The path of the table, if there is one."""
    called = [path for path in folder.iterdir() if path.stem.lower() == STEM and path.name != FILE]
    strange = sorted(path.name for path in called if path.name not in FILES)
    if strange:
        message = f"{folder / strange[0]} is not used"
        raise error("RRL412", message, hint=f"a table of columns must be named {listing(FILES)}")
    if len(called) > 1:
        names = " and ".join(f"`{name}`" for name in FILES if folder / name in called)
        raise error("RRL412", f"{folder} has the tables {names}", hint="keep only one of them")
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
        what = f"{'two columns have the name' if named else 'there is no column'} `{_FILE}`"
        names = [column.name for column in columns]
        listed = ", ".join(names[:_LISTED]) + ", …" * (len(names) > _LISTED)
        hint = f"`{_FILE}` must hold the path of each image; the columns are {listed or 'none'}"
        table.faults.add(what, Location(HEADER), table.delimiter_hint(names) or hint)
        table.faults.stop()
    named[0].faults.stop()
    return named[0]


def _rows_of(named: Cells, files: Sequence[str], folder: Path, faults: Faults) -> NDArray[np.int64]:
    """The row of every image, int64 (n,); -1 if it has none."""
    image = {file: index for index, file in enumerate(files)}
    rows = np.full(len(files), -1, dtype=np.int64)
    if len(named.values) == 0:
        faults.add("there are no rows below the header", Location(HEADER))
    for row, cell in enumerate(normal(str(value)) for value in named.values):
        place = Location(row, named.at)
        if not cell:
            faults.add("this row has no file", place)
        elif cell not in image:
            hint = None if faults.full else _image_meant(cell, files, folder)
            faults.add(f"the dataset has no image `{cell}`", place, hint)
        elif rows[image[cell]] >= 0:
            faults.add(f"an earlier row also has `{cell}`", place, "keep one row per image")
        else:
            rows[image[cell]] = row
    return rows


def _image_meant(cell: str, files: Sequence[str], folder: Path) -> str:
    """A hint with the image that a path seems to mean, or else with the format of paths."""
    word = cell.replace("\\", "/")
    split, name = word.partition("/")[0], word.rpartition("/")[2]
    # only files of the same split, if there is one: file names may repeat across splits
    inside = [file for file in files if file.partition("/")[0] == split] or files
    # files of the same name first, because `nearest` compares only so many
    likely = sorted(inside, key=lambda file: file.rpartition("/")[2] != name)
    meant = nearest(word, likely)
    if meant is not None:
        return f"did you mean `{meant}`?"
    return f"write the path below {folder}, such as `{files[0]}`"


def with_vectors(columns: Sequence[Cells]) -> list[Cells]:
    """Returns the columns, with the components of a vector joined."""
    numbered: dict[str, dict[int, Cells]] = {}
    for cells in columns:
        if match := _COMPONENT.fullmatch(cells.name):
            numbered.setdefault(match[1], {})[int(match[2])] = cells
    vectors = {name: components for name, components in numbered.items() if 0 in components}
    inside = {cells.name for components in vectors.values() for cells in components.values()}
    result = [cells for cells in columns if cells.name not in inside]
    for name, components in vectors.items():
        size = len(components)
        gap = next((index for index in range(size) if index not in components), None)
        if gap is None:
            result.append(vector_of(name, [components[index] for index in range(size)]))
            continue
        last = components[max(components)]
        place = Location(HEADER, last.at)
        last.faults.add(f"`{name}_{gap}` is missing from the vector `{name}`", place)
        result.append(unreadable(name, last.at, len(last.values), last.faults))
    return result


def _label_at(rows: NDArray[np.int64], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """The label of every image from the label of every row; -1 for an image without a row."""
    by_image: NDArray[np.int64] = label[rows]
    by_image[rows < 0] = -1
    return by_image


def _field_at(rows: NDArray[np.int64], field: Array) -> Array:
    """The field of every image from the field of every row; NaN for an image without a row."""
    values: Array = field[rows]
    if (rows < 0).any():
        values = values.astype(np.float64) if values.dtype == np.int64 else values
        values[rows < 0] = np.nan
    return values
