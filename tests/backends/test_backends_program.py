"""A compiled recipe: what it needs, what it gives, and what it refuses."""

import networkx as nx
import numpy as np
import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.backends import dense
from rrl_dsl.language.diagnostics import Diagnostic

NODES = rrl.Nodes(
    [3, 3, 8, 8, 2**40, 2**40],
    [0, 1, 0, 1, 0, 1],
    {"fine": [0, 0, 1, 1, 0, 0], "coarse": [0, 0, 0, 0, -1, -1]},
)


def error_of(call: object) -> Diagnostic:
    with pytest.raises(rrl.RRLError) as caught:
        call()
    (only,) = caught.value.diagnostics
    return only


# what comes out


@pytest.mark.parametrize("text", ["ssl()", "none()", "all()", "ssl() | corrupt(fpr=.5)", "~self()"])
def test_binary_graph_is_a_bool_matrix(text: str):
    weights = rrl.compile(text)(NODES)
    assert weights.dtype == torch.bool
    assert weights.shape == (6, 6)


@pytest.mark.parametrize("text", ["2 * ssl()", "ssl() + self()", "all() | clip(0.5)", "2 * none()"])
def test_weighted_graph_is_a_float32_matrix(text: str):
    weights = rrl.compile(text)(NODES)
    assert weights.dtype == torch.float32
    assert weights.shape == (6, 6)


def test_small_recipe_by_hand():
    weights = rrl.compile("ssl() + 2 * supervised(labels=fine) - self()")(NODES)
    assert weights.tolist() == [
        [0, 3, 0, 0, 2, 2],
        [3, 0, 0, 0, 2, 2],
        [0, 0, 0, 3, 0, 0],
        [0, 0, 3, 0, 0, 0],
        [2, 2, 0, 0, 0, 3],
        [2, 2, 0, 0, 3, 0],
    ]


def test_unknown_labels_are_related_to_nothing_not_even_themselves():
    weights = rrl.compile("supervised(labels=coarse)")(NODES)
    assert weights[:4, :4].all()
    assert not weights[4:].any()
    assert not weights[:, 4:].any()


@pytest.mark.parametrize("text", ["ssl()", "2 * random(.5)", "none()", "supervised(labels=fine)"])
def test_empty_batch_gives_an_empty_matrix(text: str):
    assert rrl.compile(text)(NODES[:0]).shape == (0, 0)
    assert rrl.compile(text).relate(NODES[:0], NODES).shape == (0, 6)


@pytest.mark.parametrize("text", ["none()", "all()", "ssl()", "0.5 * none()", "all() | during(0)"])
@pytest.mark.parametrize("rows", [1, 6])
def test_result_belongs_to_the_caller_who_may_write_to_it(text: str, rows: int):
    program = rrl.compile(text)
    before = program(NODES[:rows]).clone()
    spoilt = program(NODES[:rows])
    spoilt[0, 0] = not bool(spoilt[0, 0])
    assert (spoilt != before).sum() == 1
    spoilt.fill_diagonal_(1).logical_not_()
    torch.testing.assert_close(program(NODES[:rows]), before)


def test_edges_carry_no_gradient():
    assert not rrl.compile("2 * ssl()")(NODES).requires_grad


def test_a_threshold_of_0_is_not_cached_as_the_flag_false():
    # the threshold 0 and the flag False are equal and hash alike; a cache must tell them apart
    dense._scalar.cache_clear()
    rrl.compile("random(4.66e-10)")(NODES)
    assert rrl.compile("none()")(NODES).dtype == torch.bool
    dense._scalar.cache_clear()
    rrl.compile("none()")(NODES)
    assert rrl.compile("random(4.66e-10)")(NODES).sum() == 6


@pytest.mark.parametrize(
    ("text", "edges"),
    [("1e-50 * all() | threshold(0)", 36), ("0.5 * ssl() | power(1e-300) | threshold(0)", 12)],
)
def test_numbers_below_float32_are_still_above_nought(text: str, edges: int):
    assert rrl.compile(text)(NODES).sum() == edges


