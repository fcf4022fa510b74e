"""The Markdown cases of this folder: a recipe, and every diagnostic it must give, word for word.

A case is a heading, a fenced `rrl` block and a fenced `text` block. Parameters that the recipe is
called with stand after `rrl`, as on the command line: ` ```rrl frac=2 `.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import rrl_dsl as rrl
from rrl_dsl.graph.recipe import parameter_value
from rrl_dsl.language.codes import CODES

HERE = Path(__file__).parent
TESTED_IN_PYTHON = {"RRL011", "RRL012", "RRL014", "RRL019", "RRL021"}

CASE = re.compile(
    r"^## (?P<title>[^\n]+)\n[^`]*?"
    r"^```rrl(?P<params>[^\n]*)\n(?P<recipe>.*?)^```\n\n"
    r"^```text\n(?P<expected>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Case:
    name: str
    params: dict[str, object]
    recipe: str
    expected: str


def cases() -> list[Case]:
    found = []
    for path in sorted(HERE.glob("*.md")):
        for match in CASE.finditer(path.read_text(encoding="utf-8")):
            given = (pair.split("=", 1) for pair in match["params"].split())
            params = {name: parameter_value(value) for name, value in given}
            name = f"{path.stem}: {match['title']}"
            found.append(Case(name, params, match["recipe"], match["expected"]))
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_recipe_gives_exactly_these_diagnostics(case: Case):
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(case.recipe, params=case.params, name="recipe.rrl")
    assert lines(str(caught.value)) == lines(case.expected)


def test_every_heading_of_the_markdown_files_is_a_case():
    headings = sum(
        line.startswith("## ")
        for path in HERE.glob("*.md")
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    assert headings == len(cases()) > 100


def test_every_code_of_the_language_has_a_case():
    shown = {code for case in cases() for code in re.findall(r"error\[(RRL\d+)\]", case.expected)}
    wanted = {code for code in CODES if code < "RRL4"}
    assert wanted - shown == TESTED_IN_PYTHON


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
