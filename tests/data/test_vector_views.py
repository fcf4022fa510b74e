"""Views of vectors, and views by a function of the user."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.data.channel_statistics import Statistics
from rrl_dsl.data.vector_operations import MarginalSwap
from rrl_dsl.data.views import Views
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.training.config import Config
from rrl_dsl.training.module import views_of

WIDTH = 10
MEAN, STD = 5.0, 2.0
SAME = Statistics((MEAN,) * WIDTH, (STD,) * WIDTH)
ROWS = MEAN + STD * torch.randn(400, WIDTH, generator=torch.Generator().manual_seed(0))
PLAIN = (ROWS - MEAN) / STD


def drawn(name: str, seed: int = 0, count: int = 2) -> tuple[torch.Tensor, ...]:
    return Views(name, (WIDTH,), statistics=SAME)(ROWS, count, seed).chunk(count)


def drawn_by(*views: Any, count: int = 2) -> tuple[torch.Tensor, ...]:
    return Views("scarf", (WIDTH,), None, views, SAME)(ROWS, count, 0).chunk(count)


@pytest.mark.parametrize("name", ["scarf", "noise", "dropout"])
def test_views_depend_on_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    once = torch.cat(drawn(name))
    torch.manual_seed(2)
    assert torch.equal(once, torch.cat(drawn(name)))
    assert not torch.equal(once, torch.cat(drawn(name, seed=1)))
    assert once.dtype == torch.float32


def test_noise_has_the_standard_deviation_of_a_tenth() -> None:
    for view in drawn("noise"):
        difference = view - PLAIN
        # four standard errors of the deviation of 4,000 draws
        assert float(difference.std()) == pytest.approx(0.1, abs=4 * 0.1 / 8000**0.5)
        assert abs(float(difference.mean())) < 4 * 0.1 / 4000**0.5


def test_dropout_replaces_a_fifth_by_the_mean() -> None:
    one, other = drawn("dropout")
    for view in (one, other):
        assert bool(((view == PLAIN) | (view == 0)).all())
        assert float((view == 0).float().mean()) == pytest.approx(0.2, abs=0.03)
    assert not torch.equal(one, other)


def test_scarf_replaces_the_drawn_share_of_features_by_values_of_the_same_feature() -> None:
    rows = torch.arange(300.0)[:, None] + 1000 * torch.arange(WIDTH)
    views = Views("scarf", (WIDTH,))
    first, second, third = views(rows, 3, 0).chunk(3)
    assert torch.equal(first, rows)
    assert torch.equal(third, rows)
    assert torch.equal((second / 1000).floor(), (rows / 1000).floor())  # of the same feature
    assert bool((second % 1000 < 300).all())  # of another row
    changed = (second != rows).sum(dim=1)
    assert int(changed.max()) == 6  # floor(0.6 * 10) are drawn; a draw may be the row itself
    assert float(changed.float().mean()) == pytest.approx(6 * 299 / 300, abs=0.1)
    # every feature is drawn equally often, and every row is a source equally often
    assert (second != rows).float().mean(dim=0).tolist() == pytest.approx([0.6] * WIDTH, abs=0.12)
    assert float((second % 1000).mean()) == pytest.approx(149.5, abs=12)


def test_a_sequence_is_corrupted_feature_by_feature() -> None:
    batch = torch.randn(50, 4, 3)
    view = MarginalSwap(0.5)(batch)
    assert (view != batch).flatten(1).sum(dim=1).max() == 6


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "myviews.py").write_text(
        "import torch\n"
        "from torch import Tensor\n"
        "def add(batch: Tensor) -> Tensor:\n"
        "    return batch + torch.rand(len(batch), *[1] * (batch.ndim - 1))\n"
        "def untyped(batch):\n    return batch\n"
        "def fails(batch: Tensor) -> Tensor:\n    raise ValueError('no')\n"
        "def cuts(batch: Tensor) -> Tensor:\n    return batch[:, :1]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("myviews", None)


def test_a_function_gets_standardized_vectors_and_unit_pixels(package: None) -> None:
    one, other = drawn_by("myviews:add")
    shift = one - PLAIN
    assert bool(((shift >= -1e-5) & (shift < 1)).all())
    assert not torch.equal(one, other)
    images = torch.full((4, 1, 3, 3), 255, dtype=torch.uint8)
    statistics = Statistics((0.0,), (1.0,))
    views = Views("digits", (1, 3, 3), None, ["myviews:add"], statistics)(images, 1, seed=0)
    assert bool(((views >= 1) & (views < 2)).all())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("myviews:untyped", "is not a function that is annotated to return a torch.Tensor"),
        ("myviews:torch", "is not a function that is annotated to return a torch.Tensor"),
        ("myviews:none", "cannot be imported: AttributeError"),
        ("nomodule:none", "cannot be imported: ModuleNotFoundError"),
        ("myviews:fails", "fails: ValueError: no"),
        ("myviews:cuts", r"returns torch.float32 \(400, 1\) for torch.float32 \(400, 10\)"),
    ],
)
def test_functions_that_draw_no_view(package: None, name: str, message: str) -> None:
    with pytest.raises(RRLError, match=rf"\[RRL502\].*{message}"):
        drawn_by(name)


def test_a_file_names_a_function_only_with_permission(package: None, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("augmentation: myviews:add\nloss: simclr\nepochs: 1\neval: false\n")
    with pytest.raises(RRLError, match=r"\[RRL510\].*augmentation `myviews:add`"):
        rrl.train("ssl(views=2)", config=config, out=tmp_path / "run")
    run = rrl.train("ssl(views=2)", config=config, out=tmp_path / "run", allow_code=["myviews"])
    mean, std = 0.306, 0.376  # of the preset of the dataset
    expected = run.encoder.network(torch.full((2, 1, 8, 8), (1 - mean) / std))
    white = torch.full((2, 1, 8, 8), 255, dtype=torch.uint8)
    torch.testing.assert_close(run.encoder(white), expected)
    own = Config.model_validate({"augmentation": {"name": "myviews:add"}})
    assert views_of(own, (1, 8, 8), "digits").mean.item() == pytest.approx(mean)


def test_a_function_in_a_list_of_views_needs_permission_too(package: None, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("augmentation:\n  views: [digits, 'myviews:add']\nepochs: 1\n")
    with pytest.raises(RRLError, match=r"\[RRL510\].*augmentation `myviews:add`"):
        rrl.train("ssl(views=2)", config=config, out=tmp_path / "run")


def test_a_function_draws_once_per_view(package: None, tmp_path: Path) -> None:
    (tmp_path / "myviews.py").write_text(
        "import torch\n"
        "def shift(batch: torch.Tensor) -> torch.Tensor:\n    return batch + torch.rand(1)\n"
    )
    one, other = (view - PLAIN for view in drawn_by("myviews:shift"))
    assert float(one.std()) == pytest.approx(0, abs=1e-5)
    assert abs(float(one.mean() - other.mean())) > 1e-3


def test_each_view_may_have_operations_with_arguments() -> None:
    plain, noisy, again = drawn_by([], [{"Noise": {"std": 0.5}}], count=3)
    torch.testing.assert_close(plain, PLAIN)
    assert torch.equal(again, plain)
    assert float((noisy - PLAIN).std()) == pytest.approx(0.5, abs=0.03)
    one, other = drawn_by("dropout", "scarf")
    assert float((one == 0).float().mean()) == pytest.approx(0.2, abs=0.03)
    assert float((other != PLAIN).float().mean()) == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (["cifar"], "the augmentation `cifar` is for images, and these samples are vectors"),
        (["scarff"], "there is no augmentation `scarff`; the augmentations of vectors are `scarf`"),
        ([["RandomInvert"]], "there is no operation `RandomInvert`"),
        ([["torchvision:RandomInvert"]], "there is no operation `torchvision:RandomInvert`"),
        ([[{"Noise": {"std": -1.0}}]], "`Noise` refuses its arguments: `std` must be at least 0"),
        ([[{"MarginalSwap": {"rate": 2}}]], "`rate` must be between 0 and 1, not 2"),
        ([["Noise"]], "`Noise`: missing a required argument: 'std'"),
    ],
)
def test_augmentations_that_vectors_do_not_have(views: list[Any], message: str) -> None:
    with pytest.raises(RRLError) as caught:
        drawn_by(*views)
    (fault,) = caught.value.diagnostics
    assert fault.code == "RRL502"
    assert message in fault.message


def test_augmentations_of_vectors_and_local_views_do_not_fit() -> None:
    with pytest.raises(RRLError, match=r"`noise` is for vectors, and these samples are images"):
        Views("noise", (1, 8, 8))
    with pytest.raises(RRLError, match=r"the augmentation `scarf` has no local views"):
        Views("scarf", (WIDTH,), (None, (0.1, 0.3)))
