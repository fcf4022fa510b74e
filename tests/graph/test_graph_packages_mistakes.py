"""Mistakes in built-ins of another package: in declarations, and in operations of handles."""

import math
import re
from dataclasses import dataclass
from types import FunctionType

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import rrl_dsl as rrl
from rrl_dsl.backends import reference
from rrl_dsl.graph import registry
from rrl_dsl.graph.recording import Recording
from rrl_dsl.language.spelling import RESERVED


def test_decorator_checks_parameters_and_names():
    with pytest.raises(TypeError, match="`k` of `odd` needs an annotation"):

        @rrl.source(example="odd(1)")
        def odd(pair: rrl.Pair, k: int) -> rrl.Mask:
            """Relates nothing."""
            return pair.never

    with pytest.raises(ValueError, match="`ssl` is registered twice"):

        @rrl.source(example="ssl()")
        def ssl(pair: rrl.Pair) -> rrl.Mask:
            """Relates nothing."""
            return pair.never


def test_handles_have_no_truth_and_results_must_be_weights(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))

    def decided(weight: rrl.Weight) -> rrl.Weight:
        """Decides."""
        return weight if weight > 0.5 else 2 * weight

    def yes(pair: rrl.Pair) -> rrl.Mask:
        """Returns a truth value of Python."""
        return True

    with pytest.raises(ValueError, match=r"`decided` fails: TypeError: .*use `where`"):
        rrl.transform(example="ssl() | decided()")(decided)
    with pytest.raises(ValueError, match="`yes` returned True, not a `Weight`"):
        rrl.source(example="yes()")(yes)
    with pytest.raises(rrl.RRLError, match="there is no built-in `yes`"):
        rrl.parse("yes()")


def test_function_that_fails_for_some_arguments_is_an_error_at_its_call(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))

    @rrl.transform(example="ssl() | shared(2)")
    def shared(weight: rrl.Weight, n: rrl.Index) -> rrl.Weight:
        """Divides every weight.

        Args:
            n: The divisor.
        """
        return weight * (1 / n)

    with pytest.raises(rrl.RRLError, match=r"RRL432.*`shared` fails: ZeroDivisionError"):
        _ = (rrl.ssl() | shared(0)).binary
    with pytest.raises(rrl.RRLError, match=r"RRL432(.|\n)*:1:9\n(.|\n)* line \d+ of `test_graph_"):
        rrl.parse("ssl() | shared(0)")
    registry.signatures.cache_clear()


def by_number(pair: rrl.Pair, x: rrl.NumberField) -> rrl.Mask:
    """Reads a number.

    Args:
        x: A field.
    """
    return pair.near(x, 1)


@pytest.mark.parametrize(
    ("example", "annotation", "message"),
    [
        (
            "by_number(time",
            rrl.NumberField,
            "the example of `by_number` fails: this `\\(` is never",
        ),
        ("by_number(3)", rrl.NumberField, "`by_number` fails: `x` must be the name of a field"),
        ("by_numbers(time)", rrl.NumberField, "fails: .* did you mean `by_number`"),
        ("ssl()", rrl.NumberField, r"the example of `by_number` does not use it: ssl\(\)"),
        ("by_number(time)", rrl.LabelField, "`x` as a number: .* `rrl.NumberField`, .* as a label"),
        ("by_number(projection)", rrl.SpaceOrField, "annotate it with .* or read it as a space"),
    ],
)
def test_example_is_a_recipe_and_fields_are_read_as_they_are_annotated(
    monkeypatch: pytest.MonkeyPatch, example, annotation, message
):
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))
    copy = FunctionType(by_number.__code__, globals(), "by_number")
    copy.__annotations__ = {**by_number.__annotations__, "x": annotation}
    copy.__doc__ = by_number.__doc__
    with pytest.raises(ValueError, match=message):
        rrl.source(example=example)(copy)
    assert "by_number" not in registry.signatures()
    registry.signatures.cache_clear()


def near(pair: rrl.Pair, *, within: rrl.NonNegative = 7, at: rrl.Count | None = None) -> rrl.Mask:
    """Relates nothing.

    Args:
        within: A distance.
        at: A place.
    """
    return pair.never


def some(pair: rrl.Pair, *fields: rrl.LabelField) -> rrl.Mask:
    """Relates nothing."""
    return pair.never


def both(weight: rrl.Weight, other: rrl.Weight) -> rrl.Weight:
    """Takes two graphs."""
    return weight & other


