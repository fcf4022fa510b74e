from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from rrl_dsl.show.sample import GraphSample
from rrl_dsl.show.terminal import FALSE_STYLE, matrix_text


def pairs(rows: int) -> GraphSample:
    """Rows 2 i and 2 i + 1 are related; one class."""
    sample = np.arange(rows) // 2
    weights = (sample[:, None] == sample[None, :]).astype(float)
    return GraphSample(weights, sample * 0, ("all",), np.arange(rows) % 2, "pairs", "ssl(views=2)")


def test_exact_text_of_a_small_graph(small: GraphSample) -> None:
    assert matrix_text(small, 60).plain.splitlines() == [
        "a small one",
        "        ┌──────────┐",
        "ant     ┤··██      │",
        "        │██··  ▒▒  │",
        "bee     ┤    ··████│",
        "        │  ▒▒██··  │",
        "unknown ┤    ██  ··│",
        "        └──────────┘",
        "██ related   ▒▒ false   ·· self",
        "5 rows · 4 edges · density 40% · mean degree 1.6 · isolated",
        "0% · false 25%",
    ]


def test_half_blocks_are_exact() -> None:
    lines = matrix_text(pairs(6), 13).plain.splitlines()
    assert lines[1:6] == [" ┌──────┐", " ┤▄▀    │", " │  ▄▀  │", " │    ▄▀│", " └──────┘"]


def test_braille_is_exact() -> None:
    lines = matrix_text(pairs(8), 8).plain.splitlines()
    # Above and left the dots of row 0 and 1, below and right those of row 2 and 3.
    assert lines[2:4] == [" ┤⠊⡠  │", " │  ⠊⡠│"]


def test_shades_show_the_mean_and_never_lose_an_edge() -> None:
    weights = np.zeros((256, 256))
    weights[:64, :64] = 1
    weights[200, 250] = weights[250, 200] = 1
    group = np.zeros(256, dtype=int)
    sample = GraphSample(weights, group, ("all",), group, "", "")
    body = [line for line in matrix_text(sample, 80).plain.splitlines() if line.endswith("│")]
    cells = [line[5:-1] for line in body]
    assert len(cells) == 32
    assert {len(line) for line in cells} == {64}
    assert cells[0][2:16] == "█" * 14
    assert cells[0][16:] == " " * 48
    assert cells[200 // 8][250 // 4] == "░"
    assert cells[250 // 8][200 // 4] == "░"
    assert sum(line.count("░") for line in cells) == 2


@pytest.mark.parametrize("rows", [1, 6, 40, 100, 300])
@pytest.mark.parametrize("width", [16, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(rows: int, width: int) -> None:
    sample = replace(pairs(rows), group_names=("a class with quite a long name",), title="t" * 300)
    lines = matrix_text(sample, width).plain.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.endswith("│") for line in lines) <= 32


def test_false_edges_have_a_color_of_their_own(small: GraphSample) -> None:
    text = matrix_text(small)
    colored = [
        text.plain[span.start : span.end] for span in text.spans if span.style == FALSE_STYLE
    ]
    assert colored == ["▒▒", "▒▒"]


def test_a_console_without_color_prints_the_same_characters(small: GraphSample) -> None:
    console = Console(width=80, no_color=True, color_system=None)
    with console.capture() as capture:
        console.print(matrix_text(small, 80))
    assert capture.get().rstrip("\n") == matrix_text(small, 80).plain


def test_control_characters_of_a_name_do_not_reach_the_terminal(small: GraphSample) -> None:
    hostile = replace(small, group_names=("\x1b[31m", "b\na"), title="\x07bell")
    plain = matrix_text(hostile).plain
    assert "\x1b" not in plain
    assert "\x07" not in plain
    assert "b a" in plain


def test_classes_that_share_a_line_are_named_together() -> None:
    group = np.arange(40)
    sample = GraphSample(
        np.zeros((40, 40)), group, tuple(f"c{i}" for i in range(40)), group * 0, "", ""
    )
    assert "c0, c1" in matrix_text(sample, 80).plain


def test_a_graph_without_edges_is_drawn(blank: GraphSample) -> None:
    plain = matrix_text(blank).plain
    assert "█" not in plain.split("└")[0]
    assert "0 edges" in plain
