"""What holds of every loss of the registry, with each choice of each of its options.

A loss that is registered is covered without a word here. What does not hold of one is excepted
by name, with the reason.
"""

import dataclasses
from typing import Literal, get_args, get_origin

import pytest
import torch

from rrl_dsl.backends.dense_relation import DenseRelation
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.losses import create, find, names
from rrl_dsl.losses.description import options_of
from rrl_dsl.losses.outputs import OUTPUTS

SAMPLES, VIEWS = 12, 2
ROWS = SAMPLES * VIEWS
SIZES = {"n": ROWS, "m": 7, "P": 4, "f": 6, "d": 3, "K": 5}
DIRECTIONS = 3
LOSSES = [find(name) for name in names()]  # before a test registers its own


def choices(loss, option):
    """The values of an option other than the default, where it is a choice."""
    annotation = loss.__pydantic_fields__[option.name].annotation
    if annotation is bool:
        return [not option.default]
    values = get_args(annotation) if get_origin(annotation) is Literal else ()
    return [value for value in values if value != option.default]


def variants():
    """Each loss as it is, and with each choice of each option."""
    for loss in LOSSES:
        yield pytest.param(loss.name(), {}, id=loss.name())
        for option in options_of(loss):
            for value in choices(loss, option):
                identity = f"{loss.name()}({option.name}={value})"
                yield pytest.param(loss.name(), {option.name: value}, id=identity)


VARIANTS = list(variants())
every_loss = pytest.mark.parametrize(("name", "options"), VARIANTS)


def nodes():
    """Two views of samples whose ids are not in order."""
    sample = torch.arange(SAMPLES) * 7919 % 101
    return Nodes(sample.repeat(VIEWS), torch.arange(VIEWS).repeat_interleave(SAMPLES))


def drawn(loss, dtype=torch.float64, seed=0):
    """Random outputs, of the shapes that they have, that the loss takes."""
    generator = torch.Generator().manual_seed(seed)
    outputs = {}
    for output in dict.fromkeys(loss.inputs().values()):
        shape = OUTPUTS[output].shape
        value = torch.randn([SIZES[size] for size in shape], generator=generator).to(dtype)
        if "K" in shape:
            value = value.tanh()  # scores are similarities
        outputs[output] = value > 0 if output == "mask" else value
    return outputs


