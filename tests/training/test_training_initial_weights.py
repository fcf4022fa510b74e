"""The weights that a backbone starts from: files, runs, partial matches, and what is no file."""

import os
import pickle

import pytest
import torch
import torchvision
import yaml

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.training.initial_weights import start_from

SHAPE = (3, 32, 32)


@pytest.fixture
def published():
    """The weights of a residual network for large images, with its classifier."""
    torch.manual_seed(1)
    return torchvision.models.resnet18(num_classes=5).state_dict()


def refused(backbone, path, code="RRL512"):
    with pytest.raises(RRLError) as caught:
        start_from(backbone, str(path))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    return diagnostic


def test_all_weights_of_a_file_are_loaded(published, tmp_path):
    del published["fc.weight"], published["fc.bias"]
    torch.save(published, tmp_path / "weights.pt")
    backbone = build_backbone("torchvision:resnet18", SHAPE)
    assert start_from(backbone, str(tmp_path / "weights.pt")) is None
    for name, weight in backbone.body.state_dict().items():
        assert torch.equal(weight, published[name])


def test_safetensors_and_half_precision(published, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    half = {name: weight.half() if weight.ndim else weight for name, weight in published.items()}
    safetensors.save_file(half, tmp_path / "weights.safetensors")
    backbone = build_backbone("torchvision:resnet18", SHAPE)
    note = start_from(backbone, str(tmp_path / "weights.safetensors"))
    assert "are not used: `fc.bias`, `fc.weight`" in note.message
    weight = backbone.body.layer1[0].conv1.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, half["layer1.0.conv1.weight"].float())


@pytest.mark.parametrize(
    ("above", "prefix"),
    [
        (("state_dict",), "module.backbone."),
        (("student",), ""),
        ((), "encoder."),
        (("model", "inner"), "x.y.z."),
    ],
)
def test_common_prefixes_of_names_are_removed(published, tmp_path, above, prefix):
    tree = {prefix + name: weight for name, weight in published.items()}
    for key in reversed(above):
        tree = {key: tree, "epoch": 3, "head": {"weight": torch.zeros(2)}}
    torch.save(tree, tmp_path / "weights.pt")
    backbone = build_backbone("torchvision:resnet18", SHAPE)
    start_from(backbone, str(tmp_path / "weights.pt"))
    assert torch.equal(backbone.body.conv1.weight, published["conv1.weight"])
    assert torch.equal(backbone.body.layer4[1].bn2.bias, published["layer4.1.bn2.bias"])


def test_partial_matches_are_listed_on_both_sides(published, tmp_path):
    del published["bn1.weight"]
    torch.save(published, tmp_path / "weights.pt")
    backbone = build_backbone("resnet18", SHAPE)  # its stem is for small images
    before = backbone.body.conv1.weight.clone()
    note = start_from(backbone, str(tmp_path / "weights.pt"))
    assert note.severity == "warning"
    assert "118 of the 120 tensors of the backbone are from" in note.message
    assert "`conv1.weight` (64 x 3 x 7 x 7 there, 64 x 3 x 3 x 3 here)" in note.message
    assert "`bn1.weight` (missing)" in note.message
    assert "not used: `conv1.weight`, `fc.weight`, `fc.bias`" in note.message
    assert torch.equal(backbone.body.conv1.weight, before)
    assert torch.equal(backbone.body.layer1[0].conv1.weight, published["layer1.0.conv1.weight"])


def test_a_transformer_of_timm_has_timm_s_names(tmp_path):
    timm = pytest.importorskip("timm")
    published = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=3).state_dict()
    torch.save(published, tmp_path / "weights.pt")
    backbone = build_backbone("timm:vit_tiny_patch16_224", SHAPE)
    note = start_from(backbone, str(tmp_path / "weights.pt"))
    assert "`mask_token` (missing)" in note.message
    assert "not used: `head.weight`, `head.bias`" in note.message
    assert torch.equal(backbone.body.net.pos_embed, published["pos_embed"])


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(build_backbone("resnet18", SHAPE).state_dict(), tmp_path / "weights.pt")
    diagnostic = refused(build_backbone("vit-micro", SHAPE), tmp_path / "weights.pt")
    assert "no weight of" in diagnostic.message
    assert "`class_token`" in diagnostic.message


class Code:
    def __reduce__(self):
        return (print, ("the code of the file ran",))


def test_a_file_that_does_not_hold_weights_is_refused(tmp_path, capsys):
    backbone = build_backbone("small", (1, 8, 8))
    assert "No such file" in refused(backbone, tmp_path / "none.pt").message
    for name in ("text.pt", "text.safetensors"):
        (tmp_path / name).write_text("no weights")
        assert "is not a file of weights" in refused(backbone, tmp_path / name).message
    (tmp_path / "code.pt").write_bytes(pickle.dumps({"weight": Code()}))
    torch.save({"weight": Code()}, tmp_path / "saved.pt")
    for name in ("code.pt", "saved.pt"):
        diagnostic = refused(backbone, tmp_path / name)
        assert "objects other than tensors" in diagnostic.message
        assert "`torch.save(network.state_dict(), FILE)`" in diagnostic.hint
    assert "the code of the file ran" not in capsys.readouterr().out
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    assert "holds no weights" in refused(backbone, tmp_path / "empty.pt").message
    assert "is not a run" in refused(backbone, tmp_path, code="RRL505").message
    for name in ("pipe.pt", "pipe.safetensors"):  # which would never end
        os.mkfifo(tmp_path / name)
        assert "Not a regular file" in refused(backbone, tmp_path / name).message


def test_a_run_starts_from_another_and_resumes_without_it(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("-e", "ssl()", "--set", "batch_size=700", "--no-eval")
    code, printed = command("train", *words, "--epochs", "1", "--out", "first")
    assert code == 0, printed
    code, printed = command("export", "first", "--out", "backbone.pt")
    assert code == 0, printed
    kept = torch.load("backbone.pt", weights_only=True)
    options = ("--set", "optimizer.lr=1e-30", "--set", "init=backbone.pt")
    code, printed = command("train", *words, *options, "--epochs", "1", "--out", "second")
    assert code == 0, printed
    assert "warning" not in printed
    (tmp_path / "backbone.pt").unlink()
    code, printed = command("train", "--resume", "second", "--epochs", "2")
    assert code == 0, printed
    code, printed = command("export", "second", "--out", "again.pt")
    again = torch.load("again.pt", weights_only=True)
    for name, weight in kept.items():
        if "running" not in name and weight.ndim:
            torch.testing.assert_close(again[name], weight, rtol=0, atol=0)
    assert (
        yaml.safe_load((tmp_path / "second" / "config.yaml").read_text())["init"] == "backbone.pt"
    )
    code, printed = command("train", *words, "--set", "init=backbone.pt", "--out", "third")
    assert "error[RRL512]: cannot read `backbone.pt`" in printed
    assert "--set:1:6" in printed
