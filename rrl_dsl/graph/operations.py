"""The operations of a plan: the computation, the range and the cost of each.

`run` takes the module of array functions (`rrl_dsl.backends.tensors` or `rrl_dsl.backends.arrays`),
then the arguments of the instruction: results, columns of both rows, scalars and a lookup. The rest
are operators that tensors and arrays share, so an operation is written once. A float result is
float32, rounded after each operation, and at most the largest float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

from rrl_dsl.graph.plan import Active, Column, Constant, Scalar
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.stage import Lookup
from rrl_dsl.language.weights import LARGEST, number, raised, rounded


class Range(NamedTuple):
    """The least and the greatest possible value; a truth value is 0 or 1."""

    low: float
    high: float


MAYBE: Final = Range(0.0, 1.0)
ALWAYS: Final = Range(1.0, 1.0)
NEVER: Final = Range(0.0, 0.0)
ANYTHING: Final = Range(0.0, LARGEST)


class Case(NamedTuple):
    """A kind of pairs, with the arguments of an instruction other than results.

    Attributes:
        same: `sample` and `view` -> whether both rows have the same one; absent if unknown.
        columns: The columns of the instruction.
        scalars: Its scalars.
        lookup: Its lookup.
    """

    same: Mapping[str, bool]
    columns: tuple[Column, ...] = ()
    scalars: tuple[Scalar, ...] = ()
    lookup: Lookup | None = None


CASES: Final[tuple[Mapping[str, bool], ...]] = (
    {"sample": True, "view": True},
    {"sample": True, "view": False},
    {"sample": False},
)
"""The kinds of pairs with separate ranges: i = j, two views of a sample, two samples."""


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        run: (array functions, arguments) -> result.
        bound: (case, ranges of the results it takes) -> range of its result.
        cost: Elementary operations per pair, without those over a vector or a list.
        bytes: The size of the result per pair: 1 for a truth value, 4 for a weight or a draw.
        directed: Whether the result for (i, j) may differ from that for (j, i).
        candidates: (`rrl_dsl.backends.candidates.Candidates`, arguments) -> pairs that include
            every pair with a result above 0; None for every pair. It takes the candidates of each
            result instead of the result.
        classes: (`rrl_dsl.backends.known_edges.Classes`, arguments) -> the classes of its result;
            None if it does not consist of classes. It takes the classes of each result instead of
            the result, and the position of each column instead of the column.
    """

    run: Callable[..., Any]
    bound: Callable[..., Range] = lambda case, *values: MAYBE
    cost: int = 1
    bytes: int = 1
    directed: bool = False
    candidates: Callable[..., Any] = lambda c, *arguments: None
    classes: Callable[..., Any] = lambda c, *arguments: None


def _finite(weights: Any) -> Any:
    """Limits weights to the largest float32, because infinity times 0 is NaN."""
    return weights.clip(max=LARGEST)


def _weight(a: Any, x: Any) -> Any:
    """A float64 kernel as a weight. Values below 0 and NaN, from missing vectors, become 0."""
    return a.float32(_finite(a.where(x > 0, x, 0.0)))


# bounds


def _ends(scalar: Scalar) -> tuple[float, ...]:
    """The value of a scalar, or the first and the last value of its schedule."""
    match scalar:
        case Constant(value=value):
            ends = (value.start, value.end) if isinstance(value, Schedule) else (value,)
            return ends if scalar.exact else tuple(map(number, ends))
    raise AssertionError(scalar)


def _same(case: Case) -> Range:
    known = case.same.get(case.columns[0].kind)
    if known is None:  # a row is in its own component
        reflexive = case.columns[0].kind == "component" and case.same.get("view")
        return ALWAYS if reflexive else MAYBE
    return ALWAYS if known else NEVER


def _constant(case: Case) -> Range:
    (scalar,) = case.scalars
    assert isinstance(scalar, Active)
    if scalar.end is not None and scalar.end <= scalar.start:
        return NEVER
    return ALWAYS if (scalar.start, scalar.end) == (0, None) else MAYBE


def _above(case: Case, a: Range) -> Range:
    (limit,) = _ends(case.scalars[0])
    return NEVER if a.high <= limit else ALWAYS if a.low > limit else MAYBE


def _times(case: Case, a: Range) -> Range:
    ends = _ends(case.scalars[0])
    return Range(rounded(min(ends) * a.low), rounded(max(ends) * a.high))


def _raised(case: Case, a: Range) -> Range:
    largest = max(raised(a.high, end) for end in _ends(case.scalars[0]))
    # the last bit of a power differs between machines
    return Range(0.0, rounded(largest * (1 + 2.0**-20)))


