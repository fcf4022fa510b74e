"""Recipes that import others: what a name means, which streams are drawn from, what is refused."""

from pathlib import Path

import numpy as np
import pytest

import rrl_dsl as rrl
from rrl_dsl.graph.imports import MAX_IMPORTS, Library
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.language.span import Source

BASE = """\
param frac = 0.3
param field = "label"
let known = supervised(frac=frac, labels=field)
ssl(views=2) | known | corrupt(fpr=0.05)
"""
ROWS = rrl.Nodes(np.arange(60), labels={"label": np.arange(60) % 3, "coarse": np.arange(60) % 2})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.rrl").write_text(BASE)
    return tmp_path


def parsed(text: str, folder: Path, **options) -> rrl.Graph:
    return rrl.parse(text, directory=folder, **options)


def edges(graph: rrl.Graph, seed: int = 4) -> np.ndarray:
    return rrl.compile(graph, seed=seed)(ROWS).numpy()


def test_imported_recipe_is_the_recipe_that_it_is_alone(folder: Path):
    graph = parsed('import "base.rrl" as base\nbase', folder)
    assert graph == rrl.load(folder / "base.rrl") == rrl.parse(BASE)
    assert (edges(graph) == edges(rrl.parse(BASE))).all()


def test_parameters_are_given_like_arguments(folder: Path):
    graph = parsed('import "base.rrl" as base\nbase(frac=0.6, field=coarse)', folder)
    assert graph == rrl.parse(BASE, params={"frac": 0.6, "field": "coarse"})
    quoted = parsed('import "base.rrl" as base\nbase(frac=0.6, field="coarse",)', folder)
    assert graph == quoted


def test_parameter_may_be_computed_from_the_importing_recipe_s_own(folder: Path):
    text = (
        'param share = 0.2\nparam which = "coarse"\nimport "base.rrl" as base\n'
        "let twice = 2 * share\nbase(frac=twice, field=which)"
    )
    assert parsed(text, folder) == rrl.parse(BASE, params={"frac": 0.4, "field": "coarse"})
    other = parsed(text, folder, params={"share": 0.1, "which": "label"})
    assert other == rrl.parse(BASE, params={"frac": 0.2})


def test_imported_recipe_keeps_its_own_numbering(folder: Path):
    own = parsed("supervised(frac=0.5) | keep(0.9)", folder)
    beside = 'import "base.rrl" as base\n(base & none()) | (supervised(frac=0.5) | keep(0.9))'
    assert (edges(parsed(beside, folder)) == edges(own)).all()
    after = 'import "base.rrl" as base\n(supervised(frac=0.5) & none()) | base'
    assert (edges(parsed(after, folder)) == edges(rrl.parse(BASE))).all()


def test_growing_parameters_give_nested_graphs(folder: Path):
    text = 'import "base.rrl" as base\nbase(frac=0.2) - base(frac=0.7)'
    assert not (edges(parsed(text, folder)) & ~np.eye(60, dtype=bool)).any()


def test_imports_go_further_and_a_recipe_may_be_met_twice(folder: Path):
    (folder / "sub").mkdir()
    (folder / "sub" / "deep.rrl").write_text("supervised(labels=coarse) | keep(0.5)")
    (folder / "left.rrl").write_text('import "sub/deep.rrl" as deep\ndeep | ssl()')
    (folder / "right.rrl").write_text('import "sub/deep.rrl" as deep\ndeep & cross_view()')
    graph = parsed('import "left.rrl" as l\nimport "right.rrl" as r\nl | r', folder)
    alone = parsed('import "sub/deep.rrl" as deep\n(deep | ssl()) | (deep & cross_view())', folder)
    assert graph == alone


def test_of_a_recipe_with_a_contrast_the_graph_is_imported(folder: Path):
    (folder / "far.rrl").write_text("ssl()\ncontrast all() - near(time, 5)")
    graph = parsed('import "far.rrl" as far\nfar | self()', folder)
    assert graph == rrl.parse("ssl() | self()")
    assert graph.contrast is None


