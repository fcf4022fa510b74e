"""The parts of a model on a GPU: `pytest -m gpu`."""

import pytest
import torch

from rrl_dsl.data.batches import loader
from rrl_dsl.data.views import Views
from rrl_dsl.training.build import precision_of
from rrl_dsl.training.evaluation import Accuracies
from rrl_dsl.training.fit import placed
from rrl_dsl.training.optimizer import build_optimizer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

CASES = [
    ("ssl(views=2) | supervised(frac=0.3)", "simclr", {}),
    ("ssl(views=2) | supervised(frac=0.3)", "vicreg", {}),
    ("ssl(views=2)", "wmse", {}),
    ("ssl(views=2)", "nnclr", {"bank": 150}),
    ("ssl(views=2) | knn(4, space=teacher, bank=150, query=other)", "byol", {}),
    ("ssl(views=2)", "dino(centering=sinkhorn)", {"local_views": {"count": 2}}),
    ("ssl(views=2)", "dinov2", {"micro_batch": 40}),
    ("ssl(views=2)", "simdino", {}),
]


class Alone:
    """The parts of a Lightning trainer that a step uses."""

    world_size, global_rank, global_step, current_epoch = 1, 0, 0, 0
    estimated_stepping_batches = 10


@pytest.mark.parametrize(("recipe", "loss", "settings"), CASES)
def test_steps_on_a_gpu_have_the_loss_of_steps_on_the_cpu(
    make_module, digits, recipe, loss, settings, monkeypatch
):
    def whole(self, images, count, seed):
        return self.plain(torch.cat([images] * count))

    def local(self, images, count, seed):
        return self.plain(torch.cat([images[..., :4, :4]] * count))

    def masks(count, grid, *, device, **_):
        return torch.arange(count * grid[0] * grid[1], device=device).view(count, -1) % 3 == 0

    # draws of views and masks differ between devices
    monkeypatch.setattr("rrl_dsl.training.module.Views.forward", whole)
    monkeypatch.setattr("rrl_dsl.training.module.Views.local", local)
    monkeypatch.setattr("rrl_dsl.models.network.block_masks", masks)
    batch = next(iter(loader(digits.train, 64, shuffle=True)))
    values = []
    for device in ("cpu", "cuda"):
        module = make_module(recipe, loss, accelerator="cpu", **settings).to(device)
        module.trainer = Alone()
        module.log = lambda *_, **__: None
        losses = []
        for _ in range(3):  # the third has a bank and a center
            relations = module.training_step(batch.to(device), 0)["relations"]
            losses.append(relations.value(module.network.criterion))
        losses[-1].backward()
        values.append(torch.stack(losses).detach().cpu())
        weights = [
            parameter.grad
            for parameter in module.network.encoder.parameters()
            if parameter.grad is not None
        ]
        assert weights
        assert all(torch.isfinite(weight).all() for weight in weights)
    torch.testing.assert_close(values[1], values[0], rtol=2e-3, atol=2e-3)


def test_final_probes_are_fitted_on_the_gpu(make_module, fit, tmp_path, monkeypatch):
    devices = []

    def evaluate(dataset, encode):
        features = encode(next(iter(loader(dataset.test, 16, shuffle=False))))
        devices.append(features.device.type)
        return Accuracies(0, 0, 0)

    monkeypatch.setattr("rrl_dsl.training.fit.evaluate", evaluate)
    fit(make_module("ssl(views=2)", "byol", epochs=1, accelerator="gpu"), tmp_path)
    assert devices == ["cuda"] * 5  # pixels, untrained, backbone, projector, teacher


@pytest.mark.parametrize("compiled", [False, True])
def test_no_step_waits_for_the_gpu(make_module, digits, compiled):
    module = make_module("ssl(views=2) | supervised(frac=0.3)", "simclr", accelerator="gpu").cuda()
    if compiled:
        module.compile_encoder()
    module.trainer = Alone()
    module.log = lambda *_, **__: None
    split = digits.train.to(torch.device("cuda"))
    optimizer = build_optimizer(module.config, module.network.encoder, module.probes)
    batches = iter(loader(split, 64, shuffle=True, drop_last=True))
    for number in range(5):
        torch.cuda.set_sync_debug_mode("error" if number > 2 else "default")
        try:
            with torch.autocast("cuda", torch.bfloat16):
                loss = module.training_step(next(batches), number)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert torch.isfinite(loss)


def test_color_views_do_not_wait_for_the_gpu():
    views = Views("cifar", (3, 32, 32)).cuda()
    images = torch.randint(256, (64, 3, 32, 32), dtype=torch.uint8, device="cuda")
    views(images, 2, seed=0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        views(images, 2, seed=1)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_batches_of_a_split_on_the_gpu_are_those_of_the_cpu(digits):
    split = placed(digits.train, device=torch.device("cuda"), workers=0)
    assert split.images.device.type == "cuda"
    assert placed(digits.train, device=torch.device("cuda"), workers=2) is digits.train
    for one, other in zip(
        loader(split, 64, shuffle=True), loader(digits.train, 64, shuffle=True), strict=True
    ):
        assert one.images.is_cuda
        assert one.images.cpu().equal(other.images)
        assert one.sample.cpu().equal(other.sample)
        assert one.labels["label"].cpu().equal(other.labels["label"])


def test_a_run_on_the_gpu_is_in_bfloat16_and_compiled_where_asked(make_module, fit, tmp_path):
    module = make_module("ssl(views=2)", "simclr", epochs=2, accelerator="gpu", compile=True)
    outcome = fit(module, tmp_path)
    assert module.is_compiled
    assert precision_of(module.config) == "bf16-mixed"
    assert outcome.accuracies["backbone"].linear > 0.5