def weights(loss, *, dtype=torch.float64, seed=0):
    """Random weights with empty rows; of 0 and 1, and symmetric, where the loss wants that."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(ROWS, ROWS, generator=generator).to(torch.float64)
    if any(term.symmetric for _, term in loss.flat_terms()):
        weights = torch.maximum(weights, weights.T)
    weights = weights.where(weights > 0.7, 0.0)
    if any(term.binary for _, term in loss.flat_terms()):
        weights = (weights > 0).to(weights.dtype)
    weights[::7] = weights[:, ::7] = 0
    return weights.to(dtype)


def value_and_gradients(loss, relation, outputs):
    """The value, and the gradient of each output that has one."""
    leaves = {
        output: value.detach().clone().requires_grad_(value.is_floating_point())
        for output, value in outputs.items()
    }
    value = loss.over(relation, leaves)
    floats = {output: leaf for output, leaf in leaves.items() if leaf.requires_grad}
    gradients = torch.autograd.grad(value, list(floats.values()), allow_unused=True)
    gradient_of = dict(zip(floats, gradients, strict=True))
    return value.detach(), {
        key: gradient for key, gradient in gradient_of.items() if gradient is not None
    }


def rows_of(outputs, order):
    """The outputs with their rows in another order; those without rows as they are."""
    return {
        output: value[order] if OUTPUTS[output].shape[0] == "n" else value
        for output, value in outputs.items()
    }


def test_the_registry_is_covered_with_its_options():
    ids = [parameter.id for parameter in VARIANTS]
    assert {"simclr", "wmse", "simclr(normalize=edges)", "wmse(by_view=False)"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert {loss.name() for loss in LOSSES} <= set(ids)


@every_loss
def test_the_order_of_the_rows_does_not_matter(name, options):
    loss = create(name, **options)
    graph, outputs = weights(loss), drawn(loss)
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(3))
    relation = DenseRelation(graph, nodes())
    shuffled = DenseRelation(graph[order][:, order], nodes()[order])
    one, its = value_and_gradients(loss, relation, outputs)
    other, their = value_and_gradients(loss, shuffled, rows_of(outputs, order))
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    for output, expected in rows_of(its, order).items():
        torch.testing.assert_close(their[output], expected, rtol=1e-7, atol=1e-10)


def excepted(reasons, name, options):
    """Why something does not hold of a loss, or of it with an option; None where it does."""
    written = f"{name}({','.join(f'{key}={value}' for key, value in options.items())})"
    return reasons.get(name, reasons.get(written))


OWN_COLUMNS = {
    "barlow": "an edge counts from an earlier view to a later one where the columns are the rows",
    "nnclr(form=nt_xent)": "needs the rows as columns, in their order",
}


@every_loss
def test_self_is_found_at_any_column(name, options):
    loss = create(name, **options)
    if any(term.symmetric for _, term in loss.flat_terms()):
        pytest.skip("it has no columns but its rows")
    if reason := excepted(OWN_COLUMNS, name, options):
        pytest.skip(reason)
    graph, outputs = weights(loss), drawn(loss)
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(3))
    straight = loss.over(DenseRelation(graph, nodes()), outputs)
    moved = DenseRelation(graph[:, order], nodes(), nodes()[order])
    value = loss.over(moved, outputs, rows_of(outputs, order))
    torch.testing.assert_close(value, straight, rtol=1e-9, atol=1e-12)


SELF_COUNTS = {
    "projection": "a trace, to which the diagonal belongs",
    "simdino(form=paper)": "the rate is that of G Z, as the paper's graphs have a diagonal",
    **{
        f"{name}(with_self=True)": "asked for"
        for name in ("simclr", "xclr", "clip", "suncet", "supcon", "simdino")
    },
}


@every_loss
def test_an_edge_to_self_counts_for_nothing(name, options):
    loss = create(name, **options)
    graph, outputs = weights(loss), drawn(loss)
    without = loss.over(DenseRelation(graph.clone().fill_diagonal_(0), nodes()), outputs)
    value = loss.over(DenseRelation(graph.clone().fill_diagonal_(1), nodes()), outputs)
    assert torch.equal(value, without) == (excepted(SELF_COUNTS, name, options) is None)


@every_loss
@pytest.mark.parametrize("edges", ["all", "none"])
def test_a_complete_and_an_empty_graph_are_finite(name, options, edges):
    loss = create(name, **options)
    graph = torch.full((ROWS, ROWS), edges == "all")
    relation = DenseRelation(graph, nodes())
    value, gradients = value_and_gradients(loss, relation, drawn(loss))
    assert torch.isfinite(value)
    for gradient in gradients.values():
        assert torch.isfinite(gradient).all()
    for reason, share in loss.skipped(relation).items():
        assert 0 <= share <= 1
        if reason.endswith("without_edge"):
            assert share == (edges == "none")


@every_loss
def test_a_bool_graph_and_its_numbers_are_the_same(name, options):
    loss = create(name, **options)
    graph, outputs = weights(loss) > 0, drawn(loss)
    value = loss.over(DenseRelation(graph, nodes()), outputs)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(value, loss.over(DenseRelation(graph.to(dtype), nodes()), outputs))


@every_loss
def test_float64_agrees_with_float32(name, options):
    loss = create(name, **options)
    relation, outputs = DenseRelation(weights(loss), nodes()), drawn(loss, torch.float32)
    exact, exact_gradients = value_and_gradients(loss, relation, drawn(loss, torch.float64))
    value, gradients = value_and_gradients(loss, relation, outputs)
    assert (value.dtype, exact.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(value.double(), exact, rtol=1e-4, atol=1e-6)
    for output, gradient in gradients.items():
        expected = exact_gradients[output]
        close = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(gradient.double(), expected, rtol=1e-3, atol=close)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_under_autocast_is_close(name, options, dtype):
    loss = create(name, **options)
    relation = DenseRelation(weights(loss, dtype=torch.float32), nodes())
    outputs = drawn(loss, torch.float32)
    half = {
        key: output.to(dtype) if output.is_floating_point() else output
        for key, output in outputs.items()
    }
    with torch.autocast("cpu", dtype=dtype):
        value, gradients = value_and_gradients(loss, relation, half)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss.over(relation, outputs), rtol=2e-2, atol=1e-3)
    for gradient in gradients.values():
        assert torch.isfinite(gradient).all()


def temperatures():
    """Every option that is a temperature, cold and hot."""
    for loss in LOSSES:
        for field in dataclasses.fields(loss):
            if "temperature" in field.name:
                for value in (0.01, 10.0):
                    identity = f"{loss.name()}({field.name}={value})"
                    yield pytest.param(loss.name(), {field.name: value}, id=identity)


@pytest.mark.parametrize(("name", "options"), temperatures())
def test_extreme_temperatures_are_finite(name, options):
    loss = create(name, **options)
    relation = DenseRelation(weights(loss), nodes())
    outputs = {
        key: output * 10 if output.is_floating_point() else output
        for key, output in drawn(loss, torch.float32).items()
    }
    value, gradients = value_and_gradients(loss, relation, outputs)
    assert torch.isfinite(value)
    for gradient in gradients.values():
        assert torch.isfinite(gradient).all()


STOPPED = {"wmse(detach=later)": "the gradient stops at one side of an edge, the value does not"}


@every_loss
def test_gradients_are_those_of_the_value(name, options):
    """Central differences along random directions of the outputs that have a gradient."""
    if reason := excepted(STOPPED, name, options):
        pytest.skip(reason)
    loss = create(name, **options)
    relation, outputs = DenseRelation(weights(loss), nodes()), drawn(loss)
    _, gradients = value_and_gradients(loss, relation, outputs)
    assert any(bool((gradient != 0).any()) for gradient in gradients.values())
    generator, step = torch.Generator().manual_seed(9), 1e-6
    for _ in range(DIRECTIONS):
        direction = {
            output: torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
            for output, gradient in gradients.items()
        }
        ahead, behind = (
            loss.over(
                relation,
                outputs
                | {key: outputs[key] + sign * step * change for key, change in direction.items()},
            )
            for sign in (1, -1)
        )
        expected = sum((gradients[key] * change).sum() for key, change in direction.items())
        torch.testing.assert_close((ahead - behind) / (2 * step), expected, rtol=1e-5, atol=1e-7)


@every_loss
def test_teachers_banks_and_centers_have_no_gradient(name, options):
    loss = create(name, **options)
    relation, outputs = DenseRelation(weights(loss), nodes()), drawn(loss)
    _, gradients = value_and_gradients(loss, relation, outputs)
    fixed = {"bank", "center", "patch_center"} | {key for key in outputs if "teacher" in key}
    assert not any(bool(gradients[key].any()) for key in fixed & gradients.keys())


@pytest.mark.parametrize(
    "name",
    [
        "simclr",
        "supcon",
        "xclr",
        "clip",
        "suncet",
        "byol",
        "simsiam",
        "nnclr",
        "koleo",
        "simdino",
        "wmse",
        "laplacian",
        "projection",
    ],
)
def test_the_length_of_embeddings_does_not_matter(name):
    loss = create(name)
    relation, outputs = DenseRelation(weights(loss), nodes()), drawn(loss)
    longer = {
        key: 3 * output if output.is_floating_point() else output for key, output in outputs.items()
    }
    torch.testing.assert_close(
        loss.over(relation, longer), loss.over(relation, outputs), rtol=1e-6, atol=1e-9
    )
