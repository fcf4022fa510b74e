"""A batch has the views that its recipe asks for: without them, a loss would train on nothing."""

import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.losses import create

IDS = torch.tensor([4, 7, 9])


def refusal(text: str, *nodes: rrl.Nodes) -> tuple[str, str]:
    with pytest.raises(rrl.RRLError) as caught:
        rrl.compile(text).relate(*nodes)
    (only,) = caught.value.diagnostics
    return only.code, only.message


@pytest.mark.parametrize("view", [None, torch.zeros(6, dtype=torch.int64)])
@pytest.mark.parametrize("text", ["ssl()", "ssl() | supervised()", "supervised() | ~ssl(views=2)"])
def test_views_that_are_left_out_are_refused(text: str, view: torch.Tensor | None):
    nodes = rrl.Nodes(IDS.repeat(2), view, {"label": torch.tensor([0, 0, 1]).repeat(2)})
    message = "this recipe needs 2 views, but the rows have 1 (0)"
    assert refusal(text, nodes) == ("RRL425", message)


def test_three_views_are_not_two():
    nodes = rrl.Nodes(IDS.repeat(2), torch.tensor([0, 2]).repeat_interleave(3))
    message = "this recipe needs 3 views, but the rows have 2 (0, 2)"
    assert refusal("ssl(views=3)", nodes) == ("RRL425", message)


def test_one_of_three_views_that_is_forgotten_is_refused():
    nodes = rrl.Nodes(IDS.repeat(3), torch.tensor([0, 1, 1]).repeat_interleave(3))
    assert refusal("ssl(views=3)", nodes)[0] == "RRL425"


def test_two_sides_of_pairs_are_two_views():
    one, other = rrl.Nodes(IDS), rrl.Nodes(IDS)
    assert refusal("ssl()", one, other)[0] == "RRL425"
    other = rrl.Nodes(IDS, torch.ones_like(IDS))
    assert rrl.compile("ssl()").relate(one, other).degree().tolist() == [1, 1, 1]


def test_rows_that_are_not_to_be_looked_at_are_not():
    nodes = rrl.Nodes(IDS.repeat(2), check=False)
    for rows in (nodes, nodes[:6], nodes.followed_by(nodes)):
        assert rrl.compile("ssl()").relate(rows).degree().sum() == 0
    assert refusal("ssl()", rrl.Nodes(IDS.repeat(2))[:6])[0] == "RRL425"


@pytest.mark.parametrize("loss", ["simclr", "vicreg", "barlow", "spectral"])
def test_a_sample_drawn_twice_is_one_row_where_views_are_given(loss: str):
    sample = torch.tensor([4, 4, 7]).repeat(2)
    nodes = rrl.Nodes(sample, torch.tensor([0, 1]).repeat_interleave(3))
    relation = rrl.compile("ssl()").relate(nodes)
    # the other view of sample 4 occurs twice; the row itself, once more, is self
    assert relation.degree().tolist() == [2, 2, 1, 2, 2, 1]
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    assert float(create(loss)(relation, z)) != 0


def test_parts_of_the_graph_may_have_any_views():
    nodes = rrl.Nodes(IDS.repeat(2), torch.tensor([0, 1]).repeat_interleave(3))
    program = rrl.compile("ssl()")
    first = nodes[:3]
    assert program.relate(first, nodes).weights.tolist() == program(nodes)[:3].tolist()
    assert program.relate(first).degree().tolist() == [0, 0, 0]  # each sample once
    bank = first.followed_by(first)  # earlier rows, of the same samples
    assert program.relate(nodes, nodes.followed_by(bank)).shape == (6, 12)


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"labels": {"fine": [0, 1, 0, 2]}}, "fine"),
        ({"labels": {"fine": [0, 1, 0, -1]}}, "fine"),
        ({"fields": {"time": [0.5, 1.0, 0.5, float("nan")]}}, "time"),
        ({"fields": {"caption": [[0.0, 1], [1, 1], [0, 1], [1, 2]]}}, "caption"),
    ],
)
def test_views_of_a_sample_share_labels_and_fields(columns: dict[str, object], name: str):
    sample, view = [5, 3, 5, 3], [0, 0, 1, 1]
    with pytest.raises(rrl.RRLError) as caught:
        rrl.Nodes(sample, view, **columns)
    (only,) = caught.value.diagnostics
    assert only.code == "RRL402"
    assert only.message == f"`{name}` differs in rows 1 and 3, both of sample 3"
    rrl.Nodes(sample, view, **columns, check=False)


def test_a_value_that_is_missing_in_all_views_is_shared():
    nan = float("nan")
    fields = {"time": [nan, 1.0, nan], "caption": [[0, nan], [1, 1], [0, nan]]}
    assert len(rrl.Nodes([2, 1, 2], [0, 0, 1], fields=fields)) == 3


def test_a_row_in_place_of_a_missing_view_is_refused():
    # `repeat_interleave` beside a view that goes with `repeat`
    nodes = rrl.Nodes(IDS.repeat_interleave(2), torch.arange(2).repeat_interleave(3))
    message = "this recipe needs 2 views, but sample 4 has 1 (0), and one row occurs twice"
    assert refusal("ssl()", nodes) == ("RRL425", message)
    padded = torch.tensor([4, 7, 4, 7, 4])  # both views of each, and one row once more
    rrl.compile("ssl()").relate(rrl.Nodes(padded, torch.tensor([0, 0, 1, 1, 0])))
    rrl.compile("ssl()").relate(rrl.Nodes(padded[:3], torch.tensor([0, 0, 1])))  # a part


@pytest.mark.parametrize("label", [[0, 2, 1], [0, -1, 1]])
def test_two_sides_of_pairs_share_labels(label: list[int]):
    rows = rrl.Nodes(IDS, labels={"fine": [0, 0, 1]})
    order = [2, 0, 1]
    view = torch.ones(3, dtype=torch.int64)
    cols = rrl.Nodes(IDS, view, {"fine": label, "coarse": [0, 0, 0]})[torch.tensor(order)]
    message = "`fine` differs in row 1 and column 2, both of sample 7"
    assert refusal("ssl() | supervised(labels=fine)", rows, cols) == ("RRL402", message)
    others = rrl.Nodes([1, 5, 12], view, {"fine": label})  # of other samples
    rrl.compile("supervised(labels=fine)").relate(rows, others)
