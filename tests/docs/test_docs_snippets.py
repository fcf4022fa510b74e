"""Every command and snippet of the README and of the pages runs, and every link leads somewhere."""

import re
import shlex
import tomllib
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import rrl_dsl as rrl
from rrl_dsl.cli.main import app
from rrl_dsl.language.format import format_text
from rrl_dsl.language.span import Source
from rrl_dsl.losses import registry

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page, *languages):
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block[2] for block in BLOCK.finditer(text) if block[1] in languages]


def after(heading, page):
    """Each block of a page below a heading: the text before it, its language, and its text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = text[text.index(heading) :]
    end = 0
    for block in BLOCK.finditer(text):
        yield text[end : block.start()], block[1], block[2]
        end = block.end()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a line of shell that calls `rrl-dsl`, in an empty folder; gives what it printed."""
    from rrl_dsl.cli import start

    monkeypatch.chdir(tmp_path)

    def line(text):
        monkeypatch.setattr("sys.argv", shlex.split(text, comments=True))
        code = 0
        try:
            start.run()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return line


@pytest.mark.slow
def test_the_readme_runs_from_top_to_bottom(run, tmp_path, monkeypatch):
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    # the loss that the README adds stays its own
    monkeypatch.setattr(registry, "_LOSSES", dict(registry.registered()))
    lines, scope = [], {}
    for before, language, text in after("## Five minutes", "README.md"):
        if language == "rrl":
            name = re.findall(r"as\s+`(\w+\.rrl)`", before)[-1]
            (tmp_path / name).write_text(text)
        elif language == "python":
            if name := re.match(r"# (\w+\.py)\n", text):  # a module of its own
                (tmp_path / name[1]).write_text(text)
                monkeypatch.syspath_prepend(str(tmp_path))
            else:
                exec(compile(text, "README.md", "exec"), scope)
        elif language == "sh":
            lines += text.splitlines()
            for line in text.splitlines():
                code, printed = run(line)
                refused = "corrupt(fpr=0.05) | ssl" in line or "x_sample" in line
                assert code == refused, printed
                assert "not known" not in printed
        else:
            assert language == "text"
            assert text.strip() in printed
    assert len(lines) >= 14
    assert scope["value"].ndim == 0
    assert (tmp_path / "mine.png").is_file()
    assert (tmp_path / "runs" / "mine-wmse" / "summary.md").is_file()


def test_the_page_of_loops_runs_from_top_to_bottom():
    scope = {}
    for text in blocks("docs/own-loop.md", "python"):
        exec(compile(text, "docs/own-loop.md", "exec"), scope)
    assert scope["value"].isfinite()


@pytest.mark.slow
def test_the_page_of_towers_runs_from_top_to_bottom(run, tmp_path):
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    (text,) = blocks("docs/towers.md", "yaml")
    (tmp_path / "clip.yaml").write_text(text)
    for line in "".join(blocks("docs/towers.md", "sh")).splitlines():
        short = "--epochs 2 --batch-size 480" if line.startswith("rrl-dsl train") else ""
        code, printed = run(f"{line} {short}")
        assert code == 0, printed
    scope = {}
    for text in blocks("docs/towers.md", "python"):
        exec(compile(text, "docs/towers.md", "exec"), scope)
    assert scope["similarity"].shape == (5,)


@pytest.mark.slow
def test_the_page_of_training_runs_from_top_to_bottom(run, tmp_path):
    np.savez("color.npz", images=np.zeros((8, 16, 16, 3), np.uint8), label=np.arange(8) % 2)
    for text in blocks("docs/training.md", "yaml"):
        (tmp_path / "views.yaml").write_text(text)
        assert run("rrl-dsl views --config views.yaml --dataset npz:color.npz --views 2")[0] == 0
    for line in "".join(blocks("docs/training.md", "sh")).splitlines():
        if line.startswith("rrl-dsl views"):
            assert run(line)[0] == 0
    scope = {}
    for text in blocks("docs/training.md", "python"):
        exec(compile(text, "docs/training.md", "exec"), scope)
    assert scope["value"].isfinite()