def test_during_is_active_from_its_start_up_to_its_end():
    program = rrl.compile("all() | during(2, 4)")
    active = [bool(program(NODES, epoch=epoch).any()) for epoch in range(6)]
    assert active == [False, False, True, True, False, False]
    assert rrl.compile("all() | during(2)")(NODES, epoch=10**6).all()


# what it needs


@pytest.mark.parametrize(
    ("text", "views", "labels", "bound", "draws", "epochs"),
    [
        ("ssl()", 2, (), False, False, False),
        ("self()", 1, (), False, False, False),
        ("ssl(4) | ssl(3) & supervised(labels=fine)", 4, ("fine",), False, False, False),
        (
            "supervised() | supervised(labels=a) | supervised()",
            1,
            ("label", "a"),
            False,
            False,
            False,
        ),
        ("supervised(frac=.5)", 1, ("label",), False, True, False),
        ("supervised(per_class=5)", 1, ("label",), True, True, False),
        ("ssl() | keep(.5)", 2, (), False, True, False),
        ("ssl() | keep(.5, redraw=epoch)", 2, (), False, True, True),
        ("ssl() | corrupt(fpr=.5, redraw=step)", 2, (), False, True, True),
        ("ssl() | during(3)", 2, (), False, False, True),
        ("ssl() | corrupt()", 2, (), False, False, False),
    ],
)
def test_requirements_of_a_recipe(
    text: str, views: int, labels: tuple[str, ...], bound: bool, draws: bool, epochs: bool
):
    requires = rrl.compile(text).requires
    assert requires.views == views
    assert requires.labels == labels
    assert requires.bound is bound
    assert requires.draws is draws
    assert requires.epochs is epochs


def test_rows_without_the_label_field_are_rrl401_with_a_suggestion():
    only = error_of(lambda: rrl.compile("supervised(labels=corse)")(NODES))
    assert only.code == "RRL401"
    assert only.hint == "did you mean `coarse`?"


def test_columns_without_the_label_field_are_rrl401_too():
    bare = rrl.Nodes([1, 2])
    only = error_of(lambda: rrl.compile("supervised(labels=fine)").relate(NODES, bare))
    assert only.code == "RRL401"
    assert only.hint == "they have none"


# the whole dataset


def test_recipe_that_chooses_among_all_samples_must_be_bound_first():
    program = rrl.compile("ssl() | supervised(labels=fine, per_class=1)")
    only = error_of(lambda: program(NODES))
    assert only.code == "RRL403"
    assert only.hint == "call `program.bind(dataset)` first"
    assert error_of(lambda: program.relate(NODES)).code == "RRL403"
    assert program.bind(NODES) is program
    assert program(NODES).dtype == torch.bool


def test_binding_needs_nothing_where_the_recipe_needs_nothing():
    assert rrl.compile("ssl()")(NODES).any()
    assert rrl.compile("ssl()").bind(NODES)(NODES).any()


def test_data_set_without_the_label_field_is_rrl401():
    program = rrl.compile("supervised(labels=fin, per_class=1)")
    only = error_of(lambda: program.bind(NODES))
    assert (only.code, only.hint) == ("RRL401", "did you mean `fine`?")
    only = error_of(lambda: program.bind(rrl.Nodes([0])))
    assert (only.code, only.hint) == ("RRL401", "it has none")


def test_malformed_data_set_is_refused_when_it_is_bound():
    class Samples:
        sample = np.array([0, -1])
        labels = {"label": np.array([0, 1])}  # noqa: RUF012

    program = rrl.compile("supervised(per_class=1)")
    assert error_of(lambda: program.bind(Samples())).code == "RRL402"


def test_batch_of_samples_that_the_data_set_lacks_is_unlabeled():
    program = rrl.compile("supervised(labels=fine, per_class=2)").bind(NODES)
    strangers = rrl.Nodes([1, 4, 2**41], labels={"fine": [0, 0, 1]})
    assert not program(strangers).any()


def test_data_set_without_a_known_label_chooses_nothing():
    program = rrl.compile("supervised(per_class=2)").bind(rrl.Nodes([0], labels={"label": [-1]}))
    assert not program(rrl.Nodes([0], labels={"label": [-1]})).any()


