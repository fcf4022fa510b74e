"""The Markdown cases of this folder: a recipe and the exact text of its diagnostics.

A case is a heading, perhaps further files, a fenced `rrl` block and a fenced `text` block. A
further file is a fenced block whose first words are `file` and its name: ` ```file links.csv `.
Parameters that the recipe is called with follow `rrl`, as on the command line:
` ```rrl frac=2 `. A recipe of a case with further files lies in their folder as `recipe.rrl`; one
without lies in no folder.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import rrl_dsl as rrl
from rrl_dsl.graph.recipe import parameter_value
from rrl_dsl.language.codes import CODES

HERE = Path(__file__).parent
TESTED_IN_PYTHON = {
    "RRL011",
    "RRL012",
    "RRL014",
    "RRL019",
    "RRL025",  # too many imports
    "RRL212",  # only Python can use a graph after it has a contrast
}
AT_PARSING = {"RRL414", "RRL415"}  # codes of the four hundreds that a recipe alone can give

CASE = re.compile(
    r"^## (?P<title>[^\n]+)\n(?P<files>(?:(?!^## |^```rrl).)*)"
    r"^```rrl(?P<params>[^\n]*)\n(?P<recipe>.*?)^```\n\n"
    r"^```text\n(?P<expected>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
FILE = re.compile(r"^```file (?P<name>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Case:
    name: str
    params: dict[str, object]
    recipe: str
    expected: str
    files: dict[str, str] = field(default_factory=dict)


def cases() -> list[Case]:
    cases_of_file = []
    for path in sorted(HERE.glob("*.md")):
        for match in CASE.finditer(path.read_text(encoding="utf-8")):
            given = (pair.split("=", 1) for pair in match["params"].split())
            params = {name: parameter_value(value) for name, value in given}
            files = {file["name"]: file["text"] for file in FILE.finditer(match["files"])}
            name = f"{path.stem}: {match['title']}"
            cases_of_file.append(Case(name, params, match["recipe"], match["expected"], files))
    return cases_of_file


def write(case: Case, folder: Path) -> Path | None:
    """Writes the further files of a case; gives their folder, or None where there are none."""
    for name, text in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder if case.files else None


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_recipe_gives_exactly_these_diagnostics(case: Case, tmp_path: Path):
    folder = write(case, tmp_path)
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(case.recipe, params=case.params, name="recipe.rrl", directory=folder)
    assert lines(str(caught.value).replace(f"{tmp_path}/", "")) == lines(case.expected)


def test_every_heading_of_the_markdown_files_is_a_case():
    headings = sum(
        line.startswith("## ")
        for path in HERE.glob("*.md")
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    assert headings == len(cases()) > 100


def test_every_code_of_the_language_has_a_case():
    shown = {code for case in cases() for code in re.findall(r"error\[(RRL\d+)\]", case.expected)}
    wanted = {code for code in CODES if code < "RRL4"} | AT_PARSING
    assert wanted - shown == TESTED_IN_PYTHON


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
