"""Networks of other packages: by import, from a fake timm, and from timm itself."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.models.tokens import PatchEncoder, Tokens

SHAPE = (1, 8, 8)

NETWORKS = """
from __future__ import annotations
import os
import torch
from torch import nn

class Flat(nn.Module):
    made = None

    def __init__(self, shape, width=5):
        super().__init__()
        Flat.made = shape, width
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], width))

    def forward(self, images):
        return self.net(images)

class Nested:
    Flat = Flat

def lazy() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(7), nn.BatchNorm1d(7), nn.Dropout())

def frozen() -> nn.Sequential:
    net = lazy()
    net[2].eval()
    return net

def options_alone(width) -> "nn.Module":
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width))

def fails() -> nn.Module:
    raise ValueError("no weights today\\nand more")

def fails_later() -> nn.Module:
    return nn.Linear(3, 3)

def number() -> nn.Module: return 3
def maps() -> nn.Module: return nn.Identity()
def pair() -> nn.Module:
    class Pair(nn.Module):
        def forward(self, images): return images, images
    return Pair()
def whole() -> nn.Module:
    class Argmax(nn.Module):
        def forward(self, images): return images.flatten(1).long()
    return Argmax()

def unannotated(): raise SystemExit("called")
def tensor() -> torch.Tensor: raise SystemExit("called")
def misspelled() -> nn.Modul: ...

