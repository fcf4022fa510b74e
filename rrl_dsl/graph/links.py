"""Reads the links for `pairs`: from a file of pairs, a file with a matrix, or Python."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from rrl_dsl.graph.external import Links
from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.machine import needing_memory
from rrl_dsl.tables import table

MATRICES: Final = (".npz", ".npy")
"""The suffixes of files with a matrix."""
SUFFIXES: Final = (*table.SUFFIXES, *MATRICES)
"""The suffixes of the files that `read` reads."""


def read(path: Path, written: str | None = None, name: str | None = None) -> Links:
    """The links in a file. A process reads an unchanged file once.

    Args:
        path: The path of the file.
        written: The file as written in the recipe; defaults to `path`.
        name: The file as written in messages; defaults to `path`.

    Raises:
        RRLError: RRL414 if it cannot be read, RRL415 for each line that is not a pair, RRL430
            for a matrix that does not relate samples, RRL515 if there is too little memory.
    """
    name = str(path) if name is None else name
    if path.suffix.lower() not in SUFFIXES:
        hint = (
            "write `a,b` or `a,b,weight` to a file with the suffix .csv, .tsv or .parquet, or a "
            "matrix to a .npz or .npy file"
        )
        raise error("RRL414", f"`{name}` does not have the suffix of a file of pairs", hint=hint)
    try:
        path = path.absolute()
        state = path.stat()
        stamp = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        with needing_memory(f"the pairs in `{name}`", "list fewer pairs"):
            return _read(path, written or name, name, stamp)
    except (OSError, ValueError) as problem:  # ValueError: a path with a null character
        reason = getattr(problem, "strerror", None) or str(problem).partition("\n")[0]
        message = f"cannot read the pairs in `{name}`: {reason}"
        missing = isinstance(problem, FileNotFoundError)
        advice = "paths are relative to the folder of the recipe" if missing else None
        raise error("RRL414", message, hint=advice) from None


@lru_cache(maxsize=64)
def _read(path: Path, written: str, name: str, stamp: tuple[int, ...]) -> Links:
    if path.suffix.lower() in MATRICES:
        from rrl_dsl.graph.matrix_links import read_matrix_links

        return read_matrix_links(path, written, name)
    from rrl_dsl.graph.listed_pairs import read_pairs

    return read_pairs(path, written, name)


def of_python(value: Any) -> Links | None:
    """The links of a matrix in Python; None if the value is not a matrix.

    Raises:
        RRLError: RRL430 for a matrix that does not relate samples.
    """
    if not hasattr(value, "shape") and not hasattr(value, "adjacency"):
        return None  # neither an array nor a graph of networkx
    from rrl_dsl.graph.matrix_links import matrix_links

    return matrix_links(value)
