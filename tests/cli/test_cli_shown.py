"""Characters that move a cursor or turn text around are shown, and none is sent to a terminal."""

import json

import pytest

HOSTILE = "\x1b]0;x\x07\x9b31m\u202e\u2066\u200b\u2028\x7f\x08\x85\ufeff"


@pytest.fixture
def recipes(tmp_path):
    for name, pair in ((f"one{HOSTILE}", "0,1"), (f"two{HOSTILE}", "0,2")):
        (tmp_path / f"{name}.csv").write_text(f"{pair}\n")
        (tmp_path / f"{name}.rrl").write_text(
            f"# {HOSTILE}\nparam  note = 'x{HOSTILE}'\nssl() | pairs('{name}.csv')\n", "utf-8"
        )
    (tmp_path / f"bad{HOSTILE}.rrl").write_text(f"let a = nosuch('{HOSTILE}')\n{HOSTILE}", "utf-8")
    return [f"one{HOSTILE}.rrl", f"two{HOSTILE}.rrl"]


@pytest.mark.parametrize(
    "words",
    [
        ["check", "."],
        ["check", ".", "--format", "github"],
        ["check", ".", "--format", "json"],
        ["fmt", "--diff", "."],
        ["fmt", "--check", "."],
        ["fmt", "."],
        ["explain", 0],
        ["diff", 0, 1],
        ["compile", 0],
        ["compile", 0, "--show"],
        ["compile", 0, "--out", f"x{HOSTILE}.dot"],
        ["compile", f"bad{HOSTILE}.rrl"],
        ["compile", f"none{HOSTILE}.rrl"],
        ["compile", 0, "--dataset", f"npz:{HOSTILE}"],
        ["losses", HOSTILE],
        ["train", 0, "--loss", HOSTILE],
        ["train", "--resume", HOSTILE],
    ],
    ids=lambda words: " ".join(map(str, words[:3])).partition("\x1b")[0],
)
def test_no_verb_sends_them(cli, recipes, words):
    result = cli(*(recipes[word] if isinstance(word, int) else word for word in words))
    said = result.out + result.err
    assert said.strip()
    assert not [char for char in said if not char.isprintable() and char not in "\n\t"]
    if "json" not in words:
        # a line of a text, whose columns are counted, has one sign for each
        assert r"\x1b" in said or "?" in said or "losses" in words


def test_json_output_has_file_names_without_escapes(cli, recipes):
    (record,) = json.loads(cli("check", f"bad{HOSTILE}.rrl", "--format", "json").out)[:1]
    assert record["file"] == f"bad{HOSTILE}.rrl"
