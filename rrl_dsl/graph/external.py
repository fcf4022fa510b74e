"""Values from outside the text of a recipe: links between samples, and sample ids."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rrl_dsl.language.diagnostics import Diagnostic

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
