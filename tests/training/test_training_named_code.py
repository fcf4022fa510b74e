"""What files may name: built-in things, and code of other modules where that is allowed."""

import sys

import numpy as np
import pytest

import rrl_dsl as rrl
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.resume import reopen
from rrl_dsl.training.settings import from_assignment, from_flag, from_yaml

MODULE = """
from pydantic.dataclasses import dataclass
from torch import nn
from rrl_dsl.losses import Loss
from rrl_dsl.losses.base import OPTIONS

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 8))

@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Pull(Loss):
    \"\"\"Pulls.\"\"\"
    def value(self, relation, z, keys):
        return relation.sqdist(z, keys).mean()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Two modules of the user's in the working directory, which is not where Python looks."""
    monkeypatch.chdir(tmp_path)
    for name in ("own_code", "other_code"):
        (tmp_path / f"{name}.py").write_text(MODULE)
    yield
    for name in ("own_code", "other_code"):
        sys.modules.pop(name, None)


def read(text, tmp_path, *allowed):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return from_yaml(path, allowed)


def refused(settings):
    with pytest.raises(rrl.RRLError) as problem:
        resolve(settings, {})
    assert {diagnostic.code for diagnostic in problem.value.diagnostics} == {"RRL510"}
    assert not {"own_code", "other_code"} & sys.modules.keys()
    return problem.value.diagnostics


@pytest.mark.parametrize(
    ("text", "named", "module"),
    [
        ("backbone: own_code:Net", "own_code:Net", "own_code"),
        ("backbone: os:system", "os:system", "os"),
        ("backbone: torchvision.io:read_image", "torchvision.io:read_image", "torchvision.io"),
        ("backbone: timm.models:load_checkpoint", "timm.models:load_checkpoint", "timm.models"),
        ("backbone: !!binary b3M6c3lzdGVt", "!!binary b3M6c3lzdGVt", "os"),
        ("loss: own_code:Pull", "own_code:Pull", "own_code"),
        ("loss: {name: own_code:Pull}", "own_code:Pull", "own_code"),
        ("loss.name: own_code:Pull", "own_code:Pull", "own_code"),
        ("loss: own_code:Pull()", "own_code:Pull()", "own_code"),
        ("loss: simclr + 2*own_code:Pull()", "simclr + 2*own_code:Pull()", "own_code"),
    ],
)
def test_a_file_names_code_only_with_permission(text, named, module, tmp_path):
    (diagnostic,) = refused(read(text, tmp_path))
    assert diagnostic.source.text[slice(*diagnostic.span)] == named
    assert f"`--allow-code {module}`" in diagnostic.hint


def test_a_place_with_a_space_in_it_names_no_loss(tmp_path):
    config = resolve(read("loss: 'os :system'", tmp_path), {})
    with pytest.raises(rrl.RRLError, match="RRL423"):
        rrl.losses.create(config.loss.name)


def test_permission_is_for_one_module(tmp_path):
    text = "backbone: own_code.nets:Net"
    for other in ("own_code", "own_code.nets.deep", "own_code.net", "nets", "own_code.nets:Net"):
        refused(read(text, tmp_path, other))
    settings = read(text, tmp_path, "other_code", "own_code.nets")
    assert resolve(settings, {}).backbone == "own_code.nets:Net"
    text += "\nloss: own_code:Pull + other_code:Pull"
    diagnostics = refused(read(text, tmp_path, "own_code"))
    assert [diagnostic.message.count("other_code") for diagnostic in diagnostics] == [2, 0]


def test_what_the_command_line_names_is_allowed(tmp_path):
    file = read("backbone: own_code:Net\nloss: {name: simclr, temperature: 0.1}", tmp_path)
    for assignment in ("backbone=own_code:Net", "loss=own_code:Pull", "backbone=small"):
        resolve([*file, from_assignment(assignment)], {})
    resolve([*file, from_flag("--loss", ("loss",), "simclr + own_code:Pull")], {})
    for assignment in ("loss.temperature=0.2", "loss={temperature: 1}", "backbone_options={a: 1}"):
        refused([*file, from_assignment(assignment)])
    assert resolve([], {"backbone": "own_code:Net"}).backbone == "own_code:Net"  # from Python


def test_what_is_installed_is_named_by_files_too(tmp_path):
    for name in ("vit-micro", "timm:resnet18", "torchvision:resnet18", "declared-by-a-package"):
        assert resolve(read(f"backbone: {name}", tmp_path), {}).backbone == name
    assert resolve(read("loss: 0.5*dino + koleo", tmp_path), {}).loss.name == "0.5*dino + koleo"


@pytest.mark.usefixtures("own")
def test_the_header_of_a_recipe_is_of_a_file(cli, tmp_path):
    (tmp_path / "r.rrl").write_text("# A graph.\n# loss: own_code:Pull\nssl(views=2)\n")
    result = cli("train", "r.rrl", "--epochs", 1)
    assert result.code == 1
    assert "error[RRL510]: a file names the loss `own_code:Pull`" in result.err
    assert "--> r.rrl:2:9" in result.err
    assert "own_code" not in sys.modules
    result = cli("train", "r.rrl", "--allow-code", "own_code", "--dataset", "nothing")
    assert "RRL411" in result.err


@pytest.mark.usefixtures("own")
def test_a_run_of_the_users_own_code_resumes_where_that_is_allowed(cli, tmp_path):
    np.savez("d.npz", images=np.zeros((24, 8, 8), np.uint8), label=np.arange(24) % 2)
    words = ["--loss", "own_code:Pull", "--set", "backbone=own_code:Net", "--no-eval"]
    words += ["--dataset", "npz:d.npz", "--epochs", 1, "--batch-size", 8]
    result = cli("train", "-e", "ssl(views=2)", *words, "--out", "run")
    assert result.code == 0, result.err
    assert str(tmp_path) not in sys.path
    del sys.modules["own_code"]

    def not_allowed():
        return pytest.raises(rrl.RRLError, match=r"RRL510.*\n(.*\n)*.*--allow-code own_code`")

    with not_allowed():
        reopen(tmp_path / "run")
    with not_allowed():
        rrl.load_encoder("run")
    resumed = cli("train", "--resume", "run")
    assert resumed.code == 1
    assert "--allow-code own_code`" in resumed.err
    assert "own_code" not in sys.modules
    resumed = cli("train", "--resume", "run", "--allow-code", "own_code")
    assert resumed.code == 0, resumed.err
    assert rrl.load_encoder("run", allow_code=["own_code"]).network.width == 8
