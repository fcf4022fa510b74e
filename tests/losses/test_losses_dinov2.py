"""DINOv2: the sum of its three terms, and equations 10 to 14 on a graph beyond views."""

import pytest
import torch
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.losses import create

ROWS, WIDTH, PATCHES, PROTOTYPES = 8, 6, 4, 7


def outputs(seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    made = {
        "backbone": draw(ROWS, WIDTH),
        "prototypes": draw(ROWS, PROTOTYPES),
        "patch_prototypes": draw(ROWS, PATCHES, PROTOTYPES),
    }
    for tensor in made.values():
        tensor.requires_grad_()
    return made | {
        "teacher_prototypes": draw(ROWS, PROTOTYPES),
        "teacher_patch_prototypes": draw(ROWS, PATCHES, PROTOTYPES),
        "mask": draw(ROWS, PATCHES) > 0,
        "center": draw(PROTOTYPES),
        "patch_center": draw(PROTOTYPES),
    }


@pytest.fixture
def relation():
    label = torch.tensor([0, 1, 0, 2]).repeat(2)
    nodes = rrl.Nodes(
        torch.arange(4).repeat(2), torch.arange(2).repeat_interleave(4), labels={"label": label}
    )
    return rrl.compile("ssl(views=2) | 0.5 * supervised()").relate(nodes)


def student(made):
    return [made[name] for name in ("backbone", "prototypes", "patch_prototypes")]


def assert_same(one, other, made):
    torch.testing.assert_close(one, other, rtol=1e-10, atol=0)
    gradients = (
        torch.autograd.grad(value, student(made), retain_graph=True) for value in (one, other)
    )
    for gradient, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-11)


def test_it_is_the_sum_of_its_terms(relation):
    made = outputs()
    whole = create("dinov2", ibot=0.7, koleo=0.3).over(relation, made)
    dino, ibot, koleo = (create(name).over(relation, made) for name in ("dino", "ibot", "koleo"))
    assert_same(whole, dino + 0.7 * ibot + 0.3 * koleo, made)


def test_it_is_what_a_user_can_write(relation):
    made = outputs()
    written = create("dino + 1.0*ibot + 0.1*koleo")
    assert_same(create("dinov2").over(relation, made), written.over(relation, made), made)


def test_it_is_equations_10_to_14_up_to_the_normalization(relation):
    made = outputs()
    weights, same = relation.weights.double(), torch.eye(ROWS, dtype=torch.bool)
    weights = weights.masked_fill(same, 0.0)
    assert set(weights.unique().tolist()) == {0.0, 0.5, 1.0}
    centered = made["teacher_prototypes"] - made["center"]
    p_t, log_p_s = (centered / 0.3).softmax(1), (made["prototypes"] / 0.2).log_softmax(1)
    eleven = -(weights * torch.einsum("ik,jk->ij", p_t, log_p_s)).sum() / ROWS
    centered = made["teacher_patch_prototypes"] - made["patch_center"]
    p_t, log_p_s = (centered / 0.3).softmax(2), (made["patch_prototypes"] / 0.2).log_softmax(2)
    hidden = made["mask"].double()
    share = hidden / hidden.sum(1, keepdim=True).clamp(min=1)
    twelve = -(p_t * log_p_s * share[:, :, None]).sum() / ROWS
    z = F.normalize(made["backbone"])
    distance = (z[:, None] - z + 1e-8).square().sum(2).sqrt()
    nearest = distance.masked_fill(same | (weights > 0), torch.inf).min(dim=1).values
    thirteen = -(nearest + 1e-8).log().mean()
    ours = create(
        "dinov2",
        ibot=0.5,
        koleo=0.2,
        temperature=0.2,
        teacher_temperature=0.3,
        normalize="edges",
    ).over(relation, made)
    assert_same(ours, eleven * ROWS / weights.sum() + 0.5 * twelve + 0.2 * thirteen, made)


def test_its_options_reach_its_terms():
    options = {
        "temperature": 0.2,
        "teacher_temperature": 0.07,
        "warmup_teacher_temperature": 0.03,
        "warmup_epochs": 9,
        "centering": "sinkhorn",
        "iterations": 5,
    }
    whole = create("dinov2", normalize="edges", **options)
    terms = [
        (1.0, create("dino", normalize="edges", **options)),
        (1.0, create("ibot", **options)),
        (0.1, create("koleo")),
    ]
    assert whole.terms() == terms
    assert not {"center", "patch_center"} & whole.inputs().keys()
    assert set(whole.needs()) == {"prototypes", "teacher", "patches"}


def test_a_weight_of_0_drops_a_term(relation):
    made = outputs()
    alone = create("dinov2", ibot=0, koleo=0)
    assert alone.terms() == [(1.0, create("dino"))]
    assert alone.over(relation, made) == create("dino").over(relation, made)
    assert "patches" not in alone.needs()


def test_skipped_rows_are_reported_by_term(relation):
    assert create("dinov2").skipped(relation) == {
        "dino/without_edge": 0.0,
        "ibot/without_own_column": 0.0,
        "koleo/without_unrelated": 0.0,
    }


def test_rows_and_columns_of_two_models_in_another_order(relation):
    made = outputs()
    order = torch.tensor([3, 0, 7, 5, 1, 2, 4, 6])
    program = rrl.compile("ssl(views=2) | 0.5 * supervised()")
    columns = {
        name: value[order] if name not in ("center", "patch_center") else value
        for name, value in made.items()
    }
    apart = program.relate(relation.rows, relation.rows[order])
    loss = create("dinov2")
    assert_same(loss.over(apart, made, columns), loss.over(relation, made), made)
    shuffled = loss.over(program.relate(relation.rows[order]), columns)
    assert_same(shuffled, loss.over(relation, made), made)


def test_gradcheck(relation):
    made = outputs()

    def value(backbone, prototypes, patches):
        given = {"backbone": backbone, "prototypes": prototypes, "patch_prototypes": patches}
        return create("dinov2", temperature=0.5).over(relation, made | given)

    assert torch.autograd.gradcheck(value, student(made), fast_mode=True)
