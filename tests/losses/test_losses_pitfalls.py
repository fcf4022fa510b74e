"""What goes wrong elsewhere: overflow, empty rows, half precision, self, collapse, bad options."""

import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.losses import Loss, create, find, names, register, registry

CONTRASTIVE = ["simclr", "supcon", "suncet", "xclr", "clip"]


def code_of(problem):
    return [diagnostic.code for diagnostic in problem.value.diagnostics]


@pytest.fixture
def z():
    return torch.randn(10, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)


@pytest.mark.parametrize("name", CONTRASTIVE)
@pytest.mark.parametrize("temperature", [0.01, 10.0])
def test_extreme_temperatures_stay_finite(name, temperature, z):
    graph = torch.eye(10, dtype=torch.bool).roll(1, dims=1)
    value = create(name, temperature=temperature)(graph, z)
    (gradient,) = torch.autograd.grad(value, z)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_rows_without_an_edge_do_not_count(name, z):
    graph = torch.zeros(10, 10)
    graph[2, 5] = graph[5, 2] = 1
    whole = create(name)(graph, z)
    alone = create(name)(graph[[2, 5]], z[[2, 5]], keys=z)
    # the two related rows see self among their keys where the columns are given apart
    assert torch.isfinite(whole)
    assert alone > whole


@pytest.mark.parametrize("name", CONTRASTIVE)
@pytest.mark.parametrize("rows", [1, 10])
def test_a_graph_without_edges_costs_nothing(name, rows, z):
    value = create(name)(torch.zeros(rows, rows), z[:rows])
    (gradient,) = torch.autograd.grad(value, z)
    assert float(value.detach()) == 0
    assert torch.equal(gradient, torch.zeros_like(z))


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_a_complete_graph_is_finite(name, z):
    value = create(name)(torch.ones(10, 10), z)
    assert torch.isfinite(value)