made = nn.Flatten()
"""


@pytest.fixture
def networks(tmp_path, monkeypatch):
    (tmp_path / "given_networks.py").write_text(NETWORKS)
    (tmp_path / "lacking_networks.py").write_text("import a_module_that_nobody_has")
    (tmp_path / "broken_networks.py").write_text("def f(:")
    monkeypatch.syspath_prepend(tmp_path)
    yield "given_networks"
    sys.modules.pop("given_networks", None)


def refused(name: str, *, code="RRL502", shape=SHAPE, **arguments) -> Diagnostic:
    with pytest.raises(RRLError) as caught:
        build_backbone(name, shape, **arguments)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.hint
    return diagnostic


def test_a_class_is_given_the_shape_and_the_options(networks) -> None:
    backbone = build_backbone(f"{networks}:Flat", SHAPE, options={"width": 9})
    assert sys.modules[networks].Flat.made == (SHAPE, 9)
    assert backbone.width == 9
    assert backbone.patch_size is None
    assert backbone(torch.randn(3, *SHAPE)).shape == (3, 9)
    assert build_backbone(f"{networks}:Nested.Flat", SHAPE).width == 5


def test_functions_receive_the_arguments_that_they_declare(networks) -> None:
    assert build_backbone(f"{networks}:lazy", SHAPE).width == 7
    assert build_backbone(f"{networks}:options_alone", SHAPE, options={"width": 3}).width == 3


def test_the_trial_changes_no_mode(networks) -> None:
    assert all(module.training for module in build_backbone(f"{networks}:lazy", SHAPE).modules())
    modes = [module.training for module in build_backbone(f"{networks}:frozen", SHAPE).body]
    assert modes == [True, True, False, True]


def test_the_trial_leaves_the_running_statistics(networks) -> None:
    norm = build_backbone(f"{networks}:lazy", SHAPE).body[2]
    assert not norm.running_mean.any()
    assert norm.num_batches_tracked == 0


def test_every_backbone_is_a_new_one(networks) -> None:
    first, second = (build_backbone(f"{networks}:Flat", SHAPE) for _ in range(2))
    assert not torch.equal(first.body.net[1].weight, second.body.net[1].weight)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:Net", "there is no module `no_such_module`"),
        ("torch.no_such_module.deep:Net", "there is no module `torch.no_such_module`"),
        ("lacking_networks:Net", "`lacking_networks` cannot be imported: ModuleNotFoundError: "),
        ("broken_networks:Net", "`broken_networks` cannot be imported: SyntaxError: "),
        (":Net", "`` cannot be imported: ValueError: "),
        ("given_networks:Missing", "`given_networks` has no attribute `Missing`"),
        ("given_networks:", "`given_networks` has no attribute ``"),
        ("given_networks:misspelled", "the annotations of `misspelled` cannot be read: "),
        ("given_networks:fails", "cannot be created: ValueError: no weights today"),
        ("given_networks:options_alone", "cannot be created: TypeError: options_alone() missing"),
        ("given_networks:number", "`given_networks:number` returns a value of type `int`, not a"),
        ("given_networks:fails_later", "fails on an image of shape (1, 8, 8): RuntimeError: "),
        ("given_networks:maps", "returns float32 of shape (1, 1, 8, 8) for one image, not float"),
        ("given_networks:pair", "returns a value of type `tuple` for one image"),
        ("given_networks:whole", "returns int64 of shape (1, 64) for one image, not float"),
    ],
)
@pytest.mark.usefixtures("networks")
def test_networks_that_do_not_fit_are_refused(name: str, message: str) -> None:
    diagnostic = refused(name)
    assert message in diagnostic.message
    assert "\n" not in diagnostic.message


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "subprocess:Popen",
        "builtins:exec",
        "builtins:eval",
        "importlib:import_module",
        "functools:partial",
        "torch:load",
        "torch.hub:load",
        "given_networks:os.system",
        "given_networks:unannotated",
        "given_networks:tensor",
        "given_networks:made",
    ],
)
def test_only_what_says_that_it_makes_a_network_is_called(name: str, tmp_path) -> None:
    trace = tmp_path / "trace"
    options = {"command": f"touch {trace}", "args": ["touch", str(trace)], "shape": 1}
    for given in (options, {}):
        diagnostic = refused(name, options=given)
        message = f"`{name}` is neither a torch.nn.Module class nor a function that returns one"
        assert diagnostic.message == message
    assert not trace.exists()


def test_a_package_declares_a_backbone(networks, tmp_path, monkeypatch) -> None:
    info = tmp_path / "given_networks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: given-networks\nVersion: 1\n")
    points = "flat = given_networks:Flat\nplain = given_networks:unannotated\nsmall = os:system\n"
    points += "gone = given_networks:gone\n"
    (info / "entry_points.txt").write_text(f"[rrl_dsl.backbones]\n{points}")
    assert build_backbone("flat", SHAPE, options={"width": 9}).width == 9
    assert build_backbone("small", SHAPE).width == 128  # a built-in name stays built in
    with pytest.raises(SystemExit, match="called"):  # what is declared needs no annotation
        build_backbone("plain", SHAPE)
    assert "the backbone `gone` cannot be imported: AttributeError" in refused("gone").message
    assert refused("flatt").hint == "did you mean `flat`?"


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("mobilenet_v3_small", 1024)])
def test_torchvision_gives_a_network_without_classifier(name: str, width: int) -> None:
    assert build_backbone(f"torchvision:{name}", (3, 32, 32)).width == width


def test_torchvision_has_networks_by_name_alone() -> None:
    for name in ("io.read_image", "models.resnet18", "fasterrcnn_resnet50_fpn", "resnet", ""):
        assert refused(f"torchvision:{name}").message == f"torchvision has no network `{name}`"
    assert refused("torchvision:resnet1").hint == "did you mean `resnet18`?"
    gray = refused("torchvision:resnet18", shape=(1, 32, 32))
    assert gray.message == "`torchvision:resnet18` takes images of 3 channels, and these have 1"
    assert gray.hint == "use `resnet18`, which takes any number of channels"
    assert "`timm:NAME`" in refused("torchvision:convnext_tiny", shape=(5, 32, 32)).hint
    diagnostic = refused("torchvision:resnet18", options={"weights": "DEFAULT"})
    assert diagnostic.message == "`torchvision:resnet18` takes no option `weights` here"


@pytest.mark.usefixtures("networks")
def test_misspelled_networks_have_a_suggestion() -> None:
    assert refused("given_networks:flat").hint == "did you mean `Flat`?"
    assert "PYTHONPATH" in refused("no_such_module:Net").hint
    assert "does_not_take" in refused("given_networks:lazy", options={"does_not_take": 1}).message


@pytest.mark.usefixtures("networks")
def test_a_patch_size_is_an_option_of_other_networks() -> None:
    diagnostic = refused("given_networks:Flat", patch_size=4)
    assert diagnostic.hint == "pass it in `options`"


def test_a_network_of_the_user_can_have_patch_tokens(networks, monkeypatch) -> None:
    class Mine(PatchEncoder):
        def __init__(self) -> None:
            super().__init__(4)

        def tokens(self, images, mask=None):
            patches = images.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).mean(1).flatten(1, 2)
            return Tokens(patches.mean(1), patches)

    __import__(networks)
    monkeypatch.setattr(sys.modules[networks], "Mine", Mine, raising=False)
    backbone = build_backbone(f"{networks}:Mine", SHAPE)
    assert (backbone.width, backbone.patch_size, backbone.grid(8, 12)) == (16, 4, (2, 3))
    assert backbone.tokens(torch.randn(2, *SHAPE)).patches.shape == (2, 4, 16)


@pytest.fixture
def fake_timm(monkeypatch):
    """A module in the place of timm, and what its `create_model` was called with."""
    called = {}

    def create_model(name, **options):
        called.update(options)
        if options.pop("fail", False):
            raise TypeError("got an unexpected keyword argument 'fail'")
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 6))

    names = ["plain", "vit_fixed"]
    timm = SimpleNamespace(
        create_model=create_model,
        is_model=names.__contains__,
        list_models=lambda: names,
        get_pretrained_cfg=lambda name: SimpleNamespace(fixed_input_size=name == "vit_fixed"),
    )
    monkeypatch.setitem(sys.modules, "timm", timm)
    return called


def test_timm_is_asked_for_a_network_without_weights_and_classifier(fake_timm) -> None:
    backbone = build_backbone("timm:plain", SHAPE, options={"drop_rate": 0.1})
    assert fake_timm == {"pretrained": False, "num_classes": 0, "in_chans": 1, "drop_rate": 0.1}
    assert (backbone.width, backbone.patch_size) == (6, None)


def test_timm_receives_the_image_size_if_it_needs_it(fake_timm) -> None:
    build_backbone("timm:vit_fixed", SHAPE)
    assert fake_timm["img_size"] == (8, 8)
    build_backbone("timm:vit_fixed", SHAPE, options={"img_size": 16})
    assert fake_timm["img_size"] == 16


@pytest.mark.usefixtures("fake_timm")
def test_errors_of_timm_are_reported() -> None:
    diagnostic = refused("timm:plane")
    assert diagnostic.message == "timm has no network `plane`"
    assert diagnostic.hint == "did you mean `plain`?"
    assert refused("timm:resnet").hint == "`timm.list_models()` lists them"
    diagnostic = refused("timm:plain", options={"fail": True})
    assert (
        "`timm:plain` cannot be created: TypeError: got an unexpected keyword" in diagnostic.message
    )
    for option in ("pretrained", "checkpoint_path"):
        diagnostic = refused("timm:plain", options={option: "weights.pt"})
        assert diagnostic.message == f"`timm:plain` takes no option `{option}` here"
        assert "`--set pretrained=true`" in diagnostic.hint


def test_timm_is_asked_for_published_weights(fake_timm) -> None:
    build_backbone("timm:plain", SHAPE, pretrained=True)
    assert fake_timm["pretrained"] is True


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder in which torchvision keeps weights, without a network."""

    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", offline)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_torchvision_s_published_weights_are_those_of_its_cache(cache) -> None:
    published = torchvision.models.resnet18()
    torch.save(published.state_dict(), cache / "resnet18-f37072fd.pth")
    body = build_backbone("torchvision:resnet18", (3, 32, 32), pretrained=True).body
    for name, weight in body.state_dict().items():
        assert torch.equal(weight, published.state_dict()[name]), name
    fresh = build_backbone("torchvision:resnet18", (3, 32, 32)).body
    assert not torch.equal(fresh.conv1.weight, published.conv1.weight)


