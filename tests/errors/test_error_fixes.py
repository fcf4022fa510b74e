"""The edits of a diagnostic fix its error: after they are applied, the text does not have it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from test_error_cases import HERE, Case, cases, write

import rrl_dsl as rrl
from rrl_dsl.language.diagnostics import Diagnostic, Edit


def faults_of(case: Case, recipe: str) -> tuple[Diagnostic, ...]:
    with TemporaryDirectory() as name:
        folder = write(case, Path(name)) or HERE / "files"
        return faults_in(case, recipe, folder)


def faults_in(case: Case, recipe: str, folder: Path) -> tuple[Diagnostic, ...]:
    try:
        rrl.parse(recipe, params=case.params, directory=folder)
    except rrl.RRLError as problem:
        return problem.diagnostics
    return ()


def applied(text: str, edits: list[Edit]) -> str:
    """The text after the edits, which are applied from the last to the first."""
    for edit in sorted(set(edits), key=lambda edit: edit.span, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def edits_of(case: Case, recipe: str, fault: Diagnostic) -> list[Edit]:
    """The edits of a fault in the recipe itself, as opposed to a file that it imports."""
    here = fault.source is not None and fault.source.text == recipe
    return list(fault.edits) if here else []


FIXABLE = [case for case in cases() if any(fault.edits for fault in faults_of(case, case.recipe))]


def test_most_errors_have_a_fix():
    assert len(FIXABLE) > len(cases()) / 3


@pytest.mark.parametrize("case", FIXABLE, ids=lambda case: case.name)
def test_every_fix_alone_removes_its_error(case: Case):
    faults = faults_of(case, case.recipe)
    for fault in faults:
        if edits := edits_of(case, case.recipe, fault):
            fixed = applied(case.recipe, edits)
            after = faults_of(case, fixed)
            same = [(diagnostic.code, diagnostic.message) for diagnostic in after]
            before = [(diagnostic.code, diagnostic.message) for diagnostic in faults]
            this = (fault.code, fault.message)
            assert same.count(this) < before.count(this), fixed


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in FIXABLE
        if all(edits_of(case, case.recipe, fault) for fault in faults_of(case, case.recipe))
    ],
    ids=lambda case: case.name,
)
def test_all_fixes_together_give_a_valid_recipe(case: Case):
    recipe = case.recipe
    for _ in range(3):  # a fix may reveal another error
        faults = faults_of(case, recipe)
        recipe = applied(recipe, [e for fault in faults for e in edits_of(case, recipe, fault)])
    assert faults_of(case, recipe) == (), recipe


def test_the_fix_of_an_open_bracket_is_on_its_line():
    text = "(all()) &\n(supervised()\n| keep(0.9)\n"
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(text)
    (edit,) = caught.value.diagnostics[0].edits
    assert applied(text, [edit]) == "(all()) &\n(supervised())\n| keep(0.9)\n"