def _at_most(case: Case, a: Range) -> Range:
    (limit,) = _ends(case.scalars[0])
    return Range(min(a.low, limit), min(a.high, limit))


def _cosine(case: Case) -> Range:
    # rounding may lift the cosine of a vector with itself above 1
    return MAYBE if _ends(case.scalars[0])[0] >= 1 else ANYTHING


def _heaviest(case: Case) -> Range:
    return Range(0.0, number(getattr(case.lookup, "limit", LARGEST)))


# candidates


def _of_first(c: Any, x: Any, *arguments: Any) -> Any:
    """The candidates of the first argument, if the result is 0 wherever this argument is."""
    return x


# lists and lookups


def _search(a: Any, i: Any, j: Any, table: Any) -> tuple[Any, Any]:
    """The position of the entry (i, j) among the sorted entries of i, and whether it exists."""
    last = table.entries.shape[0] - 1
    row = i.clip(min=0)
    end = table.starts[row + 1]
    low, high = table.starts[row] + 0 * j, end + 0 * j
    for _ in range(table.steps):
        middle = (low + high) // 2
        before = (table.entries[middle.clip(max=last)] < j) & (low < high)
        low, high = a.where(before, middle + 1, low), a.where(before, high, middle)
    at = low.clip(max=last)
    return at, (low < end) & (table.entries[at] == j) & (i >= 0) & (j >= 0)


def _linked_weight(a: Any, i: Any, j: Any, table: Any) -> Any:
    at, there = _search(a, i, j, table)
    return a.where(there, table.weights[at], 0.0)


def _in_list(items: Any, row: Any) -> Any:
    """Whether a row is in a list; the last dimension is the list."""
    listed = items[..., 0] == row
    for place in range(1, items.shape[-1]):
        listed = listed | (items[..., place] == row)
    return listed


def _affinity(a: Any, i: Any, j: Any, of_i: Any, of_j: Any) -> Any:
    distance = a.squared(i, j)

    def given(of: Any) -> Any:
        """The conditional probability of one side."""
        weight = a.exp(-distance * of[..., 0] - of[..., 1])
        return a.where(distance > of[..., 2], 0.0, weight)

    return _weight(a, given(of_i) + given(of_j))


_NOTHING: Final = -(2**62)
"""A value that no column has."""


def _exponential(a: Any, i: Any, j: Any, of_i: Any, of_j: Any, temperature: Any) -> Any:
    # rounding may lift a cosine above 1
    cosines = a.cosines(i, j, of_i, of_j)
    return _weight(a, a.exp(((cosines - 1.0) / temperature).clip(max=0.0)))


def _is_same(a: Any, i: Any, j: Any) -> Any:
    return i == a.where(j >= 0, j, _NOTHING)  # a negative value is unknown, and equals no other


def _both(a: Any, i: Any, j: Any) -> Iterator[Any]:
    """Whether a label of i equals a label of j, for all pairs of labels; the last dimension."""
    for of_j in range(j.shape[-1]):
        for of_i in range(i.shape[-1]):
            yield _is_same(a, i[..., of_i], j[..., of_j])


def _share(a: Any, i: Any, j: Any) -> Any:
    return reduce(or_, _both(a, i, j))


def _jaccard(a: Any, i: Any, j: Any) -> Any:
    shared = sum(map(a.float64, _both(a, i, j)))
    sizes = a.float64((i >= 0).sum(-1)) + a.float64((j >= 0).sum(-1))
    return _weight(a, shared / (sizes - shared))