@pytest.mark.usefixtures("cache")
def test_published_weights_without_a_network_are_an_error() -> None:
    diagnostic = refused("torchvision:resnet18", code="RRL512", shape=(3, 32, 32), pretrained=True)
    assert "`torchvision:resnet18`, which cannot be loaded: URLError" in diagnostic.message
    assert "`TORCH_HOME`" in diagnostic.hint
    diagnostic = refused("torchvision:resnet18", options={"depth": 3}, pretrained=True)
    assert "cannot be created: TypeError" in diagnostic.message


def test_other_networks_have_no_published_weights() -> None:
    for name in ("small", "resnet18", "vit-tiny", "mine:Net"):
        diagnostic = refused(name, pretrained=True)
        assert f"not for `{name}`" in diagnostic.message
        assert "`torchvision:NAME`" in diagnostic.hint


def test_timm_can_be_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    diagnostic = refused("timm:resnet18")
    assert diagnostic.message == "the backbone `timm:resnet18` needs timm, which is not installed"
    assert diagnostic.hint == "`pip install timm`"


def test_a_residual_network_of_timm() -> None:
    pytest.importorskip("timm")
    backbone = build_backbone("timm:resnet10t", (1, 32, 32))
    assert (backbone.width, backbone.patch_size) == (512, None)
    assert backbone(torch.randn(2, 1, 32, 32)).shape == (2, 512)


