"""Each built-in is known wherever a built-in has to be; the README says where that is."""

from collections.abc import Collection
from pathlib import Path

import pytest
from parity_oracle import Oracle

import rrl_dsl as rrl
from rrl_dsl.backends import among, expectation, reference
from rrl_dsl.backends.expectation import is_expected
from rrl_dsl.backends.reference.transforms import TRANSFORMS as MEANINGS
from rrl_dsl.graph import bounds, lower_calls
from rrl_dsl.graph.algebra import Applied, Source
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.registry import Signature, signatures

ROOT = Path(__file__).parents[2]
NAMES = {
    kind: {name for name, each in signatures().items() if each.kind == kind}
    for kind in ("source", "transform")
}


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("source", reference.SOURCES),
        ("source", among.SOURCES),
        ("source", lower_calls.SOURCES),
        ("source", expectation.SOURCES),
        ("transform", MEANINGS),
        ("transform", lower_calls.TRANSFORMS),
        ("transform", expectation.TRANSFORMS),
        ("transform", bounds.TRANSFORMS),
    ],
)
def test_every_built_in_is_in_every_table(kind: str, table: Collection[str]):
    assert set(table) == NAMES[kind]


def test_what_is_not_expected_needs_more_than_labels_and_draws():
    for name in NAMES["source"]:
        call = signatures()[name].shortest
        if "file" not in call:
            graph = rrl.parse(call)
            assert is_expected(graph) == (expectation.SOURCES[name] is not None), name
    for name in NAMES["transform"]:
        graph = rrl.parse(f"ssl() | {signatures()[name].shortest}")
        assert is_expected(graph) == (expectation.TRANSFORMS[name] is not None), name


def test_unknown_built_in_is_an_error_that_names_the_file_to_extend():
    parity = Source(Call(Signature("parity", "source", "x", "parity()"), {}))
    invert = Applied(rrl.ssl(), Call(Signature("invert", "transform", "x", "invert()"), {}))
    for graph in (parity, invert):
        with pytest.raises(NotImplementedError, match=r"add it to rrl_dsl/backends/expectation.py"):
            is_expected(graph)
    for ask in (lambda: invert.limit, lambda: invert.loopless):
        with pytest.raises(NotImplementedError, match=r"add it to rrl_dsl/graph/bounds.py"):
            ask()


def test_readme_names_every_file_that_a_built_in_is_added_to():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    passage = text.partition("## Add a source or a transform")[2].partition("\n## ")[0]
    for module in (lower_calls, bounds, expectation):
        assert Path(module.__file__).relative_to(ROOT).as_posix() in passage
    for place in ("rrl_dsl/graph/builtins", "rrl_dsl/backends/reference", Oracle.__module__):
        assert place in passage