@pytest.mark.parametrize(
    ("kind", "function", "change", "options", "message"),
    [
        (rrl.source, near, {"__name__": "ssl"}, {}, "`ssl` is registered twice"),
        (rrl.source, near, {}, {"name": "let"}, "`let` is not a valid name"),
        (rrl.source, near, {"__doc__": None}, {}, "`near` needs a docstring"),
        (rrl.source, near, {"__doc__": "Relates."}, {}, "must describe `within` in `Args:`"),
        (rrl.source, near, {"within": "1"}, {}, "default of `within` of `near` must be a number"),
        (rrl.source, near, {"within": -1.0}, {}, "must be a number of at least 0, not -1"),
        (rrl.source, near, {"within": None}, {}, r"not None; annotate it with `\| None`"),
        (rrl.source, near, {}, {"given": {"k": "1"}}, "`near` has no parameter `k`"),
        (rrl.source, near, {}, {"excludes": (("at", "k"),)}, "`near` has no parameter `k`"),
        (rrl.source, some, {}, {}, "`fields` of `some` is any number of arguments"),
        (rrl.source, both, {}, {}, "the source `both` must take one `rrl.Pair`"),
        (rrl.transform, both, {}, {}, "the transform `both` must take one `rrl.Weight`"),
        (rrl.transform, near, {}, {}, "the transform `near` must take one `rrl.Weight`"),
    ],
)
def test_decorator_refuses_what_would_fail_later(
    monkeypatch: pytest.MonkeyPatch, kind, function, change, options, message
):
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))
    copy = FunctionType(function.__code__, function.__globals__, function.__name__)
    copy.__annotations__, copy.__doc__ = function.__annotations__, function.__doc__
    copy.__kwdefaults__ = {**(function.__kwdefaults__ or {})}
    for name, value in change.items():
        if name in copy.__kwdefaults__:
            copy.__kwdefaults__[name] = value
        else:
            setattr(copy, name, value)
    with pytest.raises((TypeError, ValueError), match=message):
        kind(example="near()", **options)(copy)


def test_default_is_a_value_of_its_type(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))
    rrl.source(example="close()", name="close")(near)
    assert str(registry.lookup("close")) == "close(*, within=7.0, at=)"
    registry.signatures.cache_clear()


class Bare(rrl.Lookup):
    """Lacks the decorator of a dataclass."""


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda w, p: w.where(w == 1.0), "has only the comparison `weight > k`"),
        (lambda w, p: w >= 0.5, "has only the comparison `weight > k`"),
        (lambda w, p: w + 0.1, "takes a `Weight`, not 0.1"),
        (lambda w, p: p.same_row | 0.1, "takes a `Weight`, not 0.1"),
        (lambda w, p: w.where(w), "takes a `Mask`, not"),
        (lambda w, p: p.same_row.where(True), "takes a `Mask`, not True"),
        (lambda w, p: w - 0.5, "takes a `Weight`, not 0.5"),
        (lambda w, p: 0.1 + w, "`k \\* pair.always` is the weight k of every pair"),
        (lambda w, p: 1 - w, "`~weight` is a mask that holds where the weight is 0"),
        (lambda w, p: w / 2, "multiply by a number, such as `0.5 \\* weight`"),
        (lambda w, p: w * w, "`a & b` the smaller of two weights"),
        (lambda w, p: w * p.drawn(0.5), "`a.where\\(mask\\)` is the weight a where"),
        (lambda w, p: w * -1, "`k \\* weight` must be a number of at least 0, not -1"),
        (lambda w, p: w * float("nan"), "must be a number of at least 0, not nan"),
        (lambda w, p: w**0, "`weight \\*\\* p` must be a number above 0, not 0"),
        (lambda w, p: w > w, "must be a number of at least 0, not a weight"),
        (lambda w, p: w > rrl.step(0, 1, at=3), "must be a number of at least 0, not a schedule"),
        (lambda w, p: w.at_most(p.same_row), "must be a number of at least 0, not a mask"),
        (lambda w, p: math.exp(w), "a weight is not a number"),
        (lambda w, p: p.drawn(2), "`p` must be a number from 0 to 1, not 2"),
        (lambda w, p: p.drawn(0.5, unit="pair"), "`unit` must be `sample` or `row`"),
        (lambda w, p: p.drawn(0.5, redraw="batch"), "`redraw` must be `never`, `epoch` or `step`"),
        (lambda w, p: p.drawn(0.5, where=w), "takes a `Mask`, not Weight"),
        (lambda w, p: p.drawn_samples(-1), "`share` must be a number from 0 to 1"),
        (lambda w, p: p.near("time", -1), "`within` must be a number of at least 0"),
        (lambda w, p: p.gaussian("caption", 0), "the bandwidth must be a number above 0"),
        (lambda w, p: p.during("a", None), "an epoch of `during` must be an integer"),
        (lambda w, p: p.ask_views(0), "`views` must be an integer from 1 to 64"),
        (lambda w, p: p.linked("links"), "takes a `Lookup`, not 'links'"),
        (lambda w, p: p.listed("list"), "takes a `Stage`, not 'list'"),
        (lambda w, p: p.grouped("group"), "takes a `Stage`, not 'group'"),
        (lambda w, p: p.linked(Bare()), "`Bare` must be a frozen dataclass"),
    ],
)
def test_operations_of_handles_refuse_other_operands(operation, message):
    recording = Recording()
    with pytest.raises(TypeError, match=message):
        operation(recording.operand(False), rrl.Pair(recording, 0, None))


