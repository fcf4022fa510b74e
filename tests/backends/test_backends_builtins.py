"""A built-in is one function in one file; no other module knows it by its name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import rrl_dsl as rrl
from rrl_dsl.graph.registry import signatures
from rrl_dsl.report.expectation import is_expected

PACKAGE = Path(rrl.__file__).parent
NAMES = [name for name, signature in signatures().items() if signature.kind != "schedule"]
COMPARED_TO_A_NAME = (ast.Compare, ast.Dict, ast.match_case, ast.Set)


def strings_compared(path: Path) -> Iterator[str]:
    """The strings that a module of graphs compares with or looks up by."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, COMPARED_TO_A_NAME):
            parts = node.pattern if isinstance(node, ast.match_case) else node
            for part in ast.walk(parts):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


@pytest.mark.parametrize("folder", ["graph", "backends", "editor", "report", "models"])
def test_no_module_but_its_own_names_a_built_in(folder: str):
    own = PACKAGE / "graph" / "builtins"
    words = {"random", "near", "all", "none", "pairs"}  # of settings and operations too
    for path in (PACKAGE / folder).rglob("*.py"):
        if own not in path.parents:
            text = path.read_text(encoding="utf-8")
            assert not set(strings_compared(path)) & (set(NAMES) - words), path
            assert "signature.name ==" not in text, path


def test_no_module_imports_what_a_built_in_finds():
    own = PACKAGE / "graph" / "builtins"
    for path in PACKAGE.rglob("*.py"):
        if own not in path.parents:
            assert "graph.builtins." not in path.read_text(encoding="utf-8"), path


EXPECTED = {"ssl", "supervised", "random", "none", "all", "self", "cross_view"} | {
    "corrupt", "keep", "threshold", "clip", "power", "during", "drop_self",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_expectations_of_labels_and_draws_are_exact(name: str):
    signature = signatures()[name]
    if "file" not in signature.shortest:
        before = "ssl() | " if signature.kind == "transform" else ""
        assert is_expected(rrl.parse(f"{before}{signature.shortest}")) == (name in EXPECTED)
