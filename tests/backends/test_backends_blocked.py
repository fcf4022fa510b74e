"""The blocked strategy: tiles of the same graph, and every loss without a matrix."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import batches, datasets, nodes_of, settings_of_a_run, spaces_of, suits
from random_recipes import Recipe, graph_of, recipes, text_of

import rrl_dsl as rrl
from rrl_dsl.backends.blocked import BlockedRelation
from rrl_dsl.backends.dense import Prepared
from rrl_dsl.backends.strategy import BLOCKED_PAIRS, TILE_PAIRS
from rrl_dsl.losses import create, names
from rrl_dsl.losses.outputs import OUTPUTS

SIZES = {"d": 3, "f": 5, "K": 4, "P": 6, "m": 20}
MODEST = settings(max_examples=50, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module", autouse=True)
def small_tiles():
    """Tiles of 3 x 3 pairs, so that small batches have several, and the last is smaller."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TILE_PAIRS, "cpu", 9)
        yield


@MODEST
@given(st.data(), recipes(), datasets(), settings_of_a_run)
def test_tiles_are_those_of_the_matrix(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    assume(suits(recipe, dataset))
    program = rrl.compile(graph_of(recipe), seed=run["seed"])
    if program.requires.bound:
        program.bind(nodes_of(dataset))
    rows = data.draw(batches(dataset))
    cols = data.draw(st.none() | batches(dataset))
    spaces = spaces_of(rows)
    if cols is not None:
        spaces = {name: (z, spaces_of(cols)[name]) for name, z in spaces.items()}
    assume(cols is not None or not program.requires.bank)
    sides = [None if side is None else nodes_of(side) for side in (rows, cols)]
    for nodes in filter(None, sides):
        nodes.check = False  # any rows will do, whatever views the recipe asks for
    options = {"spaces": spaces, "epoch": run["epoch"], "step": run["step"]}
    dense = program.relate(*sides, strategy="dense", **options)
    tiled = program.relate(*sides, strategy="blocked", **options)
    assert isinstance(tiled, BlockedRelation)
    weights, contrast = torch.zeros_like(dense.weights), torch.zeros_like(dense.weights).bool()
    for here, there in tiled.tiles():
        tile = tiled.tile(here, there)
        weights[here, there] = tile.weights
        contrast[here, there] = True if tile.contrast is None else tile.contrast
        assert tile.same.equal(dense.same[here, there])
    assert weights.equal(dense.weights), text_of(recipe)
    assert contrast.all() if dense.contrast is None else contrast.equal(dense.contrast)
    torch.testing.assert_close(tiled.degree(), dense.degree())


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(
    "text",
    [
        "ssl(views=2) | supervised() | corrupt(fpr=0.1)",
        "ssl(views=2) | supervised()",
        "ssl(views=2) | supervised() | corrupt(tpr=0.5)",
    ],
)
def test_a_loss_has_the_value_and_the_gradient_of_the_matrix(name: str, text: str):
    samples, generator = torch.arange(11), torch.Generator().manual_seed(0)
    label = torch.randint(-1, 3, (11,), generator=generator)
    nodes = rrl.Nodes(
        samples.repeat(2),
        samples.new_tensor([0, 1]).repeat_interleave(11),
        {"label": label.repeat(2)},
    )
    program = rrl.compile(text, seed=3)
    outputs = {}
    for output, described in OUTPUTS.items():
        shape = [SIZES.get(size, len(nodes)) for size in described.shape]
        outputs[output] = torch.randn(shape, generator=generator).requires_grad_()
    outputs["mask"] = outputs["mask"] > 0
    results = []
    for strategy in ("dense", "blocked"):
        relation = program.relate(nodes, strategy=strategy)
        value = create(name).over(relation, outputs)
        given = [tensor for tensor in outputs.values() if tensor.requires_grad]
        gradients = torch.autograd.grad(value, given, allow_unused=True)
        results.append([value, *(gradient for gradient in gradients if gradient is not None)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_no_more_than_a_tile_is_evaluated_at_a_time(monkeypatch):
    sizes, weights = [], Prepared.weights

    def watched(*arguments):
        tile = weights(*arguments)
        sizes.append(tile.numel())
        return tile

    monkeypatch.setattr(Prepared, "weights", watched)
    nodes = rrl.Nodes(torch.arange(10).repeat(2), torch.arange(2).repeat_interleave(10))
    relation = rrl.compile("ssl(views=2)").relate(nodes, strategy="blocked")
    z = torch.randn(20, 4, requires_grad=True)
    (create("simclr + 0.1*spectral")(relation, z)).backward()
    assert max(sizes) <= 9


def test_many_pairs_are_evaluated_in_tiles_by_default(monkeypatch):
    monkeypatch.setitem(BLOCKED_PAIRS, "cpu", 400)
    nodes = rrl.Nodes(torch.arange(20))
    program = rrl.compile("all()")
    assert isinstance(program.relate(nodes), BlockedRelation)
    assert not isinstance(program.relate(nodes, nodes[:19]), BlockedRelation)
    assert not isinstance(program.relate(nodes, strategy="dense"), BlockedRelation)


def test_no_rows_have_degrees_of_no_length():
    nothing = rrl.Nodes(torch.zeros(0, dtype=torch.int64))
    relation = rrl.compile("ssl(views=2)").relate(nothing, strategy="blocked")
    assert relation.degree().shape == (0,)
