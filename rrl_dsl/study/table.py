"""Tables of results: one row per run, or one per epoch of a run, as CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.files import TABLE_BYTES, read_bytes, write_bytes, write_text
from rrl_dsl.language.spelling import written_number

Value = str | int | float | None
Row = Mapping[str, Value]

FORMATS: Final = (".csv", ".parquet")


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Writes rows to `path` as CSV, and as Parquet beside it. A missing value is empty.

    Args:
        path: The CSV file.
        rows: The rows; the columns are those of all rows, in the order of their first use.

    Raises:
        RRLError: RRL507 if a file cannot be written.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    content = pa.BufferOutputStream()
    arrays = {name: _array([row.get(name) for row in rows]) for name in columns}
    pq.write_table(pa.table(arrays), content)
    write_bytes(path.with_suffix(".parquet"), content.getvalue().to_pybytes())


def read_table(path: Path) -> list[dict[str, Value]]:
    """Reads a table of results; an empty value is None, and numbers are numbers.

    Raises:
        RRLError: RRL412 if the file is neither CSV nor Parquet, or cannot be read.
    """
    try:
        content = read_bytes(path, str(path), TABLE_BYTES)
        if path.suffix.lower() == ".parquet":
            return list(pq.read_table(pa.BufferReader(bytes(content))).to_pylist())
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        return [{name: _value(text) for name, text in row.items()} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
        message = f"the table `{path}` cannot be read: {reason}"
        hint = "pass the `results.csv` or `epochs.csv` of a sweep"
        raise error("RRL412", message, hint=hint) from None


def _value(text: str | None) -> Value:
    if not text:
        return None
    number = written_number(text)
    return text if number is None else number


def _array(values: Sequence[Value]) -> pa.Array:
    """A column; one that has both numbers and texts is text."""
    kinds = {isinstance(value, str) for value in values if value is not None}
    if len(kinds) > 1:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return pa.array(values)
