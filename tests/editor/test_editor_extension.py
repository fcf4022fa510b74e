"""The extension for VS Code says of itself and of the language what is so."""

import json
import re
from pathlib import Path

import pytest

from rrl_dsl.editor.textmate import textmate
from rrl_dsl.generate.__main__ import FILES, ROOT

EXTENSION = ROOT / "grammar" / "vscode"
MANIFEST = json.loads((EXTENSION / "package.json").read_text("utf-8"))
CONTRIBUTED = MANIFEST["contributes"]
CONFIGURATION = json.loads((EXTENSION / "language-configuration.json").read_text("utf-8"))
CODE = (EXTENSION / "src" / "extension.ts").read_text("utf-8")


def inside(path: str) -> Path:
    return (EXTENSION / path).resolve()


def test_the_generated_grammar_is_the_one_of_the_language():
    (language,) = CONTRIBUTED["languages"]
    (grammar,) = CONTRIBUTED["grammars"]
    assert language["extensions"] == [".rrl"]
    assert grammar["language"] == language["id"]
    assert grammar["scopeName"] == json.loads(textmate())["scopeName"]
    assert FILES[inside(grammar["path"]).relative_to(ROOT).as_posix()] is textmate
    assert inside(language["configuration"]).is_file()


def test_the_package_holds_what_the_manifest_names_and_nothing_that_is_not_there():
    everything, *kept = (EXTENSION / ".vscodeignore").read_text("utf-8").split()
    assert everything == "**"
    packed = {inside(line.removeprefix("!")) for line in kept}
    built = inside(MANIFEST["main"])
    needed = [grammar["path"] for grammar in CONTRIBUTED["grammars"]]
    needed += [language["configuration"] for language in CONTRIBUTED["languages"]]
    assert {built, *map(inside, needed)} <= packed
    assert all(path.is_file() for path in packed - {built})
    assert f"--outfile={built.relative_to(EXTENSION).as_posix()}" in MANIFEST["scripts"]["compile"]


def test_the_code_reads_the_setting_and_has_the_command_of_the_manifest():
    (name,) = CONTRIBUTED["configuration"]["properties"]
    (command,) = CONTRIBUTED["commands"]
    assert f'affectsConfiguration("{name}")' in CODE
    assert f'registerCommand("{command["command"]}"' in CODE
    assert MANIFEST["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"] == [name]


def test_the_grammar_s_scopes_are_not_covered_by_the_server_s_tokens():
    assert CONTRIBUTED["configurationDefaults"]["[rrl]"] == {
        "editor.semanticHighlighting.enabled": False
    }


@pytest.mark.parametrize(
    ("line", "opens", "closes"),
    [
        ("supervised(", True, False),
        ("ssl() | supervised(  # labels", True, False),
        ('param a = "(" ', False, False),
        ("'it\\'s (' | corrupt(", True, False),
        ("# (", False, False),
        ("ssl(views=2)", False, False),
        (") | keep(0.9)", False, True),
        ("    )", False, True),
    ],
)
def test_lines_are_indented_inside_brackets(line: str, opens: bool, closes: bool):
    rules = CONFIGURATION["indentationRules"]
    assert bool(re.search(rules["increaseIndentPattern"], line)) == opens
    assert bool(re.search(rules["decreaseIndentPattern"], line)) == closes
