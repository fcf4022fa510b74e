"""Every method of the gallery trains: its recipe, with its loss, on the embedded digits."""

import csv
import math
from pathlib import Path

import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.data import registry
from rrl_dsl.report.gallery import header_of, recipes
from rrl_dsl.training.build import build
from rrl_dsl.training.display import Display
from rrl_dsl.training.evaluation import Accuracies
from rrl_dsl.training.fit import fit
from rrl_dsl.training.presets import defaults
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.summary import warnings_of

RECIPES = Path(__file__).parents[2] / "recipes"
METHODS = {
    "SimCLR",
    "SigLIP",
    "CLIP",
    "SoftCLIP",
    "SupCon",
    "SuNCEt",
    "W-MSE",
    "NNCLR",
    "MeanShift",
    "X-CLR",
    "BYOL",
    "SimSiam",
    "Barlow Twins",
    "VICReg",
    "LeJEPA",
    "Spectral contrastive",
    "DINO",
    "DINOv2",
    "AdaSim",
    "SimDINOv2",
    "Laplacian eigenmaps",
    "Supervised least squares",
    "Semi-supervised",
    "Noisy labels",
    "Curriculum",
}


def test_the_published_methods_are_there():
    headers = [header_of(text) for text in recipes().values()]
    assert {header.method for header in headers} >= METHODS
    assert all(header.what and header.paper and header.loss for header in headers)


def test_a_header_has_its_parts():
    header = header_of(
        "# One line\n# and another.\n# paper: Someone. A title\n# that goes on. 2020.\n"
        "# method: M\n# loss: dino + 0.1*koleo\n# a note: of two\n# lines\nssl()\n"
    )
    assert header.what == "One line and another."
    assert header.paper == "Someone. A title that goes on. 2020."
    assert (header.method, header.loss) == ("M", "dino + 0.1*koleo")
    assert header.notes == "a note: of two lines"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return registry.load("digits", root=tmp_path_factory.mktemp("data"))


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes())
def test_two_epochs_end_with_metrics_and_without_collapse(name, digits, tmp_path, monkeypatch):
    monkeypatch.setattr("rrl_dsl.training.fit.evaluate", lambda *_: Accuracies(0, 0, 0))
    loss = header_of(recipes()[name]).loss
    settings = defaults(rrl.losses.create(loss), digits.shape, digits.augmentation) | {
        "loss": loss,
        "epochs": 2,
    }
    module = build(rrl.load(RECIPES / f"{name}.rrl"), resolve([], settings), digits)
    (tmp_path / "checkpoints").mkdir()
    outcome = fit(module, digits, RunDirectory(tmp_path), Display())
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1.0", "2.0"]
    for figure in ("loss", "probe/backbone", "rank/projector", "edges/per_row"):
        assert math.isfinite(float(rows[-1][figure])), figure
    assert any(figure.startswith("skipped/") for figure in rows[-1])
    warnings = [warning.message for warning in warnings_of(outcome, module.program, module.config)]
    assert not [message for message in warnings if "collapse" in message]
    weights = [weight for weight in module.network.encoder.parameters() if weight.requires_grad]
    assert all(torch.isfinite(weight).all() for weight in weights)