OPERATIONS: Final[Mapping[str, Operation]] = {
    # truth values
    "same": Operation(
        _is_same,
        _same,
        cost=3,
        candidates=lambda c, i, j: c.equal(i, j),
        classes=lambda c, column: c.equal(column),
    ),
    "share": Operation(
        _share,
        cost=3,
        candidates=lambda c, i, j: c.sharing(i, j),
        classes=lambda c, column: c.equal(column),  # only for at most one label per sample
    ),
    "draw": Operation(lambda a, i, j: a.pair_draw(i, j), cost=10, bytes=4),
    "choose": Operation(lambda a, mask, one, other: a.where(mask, one, other), cost=1, bytes=4),
    "within": Operation(lambda a, draw, limit: draw <= limit),
    "constant": Operation(
        lambda a, scalar: scalar,
        _constant,
        cost=0,
        candidates=lambda c, scalar: None if scalar else c(()),
        classes=lambda c, scalar: c.constant(scalar),
    ),
    "both": Operation(
        lambda a, x, y: x & y,
        lambda case, x, y: Range(min(x.low, y.low), min(x.high, y.high)),
        candidates=lambda c, x, y: c.smaller(x, y),
        classes=lambda c, x, y: c.both(x, y),
    ),
    "either": Operation(
        lambda a, x, y: x | y,
        lambda case, x, y: Range(max(x.low, y.low), max(x.high, y.high)),
        candidates=lambda c, x, y: c.either(x, y),
        classes=lambda c, x, y: c.either(x, y),
    ),
    "negated": Operation(
        lambda a, x: ~x,
        lambda case, x: Range(1 - x.high, 1 - x.low),
        classes=lambda c, x: c.negated(x),
    ),
    "above": Operation(lambda a, x, limit: x > limit, _above, candidates=_of_first),
    "near": Operation(
        lambda a, i, j, within: abs(i - j) <= within,
        cost=3,
        candidates=lambda c, i, j, within: c.near(i, j, within),
    ),
    # weights
    "number": Operation(
        lambda a, x: a.float32(x),
        lambda case, x: x,
        bytes=4,
        candidates=_of_first,
        classes=lambda c, x: x,
    ),
    "largest": Operation(
        lambda a, x, y: a.maximum(x, y),
        lambda case, x, y: Range(max(x.low, y.low), max(x.high, y.high)),
        bytes=4,
        candidates=lambda c, x, y: c.either(x, y),
    ),
    "smallest": Operation(
        lambda a, x, y: a.minimum(x, y),
        lambda case, x, y: Range(min(x.low, y.low), min(x.high, y.high)),
        bytes=4,
        candidates=lambda c, x, y: c.smaller(x, y),
    ),
    "total": Operation(
        lambda a, x, y: _finite(x + y),
        lambda case, x, y: Range(rounded(x.low + y.low), rounded(x.high + y.high)),
        cost=2,
        bytes=4,
        candidates=lambda c, x, y: c.either(x, y),
        classes=lambda c, x, y: c.total(x, y),
    ),
    "masked": Operation(
        lambda a, x, mask: a.where(mask, x, 0.0),
        lambda case, x, mask: Range(x.low if mask.low else 0.0, x.high if mask.high else 0.0),
        bytes=4,
        candidates=lambda c, x, y: c.smaller(x, y),
    ),
    "times": Operation(
        lambda a, x, factor: _finite(x * factor), _times, cost=2, bytes=4, candidates=_of_first
    ),
    "at_most": Operation(
        lambda a, x, limit: a.minimum(x, limit), _at_most, bytes=4, candidates=_of_first
    ),
    "raised": Operation(
        # in float64, because the last bit of a float32 power differs between devices
        lambda a, x, exponent: a.float32(_finite(a.float64(x) ** a.float64(exponent))),
        _raised,
        cost=2,
        bytes=4,
        candidates=_of_first,
    ),
    # kernels of vectors: sliced, with their squares and units, or as they are
    "cosine": Operation(
        lambda a, i, j, of_i, of_j, t: _weight(a, a.cosines(i, j, of_i, of_j) / t),
        _cosine,
        cost=3,
        bytes=4,
    ),
    "dot": Operation(
        lambda a, *columns_and_t: _weight(a, a.dots(*columns_and_t[:-1]) / columns_and_t[-1]),
        lambda case: ANYTHING,
        cost=3,
        bytes=4,
    ),
    "exponential": Operation(_exponential, cost=5, bytes=4),
    "gaussian": Operation(
        lambda a, i, j, width: _weight(a, a.exp(-a.squared(i, j) / (2.0 * (width * width)))),
        cost=4,
        bytes=4,
    ),
    "affinity": Operation(_affinity, cost=9, bytes=4),
    "jaccard": Operation(_jaccard, cost=6, bytes=4, candidates=lambda c, i, j: c.sharing(i, j)),
    # lookups and lists
    "linked": Operation(
        lambda a, i, j, table: _search(a, i, j, table)[1],
        cost=8,
        candidates=lambda c, i, j, table: c.linked(i, j, table),
    ),
    "linked_weight": Operation(
        _linked_weight,
        _heaviest,
        cost=9,
        bytes=4,
        candidates=lambda c, i, j, table: c.linked(i, j, table),
    ),
    "listed": Operation(
        lambda a, i, j, of_i, of_j: _in_list(of_i, j) | _in_list(of_j, i),
        cost=0,
        candidates=lambda c, *columns: c.listed(*columns, by_column=True),
    ),
    "listed_mutually": Operation(
        lambda a, i, j, of_i, of_j: _in_list(of_i, j) & _in_list(of_j, i),
        cost=0,
        candidates=lambda c, *columns: c.listed(*columns, by_column=False),
    ),
    "listed_by_row": Operation(
        lambda a, i, j, of_i, of_j: _in_list(of_i, j),
        cost=0,
        directed=True,
        candidates=lambda c, *columns: c.listed(*columns, by_column=False),
    ),
}
