"""SimDINO: the authors' loss and the paper's equations, computed anew; views, bounds, refusals."""

import pytest
import torch
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.losses import create

WITHOUT_PATCHES = {"patch_weight": 0.0}


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def two_views(samples):
    return rrl.Nodes(torch.arange(samples).repeat(2), torch.arange(2).repeat_interleave(samples))


def crops(samples, views):
    """Rows of every view and columns of the first two, one view after the other."""
    rows = rrl.Nodes(
        torch.arange(samples).repeat(views), torch.arange(views).repeat_interleave(samples)
    )
    return rows, rows[: 2 * samples]


def hidden(rows, patches, seed=5):
    """A mask with rows in which nothing is hidden."""
    mask = torch.rand(rows, patches, generator=torch.Generator().manual_seed(seed)) > 0.6
    mask[::3] = False
    return mask


def authors_loss(student, teacher, *, epsilon, mean):
    """Their loss of (views, m, d) and (2, m, d): cosines of differing views, less the rate."""
    student, teacher = F.normalize(student, dim=2), F.normalize(teacher, dim=2)
    cosines = [
        (student[s] * teacher[t]).sum(1).mean()
        for t in range(len(teacher))
        for s in range(len(student))
        if s != t
    ]
    rates = []
    for s, t in zip(student, teacher, strict=False):  # global crops only
        rows = (s + t) / 2 if mean else s
        m, d = rows.shape
        gram = torch.eye(d, dtype=rows.dtype) + d / (m * epsilon) * rows.T @ rows
        rates.append(torch.logdet(gram) / 2 * (d + m) / (d * m))
    return -sum(cosines) / len(cosines) - sum(rates) / len(rates)


def authors_patches(patches, teacher, mask):
    """Minus the mean over rows of the mean cosine of hidden patches, 0 where none is hidden."""
    cosines = F.cosine_similarity(patches, teacher, dim=2)
    rows = [c[m].mean() if m.any() else 0 * c.sum() for c, m in zip(cosines, mask, strict=True)]
    return -torch.stack(rows).mean()


def same_value_and_gradients(ours, theirs, inputs):
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(ours, inputs),
        torch.autograd.grad(theirs, inputs, retain_graph=True),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("rate", ["student", "mean"])
@pytest.mark.parametrize(
    ("samples", "width", "epsilon"), [(12, 5, 0.05), (4, 9, 0.5), (1, 3, 0.05)]
)
def test_it_is_the_authors_loss_on_two_views(samples, width, epsilon, rate):
    z, keys = normal(2 * samples, width), normal(2 * samples, width, seed=1)
    nodes = two_views(samples)
    relation = rrl.compile("ssl(views=2)").relate(nodes)
    loss = create("simdino", epsilon=epsilon, rate=rate, **WITHOUT_PATCHES)
    theirs = authors_loss(
        z.reshape(2, samples, -1),
        keys.detach().reshape(2, samples, -1),
        epsilon=epsilon,
        mean=rate == "mean",
    )
    same_value_and_gradients(loss(relation, z, keys=keys.detach()), theirs, [z])
    order = torch.randperm(2 * samples, generator=torch.Generator().manual_seed(2))
    shuffled = rrl.compile("ssl(views=2)").relate(nodes[order])
    same_value_and_gradients(loss(shuffled, z[order], keys=keys[order].detach()), theirs, [z])


