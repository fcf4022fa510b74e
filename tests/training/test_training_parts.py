"""The parts that a model has beside encoder and projector: teacher, center, bank, local views."""

import lightly.loss
import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.data.batches import loader
from rrl_dsl.models.bank import Bank
from rrl_dsl.models.options import LocalViewsOptions
from rrl_dsl.models.requirements import parts_of
from rrl_dsl.models.schedule import value_at
from rrl_dsl.models.teacher import Center
from rrl_dsl.training.config import Config
from rrl_dsl.training.module import RelationalModule

CPU = torch.device("cpu")


@pytest.fixture
def batch(digits):
    return next(iter(loader(digits.train, 48, shuffle=True)))


class Alone:
    """The parts of a Lightning trainer that a step uses."""

    world_size, global_rank, global_step, current_epoch = 1, 0, 0, 0
    estimated_stepping_batches = 10


@pytest.fixture
def step(batch):
    """The relations of one training step of a module."""

    def run(module):
        module.trainer = Alone()
        module.log = lambda *_, **__: None
        return module.training_step(batch, 0)["relations"]

    return run


@pytest.mark.parametrize(
    ("recipe", "loss", "parts"),
    [
        ("ssl(views=2)", "simclr", set()),
        ("ssl(views=2)", "wmse", set()),
        ("ssl(views=2)", "simsiam", {"predictor"}),
        ("ssl(views=2)", "byol", {"predictor", "teacher"}),
        ("ssl(views=2)", "nnclr", {"predictor", "bank"}),
        ("ssl(views=2)", "dino", {"teacher", "prototypes"}),
        ("ssl(views=2)", "dinov2", {"teacher", "prototypes", "patches"}),
        ("ssl(views=2)", "simdino", {"teacher", "patches"}),
        ("ssl(views=2)", "simclr + 0.1*koleo", set()),
        ("ssl(views=2)", "simclr + byol", {"predictor", "teacher"}),
        ("ssl(views=2) | knn(3, space=teacher, bank=64)", "simclr", {"teacher", "bank"}),
    ],
)
def test_a_model_has_what_loss_and_recipe_need_and_no_more(recipe, loss, parts):
    assert parts_of(rrl.compile(recipe).requires, rrl.losses.create(loss)) == parts


def test_a_model_that_needs_nothing_has_nothing(make_module):
    module = make_module()
    kept = {name.partition(".")[0] for name in module.network.state_dict()}
    assert kept == {"encoder", "_extra_state"}


def test_the_teacher_follows_by_its_momentum(make_module, step):
    module = make_module("ssl(views=2)", "byol", teacher={"momentum": 0.9, "final": 0.9})
    step(module)
    student, teacher = module.network.encoder, module.network.teacher
    before = [weight.clone() for weight in teacher.parameters()]
    with torch.no_grad():
        for weight in student.parameters():
            weight.add_(1.0)
    module.on_train_batch_end(None, None, 0)
    for old, now, ours in zip(before, teacher.parameters(), student.parameters(), strict=True):
        torch.testing.assert_close(now, 0.9 * old + 0.1 * ours)
    assert not any(weight.requires_grad for weight in teacher.parameters())


def test_the_momentum_goes_from_the_first_to_the_final_along_a_cosine():
    values = [value_at(step, 100, 0.99, 1.0) for step in (0, 25, 50, 75, 100, 200)]
    assert values == pytest.approx([0.99, 0.9914645, 0.995, 0.9985355, 1.0, 1.0], abs=1e-6)


def test_the_momentum_may_follow_a_line():
    values = [value_at(step, 100, 0.5, 1.0, "linear") for step in (0, 25, 100, 200)]
    assert values == [0.5, 0.625, 1.0, 1.0]


def test_a_center_is_lightly_s():
    scores = torch.randn(3, 20, 8)
    peer, center = lightly.loss.DINOLoss(8, center_momentum=0.7), Center(8, 0.7)
    for score in scores:
        peer.update_center(score[None])
        center.update(score)
    torch.testing.assert_close(center.value, peer.center.flatten())


def test_a_center_of_some_patches_is_their_mean():
    scores, chosen = torch.randn(4, 5, 8), torch.rand(4, 5) > 0.5
    center = Center(8, 0.0)
    center.update(scores, chosen)
    torch.testing.assert_close(center.value, scores[chosen].mean(dim=0))
    center.update(scores, torch.zeros_like(chosen))
    torch.testing.assert_close(center.value, scores[chosen].mean(dim=0))


@pytest.mark.parametrize(("views", "kept"), [(None, [0, 1]), (1, [0]), (2, [0, 1]), (9, [0, 1])])
def test_the_bank_keeps_the_rows_of_its_views(make_module, step, views, kept):
    module = make_module("ssl(views=2)", "nnclr", bank_views=views)
    relations = step(module)
    nodes, outputs = module.network.bank.newest(1000, CPU)
    in_kept = torch.isin(relations.nodes.view, torch.tensor(kept))
    assert nodes.sample.equal(relations.nodes.sample[in_kept])
    assert nodes.view.equal(relations.nodes.view[in_kept])
    assert outputs["projection"].equal(relations.outputs["projection"][in_kept])


