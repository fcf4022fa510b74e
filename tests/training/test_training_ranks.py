"""Two processes learn what one process learns from the whole batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = """
import sys
from pathlib import Path

import torch
from torch import nn

import rrl_dsl as rrl
from rrl_dsl.data import registry
from rrl_dsl.training import module as modules
from rrl_dsl.training import train as trains
from rrl_dsl.training.backbones import Backbone
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.presets import defaults
from rrl_dsl.training.settings import resolve
from rrl_dsl.training.train import _loaders, _trainer, build

devices, out = int(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
# no noise and no batch statistics, which differ between processes
modules.Views.forward = lambda self, images, count, seed: torch.cat(
    [self.plain(images), self.plain(images).flip(3)]
)
trains.build_backbone = lambda name, shape, **options: Backbone(
    nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh()), 32
)
digits = registry.load("digits", root=Path("data"))
settings = {
    **defaults(rrl.losses.create("simclr"), digits.shape, digits.augmentation),
    "projector": {"hidden": 16, "out": 8, "norm": False},
    "optimiser": {"name": "sgd", "lr": 0.5, "weight_decay": 0.0, "warmup": 0},
    "loss": "simclr", "batch_size": 200, "epochs": 1, "devices": devices, "accelerator": "cpu",
}
graph = rrl.parse("ssl() | supervised(frac=0.3) | corrupt(fpr=0.02)")
module = build(graph, resolve([], settings), digits)
(out / "checkpoints").mkdir(parents=True, exist_ok=True)
trainer = _trainer(module.config, RunDirectory(out), [])
trainer.fit(module, *_loaders(module, digits, trainer))
if trainer.is_global_zero:
    encoder = module.encoder.state_dict()
    torch.save([encoder, float(trainer.callback_metrics["loss"])], out / "learned.pt")
"""


def learned(devices: int, folder: Path):
    script = folder / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(devices), str(folder / str(devices))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return torch.load(folder / str(devices) / "learned.pt")


@pytest.mark.slow
def test_two_ranks_learn_what_one_process_learns(tmp_path):
    (one, loss_one), (two, loss_two) = learned(1, tmp_path), learned(2, tmp_path)
    assert loss_one == pytest.approx(loss_two, rel=1e-4)
    for name, weight in one.items():
        torch.testing.assert_close(weight, two[name], rtol=1e-3, atol=1e-5)