def test_pairs_of_an_imported_recipe_lie_beside_it(folder: Path):
    (folder / "sub").mkdir()
    (folder / "sub" / "links.csv").write_text("1,2\n")
    (folder / "sub" / "active.rrl").write_text('ssl() | pairs("links.csv")')
    graph = parsed('import "sub/active.rrl" as active\nactive', folder)
    assert graph == rrl.load(folder / "sub" / "active.rrl")


def test_load_finds_what_a_file_imports(folder: Path):
    (folder / "main.rrl").write_text('import "base.rrl" as base\nbase')
    assert rrl.load(folder / "main.rrl") == rrl.parse(BASE)


def codes(text: str, folder: Path) -> list[str]:
    with pytest.raises(rrl.RRLError) as caught:
        parsed(text, folder)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_link_that_leaves_the_folder_is_refused(folder: Path):
    inner = folder / "inner"
    inner.mkdir()
    (inner / "link.rrl").symlink_to(folder / "base.rrl")
    assert codes('import "link.rrl" as base\nbase', inner) == ["RRL022"]
    (inner / "round.rrl").symlink_to(inner / "round.rrl")
    assert codes('import "round.rrl" as base\nbase', inner) == ["RRL021"]


def test_imported_file_may_not_reach_above_itself(folder: Path):
    (folder / "sub").mkdir()
    (folder / "sub" / "up.rrl").write_text('import "../base.rrl" as base\nbase')
    assert codes('import "sub/up.rrl" as up\nup', folder) == ["RRL022"]


def test_file_that_imports_itself_is_refused_from_wherever_it_is_reached(folder: Path):
    (folder / "self.rrl").write_text('import "self.rrl" as me\nme')
    with pytest.raises(rrl.RRLError) as caught:
        rrl.load(folder / "self.rrl")
    (only,) = caught.value.diagnostics
    assert only.code == "RRL023"
    assert "`self.rrl` -> `self.rrl`" in only.message


def test_imports_that_multiply_end_soon(folder: Path):
    (folder / "f0.rrl").write_text("param x = 1\nx * ssl()")
    for level in range(30):
        (folder / f"f{level + 1}.rrl").write_text(
            f'param x = 1\nimport "f{level}.rrl" as f\nlet y = 1.01 * x\nf(x=x) | f(x=y)'
        )
    assert "RRL025" in codes('import "f30.rrl" as f\nf', folder)


def test_hundreds_of_imports_of_one_recipe_are_one(folder: Path):
    names = "\n".join(f'import "base.rrl" as b{number}' for number in range(3 * MAX_IMPORTS))
    assert parsed(f"{names}\nb0", folder) == rrl.parse(BASE)
    assert (edges(parsed(f"{names}\nb0 & b700", folder)) == edges(rrl.parse(BASE))).all()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"ssl(" * 70_000, b"\x00"])
def test_hostile_file_is_an_error(folder: Path, content: bytes):
    (folder / "bad.rrl").write_bytes(content)
    shown = codes('import "bad.rrl" as bad\nbad', folder)
    assert set(shown) <= {"RRL014", "RRL011", "RRL001", "RRL015"}


def test_texts_that_are_not_saved_stand_for_their_files(folder: Path):
    library = Library({(folder / "base.rrl").resolve(): "ssl(views=5)"})
    source = Source('import "base.rrl" as base\nbase', "main.rrl", folder)
    assert analyze(source, library=library).graph == rrl.ssl(views=5)


def test_analysis_knows_definitions_references_and_files(folder: Path):
    text = 'param p = 0.5\nimport "base.rrl" as base\nlet a = base(frac=p) | keep(p)\na | a'
    analysis = analyze(Source(text, "main.rrl", folder))
    assert {name: definition.kind for name, definition in analysis.definitions.items()} == {
        "p": "param",
        "base": "import",
        "a": "let",
    }
    uses = [reference.definition.name for reference in analysis.references]
    assert sorted(uses) == ["a", "a", "base", "p", "p"]
    assert all(text[r.span.start : r.span.end] == r.definition.name for r in analysis.references)
    assert analysis.files == {(folder / "base.rrl").resolve()}
    assert analysis.definitions["base"].target == (folder / "base.rrl").resolve()