def test_prototypes_are_frozen_for_the_first_epochs(make_module, batch):
    module = make_module("ssl(views=2)", "dino", prototypes={"count": 16, "frozen": 2})
    module.trainer, module.log = Alone(), lambda *_, **__: None
    moved, encoder = [], module.network.encoder
    for epoch in (0, 1, 2):
        module.trainer.current_epoch = epoch
        module.zero_grad()
        module.training_step(batch, 0)["loss"].backward()
        module.on_after_backward()
        trained = [
            parameter for parameter in encoder.prototypes.parameters() if parameter.requires_grad
        ]
        moved.append(any(parameter.grad is not None for parameter in trained))
        assert all(parameter.grad is not None for parameter in encoder.projector.parameters())
    assert moved == [False, False, True]


def test_without_a_projector_the_loss_sees_the_backbone(make_module, step):
    module = make_module("ssl(views=2)", "byol", projector={"layers": 0})
    outputs = step(module).outputs
    width = module.network.encoder.backbone.width
    assert {output.shape[1] for output in outputs.values()} == {width}
    plain = make_module("ssl(views=2)", "simclr", projector={"layers": 0})
    seen = plain.network.encoder(plain.views.plain(torch.zeros(2, 1, 8, 8, dtype=torch.uint8)))
    assert seen["projection"].equal(seen["backbone"])


def rows(first, count):
    return rrl.Nodes(torch.arange(first, first + count), labels={"label": torch.arange(count)})


def test_a_bank_keeps_the_newest_rows_in_front():
    bank = Bank(5)
    for first in (0, 3, 6):
        bank.push(rows(first, 3), {"projection": torch.arange(first, first + 3.0)[:, None]})
    nodes, outputs = bank.newest(4, CPU)
    assert nodes.sample.tolist() == [6, 7, 8, 3]
    assert outputs["projection"].flatten().tolist() == [6, 7, 8, 3]
    assert nodes.labels["label"].tolist() == [0, 1, 2, 0]
    assert len(bank.newest(9, CPU)[0]) == 5
    bank.push(rows(20, 9), {"projection": torch.zeros(9, 1)})
    assert bank.newest(9, CPU)[0].sample.tolist() == [20, 21, 22, 23, 24]


def test_a_bank_is_a_part_of_a_checkpoint(tmp_path):
    bank, other = Bank(4), Bank(4)
    bank.push(rows(0, 3), {"projection": torch.randn(3, 2, requires_grad=True)})
    torch.save(bank.state_dict(), tmp_path / "bank.pt")
    other.load_state_dict(torch.load(tmp_path / "bank.pt", weights_only=True))
    for one, two in zip(bank.newest(4, CPU), other.newest(4, CPU), strict=True):
        if isinstance(one, dict):
            assert torch.equal(one["projection"], two["projection"])
            assert not one["projection"].requires_grad
        else:
            assert torch.equal(one.sample, two.sample)


def test_a_recipe_with_a_bank_has_earlier_rows_as_columns(make_module, step):
    recipe = "ssl(views=2) | knn(4, space=teacher, bank=150, query=other)"
    module = make_module(recipe, "byol")
    first, second, third = (step(module) for _ in range(3))
    shapes = [
        relations.between("prediction", "teacher_projection").shape for relations in (first, second)
    ]
    assert shapes == [(96, 96), (96, 192)]  # a first step has no earlier rows
    assert third.between("prediction", "teacher_projection").shape == (96, 96 + 150)
    assert torch.equal(third.bank[0].sample[:96], second.nodes.sample)
    torch.testing.assert_close(
        third.bank[1]["teacher_projection"][:96], second.outputs["teacher_projection"]
    )
    relation = third.between("prediction", "teacher_projection")
    keys = torch.cat([third.outputs["teacher_projection"], third.bank[1]["teacher_projection"]])
    expected = module.network.criterion(relation, third.outputs["prediction"], keys=keys)
    torch.testing.assert_close(third.value(module.network.criterion), expected)


def test_nnclr_finds_its_neighbors_among_earlier_projections(make_module, step):
    module = make_module("ssl(views=2)", "nnclr", bank=150)
    for _ in range(3):
        relations = step(module)
    assert relations.outputs["bank"].shape == (150, 32)
    assert not relations.outputs["bank"].requires_grad
    assert relations.value(module.network.criterion).requires_grad


def test_local_views_give_the_loss_of_dino_s_multi_crop(make_module, step):
    module = make_module(
        "ssl(views=2)",
        {"name": "dino", "normalize": "edges"},
        local_views={"count": 3, "size": 6},
    )
    step(module)
    relations = step(module)  # the second has a center
    outputs = relations.outputs
    assert {name: len(output) for name, output in outputs.items()} == {
        "prototypes": 5 * 48,
        "teacher_prototypes": 2 * 48,
        "center": 256,
    }
    peer = lightly.loss.DINOLoss(256, teacher_temp=0.04)
    peer.center.copy_(outputs["center"])
    expected = peer(
        list(outputs["teacher_prototypes"].chunk(2)), list(outputs["prototypes"].chunk(5))
    )
    assert outputs["center"].abs().sum() > 0
    torch.testing.assert_close(relations.value(module.network.criterion), expected)