@pytest.mark.slow
def test_the_page_of_studies_runs_from_top_to_bottom(run, tmp_path):
    (sweep,) = blocks("docs/studies.md", "yaml")
    one = yaml.safe_load(sweep) | {"loss": "simclr", "seed": 0}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(one | {"eval": False}))
    for text in blocks("docs/studies.md", "sh"):
        for line in text.splitlines():
            code, printed = run(line)
            assert code == 0, printed


@pytest.mark.slow
def test_the_page_of_datasets_runs_from_top_to_bottom(run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    scope = {}
    missing = find_spec("datasets") is None
    for _, language, text in after("## One NumPy archive", "docs/datasets.md"):
        if missing and ("from datasets import" in text or "hf:" in text):
            continue
        if name := re.match(r"# (\w+\.py)\n", text):  # a module of its own
            (tmp_path / name[1]).write_text(text)
        elif language == "python":
            exec(compile(text, "docs/datasets.md", "exec"), scope)
        elif language == "sh":
            for line in text.splitlines():
                code, printed = run(line)
                assert code == 0, printed


@pytest.mark.parametrize("place", ["README.md", "docs/*.md", "examples/*.py"])
def test_pages_and_examples_import_nothing_below_the_top_of_the_package(place):
    for path in ROOT.glob(place):
        text = path.read_text(encoding="utf-8")
        code = text if path.suffix == ".py" else "".join(blocks(path.relative_to(ROOT), "python"))
        assert not re.findall(r"(?:from|import) rrl_dsl[.].*|from rrl_dsl import .*", code), path


def test_the_commands_of_the_readme_name_what_is_there():
    install, test = (line for line in blocks("README.md", "sh")[:2])
    recipe = re.search(r"recipes/\w+\.rrl", install)
    assert recipe is not None
    assert (ROOT / recipe[0]).is_file()
    assert "pytest" in test


@pytest.mark.parametrize("page", ["README.md", "docs/language.md", "docs/gallery.md"])
def test_recipes_of_the_pages_are_in_the_style_of_the_language(page):
    for recipe in blocks(page, "rrl"):
        assert format_text(Source(recipe)) == recipe


@pytest.mark.parametrize("recipe", blocks("docs/language.md", "rrl"))
def test_every_recipe_of_the_language_page_compiles(recipe):
    rrl.compile(recipe)


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "reference").glob("*.md")), ids=str)
def test_every_recipe_of_the_reference_compiles(page):
    for recipe in blocks(page.relative_to(ROOT), "rrl"):
        rrl.compile(rrl.parse(recipe, directory=ROOT / "tests" / "parity" / "links"))


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=str)
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_the_command_for_editors_exists():
    (settings,) = blocks("docs/editors.md", "toml")
    server = tomllib.loads(settings)["language-server"]["rrl-dsl"]
    (hooks,) = blocks("docs/editors.md", "yaml")
    entries = [hook["entry"] for hook in yaml.safe_load(hooks)[0]["hooks"]]
    for words in ([server["command"], *server["args"]], *(entry.split() for entry in entries)):
        assert CliRunner().invoke(app, [*words[1:], "--help"]).exit_code == 0
        assert words[0] == "rrl-dsl"


def test_the_language_page_names_every_built_in():
    from rrl_dsl.graph.registry import signatures

    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    for signature in signatures().values():
        assert f"`{signature}`" in page.replace("\\|", "|")


def test_every_recipe_of_the_gallery_has_a_header():
    for recipe in files("rrl_dsl.recipes").iterdir():
        if recipe.name.endswith(".rrl"):
            header = recipe.read_text(encoding="utf-8").split("\n\n")[0]
            assert len(header.splitlines()) >= 4
            # the losses of some published methods are not in this release
            name = re.search(r"^# loss: (\w+)$", header, re.MULTILINE)
            without = re.search(r"^# its loss is .+$", header, re.MULTILINE)
            assert (name is None) == (without is not None), recipe.name
            assert name is None or name[1] in rrl.losses.names()
