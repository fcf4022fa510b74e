"""Every backend equals the oracle of this folder, for random recipes and batches."""

import random

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity_oracle import Oracle, Row
from random_batches import (
    batches,
    datasets,
    nodes_of,
    reference_rows_of,
    settings_of_a_run,
    spaces_of,
    suits,
    views_of,
)
from random_recipes import Recipe, graph_of, is_binary, recipes, text_of

import rrl_dsl as rrl
from rrl_dsl.backends import reference
from rrl_dsl.graph.algebra import Combined, combine
from rrl_dsl.graph.traversal import rebuilt

MODEST = settings(max_examples=80, deadline=None, derandomize=True, database=None)


def check(
    recipe: Recipe, rows: list[Row], cols: list[Row] | None, run: dict[str, int], dataset: list[Row]
) -> None:
    """Holds the dense and the reference backend to the oracle, over rows x columns."""
    if not suits(recipe, dataset):
        assume(False)
    expected = np.array(Oracle(recipe, **run, dataset=dataset).matrix(rows, cols or rows))
    graph = graph_of(recipe)

    given_cols = None if cols is None else reference_rows_of(cols)
    by_reference = reference.evaluate(
        graph, reference_rows_of(rows), given_cols, **run, dataset=reference_rows_of(dataset)
    )
    np.testing.assert_allclose(
        by_reference, expected, rtol=1e-6, atol=1e-12, err_msg=text_of(recipe)
    )

    program = rrl.compile(graph, seed=run["seed"])
    assume(cols is None or not lacks_views(rows, cols, program.requires.views))
    if program.requires.bound:
        program.bind(nodes_of(dataset))
    times = {"epoch": run["epoch"], "step": run["step"]}
    if cols is None:
        dense = program(nodes_of(rows), spaces=spaces_of(rows), **times)
    else:
        spaces = {name: (z, spaces_of(cols)[name]) for name, z in spaces_of(rows).items()}
        dense = program.relate(nodes_of(rows), nodes_of(cols), spaces=spaces, **times).weights
    assert dense.shape == expected.shape
    assert program.binary == is_binary(recipe)
    if is_binary(recipe):
        assert dense.dtype == torch.bool
        np.testing.assert_array_equal(dense.numpy(), expected == 1.0, err_msg=text_of(recipe))
    else:
        assert dense.dtype == torch.float32
        if "similarity" not in text_of(recipe):  # whose last bit hangs on the library that adds up
            np.testing.assert_array_equal(dense.numpy(), by_reference, err_msg=text_of(recipe))
        np.testing.assert_allclose(
            dense.numpy(), expected, rtol=1e-6, atol=1e-6, err_msg=text_of(recipe)
        )


def lacks_views(rows: list[Row], cols: list[Row], asked: int) -> bool:
    """Whether rows and columns are the same samples with too few views, which is refused."""
    same = len(rows) > 1 and [row.sample for row in rows] == [col.sample for col in cols]
    return same and len({row.view for row in [*rows, *cols]}) < asked


@MODEST
@given(st.data(), recipes(), datasets(), settings_of_a_run)
def test_square_batch(data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]):
    check(recipe, data.draw(batches(dataset)), None, run, dataset)