def test_local_views_are_rows_of_every_other_loss_too(make_module, step):
    module = make_module("ssl(views=2)", "simclr", local_views={"count": 2})
    relations = step(module)
    assert relations.between("projection", "projection").shape == (4 * 48, 4 * 48)
    assert relations.between("projection", "projection").degree().tolist() == [3] * 192


def test_patches_are_compared_for_whole_views_alone(make_module, step):
    module = make_module("ssl(views=2)", "dinov2", local_views={"count": 2})
    outputs = step(module).outputs
    assert outputs["patch_prototypes"].shape == (96, 16, 256)
    assert outputs["teacher_patch_prototypes"].shape == (96, 16, 256)
    assert outputs["mask"].shape == (96, 16)
    assert outputs["prototypes"].shape == (4 * 48, 256)
    assert 0 < outputs["mask"].float().mean() < 0.5


def test_parts_of_a_batch_at_a_time_give_the_gradient_of_the_whole(make_module, step, batch):
    gradients = []
    for size in (None, 20):
        torch.manual_seed(0)
        module = make_module(
            "ssl(views=2) | supervised()",
            backbone="vit-micro",  # no batch norm, whose statistics are those of a part
            projector={"hidden": 32, "out": 16, "norm": False},
            micro_batch=size,
        )
        step(module).value(module.network.criterion).backward()
        gradients.append([weight.grad for weight in module.network.encoder.parameters()])
    for whole, parts in zip(*gradients, strict=True):
        assert (whole is None) == (parts is None)
        if whole is not None:
            torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "loss", "settings", "expected"),
    [
        (
            "ssl(views=2)",
            "dinov2",
            {"backbone": "small"},
            "RRL424 `ibot` compares patches, but the backbone has none | "
            "use `--set backbone=vit-micro`",
        ),
        (
            "supervised()",
            "barlow",
            {},
            "RRL404 `barlow` compares 2 views of a sample, but this recipe draws 1 | "
            "relate views: write `ssl(views=2) | …`",
        ),
        (
            "ssl(views=2) | knn(3, bank=64)",
            "laplacian",
            {},
            "RRL404 `laplacian` needs the rows as columns, but `knn(k=3, bank=64)` adds earlier "
            "rows | write `bank=0`",
        ),
        (
            "ssl(views=2) | knn(3, directed=true)",
            "laplacian",
            {},
            "RRL404 `laplacian` needs a symmetric graph, but the graph of this recipe is "
            "directed | remove `directed=true`",
        ),
        (
            "ssl(views=2) | knn(3, space=teacher)",
            "simclr",
            {"local_views": {"count": 2}},
            "RRL424 `knn(k=3, space=teacher)` uses the teacher, which does not see local "
            "views | use `--set local_views.count=0`, or write `space=projection`",
        ),
        (
            "ssl(views=2)",
            "laplacian",
            {"batch_size": 30},
            "RRL405 `laplacian` on 32 dimensions needs batches of at least 33 samples, not 30 | "
            "use `--batch-size 33`, or a smaller `projector.out`",
        ),
    ],
)
def test_what_a_loss_cannot_be_served_with_is_refused(
    make_module, recipe, loss, settings, expected
):
    with pytest.raises(rrl.RRLError) as problem:
        make_module(recipe, loss, **settings)
    [diagnostic] = problem.value.diagnostics
    assert f"{diagnostic.code} {diagnostic.message} | {diagnostic.hint}" == expected


def test_a_loss_for_binary_graphs_refuses_a_weighted_recipe(make_module, monkeypatch):
    monkeypatch.setattr("rrl_dsl.losses.contrastive.SuNCEt.binary", True)
    with pytest.raises(rrl.RRLError) as problem:
        make_module("ssl(views=2) | similarity(pixels, kernel=rbf)", "suncet")
    [diagnostic] = problem.value.diagnostics
    assert diagnostic.code == "RRL404"
    assert diagnostic.message.startswith(
        "`suncet` needs weights of 0 and 1, but `similarity(field=pixels"
    )
    assert "threshold" in diagnostic.hint


def test_a_module_of_one_s_own_refuses_what_the_command_line_refuses():
    config = Config(backbone="small", augmentation="digits", local_views=LocalViewsOptions(count=2))
    program = rrl.compile("ssl(views=2) | knn(3, space=teacher)")
    with pytest.raises(rrl.RRLError) as problem:
        RelationalModule(config, program, rrl.losses.create("ibot"), shape=(1, 8, 8))
    assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL424", "RRL424"]


def test_a_bank_keeps_the_same_outputs_from_first_to_last():
    bank = Bank(5)
    bank.push(rows(0, 3), {"projection": torch.zeros(3, 2)})
    for outputs in ({"backbone": torch.zeros(3, 2)}, {}, {"projection": torch.zeros(2, 2)}):
        with pytest.raises(rrl.RRLError, match="bank") as problem:
            bank.push(rows(3, 3), outputs)
        assert problem.value.diagnostics[0].code == "RRL406"
