"""A setting is the same by flag, by `--set` and in YAML, and so is what is said of it."""

import re

import pytest
import yaml

from rrl_dsl.cli.main import app
from rrl_dsl.training.config import Config
from rrl_dsl.training.described import settings
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import FLAGS, from_assignment, from_yaml

TRAIN = next(command.callback for command in app.registered_commands if command.name == "train")
NO_SETTINGS = {"expression", "param", "config", "set", "out", "resume", "help"} | {
    "force-resume",
    "allow-code",
    "allow-outside",
}

VALUES = {
    "loss": ("wmse", lambda config: config.loss.name),
    "dataset": ("cifar10", lambda config: config.dataset),
    "split": ("0.1", lambda config: config.split),
    "epochs": ("7", lambda config: config.epochs),
    "batch_size": ("64", lambda config: config.batch_size),
    "devices": ("2", lambda config: config.devices),
    "num_nodes": ("2", lambda config: config.num_nodes),
    "precision": ("32", lambda config: config.precision),
    "seed": ("5", lambda config: config.seed),
    "draws": ("6", lambda config: config.draws),
    "data_dir": ("there", lambda config: str(config.data_dir)),
    "download": ("true", lambda config: config.download),
    "eval": ("false", lambda config: config.eval),
    "optimizer": ("adam", lambda config: config.optimizer.name),
    "sampler": ("relation", lambda config: config.sampler.name),
    "params.frac": ("0.5", lambda config: config.params["frac"]),
    "params.word": ("no", lambda config: config.params["word"]),
    "params.yes": ("true", lambda config: config.params["yes"]),
}


def in_yaml(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    return from_yaml(tmp_path / "a.yaml")


def test_all_flags_are_settings_or_known_options(cli):
    shown = set(re.findall(r"--([a-z][a-z-]*)", cli("train", "--help").out.split("Options")[1]))
    shown -= {"no-eval", "batch"}  # other forms of `--eval` and `--batch-size`
    assert {flag.replace("-", "_") for flag in shown - NO_SETTINGS} == set(FLAGS)
    assert set(FLAGS) <= {setting.name for setting in settings()}
    assert set(FLAGS) <= VALUES.keys()


@pytest.mark.parametrize("key", VALUES)
def test_a_setting_is_the_same_however_it_is_given(tmp_path, key):
    text, value_of = VALUES[key]
    top, _, inner = key.partition(".")
    nested = f"{top}: {{{inner}: {text}}}\n" if inner else f"{top}: {text}\n"
    configs = [
        resolve([from_assignment(f"{key}={text}")], {}),
        resolve(in_yaml(tmp_path, nested), {}),
        resolve(in_yaml(tmp_path, f"{key}: {text}\n"), {}),
    ]
    assert all(config == configs[0] for config in configs)
    assert str(value_of(configs[0])).lower() == text
    assert value_of(configs[0]) != value_of(Config(params={"frac": 0, "word": "", "yes": 0}))


@pytest.mark.parametrize("key", FLAGS)
def test_the_flag_is_written_down_as_the_setting_is(cli, monkeypatch, key):
    resolved = []

    def stop(settings, *_):
        resolved.append(resolve(settings, {}))
        raise SystemExit

    monkeypatch.setattr("rrl_dsl.training.ranks.adopt", lambda *_: None)  # no launcher started this
    monkeypatch.setattr("rrl_dsl.training.train.configuration", stop)
    monkeypatch.setattr("rrl_dsl.training.train.load_data", lambda _: Digits)
    text = VALUES[key][0]
    flag = {"eval": ["--no-eval"], "download": ["--download"]}.get(
        key, [f"--{key.replace('_', '-')}", text]
    )
    cli("train", "-e", "ssl(views=2)", *flag)
    cli("train", "-e", "ssl(views=2)", "--set", f"{key}={text}")
    assert resolved[0] == resolved[1]
    assert resolved[0] != Config()


class Digits:
    shape, augmentation, notes = (1, 8, 8), "digits", ()


def test_a_section_with_a_name_may_be_given_by_it_alone_and_keeps_what_else_it_holds():
    preset = {"optimizer": {"name": "lars", "lr": 0.3}, "sampler": {"meet": 8}}
    for form in ("optimizer=adam", "optimizer.name=adam", "optimizer={name: adam}"):
        config = resolve([from_assignment(form)], preset)
        assert (config.optimizer.name, config.optimizer.lr) == ("adam", 0.3)
    assert resolve([from_assignment("sampler=relation")], preset).sampler.meet == 8
    named = {setting.section for setting in settings() if setting.name.endswith(".name")}
    assert named == {"augmentation", "loss", "optimizer", "sampler"}
    config = Config(loss="wmse", optimizer="adam", sampler="relation")
    assert (config.loss.name, config.optimizer.name) == ("wmse", "adam")


@pytest.mark.parametrize("form", ["loss={}", "loss.name={}"])
def test_another_loss_leaves_options_behind_however_it_is_named(form):
    given = [from_assignment("loss=wmse"), from_assignment("loss.slice=64")]
    assert resolve([*given, from_assignment(form.format("wmse"))], {}).loss.options == {"slice": 64}
    assert resolve([*given, from_assignment(form.format("simclr"))], {}).loss.options == {}


def test_the_order_of_the_keys_of_a_mapping_means_nothing(tmp_path):
    config = resolve(in_yaml(tmp_path, "loss: {slice: 64, name: wmse}"), {})
    assert (config.loss.name, config.loss.options) == ("wmse", {"slice": 64})


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (("--batch-size", 5000), "`--batch-size 1437`"),
        (("--set", "batch_size=5000"), "`--set batch_size=1437`"),
        (("--config", "a.yaml"), "`batch_size: 1437`"),
    ],
)
def test_fixes_use_the_form_of_the_setting(cli, tmp_path, written, form):
    (tmp_path / "a.yaml").write_text("batch_size: 5000\n")
    result = cli("train", "-e", "ssl(views=2)", *written)
    assert result.code == 1
    assert f"= help: use {form}, or less" in result.err


def test_a_default_batch_size_is_named_by_its_flag(cli, tmp_path):
    import numpy as np

    np.savez(tmp_path / "a.npz", images=np.zeros((9, 8, 8), np.uint8), label=np.arange(9) % 3)
    result = cli("train", "-e", "ssl(views=2)", "--dataset", "npz:a.npz")
    assert re.search(r"the batch size 256 exceeds the \d training samples", result.err)
    assert re.search(r"use `--batch-size \d`, or less", result.err)


def test_a_loss_of_the_header_leaves_the_options_of_another_alone(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("rrl_dsl.training.train.fit", lambda *_, **__: None)
    (tmp_path / "a.rrl").write_text("# loss: byol\nssl(views=2)\n")
    flags = ("--loss", "wmse", "--set", "loss.slice=64", "--set", "backbone=small")
    assert cli("train", "a.rrl", *flags).code == 0
    config = yaml.safe_load((tmp_path / "runs/a-wmse-digits-1/config.yaml").read_text())
    assert config["loss"]["slice"] == 64