def test_binding_again_replaces_the_data_set():
    program = rrl.compile("supervised(per_class=1)")
    one, two = (rrl.Nodes([sample], labels={"label": [0]}) for sample in (1, 2))
    assert program.bind(one)(one).all()
    assert not program.bind(two)(one).any()


# the sparse graph


@pytest.mark.parametrize("text", ["ssl() | random(.5)", "0.5 * ssl() + all()", "none()"])
def test_sparse_matrix_holds_the_same_weights(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rrl_dsl.backends.sparse.BAND_PAIRS", 25)  # two bands, the last one short
    program = rrl.compile(text)
    matrix = program.to_scipy(NODES)
    assert matrix.shape == (6, 6)
    assert matrix.dtype == np.float32
    assert matrix.nnz == int((program(NODES) > 0).sum())
    np.testing.assert_array_equal(matrix.toarray(), program(NODES).float().numpy())


def test_networkx_graph_has_rows_as_nodes_and_no_loops():
    program = rrl.compile("2 * ssl() + supervised(labels=fine)")
    graph = program.to_networkx(NODES)
    assert graph.number_of_nodes() == 6
    assert graph.nodes[5] == {"sample": 2**40, "view": 1}
    assert nx.number_of_selfloops(graph) == 0
    assert {(i, j): data["weight"] for i, j, data in graph.edges(data=True)} == {
        (0, 1): 3.0,
        (2, 3): 3.0,
        (4, 5): 3.0,
        (0, 4): 1.0,
        (0, 5): 1.0,
        (1, 4): 1.0,
        (1, 5): 1.0,
    }


def test_sparse_graph_takes_the_epoch_and_step():
    program = rrl.compile("none() | corrupt(fpr=.5, redraw=epoch)")
    at = [program.to_scipy(NODES, epoch=epoch).toarray() for epoch in (0, 1)]
    assert (at[0] != at[1]).any()
    np.testing.assert_array_equal(at[1], program(NODES, epoch=1).numpy())


def test_empty_sparse_graph():
    assert rrl.compile("all()").to_scipy(NODES[:0]).shape == (0, 0)
    assert rrl.compile("all()").to_networkx(NODES[:0]).number_of_nodes() == 0


def test_networkx_of_a_directed_recipe_has_both_directions():
    x = torch.tensor([[0.0], [1.0], [3.0]])
    rows = rrl.Nodes(range(3), fields={"x": x})
    program = rrl.compile("knn(1, space=x, metric=euclidean, directed=true)").bind(rows)
    graph = program.to_networkx(rows)
    assert graph.is_directed()
    assert set(graph.edges) == {(0, 1), (1, 0), (2, 1)}


# relate


def test_relation_has_the_shape_of_its_rows_and_columns():
    relation = rrl.compile("ssl()", seed=4).relate(NODES, NODES[:2], step=9)
    assert isinstance(relation, rrl.Relation)
    assert relation.shape == (6, 2)
    assert (relation.seed, relation.step) == (4, 9)


def test_unknown_strategy_is_rrl413():
    only = error_of(lambda: rrl.compile("ssl()").relate(NODES, strategy="dens"))
    assert (only.code, only.hint) == ("RRL413", "did you mean `dense`?")


def test_the_repr_of_a_program():
    program = rrl.compile("ssl()", seed=3)
    assert repr(program) == f"<binary program {program.identity[:12]}, seed 3>"
    assert rrl.compile("2 * ssl()").binary is False


@pytest.mark.parametrize(
    "text", ["0 * (3e38 * (3e38 * ssl()))", "0 * (3e38 * ssl() + 3e38 * ssl())"]
)
def test_weights_beyond_float32_are_still_numbers(text: str) -> None:
    weights = rrl.compile(text)(rrl.Nodes(torch.tensor([0, 0, 1])))
    assert torch.equal(weights, torch.zeros(3, 3))


@pytest.mark.parametrize(
    "ask",
    [
        lambda program, rows, spaces: program(rows, spaces=spaces),
        lambda program, rows, spaces: program.relate(rows, spaces=spaces),
        lambda program, rows, spaces: program.to_scipy(rows, spaces=spaces),
        lambda program, rows, spaces: program.to_networkx(rows, spaces=spaces),
    ],
    ids=["call", "relate", "to_scipy", "to_networkx"],
)
def test_recipe_with_a_bank_wants_its_columns(ask):
    program = rrl.compile("knn(2, space=projection, bank=4)")
    rows, spaces = rrl.Nodes([0, 1, 2, 3]), {"projection": torch.eye(4)}
    assert error_of(lambda: ask(program, rows, spaces)).code == "RRL419"
    cols = rrl.Nodes(range(8))
    both = {"projection": (torch.eye(4), torch.eye(8)[:, :4])}
    assert program.relate(rows, cols, spaces=both).shape == (4, 8)


@pytest.mark.parametrize(
    ("build", "code", "hint"),
    [
        (lambda: rrl.Program("ssl()"), "RRL210", "call `rrl.compile(text)`"),
        (lambda: rrl.Program(None), "RRL210", "use `rrl.load(path)` for a file"),
        (lambda: rrl.Program(rrl.keep(0.5)), "RRL204", "write `ssl(views=2) | keep(p=0.5)`"),
        (lambda: rrl.Program(rrl.ssl(), seed=-5), "RRL301", None),
        (lambda: rrl.Program(rrl.ssl(), seed=2**64), "RRL301", None),
        (lambda: rrl.Program(rrl.ssl(), seed=True), "RRL301", None),
        (lambda: rrl.Program(rrl.ssl(), seed=0.5), "RRL301", None),
    ],
)
def test_program_of_something_else_is_refused(build, code: str, hint: str | None):
    only = error_of(build)
    assert (only.code, only.hint) == (code, hint)


@pytest.mark.parametrize(
    "given",
    [
        {"sample": [0, 1]},
        [0, 1],
        np.arange(2),
        torch.arange(2),
        torch.utils.data.TensorDataset(torch.zeros(2, 3)),
        "digits",
        None,
    ],
    ids=lambda given: type(given).__name__,
)
@pytest.mark.parametrize("use", ["__call__", "relate", "to_scipy", "to_networkx", "bind"])
def test_rows_must_be_nodes(use: str, given: object):
    program = rrl.compile("supervised(per_class=1)" if use == "bind" else "ssl()")
    with pytest.raises(rrl.RRLError) as caught:
        getattr(program, use)(given)
    (only,) = caught.value.diagnostics
    assert only.code == "RRL402"
    assert "rrl.Nodes(" in only.hint


def test_columns_must_be_nodes():
    with pytest.raises(rrl.RRLError, match="a program takes rows, not a dict"):
        rrl.compile("ssl()").relate(rrl.Nodes([0, 1]), {"sample": [0, 1]})


VECTORS = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]]


