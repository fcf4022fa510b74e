"""The program as a process and as a page of help: what is shown, what names options have."""

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rrl_dsl.cli.main import app
from rrl_dsl.language.other_names import LOSSES, SETTINGS
from rrl_dsl.losses import names
from rrl_dsl.training.described import settings

ROOT = Path(__file__).parents[2]
VERBS = {command.name: command.callback for command in app.registered_commands}
ON_DATA = ("compile", "explain", "diff", "train")
EXAMPLES = [
    example
    for callback in VERBS.values()
    for example in re.findall(r"^ *- `(rrl-dsl .+)`$", callback.__doc__, re.MULTILINE)
]


PROGRAM = (sys.executable, "-c", "from rrl_dsl.cli.start import run; run()")
ASCII = {**os.environ, "PYTHONIOENCODING": "ascii"}


@pytest.mark.parametrize("words", [(), ("--debug",), ("--help",)])
def test_the_help_is_shown_where_no_verb_is_given(cli, words):
    result = cli(*words)
    assert result.code == 0
    assert all(f" {verb} " in result.out for verb in VERBS)
    assert result.err == ""


def test_every_verb_but_the_server_has_examples():
    assert {shlex.split(example)[1] for example in EXAMPLES} == VERBS.keys() - {"lsp"}


# those of `train` take long, the README's run; the tests of the verbs after it run those on runs
LONG = {"train", "sweep", "runs", "plot", "reproduce", "eval", "embed", "export"}


@pytest.mark.parametrize(
    "example", [example for example in EXAMPLES if shlex.split(example)[1] not in LONG]
)
def test_every_example_of_the_help_runs(cli, tmp_path, monkeypatch, example):
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    (tmp_path / "mine.yaml").write_text("augmentation: [RandomInvert]")
    words, _, file = example.partition(" < ")
    if file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path(file).read_bytes())))
    result = cli(*shlex.split(words)[1:])
    assert result.code == 0
    assert result.out or "fmt" in example


@pytest.mark.parametrize("verb", ON_DATA)
def test_one_thing_has_one_name_in_every_verb(cli, verb):
    shown = cli(verb, "--help").out
    for option in ("--dataset", "--batch-size", "--seed", "--param", "--data-dir", "--download"):
        assert re.search(rf" {option}[ ,]", shown), option
    assert "--nodes" not in shown
    assert cli(verb, "-h").out == shown


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("--nodes", "--dataset"),
        ("--data", "--dataset"),
        ("--BatchSize=3", "--batch-size"),
        ("--lr", "--set optimizer.lr=…"),
        ("--learning-rate=0.1", "--set optimizer.lr=…"),
        ("--wd", "--set optimizer.weight_decay=…"),
        ("--optimizer", "--set optimizer=…"),
        ("--gpu", "--set accelerator=gpu"),
        ("--gpus", "--devices"),
        ("--fp16", "--precision 16-mixed"),
        ("--output", "--out"),
        ("--num-workers", "--set workers=…"),
        ("--max_epochs", "--epochs"),
        ("--checkpoint", "--resume"),
        ("--temperature", "--set loss.temperature=…"),
        ("--arch", "--set backbone=…"),
        ("--momentum", "--set optimizer.momentum=…"),
        ("--dim", "--set projector.out=…"),
        ("--manual-seed", "--seed"),
        ("--backbone", "--set backbone=…"),  # a setting without a flag of its own
        ("--weight-decay", "--set optimizer.weight_decay=…"),
        ("--sampler.meet", "--set sampler.meet=…"),
    ],
)
def test_common_names_of_options_have_a_hint(cli, option, meant):
    result = cli("train", "a.rrl", option)
    assert result.code == 2
    assert f"No such option: {option.partition('=')[0]}. Write `{meant}`." in result.err


def test_help_is_a_verb_too(cli):
    assert cli("help").out == cli("--help").out
    assert cli("help", "train").out == cli("train", "--help").out
    assert "Did you mean 'train'?" in cli("help", "trian").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.rrl",), "`rrl-dsl compile a.rrl`"),
        (("--loss", "simclr", "train", "a.rrl"), "Options follow the command"),
        (("-e", "ssl()"), "Options follow the command"),
    ],
)
def test_a_command_line_without_a_verb_is_an_error(cli, words, said):
    result = cli(*words)
    assert result.code == 2
    assert said in " ".join(result.err.replace("│", " ").split())


@pytest.mark.parametrize("verb", ["compile", "train", "check"])
def test_a_recipe_of_the_gallery_is_found_by_its_name(cli, verb):
    result = cli(verb, "byol")
    assert result.code == 1
    assert re.search(r"did you mean `.*byol\.rrl`", result.err + result.out)


