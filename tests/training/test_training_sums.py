"""Sums of losses in training, where each term has the relation of what it compares."""

from itertools import product

import pytest
import torch
from pydantic.dataclasses import dataclass

import rrl_dsl as rrl
from rrl_dsl.losses import create, names
from rrl_dsl.losses.base import OPTIONS
from rrl_dsl.losses.outputs import OUTPUTS
from rrl_dsl.losses.sums import Composite
from rrl_dsl.models.relations import Relations

SAMPLES, LOCAL = 12, 1
SIZES = {"d": 3, "f": 5, "K": 4, "P": 6, "m": 20}


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Own(Composite):
    """A sum of a sum, of a user's own."""

    def terms(self):
        return [(2.0, create("dinov2 + 0.5*vicreg")), (3.0, create("simclr"))]


@pytest.fixture
def relations():
    """Two whole views and a local one, of which teacher and patches see the whole ones."""
    generator = torch.Generator().manual_seed(0)
    whole, rows = 2 * SAMPLES, (2 + LOCAL) * SAMPLES
    outputs = {}
    for name, output in OUTPUTS.items():
        n = whole if {"teacher", "patches"} & set(output.parts) else rows
        shape = [SIZES.get(size, n) for size in output.shape]
        outputs[name] = torch.randn(shape, generator=generator)
    outputs["mask"] = outputs["mask"] > 0
    nodes = rrl.Nodes(
        torch.arange(SAMPLES).repeat(2 + LOCAL),
        view=torch.arange(2 + LOCAL).repeat_interleave(SAMPLES),
        labels={"label": (torch.arange(SAMPLES) % 3).repeat(2 + LOCAL)},
    )
    program = rrl.compile("ssl(views=2) | supervised()")
    return Relations(program, nodes, outputs, outputs, whole, bank=None, epoch=0, step=0)


@pytest.mark.slow
def test_every_two_losses_add_up(relations):
    alone = {name: relations.value(create(name)) for name in names()}
    for one, other in product(alone, repeat=2):
        both = relations.value(create(f"{one} + 0.5*{other}"))
        torch.testing.assert_close(both, alone[one] + 0.5 * alone[other], msg=f"{one} + {other}")


def test_sums_of_sums_are_multiplied_out(relations):
    single = {name: relations.value(create(name)) for name in ("dino", "ibot", "koleo", "vicreg")}
    dinov2 = single["dino"] + single["ibot"] + 0.1 * single["koleo"]
    torch.testing.assert_close(relations.value(create("2*dinov2")), 2 * dinov2)
    own = 2 * (dinov2 + 0.5 * single["vicreg"]) + 3 * relations.value(create("simclr"))
    torch.testing.assert_close(relations.value(Own()), own)
    terms = [("dino", 2.0), ("ibot", 2.0), ("koleo", 0.2), ("vicreg", 1.0), ("simclr", 3.0)]
    assert [(term.name(), weight) for weight, term in Own().flat_terms()] == terms
    assert set(relations.skipped(Own())) >= {"dino/without_edge", "koleo/without_unrelated"}
