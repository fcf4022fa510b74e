"""`fmt` changes what the style is about: not how lines end, and not the other names of a file."""

import os

import pytest

from rrl_dsl.cli.texts import format_texts

STYLED = "ssl(views=2)\n# a comment\nsupervised()\n".replace("ssl(views=2)\n", "let a = ssl()\n")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_keep_their_ends(tmp_path, end, capsys):
    recipe = tmp_path / "a.rrl"
    recipe.write_bytes(STYLED.replace("\n", end).encode())
    assert format_texts([str(recipe)], check=True, diff=False)
    assert capsys.readouterr().out == ""
    recipe.write_bytes(f"let a=ssl( ){end}{end}{end}a|supervised(){end}".encode())
    assert format_texts([str(recipe)], check=False, diff=False)
    assert recipe.read_bytes() == f"let a = ssl(){end}{end}a | supervised(){end}".encode()
    assert format_texts([str(recipe)], check=True, diff=False)


def test_every_name_of_a_file_keeps_it(tmp_path):
    recipe, other = tmp_path / "a.rrl", tmp_path / "b.rrl"
    recipe.write_text("ssl( )\n")
    os.link(recipe, other)
    assert format_texts([str(recipe)], check=False, diff=False)
    assert other.read_text() == "ssl()\n"
    assert os.path.samefile(recipe, other)