@pytest.mark.parametrize("rate", ["student", "mean"])
@pytest.mark.parametrize("views", [3, 6])
def test_it_is_the_authors_loss_with_local_crops(views, rate):
    rows, columns = crops(7, views)
    z, keys = normal(7 * views, 4), normal(14, 4, seed=1).detach()
    theirs = authors_loss(
        z.reshape(views, 7, 4), keys.reshape(2, 7, 4), epsilon=0.05, mean=rate == "mean"
    )
    loss = create("simdino", rate=rate, normalize="edges", **WITHOUT_PATCHES)
    program = rrl.compile(f"ssl(views={views})")
    same_value_and_gradients(loss(program.relate(rows, columns), z, keys=keys), theirs, [z])
    generator = torch.Generator().manual_seed(3)
    i, j = torch.randperm(7 * views, generator=generator), torch.randperm(14, generator=generator)
    shuffled = loss(program.relate(rows[i], columns[j]), z[i], keys=keys[j])
    torch.testing.assert_close(shuffled, theirs, rtol=1e-9, atol=0)


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_hidden_patches_are_aligned_as_the_authors_do(weight):
    rows, columns = crops(6, 4)
    z, keys = normal(24, 4), normal(12, 4, seed=1).detach()
    patches, teacher = normal(12, 5, 3, seed=2), normal(12, 5, 3, seed=3).detach()
    mask = hidden(12, 5)
    relation = rrl.compile("ssl(views=4)").relate(rows, columns)
    given = {"keys": keys, "patches": patches, "teacher_patches": teacher, "mask": mask}
    ours = create("simdino", patch_weight=weight, normalize="edges")(relation, z, **given)
    without = authors_loss(z.reshape(4, 6, 4), keys.reshape(2, 6, 4), epsilon=0.05, mean=False)
    theirs = without + weight * authors_patches(patches, teacher, mask)
    same_value_and_gradients(ours, theirs, [z, patches])


def test_the_published_options_are_those_of_simdino_v2():
    """epsilon 0.05, the rate of the mean, all weights 1: only `rate` differs from the defaults."""
    z, keys = normal(16, 4), normal(16, 4, seed=1).detach()
    patches, teacher, mask = normal(16, 5, 3, seed=2), normal(16, 5, 3, seed=3), hidden(16, 5)
    given = {"keys": keys, "patches": patches, "teacher_patches": teacher, "mask": mask}
    relation = rrl.compile("ssl(views=2)").relate(two_views(8))
    ours = create("simdino", rate="mean")(relation, z, **given)
    theirs = authors_loss(z.reshape(2, 8, 4), keys.reshape(2, 8, 4), epsilon=0.05, mean=True)
    theirs = theirs + authors_patches(patches, teacher.detach(), mask)
    same_value_and_gradients(ours, theirs, [z, patches])


