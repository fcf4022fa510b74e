"""DINO and iBOT against lightly's, and against their formulas on graphs beyond views."""

import lightly.loss
import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.backends.matrix import of_matrix
from rrl_dsl.losses import create


def scores(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(*shape, generator=generator, dtype=dtype)).requires_grad_()


def views(samples, count=2):
    return rrl.Nodes(
        torch.arange(samples).repeat(count), torch.arange(count).repeat_interleave(samples)
    )


def soft_graph(rows, columns, seed=0):
    """Weights with empty rows and without symmetry."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    weights = weights.where(weights > 0.6, 0.0)
    weights[:: max(2, rows // 3)] = 0.0
    return weights


def softmax(logits):
    """Written out, one row at a time."""
    powers = torch.stack([(row - row.max()).exp() for row in logits])
    return powers / powers.sum(dim=1, keepdim=True)


def cross_entropies(student, teacher, center, temperature, teacher_temperature):
    """- sum_k p_t,j,k log p_s,i,k of each student's row i and teacher's row j."""
    p_t = softmax((teacher.detach() - center) / teacher_temperature)
    p_s = softmax(student / temperature)
    return torch.stack([torch.stack([-(t * s.log()).sum() for t in p_t]) for s in p_s])


def same_with_gradients(ours, theirs, *inputs, rtol=1e-9):
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=1e-12)
    gradients, expected = (
        torch.autograd.grad(value, inputs, retain_graph=True) for value in (ours, theirs)
    )
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=100 * rtol, atol=1e-9)


# dino


def lightly_dino(width, center=None, **options):
    peer = lightly.loss.DINOLoss(output_dim=width, **options).double()
    if center is not None:
        peer.center.copy_(center.view(1, 1, -1))
    return peer


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("samples", "width"), [(1, 4), (6, 10), (5, 300)])
def test_without_options_it_is_lightly_s_first_call(samples, width, seed):
    z, keys = scores(2 * samples, width, seed=seed), scores(2 * samples, width, seed=seed + 9)
    relation = rrl.compile("ssl(views=2)").relate(views(samples))
    theirs = lightly_dino(width)(list(keys.detach().chunk(2)), list(z.chunk(2)))
    same_with_gradients(create("dino")(relation, z, keys=keys), theirs, z)


@pytest.mark.parametrize(("temperature", "teachers"), [(0.1, 0.07), (0.05, 0.02), (1.0, 0.5)])
def test_with_a_center_and_temperatures_it_is_lightly_s(temperature, teachers):
    z, keys, center = scores(12, 20), scores(12, 20, seed=1), scores(20, seed=2).detach()
    relation = rrl.compile("ssl(views=2)").relate(views(6))
    loss = create("dino", temperature=temperature, teacher_temperature=teachers)
    peer = lightly_dino(20, center, student_temp=temperature, teacher_temp=teachers)
    theirs = peer(list(keys.detach().chunk(2)), list(z.chunk(2)))
    # the peer holds its temperature in float32
    same_with_gradients(loss(relation, z, keys=keys, center=center), theirs, z, rtol=1e-6)


@pytest.mark.parametrize("normalize", ["rows", "edges"])
def test_local_crops_have_lightly_s_value_by_edges(normalize):
    student, samples, width = views(5, count=6), 5, 12
    teacher = student[: 2 * samples]
    z, keys, center = scores(30, width), scores(10, width, seed=1), scores(width, seed=2).detach()
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    relation = rrl.compile("ssl(views=6)").relate(student[order], teacher)
    ours = create("dino", normalize=normalize)(relation, z[order], keys=keys, center=center)
    peer = lightly_dino(width, center)
    theirs = peer(list(keys.detach().chunk(2)), list(z.chunk(6)))
    if normalize == "edges":
        same_with_gradients(ours, theirs, z, rtol=1e-6)
    else:  # a global crop has one teacher's view and a local one has two
        assert (ours - theirs).abs() > 1e-3


@pytest.mark.parametrize("epochs", [0, 1, 2, 5])
def test_the_teacher_warms_up_as_lightly_s(epochs):
    z, keys = scores(8, 10), scores(8, 10, seed=1)
    loss = create("dino", teacher_temperature=0.07, warmup_epochs=epochs)
    peer = lightly_dino(10, teacher_temp=0.07, warmup_teacher_temp_epochs=epochs)
    values = []
    for epoch in range(7):
        peer.center.zero_()
        relation = rrl.compile("ssl(views=2)").relate(views(4), epoch=epoch)
        theirs = peer(list(keys.detach().chunk(2)), list(z.chunk(2)), epoch=epoch)
        values.append(loss(relation, z, keys=keys))
        torch.testing.assert_close(values[-1], theirs, rtol=1e-6, atol=0)
    # of 1 epoch, only the first temperature
    steps = {0: 1, 1: 2, 2: 2, 5: 5}[epochs]
    assert len({round(float(value.detach()), 8) for value in values}) == steps


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (7, 12), (12, 5)])
def test_dino_on_any_graph_is_the_formula(rows, columns, seed):
    weights = soft_graph(rows, columns, seed)
    z, keys, center = scores(rows, 6), scores(columns, 6, seed=1), scores(6, seed=2).detach()
    terms = weights * cross_entropies(z, keys, center, 0.2, 0.3)
    if rows == columns:
        off_diagonal = 1 - torch.eye(rows, dtype=torch.float64)
        weights, terms = weights * off_diagonal, terms * off_diagonal
    degree = weights.sum(dim=1)
    some = degree > 0
    options = {"temperature": 0.2, "teacher_temperature": 0.3}
    by_rows = create("dino", **options)(weights, z, keys=keys, center=center)
    same_with_gradients(by_rows, (terms.sum(dim=1)[some] / degree[some]).mean(), z)
    by_edges = create("dino", normalize="edges", **options)(weights, z, keys=keys, center=center)
    same_with_gradients(by_edges, terms.sum() / weights.sum(), z)


def test_dino_on_labels_is_equation_11_up_to_its_divisor():
    label = torch.tensor([0, 1, 0, 2, 1, 0, 3])
    z, keys = scores(7, 5), scores(7, 5, seed=1)
    nodes = rrl.Nodes(torch.arange(7), labels={"label": label})
    relation = rrl.compile("supervised()").relate(nodes)
    entropies, paper, edges = cross_entropies(z, keys, 0.0, 0.1, 0.04), 0.0, 0
    for i in range(7):  # the teacher's row
        for j in range(7):  # the student's
            if i != j and label[i] == label[j]:
                paper, edges = paper + entropies[j, i] / 7, edges + 1
    ours = create("dino", normalize="edges")(relation, z, keys=keys)
    same_with_gradients(ours, paper * 7 / edges, z)


def test_nothing_flows_to_the_teacher_or_the_center():
    z, keys, center = scores(6, 4), scores(6, 4, seed=1), scores(4, seed=2)
    create("dino")(torch.ones(6, 6), z, keys=keys, center=center).backward()
    assert z.grad is not None
    assert keys.grad is None
    assert center.grad is None


def test_centering_decides_what_is_taken():
    assert create("dino").inputs()["center"] == "center"
    assert create("ibot").inputs()["center"] == "patch_center"
    z, keys, center = scores(6, 4), scores(6, 4, seed=1), scores(4, seed=2).detach()
    graph = torch.ones(6, 6)
    plain = create("dino", centering="none")
    zero = create("dino")(graph, z, keys=keys, center=torch.zeros(4))
    assert plain(graph, z, keys=keys) == create("dino")(graph, z, keys=keys) == zero
    assert plain.needs() == ("prototypes", "teacher")
    for centering in ("none", "sinkhorn"):
        loss = create("dino", centering=centering)
        assert "center" not in loss.inputs()
        with pytest.raises(rrl.RRLError, match="has no argument `center`"):
            loss(graph, z, keys=keys, center=center)


@pytest.mark.parametrize("shape", [(1, 4), (5,), ()])
def test_a_center_of_another_shape_is_refused(shape):
    with pytest.raises(rrl.RRLError, match=r"`center` must have shape \(4,\)") as problem:
        create("dino")(torch.ones(6, 6), scores(6, 4), keys=scores(6, 4), center=torch.zeros(shape))
    assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL406"]


def test_the_teacher_s_scores_are_wanted():
    with pytest.raises(rrl.RRLError, match="needs `keys`"):
        create("dino")(torch.ones(6, 6), scores(6, 4))


@pytest.mark.parametrize("iterations", [1, 3])
def test_sinkhorn_takes_the_place_of_the_softmax_over_all_columns(iterations):
    z, keys, weights = scores(7, 6), scores(12, 6, seed=1), soft_graph(7, 12)
    options = {"teacher_temperature": 0.5, "iterations": iterations, "normalize": "edges"}
    loss = create("dino", centering="sinkhorn", **options)
    targets = lightly.loss.swav_loss.sinkhorn(keys, iterations=iterations, epsilon=0.5)
    entropies = -(z / 0.1).log_softmax(dim=1) @ targets.T
    same_with_gradients(loss(weights, z, keys=keys), (weights * entropies).sum() / weights.sum(), z)


def test_gradcheck_of_dino():
    keys, center = scores(7, 4, seed=1), scores(4, seed=2).detach()
    relation = of_matrix(soft_graph(5, 7), columns=True)
    for options in ({}, {"normalize": "edges"}, {"centering": "sinkhorn"}):
        loss = create("dino", temperature=0.5, **options)
        others = {"center": center} if loss.centering == "mean" else {}
        assert torch.autograd.gradcheck(
            lambda z, loss=loss, others=others: loss(relation, z, keys=keys, **others),
            scores(5, 4),
        )


# ibot


def half_hidden(rows, patches, seed=0):
    """Some patches of each row, none of the first."""
    mask = torch.rand(rows, patches, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask[0] = False
    return mask


def lightly_ibot(z, keys, mask, center=None, **options):
    peer = lightly.loss.IBOTPatchLoss(output_dim=z.shape[2], **options).double()
    if center is not None:
        peer.center.center.copy_(center)
    return peer(keys.detach()[mask], z[mask], mask[:, None])  # one row of patches


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rows", "patches", "width"), [(2, 1, 3), (8, 9, 12), (4, 25, 40)])
def test_ibot_without_options_is_lightly_s(rows, patches, width, seed):
    z, keys = scores(rows, patches, width, seed=seed), scores(rows, patches, width, seed=seed + 9)
    mask = half_hidden(rows, patches, seed)
    ours = create("ibot")(torch.ones(rows, rows), z, keys=keys, mask=mask)
    same_with_gradients(ours, lightly_ibot(z, keys, mask), z, rtol=1e-6)


@pytest.mark.parametrize(("temperature", "teachers"), [(0.1, 0.07), (0.05, 0.02), (1.0, 0.5)])
def test_ibot_with_a_center_and_temperatures_is_lightly_s(temperature, teachers):
    z, keys, center = scores(6, 9, 12), scores(6, 9, 12, seed=1), scores(12, seed=2).detach()
    mask = half_hidden(6, 9)
    relation = rrl.compile("ssl(views=2)").relate(views(3))
    loss = create("ibot", temperature=temperature, teacher_temperature=teachers)
    theirs = lightly_ibot(z, keys, mask, center, student_temp=temperature, teacher_temp=teachers)
    ours = loss(relation, z, keys=keys, mask=mask, center=center)
    same_with_gradients(ours, theirs, z, rtol=1e-6)


def test_rows_with_no_hidden_patch_may_be_left_uncounted():
    z, keys, mask = scores(6, 9, 12), scores(6, 9, 12, seed=1), half_hidden(6, 9)
    counted = mask.any(dim=1)
    assert 0 < int(counted.sum()) < 6
    ours = create("ibot", images="masked")(torch.ones(6, 6), z, keys=keys, mask=mask)
    theirs = lightly_ibot(z[counted], keys[counted], mask[counted])
    same_with_gradients(ours, theirs, z, rtol=1e-6)


def test_ibot_is_equation_12_with_a_mean_over_patches():
    z, keys, mask = scores(4, 3, 5), scores(4, 3, 5, seed=1), half_hidden(4, 3)
    total = 0.0
    for i in range(4):
        terms = [cross_entropies(z[i], keys[i], 0.0, 0.1, 0.04)[p, p] for p in range(3)]
        hidden = [term for term, is_hidden in zip(terms, mask[i], strict=True) if is_hidden]
        total = total + sum(hidden) / max(len(hidden), 1)
    ours = create("ibot")(soft_graph(4, 4), z, keys=keys, mask=mask)
    same_with_gradients(ours, total / 4, z)


@pytest.mark.parametrize("images", ["all", "masked"])
def test_self_is_compared_at_any_column(images):
    z, keys, mask = scores(6, 5, 4), scores(6, 5, 4, seed=1), half_hidden(6, 5)
    nodes, program, loss = views(3), rrl.compile("ssl(views=2)"), create("ibot", images=images)
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    straight = loss(program.relate(nodes), z, keys=keys, mask=mask)
    moved = loss(program.relate(nodes, nodes[order]), z, keys=keys[order], mask=mask)
    torch.testing.assert_close(straight, moved)
    some = order[:4]
    fewer = program.relate(nodes, nodes[some])
    alone = program.relate(nodes[some])
    torch.testing.assert_close(
        loss(fewer, z, keys=keys[some], mask=mask),
        loss(alone, z[some], keys=keys[some], mask=mask[some]),
    )
    torch.testing.assert_close(loss.skipped(fewer), {"without_own_column": torch.tensor(2 / 6)})


def test_ibot_s_sinkhorn_balances_the_hidden_patches_alone():
    z, keys, mask = scores(5, 4, 6), scores(5, 4, 6, seed=1), half_hidden(5, 4)
    loss = create("ibot", centering="sinkhorn", teacher_temperature=0.5)
    targets = lightly.loss.swav_loss.sinkhorn(keys[mask], iterations=3, epsilon=0.5)
    terms = -(targets * (z[mask] / 0.1).log_softmax(dim=1)).sum(dim=1)
    share = mask.sum(dim=1, keepdim=True).expand_as(mask)[mask]
    ours = loss(torch.ones(5, 5), z, keys=keys, mask=mask)
    same_with_gradients(ours, (terms / share).sum() / 5, z)


@pytest.mark.parametrize(
    ("mask", "given"),
    [
        (torch.ones(6, 5), "float32 (6, 5)"),
        (torch.ones(6, 4, dtype=torch.bool), "bool (6, 4)"),
        (torch.ones(30, dtype=torch.bool), "bool (30,)"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(mask, given):
    with pytest.raises(rrl.RRLError) as problem:
        create("ibot")(torch.ones(6, 6), scores(6, 5, 4), keys=scores(6, 5, 4), mask=mask)
    assert f"`mask` must be bool (6, 5), not {given}" in str(problem.value)
    assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL406"]


def test_ibot_wants_a_mask_and_the_shape_of_the_relation():
    with pytest.raises(rrl.RRLError, match="needs `mask`"):
        create("ibot")(torch.ones(6, 6), scores(6, 5, 4), keys=scores(6, 5, 4))
    mask = torch.ones(6, 5, dtype=torch.bool)
    with pytest.raises(rrl.RRLError, match="was given embeddings of 6 rows"):
        create("ibot")(torch.ones(7, 7), scores(6, 5, 4), keys=scores(6, 5, 4), mask=mask)


def test_gradcheck_of_ibot():
    keys, mask = scores(4, 3, 5, seed=1), half_hidden(4, 3)
    for options in ({}, {"images": "masked"}, {"centering": "sinkhorn"}):
        loss = create("ibot", temperature=0.5, **options)
        assert torch.autograd.gradcheck(
            lambda z, loss=loss: loss(torch.ones(4, 4), z, keys=keys, mask=mask), scores(4, 3, 5)
        )


# both


@pytest.mark.parametrize("centering", ["mean", "sinkhorn", "none"])
@pytest.mark.parametrize("name", ["dino", "ibot"])
def test_nothing_to_compare_costs_nothing(name, centering):
    z, keys = (scores(6, *((5, 4) if name == "ibot" else (4,)), seed=seed) for seed in range(2))
    others = {"mask": torch.zeros(6, 5, dtype=torch.bool)} if name == "ibot" else {}
    value = create(name, centering=centering)(torch.zeros(6, 6), z, keys=keys, **others)
    (gradient,) = torch.autograd.grad(value, z)
    assert float(value.detach()) == 0
    assert torch.equal(gradient, torch.zeros_like(z))


@pytest.mark.parametrize("centering", ["mean", "sinkhorn"])
@pytest.mark.parametrize("name", ["dino", "ibot"])
def test_extreme_temperatures_stay_finite(name, centering):
    shape = (6, 5, 4) if name == "ibot" else (6, 4)
    z, keys = ((30 * scores(*shape, seed=seed)).float() for seed in range(2))
    z = z.detach().requires_grad_()
    others = {"mask": torch.ones(6, 5, dtype=torch.bool)} if name == "ibot" else {}
    for temperature in (0.01, 10.0):
        loss = create(
            name, temperature=temperature, teacher_temperature=temperature, centering=centering
        )
        value = loss(torch.ones(6, 6), z, keys=keys, **others)
        (gradient,) = torch.autograd.grad(value, z)
        assert value.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("name", ["dino", "ibot"])
def test_half_precision_is_computed_in_float32(name):
    shape = (6, 5, 4) if name == "ibot" else (6, 4)
    z, keys = (scores(*shape, seed=seed).detach().bfloat16() for seed in range(2))
    others = {"mask": half_hidden(6, 5)} if name == "ibot" else {}
    loss = create(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss(torch.ones(6, 6), z, keys=keys, **others)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, loss(torch.ones(6, 6), z.float(), keys=keys.float(), **others))
    torch.testing.assert_close(
        half.double(),
        loss(torch.ones(6, 6), z.double(), keys=keys.double(), **others),
        rtol=1e-5,
        atol=0,
    )
