"""Two processes learn what one process learns from the whole batch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

CASES = {
    "contrastive": {
        "recipe": "ssl() | supervised(frac=0.3) | corrupt(fpr=0.02)",
        "loss": "simclr",
    },
    "fields": {
        "recipe": "ssl() | (similarity(pixels) | threshold(0.9)) | knn(2, space=pixels)",
        "loss": "simclr",
    },
    "teacher and bank": {
        # two whole batches: of a part, ranks would keep other rows
        "recipe": "ssl(views=2) | knn(3, space=teacher, bank=800, query=other)",
        "loss": "byol",
        "predictor": {"hidden": 16, "norm": False},
        "teacher": {"momentum": 0.5, "final": 0.5},
    },
    "prototypes and local views": {
        "recipe": "ssl(views=2)",
        "loss": "dino + 0.1*koleo",
        "prototypes": {"count": 20},
        "local_views": {"count": 2, "size": 8},
    },
}

SCRIPT = """
import json
import sys
from pathlib import Path

import torch
from torch import nn

import rrl_dsl as rrl
from rrl_dsl.data import registry
from rrl_dsl.training import module as modules
from rrl_dsl.training import build as builds
from rrl_dsl.training.tensorboard import Curves
from rrl_dsl.models.backbones import Backbone
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.presets import defaults
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.build import build
from rrl_dsl.training.fit import _loaders, _trainer

devices, folder, cases = int(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
torch.set_num_threads(1)
# a difference of rounding in float32 grows from step to step where neighbors are near each other
torch.set_default_dtype(torch.float64)
torch.Tensor.float = torch.Tensor.double
plain = modules.Views.plain
modules.Views.plain = lambda self, images: plain(self, images).double()
# no noise and no batch statistics, which differ between processes
modules.Views.forward = lambda self, images, count, seed: torch.cat(
    [self.plain(images), self.plain(images).flip(3)]
)
modules.Views.local = lambda self, images, count, seed: torch.cat(
    [self.plain(images).flip(2), self.plain(images).roll(1, 3)]
)
builds.build_backbone = lambda name, shape, **options: Backbone(
    nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh()), 32
)
digits = registry.load("digits", root=Path("data"))
settings = {
    **defaults(rrl.losses.create("simclr"), digits.shape, digits.augmentation),
    "projector": {"hidden": 16, "out": 8, "norm": False},
    "optimizer": {"name": "sgd", "lr": 0.5, "weight_decay": 0.0, "warmup": 0},
    "batch_size": 200, "epochs": 1, "devices": devices, "accelerator": "cpu",
}
for name, case in cases.items():
    graph = rrl.parse(case.pop("recipe"))
    module = build(graph, resolve([], settings | case), digits)
    out = folder / name
    (out / "checkpoints").mkdir(parents=True, exist_ok=True)
    run = RunDirectory(out)
    trainer = _trainer(module.config, run, [], [Curves(run.tensorboard)])
    trainer.fit(module, *_loaders(module, digits, trainer))
    if trainer.is_global_zero:
        state = module.state_dict()
        learned = {key: each for key, each in state.items() if torch.is_tensor(each)}
        torch.save([learned, float(trainer.callback_metrics["loss"])], out / "learned.pt")
"""


def trained(devices: int, folder: Path) -> Path:
    """Where each case lies that so many processes trained."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    target = folder / str(devices)
    # Lightning's own launcher starts the script anew for each case
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
    start = launcher if devices > 1 else []
    done = subprocess.run(
        [sys.executable, *start, str(script), str(devices), str(target), json.dumps(CASES)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return target


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("ranks")
    return trained(1, folder), trained(2, folder)


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")  # which train once
@pytest.mark.parametrize("name", CASES)
def test_two_ranks_learn_what_one_process_learns(one_and_two, name):
    (one, loss_one), (two, loss_two) = (
        torch.load(folder / name / "learned.pt", weights_only=True) for folder in one_and_two
    )
    assert loss_one == pytest.approx(loss_two, rel=1e-6)
    for key, weight in one.items():
        if not key.startswith("probes"):
            torch.testing.assert_close(weight, two[key], rtol=1e-6, atol=1e-9)
