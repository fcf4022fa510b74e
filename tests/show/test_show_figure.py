import io
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.show.figure import draw, save
from rrl_dsl.show.matrix import matrix_image
from rrl_dsl.show.network import MAX_NODES, chosen_rows, place_nodes
from rrl_dsl.show.sample import GraphSample
from rrl_dsl.show.style import fit_text, text_width
from rrl_dsl.show.tree import Branch

TREE = Branch("corrupt fpr=0.1", (Branch("ssl views=2"),))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def pixels(figure: Figure, row: float, column: float) -> list[int]:
    """The color at a place of the matrix, which is the first panel, in units of rows."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi)
    image = imread(io.BytesIO(buffer.getvalue()))
    x, y = figure.axes[0].transData.transform((column, row))
    return [round(255 * float(part)) for part in image[len(image) - 1 - int(y), int(x), :3]]


def test_the_text_of_the_page(small: GraphSample) -> None:
    shown = texts(draw(small, TREE))
    for text in (
        "a small one",
        small.summary,
        "density 40% · within classes 100% · between classes 25%",
        "ssl(views=2)",
        "  | corrupt(fpr=0.1)",
        "corrupt fpr=0.1",
        "└─ ssl views=2",
        "false relation",
    ):
        assert text in shown
    assert shown.count("ant") == shown.count("bee") == shown.count("unknown") == 2


def test_a_true_a_false_and_no_edge_have_their_colors(small: GraphSample) -> None:
    figure = draw(small, TREE)
    # By class the rows are 1 3 0 2 4; 0.7 of a cell is off the line along the diagonal.
    assert pixels(figure, 0.5, 1.5) == [0, 0, 0]
    red, green, blue = pixels(figure, 1.5, 3.5)
    assert red > 200 > 100 > max(green, blue)
    assert pixels(figure, 0.5, 4.5) == [255, 255, 255]
    assert pixels(figure, 0.3, 0.7) == [255, 255, 255]


def test_gray_follows_the_weight(blank: GraphSample) -> None:
    weights = np.zeros((6, 6))
    for j, weight in ((1, 0.1), (2, 1.0), (3, 2.0)):
        weights[0, j] = weights[j, 0] = weight
    soft = replace(blank, weights=weights)
    row = matrix_image(soft)[0, :, 0].tolist()
    assert row[0] == row[4] == row[5] == 255
    assert 230 > row[1] > row[2] > row[3] == 0
    assert "weight" in texts(draw(soft, TREE))
    assert "weight" not in texts(draw(blank, TREE))


def test_no_edge_is_lost_in_a_large_matrix() -> None:
    rows = 1100
    weights = np.zeros((rows, rows))
    weights[3, 1000] = weights[1000, 3] = 1
    group = np.zeros(rows, dtype=int)
    image = matrix_image(GraphSample(weights, group, ("x",), group, "", ""))
    assert len(image) <= 512
    assert np.argwhere(image[..., 0] == 0).tolist() == [[1, 333], [333, 1]]


def test_a_large_sample_shows_some_nodes_and_says_so() -> None:
    sample = np.tile(np.arange(100), 2)
    weights = (sample[:, None] == sample[None, :]).astype(float)
    np.fill_diagonal(weights, 0)
    rows = chosen_rows(weights)
    assert len(set(rows.tolist())) == MAX_NODES
    assert (weights[np.ix_(rows, rows)].sum(axis=1) == 1).all()
    assert rows.min() < 20
    assert rows.max() > 180
    graph = GraphSample(weights, sample % 5, tuple("abcde"), sample * 0, "", "")
    assert any("80 of 200 rows" in text for text in texts(draw(graph, TREE)))


def test_nodes_keep_apart() -> None:
    sample = np.arange(20) // 2
    places = place_nodes((sample[:, None] == sample[None, :]) - np.eye(20))
    distance = np.linalg.norm(places[:, None] - places[None, :], axis=-1)
    assert distance[~np.eye(20, dtype=bool)].min() > 0.5


def test_png_is_a_page_in_landscape_format(small: GraphSample, tmp_path: Path) -> None:
    save(draw(small, TREE), tmp_path / "graph.PNG")
    height, width, _ = imread(tmp_path / "graph.PNG", format="png").shape
    assert (width, height) == (1753, 1240)
    assert [path.name for path in tmp_path.iterdir()] == ["graph.PNG"]


def test_svg_parses_with_all_names(small: GraphSample, tmp_path: Path) -> None:
    hostile = replace(
        small, group_names=("<&>", "$x_"), title="-->\x00\x1b", recipe="a\tb\x07\n$\\frac{"
    )
    save(draw(hostile, Branch("<\x08$")), tmp_path / "graph.svg")
    assert ET.parse(tmp_path / "graph.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_same_input_gives_the_same_bytes(
    small: GraphSample, tmp_path: Path, suffix: str
) -> None:
    first, second = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    save(draw(small, TREE), first)
    figure = draw(small, TREE)
    save(figure, second)
    save(figure, second)
    assert first.read_bytes() == second.read_bytes()
    assert b"Date" not in first.read_bytes()


def test_the_settings_of_the_user_change_nothing(small: GraphSample, tmp_path: Path) -> None:
    save(draw(small, TREE), tmp_path / "one.png")
    with mpl.rc_context({"font.size": 20, "savefig.bbox": "tight", "axes.facecolor": "red"}):
        save(draw(small, TREE), tmp_path / "two.png")
        assert mpl.rcParams["font.size"] == 20
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_an_unknown_suffix_names_what_fits(small: GraphSample, tmp_path: Path) -> None:
    with pytest.raises(RRLError) as caught:
        save(draw(small, TREE), tmp_path / "graph.jpeg")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL507"
    assert diagnostic.hint is not None
    assert ".png" in diagnostic.hint
    assert ".svg" in diagnostic.hint
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(small: GraphSample, tmp_path: Path) -> None:
    with pytest.raises(RRLError, match=r"RRL507.*there is no folder") as caught:
        save(draw(small, TREE), tmp_path / "nowhere" / "graph.png")
    assert str(tmp_path / "nowhere") in str(caught.value)


def test_a_refused_write_leaves_nothing_behind(
    small: GraphSample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graph.png").write_text("before")

    def refuse(source: object, target: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rrl_dsl.language.files.os.replace", refuse)
    with pytest.raises(RRLError, match=r"RRL507.*Permission denied"):
        save(draw(small, TREE), tmp_path / "graph.png")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.png"]
    assert (tmp_path / "graph.png").read_text() == "before"


def test_a_folder_of_that_name_is_an_error(small: GraphSample, tmp_path: Path) -> None:
    (tmp_path / "graph.png").mkdir()
    with pytest.raises(RRLError, match="RRL507"):
        save(draw(small, TREE), tmp_path / "graph.png")


def test_a_graph_without_edges_is_drawn(blank: GraphSample, tmp_path: Path) -> None:
    figure = draw(blank, Branch("none"))
    save(figure, tmp_path / "blank.png")
    assert blank.summary in texts(figure)
    assert (matrix_image(blank) == 255).all()


def test_names_of_a_hundred_classes_keep_their_distance() -> None:
    group = np.repeat(np.arange(100), 2)
    names = tuple(f"class {number}" for number in range(100))
    figure = draw(GraphSample(np.zeros((200, 200)), group, names, group * 0, "", ""), TREE)
    beside = [
        text
        for text in figure.axes[0].findobj(Text)
        if text.get_text().startswith("class") and text.get_ha() == "right"
    ]
    assert 20 < len(beside) < 100
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in beside]
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))
    assert all(box.x0 >= 0 for box in boxes)


def test_long_texts_stay_on_the_page(small: GraphSample) -> None:
    long = replace(
        small,
        group_names=("W" * 80, "i" * 300),
        title="title " * 60,
        recipe="\n".join(f"let name{i} = supervised(labels=fine)" for i in range(40)),
    )
    figure = draw(long, Branch("t" * 500))
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_text():
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= width
            assert box.y1 <= height
    assert "… 17 more lines" in texts(figure)


def test_fit_text_fills_its_room() -> None:
    cut = fit_text("a rather long name", 8, 0.6)
    assert cut.endswith("…")
    assert 0.4 < text_width(cut, 8) <= 0.6
    assert fit_text("short", 8, 0.6) == "short"


def test_pyplot_is_left_alone() -> None:
    code = "import rrl_dsl.show.figure, rrl_dsl.show.curves, rrl_dsl.show.terminal, sys\n"
    code += "sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
