"""What a run leaves behind serves elsewhere: its encoder, its files, its data."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
import yaml

import rrl_dsl as rrl
from rrl_dsl.cli.exporting import export
from rrl_dsl.data import registry
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.language.span import Source
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.run import RunDirectory

pytestmark = pytest.mark.xdist_group("trained encoder")  # which train once


def archive(path: Path, seed: int = 0) -> None:
    draw = np.random.default_rng(seed)
    label = np.arange(80) % 4
    images = (draw.integers(0, 120, (80, 8, 8)) + 30 * label[:, None, None]).astype(np.uint8)
    np.savez(path, images=images, label=label)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, command) -> Path:
    """A folder with the run `run` of a recipe that reads two files beside it, on its own data."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "recipes" / "parts").mkdir(parents=True)
    (folder / "recipes" / "parts" / "base.rrl").write_text("ssl(views=2)\n")
    (folder / "links.csv").write_text("a,b\n0,1\n")
    recipe = folder / "recipes" / "mine.rrl"
    recipe.write_text('import "parts/base.rrl" as base\nbase | pairs("../links.csv")\n')
    archive(folder / "data.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["--loss", "byol", "--dataset", "npz:data.npz", "--batch-size", "20"]
        words += ["--epochs", "2", "--out", "run"]
        code, printed = command("train", "recipes/mine.rrl", *words)
        assert "is outside the folder of the recipe" in printed
        code, printed = command("train", "recipes/mine.rrl", *words, "--allow-outside")
    assert code == 0, printed
    return folder


def images(folder: Path) -> torch.Tensor:
    return torch.from_numpy(np.load(folder / "data.npz")["images"])[:, None]


def test_an_encoder_gives_the_features_of_the_model_that_was_trained(trained):
    weights = RunDirectory(trained / "run").newest().weights
    pixels = images(trained)
    train = registry.load(f"npz:{trained / 'data.npz'}", root=trained).train
    known = train.images[torch.arange(len(train))].double() / 255
    mean, std = float(known.mean()), float(known.std(correction=0))
    outputs = {}
    for part, prefix in (("backbone", "network.encoder."), ("teacher", "network.teacher.encoder.")):
        encoder = rrl.load_encoder(trained / "run", part=part)
        assert not encoder.training
        backbone = encoder.network
        for name, value in backbone.state_dict().items():
            assert torch.equal(value, weights[f"{prefix}backbone.{name}"])
        with torch.no_grad():
            outputs[part] = encoder(pixels)
            wanted = backbone((pixels.float() / 255 - mean) / std)
        torch.testing.assert_close(outputs[part], wanted)
    assert not torch.equal(outputs["backbone"], outputs["teacher"])
    projector = rrl.load_encoder(trained / "run", part="projector")
    with torch.no_grad():
        embeddings = projector(pixels)
        hidden = outputs["backbone"] @ weights["network.encoder.projector.0.weight"].T
    assert embeddings.shape == (80, 32)
    torch.testing.assert_close(projector.network[1][0](outputs["backbone"]), hidden)


def test_floating_images_and_unknown_parts_are_refused(trained):
    encoder = rrl.load_encoder(str(trained / "run"))
    with pytest.raises(rrl.RRLError, match=r"RRL402.*torch.uint8"):
        encoder(images(trained).float())
    with pytest.raises(rrl.RRLError, match=r"RRL402.*\(n, 1, H, W\).*\(1, 8, 8\)"):
        encoder(images(trained)[0])
    with pytest.raises(rrl.RRLError, match=r"RRL402.*\(n, 1, H, W\).*\(\d+, 3, 8, 8\)"):
        encoder(images(trained).expand(-1, 3, -1, -1))
    with pytest.raises(rrl.RRLError, match=r"(?s)RRL402.*not a ndarray.*from_numpy"):
        encoder(images(trained).numpy())
    with pytest.raises(rrl.RRLError, match=r"RRL505.*no part `teachr`"):
        rrl.load_encoder(trained / "run", part="teachr")
    with pytest.raises(rrl.RRLError, match=r"RRL505.*is not a run"):
        rrl.load_encoder(trained)
    with pytest.raises(rrl.RRLError, match=r"(?s)RRL505.*load_encoder"):
        RelationalModule.load_from_checkpoint(trained / "run" / "checkpoints" / "last.ckpt")


def test_a_run_without_a_teacher_says_so(make_module, fit, tmp_path, digits):
    module = make_module("ssl()", epochs=1)
    directory = RunDirectory(tmp_path)
    directory.describe(Source("ssl()"), rrl.parse("ssl()"), module.config, digits)
    fit(module, tmp_path)
    with pytest.raises(rrl.RRLError, match=r"RRL505.*has no teacher"):
        rrl.load_encoder(tmp_path, part="teacher")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04torn"])
def test_a_damaged_checkpoint_is_named(trained, tmp_path, content, command):
    shutil.copytree(trained / "run", tmp_path / "run")
    for name in ("last.ckpt", "previous.ckpt"):
        (tmp_path / "run" / "checkpoints" / name).write_bytes(content)
    with pytest.raises(rrl.RRLError, match=r"RRL505.*last\.ckpt` is not a readable checkpoint"):
        rrl.load_encoder(tmp_path / "run")
    code, printed = command("train", "--resume", str(tmp_path / "run"))
    assert code == 1
    assert "RRL505" in printed
    assert "last.ckpt" in printed


def test_a_requeued_job_continues_its_run(trained, command, tmp_path, monkeypatch):
    shutil.copytree(trained / "run", tmp_path / "run")
    words = ["train", "-e", "ssl(views=2)", "--out", str(tmp_path / "run")]
    code, printed = command(*words)
    assert code == 1
    assert "contains a run" in printed
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    code, printed = command(*words)
    assert code == 0, printed
    assert "continues\n" in printed
    assert "epochs are done" in printed


def test_a_run_that_came_to_no_step_is_refused_with_the_same_words(trained, command, tmp_path):
    shutil.copytree(trained / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    for name in ("metrics.csv", "summary.json"):  # which a run without a step does not have
        (tmp_path / "run" / name).unlink()
    resumed = command("train", "--resume", str(tmp_path / "run"))
    started = command("train", "-e", "ssl(views=2)", "--out", str(tmp_path / "run"))
    assert resumed == started
    assert "the run stopped before its first step" in resumed[1]


@pytest.mark.slow
def test_export_writes_weights_that_fit_the_plain_network(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    np.savez("color.npz", images=pixels, label=np.arange(40) % 2)
    words = ["--dataset", "npz:color.npz", "--batch-size", "16", "--epochs", "1", "--out", "run"]
    words += ["--set", "backbone=resnet18", "--set", "projector.hidden=16"]
    code, printed = command("train", "-e", "ssl(views=2)", "--loss", "simclr", *words)
    assert code == 0, printed
    code, printed = command("export", "run", "--out", "encoder.pt")
    assert code == 0, printed
    weights = torch.load("encoder.pt", weights_only=True)
    network = torchvision.models.resnet18()
    network.fc = torch.nn.Identity()
    network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = torch.nn.Identity()
    network.load_state_dict(weights)
    encoder = rrl.load_encoder("run")
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    with torch.no_grad():
        torch.testing.assert_close(
            network.eval()(encoder.views.plain(image)), encoder(image), rtol=1e-4, atol=1e-5
        )
    code, printed = command("export", "run", "--part", "teacher")
    assert code == 1
    assert "has no teacher" in printed


def test_the_example_in_the_help_of_export_runs(trained, tmp_path, monkeypatch, command):
    (example,) = re.findall(r"`rrl-dsl (export .+)`", export.__doc__)
    words = example.split()
    shutil.copytree(trained / "run", tmp_path / words[1])
    monkeypatch.chdir(tmp_path)
    code, printed = command(*words)
    assert code == 0, printed
    assert torch.load(words[-1], weights_only=True)


def test_a_moved_run_resumes_with_moved_data(trained, tmp_path, monkeypatch, command):
    shutil.copytree(trained / "run", tmp_path / "moved")
    shutil.copy(trained / "data.npz", tmp_path / "other.npz")
    config = yaml.safe_load((tmp_path / "moved" / "config.yaml").read_text())
    assert config["dataset"] == f"npz:{trained / 'data.npz'}"
    monkeypatch.chdir(tmp_path)
    hidden = trained.with_name("hidden")
    trained.rename(hidden)  # nothing of where it was started is there any more
    try:
        code, printed = command("train", "--resume", "moved")
        assert code == 1
        assert "RRL410" in printed
        words = ["--dataset", "npz:other.npz", "--epochs", "3"]
        code, printed = command("train", "--resume", "moved", *words)
    finally:
        hidden.rename(trained)
    assert code == 0, printed
    assert "resumed   after epoch 2 of 3" in printed
    assert "schedule  3 epochs instead of 2" in printed
    assert len((tmp_path / "moved" / "metrics.csv").read_text().splitlines()) == 4
    config = yaml.safe_load((tmp_path / "moved" / "config.yaml").read_text())
    assert config["dataset"] == f"npz:{tmp_path / 'other.npz'}"
    assert config["epochs"] == 3
    code, printed = command("train", "--resume", "moved")
    assert code == 0, printed
    assert "all 3 epochs are done" in printed
    code, printed = command("train", "--resume", "moved", "--epochs", "2")
    assert code == 1
    assert "has trained 3 epochs, more than 2" in printed
    assert "--epochs 2" in printed  # the place of the fault


def test_other_data_are_refused(trained, tmp_path, monkeypatch, command):
    shutil.copytree(trained / "run", tmp_path / "run")
    archive(tmp_path / "other.npz", seed=1)
    dataset = f"npz:{tmp_path / 'other.npz'}"
    code, printed = command("train", "--resume", str(tmp_path / "run"), "--dataset", dataset)
    assert code == 1
    assert "RRL505" in printed
    assert "differ from the start of this run" in printed


def test_a_changed_copy_of_what_the_recipe_reads_is_refused(trained, tmp_path, command):
    shutil.copytree(trained / "run", tmp_path / "run")
    copies = sorted(path for path in (tmp_path / "run" / "files").rglob("*") if path.is_file())
    assert [path.name for path in copies] == ["links.csv", "base.rrl"]
    copies[0].write_text("a,b\n0,2\n")
    code, printed = command("train", "--resume", str(tmp_path / "run"))
    assert code == 1
    assert "differ from the start of this run" in printed


def test_a_fingerprint_sees_content_and_not_names(tmp_path):
    def of(name: str, seed: int = 0) -> str:
        archive(tmp_path / name, seed)
        return fingerprint(registry.load(f"npz:{tmp_path / name}", root=tmp_path))

    assert of("one.npz") == of("two.npz")
    assert of("one.npz") != of("three.npz", seed=1)
    data = np.load(tmp_path / "one.npz")
    label = data["label"].copy()
    label[0] = 3
    np.savez(tmp_path / "label.npz", images=data["images"], label=label)
    other = fingerprint(registry.load(f"npz:{tmp_path / 'label.npz'}", root=tmp_path))
    assert other != of("one.npz")


def test_the_data_of_a_run_are_written_down(trained):
    known = json.loads((trained / "run" / "data.json").read_text())
    assert known["shape"] == [1, 8, 8]
    assert known["augmentation"] == "digits"