@pytest.mark.parametrize("verb", ON_DATA)
def test_hints_for_options_depend_on_the_verb(cli, verb):
    assert "Write `--dataset`" in cli(verb, "a.rrl", "--nodes", "digits").err
    assert ("optimizer.lr" in cli(verb, "a.rrl", "--lr", 1).err) == (verb == "train")


@pytest.mark.parametrize(
    ("loss", "meant"),
    [
        ("ntxent", "simclr"),
        ("NT-Xent", "simclr"),
        ("nt_xent", "simclr"),
        ("InfoNCE", "simclr"),
        ("SimCLR", "simclr"),
        ("barlow_twins", "barlow"),
        ("BarlowTwins", "barlow"),
        ("W-MSE", "wmse"),
        ("X-CLR", "xclr"),
    ],
)
def test_common_names_of_losses_have_a_hint(cli, tmp_path, loss, meant):
    (tmp_path / "a.rrl").write_text("ssl()\n")
    for words in (("losses", loss), ("train", "a.rrl", "--loss", f"dino + {loss}")):
        if loss.isidentifier() or words[0] == "losses":
            assert f"did you mean `{meant}`?" in cli(*words).err


def test_every_other_name_of_a_setting_leads_to_one_that_there_is():
    known = [setting.name for setting in settings()]
    for setting in SETTINGS.values():
        assert setting.partition("=")[0] in [*known, "loss.temperature"]
    assert set(LOSSES.values()) <= set(names())
    assert not LOSSES.keys() & set(names())


@pytest.mark.parametrize("verb", ["compile", "explain"])
def test_a_data_set_is_fetched_where_that_is_asked_for(cli, tmp_path, monkeypatch, verb):
    from rrl_dsl.data import digits, registry

    asked = []

    def columns(spec, *, root, download):
        asked.append((spec, root, download))
        return digits.columns()

    monkeypatch.setattr(registry, "columns", columns)
    given = ("-e", "ssl()", "--dataset", "cifar10", "--data-dir", "there")
    assert cli(verb, *given).code == cli(verb, *given, "--download").code == 0
    assert asked == [("cifar10", Path("there"), download) for download in (False, True)]


def test_train_takes_its_data_set_and_batch_by_those_names(cli, tmp_path):
    (tmp_path / "a.rrl").write_text("ssl()\n")
    result = cli("train", "a.rrl", "--dataset", "digts")
    assert "1 | --dataset digts" in result.err
    assert "RRL411" in result.err
    result = cli("train", "a.rrl", "--batch-size", "100000")
    assert "RRL502" in result.err
    assert "1 | --batch-size 100000" in result.err


def test_indented_help_stays_indented_in_narrow_terminals(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    lines = cli("explain", "-e", "ssl() | supervised(frac=0.3)").out.splitlines()
    heads = (
        "recipe",
        "type",
        "scope",
        "needs",
        "identity",
        "calls",
        "rewriting",
        "graph",
        "cost",
        "evaluation",
    )
    assert [line.split()[0] for line in lines if line[:1].strip()] == list(heads)


@pytest.mark.parametrize("words", [("fmt", "-"), ("builtins", "--json"), ("builtins",)])
def test_a_closed_pipe_ends_the_program_quietly(words):
    line = "| ssl( )  # a remark, so that there is more than a pipe holds\n"
    pipe = subprocess.PIPE
    with subprocess.Popen([*PROGRAM, *words], stdin=pipe, stdout=pipe, stderr=pipe) as running:
        running.stdout.close()
        _, said = running.communicate(f"ssl()\n{line * 3000}".encode())
    assert said == b""
    assert running.returncode == 1


def test_unencodable_output_is_escaped(tmp_path):
    def process(*words, typed=b""):
        command = [*PROGRAM, *words]
        return subprocess.run(command, input=typed, capture_output=True, env=ASCII, cwd=tmp_path)

    recipe = "# Größe\nssl(  )\n"
    (tmp_path / "a.rrl").write_text(f'{recipe}supervised("ü")\n', encoding="utf-8")
    done = process("check", "a.rrl")
    assert (done.returncode, done.stderr) == (1, b"")
    assert rb'supervised("\xfc")' in done.stdout
    assert process("compile", "-e", "ssl()", "--show").returncode == 0
    done = process("fmt", "-", typed=recipe.encode())
    assert done.stdout.decode("utf-8") == "# Größe\nssl()\n"