@pytest.mark.parametrize("name", [*CONTRASTIVE, "wmse"])
def test_the_order_of_the_rows_does_not_matter(name):
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(32, 4, generator=generator, dtype=torch.float64)
    nodes = rrl.Nodes(torch.arange(16).repeat(2) * 977, torch.arange(2).repeat_interleave(16))
    program = rrl.compile("ssl() | random(0.2)")
    order = torch.randperm(32, generator=generator)
    loss = create(name, **({"slice": 8} if name == "wmse" else {}))
    straight = loss(program.relate(nodes), z)
    shuffled = loss(program.relate(nodes[order]), z[order])
    torch.testing.assert_close(straight, shuffled, rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", [*CONTRASTIVE, "wmse"])
def test_half_precision_under_autocast_is_close(name):
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(32, 4, generator=generator)
    graph = torch.rand(32, 32, generator=generator) > 0.7
    loss = create(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss(graph, z.bfloat16())
        full = loss(graph, z)
    assert half.dtype == full.dtype == torch.float32
    torch.testing.assert_close(half, full, rtol=2e-2, atol=0)
    torch.testing.assert_close(full, loss(graph, z), rtol=1e-6, atol=0)


def test_a_zero_embedding_has_a_finite_gradient():
    z = torch.zeros(4, 3, requires_grad=True)
    value = create("simclr")(torch.ones(4, 4), z)
    (gradient,) = torch.autograd.grad(value, z)
    assert torch.isfinite(gradient).all()


def test_self_is_the_same_row_at_every_position(z):
    nodes = rrl.Nodes(torch.arange(10))
    program = rrl.compile("random(0.5)")
    order = torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
    straight = create("simclr")(program.relate(nodes), z)
    moved = create("simclr")(program.relate(nodes, nodes[order]), z, keys=z[order])
    torch.testing.assert_close(straight, moved, rtol=1e-5, atol=0)


def test_a_matrix_with_keys_has_no_self():
    z = torch.eye(3)
    graph = torch.eye(3)
    value = create("simclr", temperature=1.0)(graph, z, keys=z.clone())
    expected = -torch.log_softmax(torch.tensor([1.0, 0.0, 0.0]), dim=0)[0]
    torch.testing.assert_close(value, expected)


def test_a_bool_matrix_and_its_numbers_are_the_same(z):
    graph = torch.rand(10, 10, generator=torch.Generator().manual_seed(2)) > 0.5
    assert create("simclr")(graph, z) == create("simclr")(graph.float(), z)


def test_whitening_too_few_rows_is_refused():
    with pytest.raises(rrl.RRLError, match="at least 16 rows") as problem:
        create("wmse")(torch.ones(15, 15), torch.randn(15, 8))
    assert code_of(problem) == ["RRL405"]


def test_whitening_too_few_rows_of_one_view_is_refused():
    view = torch.tensor([0] * 30 + [1] * 10)
    with pytest.raises(rrl.RRLError) as problem:
        create("wmse")(torch.ones(40, 40), torch.randn(40, 8), view=view)
    assert code_of(problem) == ["RRL405"]


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_embeddings_that_cannot_be_whitened_have_collapsed(value):
    z = torch.full((32, 4), value)
    with pytest.raises(rrl.RRLError, match="collapsed") as problem:
        create("wmse")(torch.ones(32, 32), z)
    assert code_of(problem) == ["RRL409"]


def test_slices_change_with_the_step_and_cover_every_row():
    from rrl_dsl.losses.whitening import sliced

    sample, view = torch.arange(100), torch.zeros(100, dtype=torch.int64)
    first, second = (sliced(sample, view, 30, seed=0, step=step) for step in (0, 1))
    assert [len(part) for part in first] == [34, 33, 33]
    assert torch.equal(torch.cat(first).sort().values, sample)
    assert not torch.equal(first[0], second[0])


@pytest.mark.parametrize(
    ("graph", "z", "keys"),
    [
        (torch.ones(3, 3), torch.randn(4, 2), None),
        (torch.ones(3, 5), torch.randn(3, 2), None),
        (torch.ones(3, 5), torch.randn(3, 2), torch.randn(5, 3)),
        (torch.ones(3, 5), torch.randn(3, 2), torch.randn(4, 2)),
        (torch.ones(3), torch.randn(3, 2), None),
        (torch.ones(3, 3), torch.ones(3, 2, dtype=torch.int64), None),
    ],
)
def test_shapes_that_do_not_fit_are_refused(graph, z, keys):
    with pytest.raises(rrl.RRLError) as problem:
        create("simclr")(graph, z, keys=keys)
    assert code_of(problem) == ["RRL406"]


@pytest.mark.parametrize(
    ("graph", "z", "view"),
    [
        (rrl.ssl(), torch.ones(3, 2), None),
        (torch.ones(3, 3), [[1.0, 2.0]] * 3, None),
        (torch.ones(3, 3), torch.ones(3, 2), torch.zeros(4, dtype=torch.int64)),
    ],
)
def test_wrong_types_and_shapes_are_refused(graph, z, view):
    with pytest.raises(rrl.RRLError) as problem:
        create("simclr")(graph, z, view=view)
    assert code_of(problem) == ["RRL406"]


def test_an_array_is_a_matrix_too(z):
    graph = torch.ones(10, 10)
    assert create("simclr")(graph.numpy(), z) == create("simclr")(graph, z)


def test_weights_too_small_for_float32_still_count(z):
    graph = torch.full((10, 10), 1e-50, dtype=torch.float64)
    for name in ("simclr", "suncet"):
        assert torch.isfinite(create(name)(graph, z))
    torch.testing.assert_close(
        create("simclr")(graph, z), create("simclr")(torch.ones(10, 10).double(), z)
    )


def test_an_unknown_loss_has_a_suggestion():
    with pytest.raises(rrl.RRLError, match="did you mean `simclr`") as problem:
        create("simclrr")
    assert code_of(problem) == ["RRL407"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temprature": 1}, "did you mean `temperature`"),
        ({"temperature": -1}, "`temperature` of the loss `simclr` should be greater than 0"),
        ({"normalize": "cols"}, "should be 'rows' or 'edges', not 'cols'"),
    ],
)
def test_a_bad_option_says_what_would_fit(options, words):
    with pytest.raises(rrl.RRLError, match=words) as problem:
        create("simclr", **options)
    assert code_of(problem) == ["RRL408"]


def test_a_loss_of_one_s_own_is_a_name_like_any_other(z, monkeypatch):
    monkeypatch.setattr(registry, "_LOSSES", dict(registry.registered()))  # it stays this test's

    @register("mean_degree")
    class MeanDegree(Loss):
        def value(self, relation, z, keys):
            return relation.degree().mean() + 0 * z.sum()

    assert float(create("mean_degree")(torch.ones(10, 10), z)) == 9
    assert find("mean_degree") is MeanDegree
    assert "mean_degree" in names()


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="twice"):
        register("simclr")(type("Other", (), {}))
