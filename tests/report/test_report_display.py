"""The display of graphs and programs in notebooks and terminals."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import rrl_dsl as rrl


def svg_of(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", html, re.DOTALL)[0])


def test_graph_shows_its_matrix_and_figures():
    html = rrl.parse("ssl(views=2) | supervised(labels=coarse)")._repr_html_()
    cells = [element for element in svg_of(html).iter() if element.get("fill") == "#1a1a1a"]
    assert len(cells) > 32
    for words in ("binary graph", "the label field `coarse`", "edges per row", "loops", "strokes"):
        assert words in html


def test_program_shows_its_seed_and_its_noise_in_the_accent_color():
    graph = rrl.parse("ssl(views=2) | corrupt(fpr=0.05)")
    one, other = (rrl.compile(graph, seed=seed)._repr_html_() for seed in (0, 1))
    assert "#e4391d" in one
    assert one != other
    assert "of the edges are added by noise" in one


def test_missing_columns_replace_the_picture():
    html = rrl.parse("near(time, 5)")._repr_html_()
    assert "<svg" not in html
    assert "No picture: the dataset `digits` has no field `time`." in html


def test_embeddings_are_stood_in_for_and_it_says_so():
    assert "raw pixels in place of embeddings" in rrl.knn(3)._repr_html_()


def test_text_is_escaped():
    html = rrl.parse('supervised(labels="<script>")')._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("text", ["none()", "all()", "similarity(pixels, kernel=dot)", "self()"])
def test_every_picture_is_well_formed(text: str):
    svg_of(rrl.parse(text)._repr_html_())


def test_graph_is_printed_with_its_parts(capsys: pytest.CaptureFixture[str]):
    graph = rrl.parse("ssl(views=2) | supervised(frac=0.3) | corrupt(fpr=0.01)")
    graph.show()
    printed = capsys.readouterr().out
    for words in ("64 rows", "corrupt(fpr=0.01)", "├─ ssl()", "└─ supervised(frac=0.3)"):
        assert words in printed
    graph.show(seed=1)
    assert capsys.readouterr().out != printed


def test_show_raises_missing_columns():
    with pytest.raises(rrl.RRLError, match="the dataset `digits` has no field `time`"):
        rrl.near("time", 5).show()


def test_notebooks_need_no_torch():
    code = (
        "import sys, rrl_dsl as rrl\n"
        "assert rrl.compile('ssl() | supervised()')._repr_html_()\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
