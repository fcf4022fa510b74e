"""Links between samples for `pairs`: of a file of pairs, a file with a matrix, or Python."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from rrl_dsl.language.diagnostics import Diagnostic, error
from rrl_dsl.language.machine import needing_memory
from rrl_dsl.tables import table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MATRICES: Final = (".npz", ".npy")
"""The suffixes of files with a matrix."""
SUFFIXES: Final = (*table.SUFFIXES, *MATRICES)
"""The suffixes of the files that `read` reads."""
Symmetric = Literal["max", "mean"]
"""How a matrix that is not symmetric becomes symmetric."""


@dataclass(frozen=True, eq=False)
class External:
    """A value from a file or from Python. Its content identifies it.

    Attributes:
        written: The file as written in the recipe; None for a value from Python.
        name: The file as written in messages; empty for a value from Python.
        digest: SHA-256 of the content.
    """

    written: str | None
    name: str
    digest: str
    noun = "a value"

    def __str__(self) -> str:
        return f"<{self.noun} from Python>" if self.written is None else self.written

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, External):
            return NotImplemented
        return (self.written, self.digest) == (other.written, other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True, eq=False)
class SampleIds(External):
    """The samples of the rows of a matrix, from Python.

    Attributes:
        given: The ids as given, integers or texts.
    """

    given: Any
    noun = "ids"


class LinkedSamples(NamedTuple):
    """Samples with links in both directions.

    Attributes:
        ids: int64 (u,), sample ids, ascending.
        starts: Integers (u + 1,), the position of the first entry of each sample.
        entries: Integers (e,), the positions in `ids` of the linked samples, ascending per sample.
        weights: (e,), the weights of the links; None if they are not needed.
    """

    ids: NDArray[np.int64]
    starts: NDArray[Any]
    entries: NDArray[Any]
    weights: NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class Links(External):
    """Links between samples: a file of pairs, or a matrix.

    Attributes:
        path: The path of the file; None for a matrix from Python.
        summary: The number of links, in words.
        weighted: Whether links have weights other than 1.
        heaviest: A bound that no weight exceeds.
        emptiness: Why no two rows are linked, in words; None if some are.
        unequal: The first pair of a matrix whose two entries differ, in words.
        by_position: Whether row r of a matrix is the sample with the id r.
        is_matrix: Whether the links are a matrix.
    """

    path: Path | None
    _: KW_ONLY
    summary: str
    weighted: bool = False
    heaviest: float = 1.0
    emptiness: str | None = None
    unequal: str | None = None
    by_position: bool = False
    noun = "links"
    is_matrix = False

    def with_ids(self, ids: SampleIds) -> Links:
        """A matrix whose rows are the samples with these ids.

        Raises:
            RRLError: RRL430 if they do not fit the rows.
        """
        raise NotImplementedError

    @abstractmethod
    def linked(self, symmetric: Symmetric | None) -> LinkedSamples:
        """The samples and their links.

        Args:
            symmetric: How a matrix becomes symmetric.
        """

    @abstractmethod
    def unknown(self, known: NDArray[np.int64]) -> Diagnostic | None:
        """The error for a dataset with these ids, int64 (n,), if it lacks a linked sample."""

    def saved(self) -> Sequence[bytes | memoryview]:
        """The content of a file with the same links, in parts; of a matrix, an `.npz` file."""
        raise NotImplementedError

    def without_row(self, sample: int) -> Diagnostic:
        """The error for a sample without a row, in a matrix with one row per sample."""
        raise NotImplementedError


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
        relative = "paths are relative to the folder of the recipe"
        advice = relative if missing else "check whether it is a file that you may read"
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