def test_numbers_of_numpy_scale_a_weight():
    weight = Recording().operand(False)
    assert (np.float64(0.5) * weight).at == (weight * np.float32(0.5)).at == (0.5 * weight).at


@dataclass(frozen=True)
class Links(rrl.Lookup):
    """Given links between samples."""

    weights: tuple[tuple[float, ...], ...]

    def find(self, samples, seed, wanted=None):
        return rrl.LookupTable.of_links(samples.ids, sp.csr_array(np.array(self.weights)))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (((0, 5), (5, 0)), "`Links` has a link with weight 5, but its `limit` is 1"),
        (((0, -1), (-1, 0)), "`Links` has a link with weight -1"),
        (((0, math.nan), (math.nan, 0)), "has a link with weight nan"),
        (((0, 1), (0, 0)), "`Links` has links that differ from i to j and from j to i"),
        (((0, 1), (0.5, 0)), "set `directed = True`"),
    ],
)
def test_lookup_that_is_not_as_declared_is_an_error(
    monkeypatch: pytest.MonkeyPatch, weights, message
):
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))

    @rrl.source(example="given()")
    def given(pair: rrl.Pair) -> rrl.Weight:
        """Weights of links."""
        return pair.linked_weight(Links(weights))

    samples = rrl.Nodes([0, 1])
    with pytest.raises(rrl.RRLError, match=f"RRL432(.|\\n)*{re.escape(message)}"):
        rrl.compile(given()).bind(samples)
    for allowed in (((0, 1), (1, 0)), ((0, 0), (0, 0))):
        weights = allowed
        related = rrl.compile(given()).bind(samples)(samples)
        assert related.tolist() == [list(row) for row in allowed]
    registry.signatures.cache_clear()


@dataclass(frozen=True)
class Listed(rrl.Stage):
    """A given result, of torch or NumPy."""

    columns: int

    def find(self, arrays, batch):
        position = arrays.positions(batch.first)
        return position if not self.columns else position[:: self.columns, None]


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda pair: pair.listed(Listed(0)), r"shape \(3,\) for 3 rows, not \(u, k\)"),
        (lambda pair: pair.listed(Listed(2)), r"shape \(2, 1\) for 3 rows, not \(u, k\)"),
        (lambda pair: pair.grouped(Listed(1)), r"shape \(3, 1\) for 3 rows, not \(u,\)"),
        (lambda pair: pair.listed(Listed("a")), r"fails: TypeError(.|\n)*line \d+ of `test_graph_"),
    ],
)
def test_stage_that_fails_or_returns_another_shape_is_an_error(
    monkeypatch: pytest.MonkeyPatch, operation, message
):
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))

    @rrl.source(example="staged()")
    def staged(pair: rrl.Pair) -> rrl.Mask:
        """Relates what a stage says."""
        return operation(pair)

    with pytest.raises(rrl.RRLError, match=f"RRL432.*`Listed` (.|\\n)*{message}"):
        rrl.compile(staged())(rrl.Nodes(range(3)))
    rows = reference.Rows(np.arange(3), np.zeros(3, np.int64))
    with pytest.raises(rrl.RRLError, match=f"RRL432.*`Listed` (.|\\n)*{message}"):
        reference.evaluate(staged(), rows)
    registry.signatures.cache_clear()


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_field_with_a_reserved_name_is_printed_in_quotes(word: str):
    graph = rrl.supervised(labels=word)
    assert str(graph) == f'supervised(labels="{word}")'
    assert rrl.parse(str(graph)) == graph


def test_difference_of_handles_is_that_of_the_language(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_SIGNATURES", dict(registry.registered()))

    @rrl.transform(example="ssl() | others()")
    def others(weight: rrl.Weight, pair: rrl.Pair) -> rrl.Weight:
        """Keeps edges to other samples."""
        return weight - pair.same_sample

    rows = rrl.Nodes([0, 0, 1], [0, 1, 0])
    weights = rrl.compile(3 * rrl.all() | others())(rows)
    assert torch.equal(weights, rrl.compile(3 * rrl.all() - rrl.ssl())(rows))
    registry.signatures.cache_clear()
