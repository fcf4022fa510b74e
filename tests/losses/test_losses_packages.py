"""Losses that other packages declare: loaded when asked for, named when they are broken."""

import json
import sys

import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.losses import create, find, names

GOOD = """
from rrl_dsl.losses import Loss, register
from pydantic.dataclasses import dataclass
from rrl_dsl.losses.base import OPTIONS

@register("pull-of-a-package")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Pull(Loss):
    \"\"\"Pulls.\"\"\"
    weight: float

    def value(self, relation, z, keys):
        return self.weight * relation.degree().mean()
"""
DECLARED = {
    "good": ("pull-of-a-package = good_loss:Pull", GOOD),
    "broken": ("broken = broken_loss:Pull", "import no_such_thing"),
    "hollow": ("hollow = hollow_loss:Pull", ""),
    "number": ("number = number_loss:Pull", "Pull = 3"),
    "taker": ("wmse = taker_loss:Pull", GOOD.replace("pull-of-a-package", "pull-of-the-taker")),
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Five packages that declare a loss each, of which one is sound."""
    from rrl_dsl.losses import registry

    for package, (declaration, code) in DECLARED.items():
        (tmp_path / f"{package}_loss.py").write_text(code)
        info = tmp_path / f"{package}_loss-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}-loss\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[rrl_dsl.losses]\n{declaration}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_LOSSES", dict(registry.registered()))
    yield
    for package in DECLARED:
        sys.modules.pop(f"{package}_loss", None)


def refusal(name):
    with pytest.raises(rrl.RRLError) as problem:
        find(name)
    [diagnostic] = problem.value.diagnostics
    return diagnostic


@pytest.mark.usefixtures("installed")
def test_asking_for_one_loss_or_for_the_names_loads_no_other():
    assert {"simclr", "pull-of-a-package", "broken", "hollow", "number"} <= set(names())
    assert names().count("wmse") == 1
    assert type(create("simclr")) is find("simclr")
    assert refusal("brken").code == "RRL407"
    assert refusal("brken").hint == "did you mean `broken`?"
    assert not {f"{package}_loss" for package in DECLARED} & set(sys.modules)


@pytest.mark.usefixtures("installed")
def test_a_loss_of_a_package_is_a_name_like_any_other():
    assert create("pull-of-a-package", weight=2.0).weight == 2.0
    assert find("pull-of-a-package") is sys.modules["good_loss"].Pull  # registered, and declared


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "broken",
            "the loss `broken` of the package `broken-loss` cannot be loaded: "
            "ModuleNotFoundError: No module named 'no_such_thing'",
        ),
        ("hollow", "of the package `hollow-loss` cannot be loaded: AttributeError"),
        ("number", "`number_loss:Pull` of the package `number-loss` is not a subclass of `Loss`"),
        ("wmse", "`wmse` is declared by `rrl-dsl` and also by `taker-loss`"),
    ],
)
def test_a_broken_loss_names_its_package(name, words):
    diagnostic = refusal(name)
    assert diagnostic.code == "RRL422"
    assert words in diagnostic.message
    assert f"`{name.replace('wmse', 'taker')}-loss`" in diagnostic.hint


@pytest.mark.usefixtures("installed")
def test_listing_shows_what_works_and_warns_of_the_rest(cli):
    result = cli("losses")
    assert result.code == 0
    assert "simclr" in result.out
    assert "depends on its options" in result.out
    assert result.err.count("warning[RRL422]") == 4
    listed = {loss["name"]: loss for loss in json.loads(cli("losses", "--json").out)}
    assert listed["broken"]["fault"]["code"] == "RRL422"
    assert listed["pull-of-a-package"]["options"][0]["required"] is True
    assert "temperature" in str(listed["simclr"]["options"])
    refused = cli("losses", "broken")
    assert refused.code == 1
    assert "error[RRL422]" in refused.err
    assert "Pulls." in cli("losses", "pull-of-a-package").out


@pytest.mark.usefixtures("installed")
def test_an_imported_loss_may_be_a_term_with_options():
    assert create("good_loss:Pull(weight=2.0)") == find("good_loss:Pull")(weight=2.0)
    [(one, ours), (tenth, simclr)] = create("good_loss:Pull(weight=3) + 0.1*simclr").terms()
    assert (one, ours.weight, tenth, simclr.name()) == (1.0, 3.0, 0.1, "simclr")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("text", "code", "wrong"),
    [
        ("simclr + 0.1*good_loss:Pul(weight=1)", "RRL422", "good_loss:Pul(weight=1)"),
        (
            "simclr + good_loss:Pull(weight=1, wieght=2)",
            "RRL408",
            "good_loss:Pull(weight=1, wieght=2)",
        ),
        ("simclr + good_loss.Pull(weight=1)", "RRL407", "good_loss.Pull(weight=1)"),
        ("simclr + simclr(note=1).Pull", "RRL423", "simclr(note=1).Pull"),
    ],
)
def test_a_wrong_place_in_a_sum_is_pointed_at(text, code, wrong):
    with pytest.raises(rrl.RRLError) as problem:
        create(text)
    diagnostic = problem.value.diagnostics[0]
    assert diagnostic.code == code
    assert text[slice(*diagnostic.span)] == wrong


@pytest.mark.parametrize(
    "place", ["pull:", "a:", ":", "::", ":a", "a:b:c", "a b:c", "a..b:c", "💥:💥", "a:1", "os:"]
)
def test_a_place_that_is_none_is_refused_before_anything_is_loaded(place):
    assert refusal(place).code == "RRL407"
    assert refusal(place).hint.startswith("write `package.module:Class`")


def test_a_base_of_losses_is_none_itself():
    diagnostic = refusal("rrl_dsl.losses.base:Loss")
    assert (diagnostic.code, diagnostic.hint) == ("RRL422", "name one of its subclasses")


@pytest.mark.usefixtures("installed")
def test_a_name_with_a_hyphen_is_a_term_of_a_sum():
    graph = torch.ones(6, 6, dtype=torch.bool)
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    alone = float(create("simclr")(graph, z))
    # 5 edges per row, times 4, times 0.5
    for text, value in (
        ("0.5*pull-of-a-package(weight=4)", 10.0),
        ("simclr + 0.5*pull-of-a-package(weight=4)", alone + 10.0),
    ):
        assert float(create(text)(graph, z)) == pytest.approx(value)