@pytest.mark.parametrize("changing", [False, True])
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"])
def test_a_transformer_of_timm_has_patch_tokens(name: str, changing: bool) -> None:
    pytest.importorskip("timm")
    options = {"patch_size": 4, "depth": 2, "embed_dim": 48, "dynamic_img_size": changing}
    backbone = build_backbone(f"timm:{name}", (1, 16, 16), options=options)
    assert (backbone.width, backbone.patch_size, backbone.grid(16, 16)) == (48, 4, (4, 4))
    images, mask = torch.randn(2, 1, 16, 16), torch.zeros(2, 16, dtype=torch.bool)
    mask[0, 5] = True
    changed = images.clone()
    changed[0, :, 4:8, 4:8] += 1
    backbone.eval()
    with torch.no_grad():
        seen, hidden = backbone.tokens(images), backbone.tokens(images, mask)
        assert torch.equal(seen.features, backbone(images))
        assert torch.equal(seen.features, backbone.body.net(images))
        assert torch.equal(hidden.patches, backbone.tokens(changed, mask).patches)
    assert seen.patches.shape == (2, 16, 48)
    assert not torch.allclose(seen.patches[0], hidden.patches[0], atol=1e-4)
    assert torch.allclose(seen.patches[1], hidden.patches[1], atol=1e-6)
    if changing:
        assert backbone.tokens(torch.randn(2, 1, 8, 12)).patches.shape == (2, 6, 48)
    backbone(images).square().sum().backward()
    assert all(weight.grad is not None for weight in backbone.parameters())


def test_a_network_of_timm_without_a_token_for_each_patch() -> None:
    pytest.importorskip("timm")
    options = {"patch_size": 2, "window_size": 4, "embed_dim": 24, "depths": (1, 1, 1, 1)}
    backbone = build_backbone(
        "timm:swin_tiny_patch4_window7_224", (3, 32, 32), options={**options, "drop_path_rate": 0}
    )
    assert (backbone.width, backbone.patch_size) == (192, None)
