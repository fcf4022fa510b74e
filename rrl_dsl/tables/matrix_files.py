"""Matrices in files: `.npz` of `scipy.sparse.save_npz`, and dense `.npy`, which is memory-mapped.

An archive may also contain an array `ids`: the sample of each row, as integers or as texts. No file
is unpickled, because that could run any code.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.files import ARCHIVE_BYTES, check_size, open_file
from rrl_dsl.language.machine import is_out_of_memory
from rrl_dsl.tables.matrix import (
    Array,
    Matrix,
    check_shape,
    invalid,
    kept,
    of_dense,
    of_sparse,
    with_ids,
)
from rrl_dsl.tables.pairs import sample_id

SUFFIXES: Final = (".npz", ".npy")
"""The suffixes of files of matrices."""

_WORTH_KEEPING: Final = 2**24
"""The fewest bytes of a file with a copy on disk; a smaller file is read faster than its copy."""
_PARTS: Final = {
    "csr": ("indices", "indptr"),
    "csc": ("indices", "indptr"),
    "bsr": ("indices", "indptr"),
    "coo": ("row", "col"),
    "dia": ("offsets",),
}
"""Format -> the arrays besides `data`."""
_WRITE: Final = "write it with `scipy.sparse.save_npz`"


def read_matrix(path: Path, name: str) -> Matrix:
    """Reads the matrix in a file. The normal form of a large file is kept on disk.

    Args:
        path: The file; its suffix is one of `SUFFIXES`, regardless of case.
        name: The name of the file in messages.

    Raises:
        OSError: If the file cannot be opened or is not a regular file.
        RRLError: RRL414 if the file is damaged or has another layout, RRL428 if it is too large,
            RRL430 if its matrix does not relate samples.
    """
    with open_file(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        read = _dense if path.suffix.lower() == ".npy" else _sparse
        if size < _WORTH_KEEPING:
            return read(file, name)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        return kept([path.suffix.lower(), digest], lambda: read(file, name), worth=True)


def packed(matrix: Matrix) -> memoryview:
    """The content of an `.npz` file with a matrix and its ids."""
    content = BytesIO()
    size, entries = matrix.size, len(matrix.entries)
    weights = np.ones(entries, bool) if matrix.weights is None else matrix.weights
    ids = {} if matrix.ids is None else {"ids": matrix.ids}
    np.savez(
        content,
        allow_pickle=False,
        format=np.array(b"csr"),
        shape=np.array([size, size]),
        data=weights,
        indices=matrix.entries,
        indptr=matrix.starts,
        **ids,
    )
    return content.getbuffer()


def ids_of(given: Sequence[Any] | Array, size: int, name: str) -> Array:
    """The samples of n rows, int64 (n,), from integers or texts.

    Raises:
        RRLError: RRL430 if there is not one id per row, or a value is not an id or occurs twice.
    """
    cells = given.tolist() if hasattr(given, "tolist") else given
    cells = list(cells) if isinstance(cells, Iterable) else [cells]  # an array without axes
    if len(cells) != size:
        hint = "pass one id for each row, in order"
        raise invalid(name, f"has {size:,} rows, but there are {len(cells):,} ids", hint)
    ids = [sample_id(cell) for cell in cells]
    hint = "an id is an integer from 0, or a text such as `train/cat/1.png`"
    if None in ids:
        row = ids.index(None)
        raise invalid(name, f"has the id `{str(cells[row])[:60]}` for row {row}", hint)
    samples = np.array(ids, dtype=np.int64)
    order = np.argsort(samples, kind="stable")
    again = np.flatnonzero(samples[order[1:]] == samples[order[:-1]])
    if len(again):
        one, other = (int(order[again[0] + place]) for place in (0, 1))
        what = f"has the id `{cells[one]}` for rows {one} and {other}"
        raise invalid(name, what, "each sample must have one row")
    return samples


def _dense(file: BufferedReader, name: str) -> Matrix:
    shape, fortran, dtype = _header(file, name)
    if dtype.hasobject:
        raise _objects(name)
    check_shape(shape, dtype, f"`{name}`")
    start, count = file.tell(), math.prod(shape)
    if file.seek(0, 2) - start != count * dtype.itemsize:
        raise _damaged(name, "it does not have the length that its header declares")
    if not count:
        return of_dense(np.empty(shape, dtype), f"`{name}`")
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    cells: Array = np.frombuffer(mapped, dtype, count, start)
    return of_dense(cells.reshape(shape, order="F" if fortran else "C"), f"`{name}`")


def _sparse(file: BufferedReader, name: str) -> Matrix:
    arrays = _arrays(file, name)
    shape = arrays["shape"]
    if shape.ndim != 1 or shape.dtype.kind not in "iu":
        raise _damaged(name, "its array `shape` does not contain integers")
    size: tuple[int, ...] = tuple(shape.tolist())
    data, kind = arrays["data"], _format(arrays["format"])
    check_shape(size, data.dtype, f"`{name}`")
    parts = [arrays[part] for part in _PARTS[kind]]
    if any(part.dtype.kind not in "iu" for part in parts):
        raise _damaged(name, f"`{_PARTS[kind][0]}` does not contain integers")
    try:
        matrix = _made(kind, data, parts, size)
        matrix = matrix.tocsr() if kind == "dia" else matrix
    except (ValueError, TypeError, IndexError, OverflowError) as reason:
        raise _damaged(name, str(reason).partition("\n")[0]) from None
    links = of_sparse(matrix, f"`{name}`", copy=False)
    if "ids" not in arrays:
        return links
    return with_ids(links, ids_of(arrays["ids"], links.size, f"`{name}`"))


def _made(kind: str, data: Array, parts: Sequence[Array], shape: tuple[int, ...]) -> Any:
    """A SciPy sparse array.

    Raises:
        ValueError: If it is not valid.
    """
    make: Callable[..., Any] = getattr(sp, f"{kind}_array")
    return make((data, tuple(parts)) if kind == "coo" else (data, *parts), shape=shape)


def _format(array: Array) -> str:
    name = array.item()
    return name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)


def _arrays(file: BufferedReader, name: str) -> dict[str, Array]:
    """The arrays of an archive of `save_npz`, and its `ids`."""
    try:
        archive = zipfile.ZipFile(file)
        members = archive.infolist()
        check_size(name, sum(member.file_size for member in members), ARCHIVE_BYTES)
        repeated = [path for path, n in Counter(m.filename for m in members).items() if n > 1]
        if repeated:
            raise _damaged(name, f"it has several arrays `{repeated[0].removesuffix('.npy')}`")
        sizes = {member.filename.removesuffix(".npy"): member for member in members}
        arrays: dict[str, Array] = {}
        for part in ("format", "shape", "data"):
            if part not in sizes:
                raise _other_layout(name, list(sizes))
            arrays[part] = _member(archive, sizes[part], name)
        kind = _format(arrays["format"]) if arrays["format"].size == 1 else ""
        if kind not in _PARTS:
            raise _damaged(name, f"there is no format `{kind[:20]}`")
        for part in (*_PARTS[kind], *({"ids"} & sizes.keys())):
            if part not in sizes:
                raise _damaged(name, f"it has no array `{part}`")
            arrays[part] = _member(archive, sizes[part], name)
    except RRLError:
        raise
    except Exception as reason:  # a damaged archive may raise anything
        if is_out_of_memory(reason):
            raise
        raise _damaged(name, str(reason).partition("\n")[0]) from None
    return arrays


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Array:
    with archive.open(member) as file:
        shape, fortran, dtype = _header(file, name)
        if dtype.hasobject:
            raise _objects(name)
        size = math.prod(shape) * dtype.itemsize
        if size > member.file_size:
            raise _damaged(name, "an array is shorter than its header declares")
        content = bytearray(size)
        view, read = memoryview(content), 0
        while read < size and (part := file.readinto(view[read:])):  # type: ignore[attr-defined]
            read += part
        while file.read(1):  # the archive checks the checksum at the end
            raise _damaged(name, "an array is longer than its header declares")
    if read < size:
        raise _damaged(name, "an array is shorter than its header declares")
    array: Array = np.frombuffer(content, dtype, math.prod(shape))
    return array.reshape(shape, order="F" if fortran else "C")


def _header(file: Any, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        return np.lib.format.read_array_header_2_0(file)
    except Exception as reason:  # a damaged header may raise anything
        raise _damaged(name, str(reason).partition("\n")[0]) from None


def _damaged(name: str, why: str) -> RRLError:
    hint = "write it again with `scipy.sparse.save_npz` or `numpy.save`; it may be a part of a file"
    return error("RRL414", f"`{name}` is not a readable matrix: {why}", hint=hint)


def _other_layout(name: str, arrays: Sequence[str]) -> RRLError:
    listed = ", ".join(f"`{array[:40]}`" for array in arrays[:5]) or "nothing"
    return error("RRL414", f"`{name}` is not a sparse matrix; it contains {listed}", hint=_WRITE)


def _objects(name: str) -> RRLError:
    hint = "objects are not loaded, because that may run any code; save numbers"
    return invalid(f"`{name}`", "contains Python objects", hint)