def soft(rows, columns, seed=0):
    """Weights without symmetry, with empty rows."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    weights = weights.where(weights > 0.6, 0.0)
    weights[::4] = 0.0
    return weights


@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize("columns", [11, 6, 15])
def test_alignment_is_a_weighted_mean_on_any_graph(columns, normalize):
    weights, z, keys = soft(11, columns), normal(11, 3), normal(columns, 3, seed=1).detach()
    ours = create("simdino", rate_weight=0, normalize=normalize, **WITHOUT_PATCHES)(
        weights, z, keys=keys
    )
    kept = weights.clone()
    if columns == 11:
        kept.fill_diagonal_(0)  # square: self
    cosines = F.cosine_similarity(z[:, None], keys, dim=2)
    degree = kept.sum(1)
    theirs = -(kept * cosines).sum() / degree.sum()
    if normalize == "rows":
        theirs = -((kept * cosines).sum(1)[degree > 0] / degree[degree > 0]).mean()
    same_value_and_gradients(ours, theirs, [z])


def paper_loss(
    weights, z, keys, patches, teacher, mask, *, epsilon, rate_weight, patch_weight, with_self
):
    """Equations 16 to 20 by loops; self may be out of equation 18, and is in G of equation 20."""
    n, d = z.shape
    aligned = sum(
        weights[i, j] * (z[i] - keys[j]).square().sum()
        for i in range(n)
        for j in range(n)
        if with_self or i != j
    )
    hidden_ones = sum(
        (patches[i, p] - teacher[i, p]).square().sum()
        for i in range(n)
        for p in range(mask.shape[1])
        if mask[i, p]
    )
    covariance = torch.cov((weights @ z).T, correction=0)
    rate = torch.logdet(torch.eye(d, dtype=z.dtype) + d / epsilon**2 * covariance) / 2
    return aligned / n + patch_weight * hidden_ones / n - rate_weight * rate


GRAPHS = ["ssl(views=2)", "supervised()", "ssl() | 0.3 * supervised() | drop_self()", None]


@pytest.mark.parametrize("with_self", [False, True])
@pytest.mark.parametrize("recipe", GRAPHS)
def test_form_paper_is_the_equations_as_written(recipe, with_self):
    z, keys = normal(12, 4), normal(12, 4, seed=1).detach()
    patches, teacher, mask = normal(12, 5, 3, seed=2), normal(12, 5, 3, seed=3), hidden(12, 5)
    options = {"epsilon": 0.4, "rate_weight": 0.7, "patch_weight": 0.3, "with_self": with_self}
    graph = weights = soft(12, 12)
    if recipe is not None:
        nodes = rrl.Nodes(
            torch.arange(6).repeat(2),
            torch.arange(2).repeat_interleave(6),
            labels={"label": torch.arange(12) % 3},
        )
        graph = rrl.compile(recipe).relate(nodes)
        weights = graph.weights.double()
    given = {"patches": patches, "teacher_patches": teacher, "mask": mask}
    ours = create("simdino", form="paper", **options)(graph, z, keys=keys, **given)
    theirs = paper_loss(weights, z, keys, patches, teacher.detach(), mask, **options)
    same_value_and_gradients(ours, theirs, [z, patches])


def test_form_paper_takes_columns_in_another_order():
    z, keys, nodes = normal(12, 4), normal(12, 4, seed=1).detach(), two_views(6)
    program = rrl.compile("ssl() | random(0.3)")
    loss = create("simdino", form="paper", **WITHOUT_PATCHES)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    straight = loss(program.relate(nodes), z, keys=keys)
    moved = loss(program.relate(nodes, nodes[order]), z, keys=keys[order])
    torch.testing.assert_close(straight, moved, rtol=1e-10, atol=0)


def refusal(call):
    with pytest.raises(rrl.RRLError) as problem:
        call()
    [diagnostic] = problem.value.diagnostics
    return diagnostic


def test_form_paper_needs_the_rows_as_columns():
    loss = create("simdino", form="paper", **WITHOUT_PATCHES)
    diagnostic = refusal(lambda: loss(torch.ones(4, 6), torch.ones(4, 2), keys=torch.ones(6, 2)))
    assert diagnostic.code == "RRL406"
    assert "`form=paper` of the loss `simdino` needs the student's embedding" in diagnostic.message
    assert diagnostic.hint == "use `form=authors`, or columns that are rows"


def test_the_rate_of_the_mean_refuses_rows_without_their_teacher():
    loss = create("simdino", rate="mean", **WITHOUT_PATCHES)
    diagnostic = refusal(lambda: loss(torch.ones(4, 6), torch.ones(4, 2), keys=torch.ones(6, 2)))
    assert diagnostic.code == "RRL406"
    assert "`rate=mean` of the loss `simdino` needs the teacher's embedding" in diagnostic.message
    assert diagnostic.hint == "use `rate=student`, or columns with all rows"


def test_without_patches_it_asks_for_none():
    assert create("simdino", patch_weight=0).needs() == ("teacher",)
    assert create("simdino").needs() == ("patches", "teacher")
    z = torch.ones(4, 2)
    diagnostic = refusal(lambda: create("simdino")(torch.ones(4, 4), z, keys=z))
    assert diagnostic.code == "RRL406"
    assert diagnostic.message.startswith("the loss `simdino` needs `patches`")


@pytest.mark.parametrize("form", ["authors", "paper"])
@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        (
            "teacher_patches",
            torch.ones(4, 5, 3),
            "patches must have shape (n, P, d), also those of the teacher",
        ),
        (
            "patches",
            torch.ones(4, 3),
            "patches must have shape (n, P, d), also those of the teacher",
        ),
        ("mask", torch.ones(4, 2), "`mask` must be bool (4, 2), not float32 (4, 2)"),
        ("mask", torch.ones(4, 3, dtype=torch.bool), "`mask` must be bool (4, 2), not bool (4, 3)"),
    ],
)
def test_patches_that_do_not_fit_are_refused(form, name, wrong, words):
    z = torch.ones(4, 2)
    given = {"patches": torch.ones(4, 2, 3), "teacher_patches": torch.ones(4, 2, 3)}
    given |= {"mask": torch.ones(4, 2, dtype=torch.bool), name: wrong}
    diagnostic = refusal(lambda: create("simdino", form=form)(torch.ones(4, 4), z, keys=z, **given))
    assert diagnostic.code == "RRL406"
    assert words in diagnostic.message


@pytest.mark.parametrize("form", ["authors", "paper"])
def test_the_teacher_has_no_gradient(form):
    z, keys = normal(6, 3), normal(6, 3, seed=1)
    patches, teacher = normal(6, 2, 3, seed=2), normal(6, 2, 3, seed=3)
    mask = torch.ones(6, 2, dtype=torch.bool)
    for rate in ("student", "mean"):
        value = create("simdino", form=form, rate=rate)(
            soft(6, 6), z, keys=keys, patches=patches, teacher_patches=teacher, mask=mask
        )
        of_student = torch.autograd.grad(value, [z, patches], retain_graph=True)
        assert all(float(gradient.abs().max()) > 0 for gradient in of_student)
        of_teacher = torch.autograd.grad(value, [keys, teacher], allow_unused=True)
        assert of_teacher == (None, None)


def test_a_graph_without_edges_keeps_the_rate_alone():
    z, keys = normal(8, 3), normal(8, 3, seed=1).detach()
    empty = torch.zeros(8, 8, dtype=torch.float64)
    ours = create("simdino", **WITHOUT_PATCHES)(empty, z, keys=keys)
    unit = F.normalize(z)
    gram = torch.eye(3, dtype=torch.float64) + 3 / (8 * 0.05) * unit.T @ unit
    same_value_and_gradients(ours, -torch.logdet(gram) / 2 * (1 / 3 + 1 / 8), [z])
    written = create("simdino", form="paper", **WITHOUT_PATCHES)(empty, z, keys=keys)
    assert float(written.detach()) == 0  # G S is 0 as well


def test_a_bank_leaves_every_view_its_rate():
    nodes = two_views(5)
    bank = rrl.Nodes(torch.arange(100, 103))
    z, keys = normal(10, 4), normal(3, 4, seed=1).detach()
    loss = create("simdino", **WITHOUT_PATCHES)
    ours = loss(rrl.compile("none()").relate(nodes, bank), z, keys=keys)
    theirs = loss(rrl.compile("none()").relate(nodes), z, keys=z.detach())
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_the_rate_keeps_embeddings_apart():
    """A collapsed student has a higher loss than one that spreads, at equal alignment."""
    loss = create("simdino", **WITHOUT_PATCHES)
    relation = rrl.compile("ssl(views=2)").relate(two_views(8))
    spread, collapsed = torch.eye(8).repeat(2, 1), torch.ones(16, 8)
    assert loss(relation, spread, keys=spread) < loss(relation, collapsed, keys=collapsed)


@pytest.mark.parametrize("form", ["authors", "paper"])
def test_zeros_have_finite_gradients(form):
    z = torch.zeros(6, 3, requires_grad=True)
    patches = torch.zeros(6, 2, 3, requires_grad=True)
    value = create("simdino", form=form)(
        torch.ones(6, 6),
        z,
        keys=torch.zeros(6, 3),
        patches=patches,
        teacher_patches=torch.zeros(6, 2, 3),
        mask=hidden(6, 2),
    )
    for gradient in torch.autograd.grad(value, [z, patches]):
        assert torch.isfinite(gradient).all()