@pytest.mark.parametrize(
    "z",
    [
        VECTORS,
        np.array(VECTORS),
        np.array(VECTORS, dtype=">f4"),
        np.array(VECTORS)[::-1][::-1],
        torch.tensor(VECTORS, requires_grad=True),
        (np.array(VECTORS), VECTORS),
        np.array([[10, 0], [0, 10], [10, 1]]),
    ],
)
def test_embeddings_come_as_any_array(z: object):
    near = rrl.compile("knn(1)").relate(rrl.Nodes([0, 1, 2]), spaces={"projection": z})
    # 0 and 2 are nearest each other; 1 is nearest 2
    assert near.weights.tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    "spaces",
    [
        np.zeros((3, 2)),
        torch.zeros(3, 2),
        [VECTORS],
        {"projection": "z"},
        {"projection": [[0.0], [1.0, 2.0], [3.0]]},
        {"projection": np.zeros((3, 2), complex)},
        {"projection": np.zeros((2, 2))},
        {"projection": (VECTORS, VECTORS, VECTORS)},
        {"backbone": VECTORS},
    ],
)
def test_invalid_embeddings_are_rrl418(spaces: object):
    with pytest.raises(rrl.RRLError) as caught:
        rrl.compile("knn(1)").relate(rrl.Nodes([0, 1, 2]), spaces=spaces)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["RRL418"]
