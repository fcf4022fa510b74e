"""`diff`: by structure, by what no tree shows, by the edges of a batch."""

import json
from pathlib import Path

RECIPES = Path(__file__).parents[2] / "recipes"


def same_structure(result):
    [line] = [line for line in result.out.splitlines() if "the same structure" in line]
    return line.partition("differ in ")[2]


def test_diff_of_structure_and_of_edges(cli):
    one, other = str(RECIPES / "semi_supervised.rrl"), str(RECIPES / "coarse_labels.rrl")
    result = cli("diff", one, other)
    assert result.code == 0
    assert "-   supervised(frac=0.3)" in result.out
    assert "+   supervised(frac=0.3, labels=coarse)" in result.out
    record = json.loads(cli("diff", one, other, "--json").out)
    assert record["edges"]["removed"] == 0  # the same samples are labeled, and fine lies in coarse
    assert record["edges"]["added"] > 1000
    assert record["edges"]["both"] > 1000


def test_diff_of_a_recipe_with_itself(cli):
    one = str(RECIPES / "simclr.rrl")
    result = cli("diff", one, str(RECIPES / "wmse.rrl"))
    assert "the two recipes define the same graph" in result.out
    assert "added     0 edges" in result.out


def test_diff_counts_other_weights(cli, tmp_path):
    (tmp_path / "a.rrl").write_text("ssl(views=2)")
    (tmp_path / "b.rrl").write_text("2 * ssl(views=2)")
    record = json.loads(cli("diff", "a.rrl", "b.rrl", "--json").out)
    assert record["edges"] == {
        "rows": 512,
        "both": 256,
        "removed": 0,
        "added": 0,
        "reweighted": 256,
    }


def test_diff_says_which_files_have_other_content(cli, tmp_path):
    for folder, pairs in (("one", "0,1"), ("other", "0,2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "links.csv").write_text(f"a,b\n{pairs}\n")
        (tmp_path / folder / "a.rrl").write_text('pairs("links.csv") | ssl()\n')
    assert same_structure(cli("diff", "one/a.rrl", "other/a.rrl")) == "the content of `links.csv`"
    record = json.loads(cli("diff", "one/a.rrl", "other/a.rrl", "--json").out)
    assert (record["equal"], record["files"], record["draws"]) == (False, ["links.csv"], [])


def test_diff_says_which_calls_draw_otherwise(cli, tmp_path):
    (tmp_path / "a.rrl").write_text("supervised(0.5) | supervised(0.2) | keep(0.9)")
    (tmp_path / "b.rrl").write_text("supervised(0.2) | supervised(0.5) | keep(0.9)")
    differ = same_structure(cli("diff", "a.rrl", "b.rrl"))
    assert differ == "the draws of `supervised(frac=0.5)`, `supervised(frac=0.2)`"
    (tmp_path / "c.rrl").write_text("supervised(0.5) | keep(0.9)")
    (tmp_path / "d.rrl").write_text("supervised(0.1) | supervised(0.5) | keep(0.9)")
    result = cli("diff", "c.rrl", "d.rrl")
    assert "the two recipes also differ in the draws of `supervised(frac=0.5)`" in result.out
    (tmp_path / "e.rrl").write_text("supervised(0.5) | supervised(0.5) | keep(0.9)")
    assert "differ in" not in cli("diff", "c.rrl", "e.rrl").out  # the tree says it


def test_diff_of_equal_calls_that_changed_places(cli, tmp_path):
    one, other = "(supervised(.5) & self())", "(supervised(.5) - self())"
    (tmp_path / "a.rrl").write_text(f"{one} | {other}")
    (tmp_path / "b.rrl").write_text(f"{other} | {one}")
    differ = same_structure(cli("diff", "a.rrl", "b.rrl"))
    assert differ == "the order of their equal calls"


def test_diff_shows_the_errors_of_both_recipes(cli, tmp_path):
    (tmp_path / "a.rrl").write_text("ssl(vews=2)")
    result = cli("diff", "a.rrl", "b.rrl")
    assert result.code == 1
    assert " --> a.rrl:1:5" in result.err
    assert " --> b.rrl\n" in result.err
    both = cli("diff", "b.rrl", "a.rrl", "--json").out
    assert [(diagnostic["code"], diagnostic["file"]) for diagnostic in json.loads(both)] == [
        ("RRL021", "b.rrl"),
        ("RRL102", "a.rrl"),
    ]


def test_diff_gives_a_parameter_to_both_recipes(cli, tmp_path):
    (tmp_path / "a.rrl").write_text("param frac = 0.3\nsupervised(frac=frac)")
    (tmp_path / "b.rrl").write_text("param frac = 0.5\nsupervised(frac=frac)")
    assert "-" in cli("diff", "a.rrl", "b.rrl").out.split()[0]
    result = cli("diff", "a.rrl", "b.rrl", "--param", "frac=0.9")
    assert "the two recipes define the same graph" in result.out
    (tmp_path / "c.rrl").write_text("supervised()")
    result = cli("diff", "a.rrl", "c.rrl", "--param", "frac=0.9")
    assert result.code == 1
    assert "the recipe `c.rrl` has no parameter `frac`\n --> c.rrl" in result.err
