"""Processes that have different rows compute the loss and the gradient of one process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rrl_dsl.losses.registry import registered

RICH = "ssl(views=2) | supervised(frac=0.5)"
LOSSES = {
    "wmse": "wmse(slice=12)",
    "barlow": "barlow(normalize=edges)",
    "dino": "dino + 0.1*koleo",
}
PATCHES = ("ibot", "dinov2", "simdino")
CASES = (
    {
        name: {"loss": LOSSES.get(name, name), "recipe": RICH}
        | ({"backbone": "vit-micro"} if name in PATCHES else {})
        for name in registered()
    }
    | {
        name: {"loss": "simclr", "recipe": recipe}
        for name, recipe in {
            "labels": "ssl(views=2) | supervised(per_class=4)",
            "neighbors of the batch": "ssl(views=2) | knn(2)",
            "directed neighbors": "ssl(views=2) | knn(2, directed=true)",
            "neighbors of the dataset": "ssl(views=2) | knn(2, space=x)",
            "noise": f"({RICH}) | corrupt(tpr=0.8, fpr=0.05, unit=row, redraw=step)",
            "schedule": "ssl(views=2) | (supervised() | keep(linear(0, 1, epochs=2)))",
            "weights": "0.5 * supervised() + similarity(x, kernel=rbf)",
            "heaviest": "ssl(views=2) | (similarity(x) | drop_self() | topk(3))",
            "components": "ssl(views=2) | (supervised(frac=0.2) | closure())",
            "contrast": f"{RICH}\ncontrast ~supervised()",
            "isolated rows": "supervised(frac=0.1)",
        }.items()
    }
    | {
        "tiles": {"loss": "simclr", "recipe": RICH, "tiled": True},
        "tiles of all reductions": {
            "loss": "spectral + suncet + vicreg + koleo + sigmoid",
            "recipe": f"({RICH}) | corrupt(fpr=0.05)",
            "tiled": True,
        },
        "bank": {
            "loss": "mean_shift",
            "recipe": "ssl(views=2) | knn(3, space=teacher, bank=96, query=other, directed=true)",
        },
        "bootstrap": {
            "loss": "dino",
            "recipe": "bootstrap(4, temperature=0.5, bank=96)",
        },
        "local views": {
            "loss": "dino + 0.1*koleo",
            "recipe": "ssl(views=2)",
            "options": {"local_views": {"count": 2}},
        },
        "three views": {
            "loss": "vicreg + barlow + nnclr + lejepa(slices=8)",
            "recipe": "ssl(views=3)",
        },
        "gathered by hand": {
            "loss": "simclr + barlow",
            "recipe": RICH,
            "gather": "by hand",
        },
    }
    | {
        f"ring: {name}": case | {"gather": "ring"}
        for name, case in {
            "every reduction": {
                "loss": "simclr(self_in_denominator=true) + suncet(with_self=true) + spectral "
                "+ sigmoid + supcon(form=sum, normalize=edges)",
                "recipe": f"({RICH}) | corrupt(fpr=0.05)",
            },
            "tiles": {
                "loss": "simclr + suncet + spectral(mu=1) + sigmoid",
                "recipe": f"({RICH}) | corrupt(fpr=0.05, redraw=step)",
                "tiled": True,
            },
            "contrast": {"loss": "simclr + sigmoid", "recipe": f"{RICH}\ncontrast ~supervised()"},
            "weights": {
                "loss": "xclr + suncet",
                "recipe": "2 * supervised() + similarity(x, kernel=rbf)",
            },
            "isolated rows": {"loss": "simclr + suncet", "recipe": "supervised(frac=0.1)"},
            "teacher": {"loss": "byol + simsiam", "recipe": RICH},
            "neighbors of the batch": {"loss": "simclr", "recipe": "ssl(views=2) | knn(2)"},
            "components": {
                "loss": "simclr",
                "recipe": "ssl(views=2) | (supervised(frac=0.2) | closure())",
            },
            "bank": {
                "loss": "mean_shift",
                "recipe": "ssl() | knn(3, space=teacher, bank=96, query=other, directed=true)",
            },
            "local views": {
                "loss": "simclr + byol",
                "recipe": "ssl(views=2)",
                "options": {"local_views": {"count": 2}},
            },
        }.items()
    }
)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict]:
    """File name -> case -> losses, gradients, pairs."""
    folder = tmp_path_factory.mktemp("processes")
    script = Path(__file__).with_name("many_processes.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder), json.dumps(CASES)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {path.stem: torch.load(path) for path in folder.glob("*.pt")}


@pytest.mark.slow
@pytest.mark.xdist_group("processes")  # which train once
@pytest.mark.parametrize("name", CASES)
def test_two_and_four_processes_have_the_loss_and_gradient_of_one(results, name):
    losses, gradients, pairs = results["1-0"][name]
    assert gradients.abs().max() > 0
    for world in (2, 4):
        for rank in range(world):
            own_losses, own_gradients, own_pairs = results[f"{world}-{rank}"][name]
            assert own_losses == pytest.approx(losses, rel=1e-6, abs=1e-9)
            torch.testing.assert_close(own_gradients, gradients, rtol=1e-5, atol=1e-8)
            if not CASES[name].get("tiled"):
                assert own_pairs * world == pairs  # no process evaluates the rows of another
