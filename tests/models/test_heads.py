from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.models.heads import Projector, Prototypes


@pytest.mark.parametrize("norm", [True, False])
def test_a_projector_has_its_layers_and_norms(norm: bool) -> None:
    projector = Projector(8, 16, 4, norm, layers=3)
    linear = [module for module in projector if isinstance(module, torch.nn.Linear)]
    norms = [module for module in projector if isinstance(module, torch.nn.BatchNorm1d)]
    sizes = [(layer.in_features, layer.out_features) for layer in linear]
    assert sizes == [(8, 16), (16, 16), (16, 4)]
    assert len(norms) == (2 if norm else 0)
    assert projector(torch.randn(5, 8)).shape == (5, 4)


def test_a_projector_has_two_layers_by_default() -> None:
    x = torch.randn(5, 8)
    projector = Projector(8, 16, 4, norm=False)
    first, last = (module for module in projector if isinstance(module, torch.nn.Linear))
    assert torch.allclose(projector(x), last(first(x).relu()))


def test_one_layer_is_linear() -> None:
    projector = Projector(8, 16, 4, norm=True, layers=1)
    a, b = torch.randn(3, 8), torch.randn(3, 8)
    assert torch.allclose(
        projector(a) - projector(b), projector(a - b) - projector(0 * a), atol=1e-5
    )


def test_no_layers_give_the_features_as_they_are() -> None:
    projector, x = Projector(8, 16, 4, norm=True, layers=0, output_norm="plain"), torch.randn(3, 8)
    assert projector(x).equal(x)
    assert projector.width == 8


def test_activations_are_relu_or_gelu() -> None:
    x = torch.randn(5, 8)
    projector = Projector(8, 16, 4, norm=False, activation="gelu")
    first, last = (module for module in projector if isinstance(module, torch.nn.Linear))
    assert torch.allclose(projector(x), last(F.gelu(first(x))))


@pytest.mark.parametrize(("output_norm", "learned"), [("affine", 2), ("plain", 0)])
def test_outputs_may_be_batch_normalized(output_norm: Any, learned: int) -> None:
    projector = Projector(8, 16, 4, norm=True, output_norm=output_norm)
    outputs = projector(torch.randn(64, 8))
    assert torch.allclose(outputs.mean(dim=0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(outputs.var(dim=0, correction=0), torch.ones(4), atol=1e-2)
    assert len(list(projector[-1].parameters())) == learned


@pytest.mark.parametrize("wrong", ["width", "hidden", "out"])
def test_a_projector_without_extent_is_refused(wrong: str) -> None:
    sizes = {"width": 8, "hidden": 8, "out": 8, "layers": 2, wrong: 0}
    with pytest.raises(RRLError, match=rf"\[RRL502\].*`{wrong}` must be at least 1, not 0"):
        Projector(**sizes, norm=True)


def test_fewer_than_no_layers_are_refused() -> None:
    with pytest.raises(RRLError, match=r"\[RRL502\].*`layers` must be at least 0, not -1"):
        Projector(8, 8, 8, norm=True, layers=-1)


def test_scores_are_cosines_with_the_prototypes() -> None:
    prototypes, x = Prototypes(8, 20), 3 * torch.randn(5, 8)
    directions = prototypes.directions.weight
    assert torch.allclose(directions.norm(dim=1), torch.ones(20))
    expected = F.cosine_similarity(x[:, None], directions, dim=-1)
    assert torch.allclose(prototypes(x), expected, atol=1e-6)


def test_training_turns_the_prototypes_and_keeps_their_norms() -> None:
    prototypes, x = Prototypes(8, 20), torch.randn(5, 8)
    before = prototypes.directions.weight.detach().clone()
    optimizer = torch.optim.SGD(prototypes.parameters(), lr=1.0)
    prototypes(x).square().sum().backward()
    optimizer.step()
    after = prototypes.directions.weight
    assert torch.allclose(after.norm(dim=1), torch.ones(20))
    assert not torch.allclose(after, before)


def test_a_copy_of_prototypes_is_equal_and_its_own() -> None:
    prototypes, x = Prototypes(8, 20), torch.randn(5, 8)
    copy = deepcopy(prototypes)
    before = copy(x)
    assert torch.equal(prototypes(x), before)
    with torch.no_grad():
        for weight in prototypes.parameters():
            weight.add_(torch.rand_like(weight))
    assert torch.equal(copy(x), before)


def test_prototypes_come_back_from_their_state() -> None:
    saved, fresh, x = Prototypes(8, 20), Prototypes(8, 20), torch.randn(5, 8)
    fresh.load_state_dict(saved.state_dict())
    assert torch.equal(fresh(x), saved(x))


@pytest.mark.parametrize("wrong", ["width", "count"])
def test_prototypes_without_extent_are_refused(wrong: str) -> None:
    sizes = {"width": 8, "count": 8, wrong: 0}
    with pytest.raises(RRLError, match=rf"\[RRL502\].*`{wrong}` must be at least 1, not 0"):
        Prototypes(**sizes)