@MODEST
@given(st.data(), recipes(), datasets(), settings_of_a_run)
def test_rows_by_other_columns(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    rows, cols = data.draw(batches(dataset)), data.draw(batches(dataset))
    check(recipe, rows, cols, run, dataset)


@MODEST
@given(st.data(), recipes(binary=True), datasets(), settings_of_a_run)
def test_binary_recipe_bit_for_bit(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    rows = data.draw(batches(dataset))
    check(recipe, rows, data.draw(st.permutations(rows)), run, dataset)


@MODEST
@given(st.data(), recipes(bound=True, size=4), datasets(), settings_of_a_run)
def test_recipe_that_looks_at_the_whole_data_set(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    part = data.draw(st.lists(st.sampled_from(dataset), min_size=1))
    check(recipe, data.draw(batches(part)), None, run, dataset)


@MODEST
@given(st.data(), recipes(batch=True), datasets(), settings_of_a_run)
def test_recipe_that_looks_at_the_whole_batch(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    check(recipe, data.draw(batches(dataset)), None, run, dataset)


@MODEST
@given(st.data(), recipes(batch=True, size=4), datasets(), settings_of_a_run)
def test_recipe_that_looks_at_rows_and_columns(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    rows, cols = data.draw(batches(dataset)), data.draw(batches(dataset))
    check(recipe, rows, cols, run, dataset)


@MODEST
@given(recipes(batch=True, bound=True), datasets(), settings_of_a_run)
def test_recipe_of_every_scope(recipe: Recipe, dataset: list[Row], run: dict[str, int]):
    check(recipe, views_of(dataset), None, run, dataset)


@MODEST
@given(recipes(), datasets(), settings_of_a_run)
def test_whole_data_set_at_once(recipe: Recipe, dataset: list[Row], run: dict[str, int]):
    check(recipe, views_of(dataset), None, run, dataset)


@MODEST
@given(recipes(batch=True, bound=True), datasets(), st.tuples(st.booleans(), st.booleans()))
def test_no_rows_or_no_columns(recipe: Recipe, dataset: list[Row], empty: tuple[bool, bool]):
    assume(suits(recipe, dataset))
    everything = views_of(dataset)
    program = rrl.compile(graph_of(recipe))
    if program.requires.bound:
        program.bind(nodes_of(dataset))
    rows, cols = (nodes_of(everything)[:0] if none else nodes_of(everything) for none in empty)
    spaces = {
        name: tuple(z[:0] if none else z for none in empty)
        for name, z in spaces_of(everything).items()
    }
    assert program.relate(rows, cols, spaces=spaces).weights.shape == (len(rows), len(cols))
    alone = program(rows, spaces={name: z for name, (z, _) in spaces.items()})
    assert alone.shape == (len(rows), len(rows))


@settings(MODEST, max_examples=300)
@given(st.data(), recipes(size=9, batch=True, seeded=True, decimals=True), datasets(), st.randoms())
def test_decimals_and_ties_bit_for_bit_however_the_recipe_is_written(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], chance: random.Random
):
    rows = data.draw(batches(dataset))
    graph, other = graph_of(recipe), shuffled(graph_of(recipe), chance)
    assert other == graph
    expected = reference.evaluate(graph, reference_rows_of(rows), seed=1, epoch=1)
    for expression in (graph, other):
        weights = rrl.compile(expression, seed=1)(nodes_of(rows), epoch=1, spaces=spaces_of(rows))
        np.testing.assert_array_equal(weights.numpy(), expected, err_msg=text_of(recipe))


def shuffled(graph: rrl.Graph, chance: random.Random) -> rrl.Graph:
    """The same graph with the operands of every commutative chain in another order."""

    def change(node: rrl.Graph) -> rrl.Graph:
        if not isinstance(node, Combined) or node.operator == "-":
            return node
        first, *others = chance.sample(node.operands, len(node.operands))
        return combine(node.operator, first, *others)

    return rebuilt(graph, change)


@pytest.mark.parametrize("redraw", ["never", "epoch", "step"])
@pytest.mark.parametrize("unit", ["sample", "row"])
def test_noise_over_every_time_and_unit(unit: str, redraw: str):
    from random_recipes import Applied, Call, Source

    noise = Call("corrupt", {"tpr": 0.6, "fpr": 0.4, "unit": unit, "redraw": redraw})
    recipe = Applied(Source(Call("supervised", {"labels": "fine"})), noise)
    dataset = [Row(sample * 2**31, 0, {"fine": sample % 2, "coarse": 0}) for sample in range(6)]
    for epoch, step in ((0, 0), (1, 0), (0, 1), (7, 2**32 - 1)):
        run = {"seed": 2**40 + 9, "epoch": epoch, "step": step}
        check(recipe, views_of(dataset), None, run, dataset)


def test_epoch_and_step_move_only_what_redraws_by_them():
    rows = nodes_of(
        views_of([Row(sample, 0, {"fine": 0, "coarse": 0}) for sample in range(8)], views=1)
    )
    drawn = {
        redraw: {
            (epoch, step): rrl.compile(rrl.none() | rrl.corrupt(fpr=0.5, redraw=redraw))(
                rows, epoch=epoch, step=step
            )
            .numpy()
            .tobytes()
            for epoch in (0, 1)
            for step in (0, 1)
        }
        for redraw in ("never", "epoch", "step")
    }
    assert len(set(drawn["never"].values())) == 1
    by_epoch = drawn["epoch"]
    assert by_epoch[0, 0] == by_epoch[0, 1] != by_epoch[1, 0] == by_epoch[1, 1]
    by_step = drawn["step"]
    assert by_step[0, 0] == by_step[1, 0] != by_step[0, 1] == by_step[1, 1]
    assert by_epoch[1, 0] == by_step[0, 1], "the same stream at the same time"
