"""`rrl-dsl reproduce`: the studies of the paper, on any dataset."""

import csv
from html.parser import HTMLParser

import numpy as np
import pytest

from rrl_dsl.study import launch
from rrl_dsl.study.grid import read_grid
from rrl_dsl.study.plan import plan
from rrl_dsl.study.published import folder_of, names, read_study
from rrl_dsl.training.settings import from_assignment

SCALES = ("smoke", "small", "paper")


@pytest.fixture
def quick(images, in_process, monkeypatch):
    """The flags of a study of two epochs on the small dataset, with runs in this process."""
    monkeypatch.setattr(launch, "Local", lambda jobs: in_process())
    words = ["batch_size=16", "epochs=2", "eval=false"]
    return ["--dataset", f"npz:{images}", *(part for word in words for part in ("--set", word))]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.sources, self.text, self.open, self.images = [], "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag not in ("meta", "!doctype"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_figures_of_the_paper_are_there():
    assert names() == ["gap", "gap-batch", "gap-coarse", "gap-frac", "noise", "richness"]
    assert sorted(read_study(folder_of(name)).figure for name in names()) == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("name", names())
def test_every_reading_of_every_study_can_be_trained(name):
    folder = folder_of(name)
    for reading in read_study(folder).readings:
        override = [from_assignment(f"recipe={reading}.rrl")]
        assert plan(read_grid(folder / "smoke.yaml", override), folder)


@pytest.mark.parametrize("name", names())
def test_the_published_setting_is_that_of_appendix_b(name):
    for combination in read_grid(folder_of(name) / "paper.yaml"):
        values = combination.values
        assert (values["backbone"], values["dataset"]) == ("resnet18", "cifar100")
        assert values["projector.layers"] == 2
        assert values["epochs"] == (1000 if name in ("noise", "gap") else 400)


@pytest.fixture
def refused(cli, tmp_path):
    """The error of a study on 60 samples with some columns; nothing is written."""

    def call(name, *words, shape=(8, 8), **columns):
        images = np.random.default_rng(0).integers(0, 256, (60, *shape)).astype(np.uint8)
        inputs = {"vector": images.astype(np.float32)} if len(shape) == 1 else {"images": images}
        np.savez(tmp_path / "mine.npz", **inputs, **columns)
        result = cli("reproduce", name, "--dataset", "npz:mine.npz", *words)
        assert result.code == 1
        assert not (tmp_path / "runs").exists()
        return result.err

    return call


def test_what_a_dataset_cannot_do_is_refused_before_a_run_starts(refused):
    label = np.arange(60) % 3
    small = ("--set", "batch_size=16")
    missing = refused("gap-coarse", *small, label=label)
    assert "error[RRL401]: the dataset `npz:mine.npz` has no label field `coarse`" in missing
    assert "its label fields are `label`; copy the study with `--copy FOLDER`" in missing
    unknown = refused("gap", *small, "--reading", "views")
    assert "error[RRL502]: this study shows accuracies: no `label` is known" in unknown
    assert "1 | --dataset npz:mine.npz" in unknown
    assert "add a column `label` to all splits" in unknown


def test_a_study_of_one_value_is_refused_before_a_run_starts(refused):
    words = ("--set", "batch_size=16", "--set", "param.frac=1.0")
    refusal = refused("gap-frac", *words, label=np.arange(60) % 3)
    assert "error[RRL502]: this study compares several values of `param.frac`" in refusal
    assert "write `--set 'param.frac=[A, B]'`" in refusal


def test_a_fix_is_a_flag_that_the_command_has(refused):
    label = np.arange(60) % 3
    assert "help: use `--set batch_size=51`, or less" in refused("gap", label=label)
    vectors = refused("gap", shape=(5,), label=label)
    assert "help: use `--set backbone=mlp`" in vectors
    assert "help: use `--set batch_size=" in vectors  # both errors at once


def test_a_fix_of_one_value_keeps_the_other_values_of_an_axis(refused):
    label = np.arange(60) % 3
    axis = "use `--set 'batch_size=[64, 256]'` with `51` in place of"
    refusal = refused("gap-batch", label=label)
    assert f"{axis} `64`, or less" in refusal
    assert f"{axis} `256`, or less" in refusal
    in_runs = refused("gap-batch", "--scale", "small", label=label)
    assert "use `51` in place of `512` in a copy of the study (`--copy FOLDER`)" in in_runs
    given = refused("gap-batch", "--set", "batch_size=[16,70]", label=label)
    assert "help: use `51` in place of `70`, or less" in given
    assert "help: use `--set batch_size=51`" in refused(
        "gap", "--set", "batch_size=70", label=label
    )


@pytest.mark.slow
def test_a_study_on_another_dataset_gives_a_report_that_needs_no_other_file(cli, tmp_path, quick):
    words = ["--set", "seed=[0,1]", "--set", "param.frac=[0.5,1]", "--reading", "edges"]
    result = cli("reproduce", "gap-frac", *quick, *words, "--out", "out")
    assert result.code == 0, result.err
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert len(page.sources) == 1 + 2  # the figure, and the graph of each share
    assert not page.open  # every element is closed, in order
    assert "`" not in page.text  # code of the notes has an element
    assert all(image["alt"].startswith(("Curves of", "The graph of")) for image in page.images)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    for part in (
        "Reading edges", "--reading labels", "Appendix B says 400",
        "More relations reduce the gap", "too short for these claims",
        "rrl-dsl reproduce gap-frac", "param.frac", "4 done",
    ):  # fmt: skip
        assert part in page.text
    assert "claim     More relations reduce the gap" in result.out
    with (tmp_path / "out" / "figure-1.csv").open() as file:
        assert {row["value"] for row in csv.DictReader(file)} == {
            "probe/backbone", "probe/projector", "gap",
        }  # fmt: skip
    again = cli("reproduce", "gap-frac", *quick, "--set", "seed=[0,1]", "--set",
                "param.frac=[0.5,1]", "--reading", "edges", "--out", "out")  # fmt: skip
    assert "4 runs, 4 done" in again.out


def test_a_copy_of_a_study_is_a_study(cli, tmp_path, quick):
    assert cli("reproduce", "gap", "--copy", "mine").code == 0
    (tmp_path / "mine" / "smoke.yaml").write_text("recipe: views.rrl\nloss: vicreg\nepochs: 1\n")
    result = cli("reproduce", "./mine", *quick)
    assert result.code == 0, result.err
    (place,) = (tmp_path / "runs").iterdir()
    assert place.name.startswith("mine-smoke-views-npz-")  # another dataset has another folder
    assert "vicreg" in (place / "results.csv").read_text()
    assert "RRL504" in cli("reproduce", "gap", "--copy", "mine").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["richnes"], "did you mean `richness`?"),
        (["gap", "--reading", "label"], "has the readings `views` and `classes`"),
        (["gap", "--scale", "large"], "smoke"),
        (["gap-coarse", "--dataset", "npz:DATA"], "coarse"),
    ],
)
def test_mistakes(cli, images, words, message):
    result = cli("reproduce", *(word.replace("DATA", str(images)) for word in words))
    assert result.code in (1, 2)
    assert message in result.err


def test_a_study_with_an_unknown_key_is_an_error(cli, tmp_path):
    assert cli("reproduce", "gap", "--copy", "mine").code == 0
    path = tmp_path / "mine" / "study.yaml"
    path.write_text(path.read_text() + "colour: red\n")
    result = cli("reproduce", "./mine")
    assert result.code == 1
    assert "`colour`" in result.err


@pytest.mark.parametrize(
    ("old", "new", "message", "place"),
    [
        ("title:", "titel:", "there is no key `titel`", "study.yaml:1:1"),
        ("title:", "titel:", "the key `title` is missing", "help: write `title: ...`"),
        ("figure: 3", "figure: x", "`figure` should be a whole number, not 'x'", ":2:9"),
        ("table: epochs", "table: epoch", "not `epoch`", "did you mean `epochs`?"),
        ("value: probe", "valeu: probe", "there is no key `valeu`", "did you mean `value`?"),
        ("against: [param.frac]", "against: x", "`plots.1.against` should be a list", "`[x]`"),
        ("against: param.frac, ", "", "`rises` and `falls` need the key `against`", ":13:3"),
        ("direction: rises", "direction: positive", "`positive` has none", ":13:3"),
        ("  labels:", "  lables:", "the reading `lables` has no recipe", ":4:3"),
        ("claims:", "claims: [x]\nnotes:", "the key `notes` occurs twice", ":6:1"),
    ],
)
def test_mistakes_in_a_study_have_a_place_and_a_fix(cli, tmp_path, old, new, message, place):
    assert cli("reproduce", "richness", "--copy", "mine").code == 0
    path = tmp_path / "mine" / "study.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    refusal = cli("reproduce", "./mine").err
    assert message in refusal
    assert place in refusal
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("value: probe/backbone", "value: probe/backbon", ":10:3", "did you mean `probe/backbone`"),
        ("by: [loss", "by: [los", "the table has no column `los`", "did you mean `loss`?"),
        ("value: converged", "value: converge", ":14:3", "did you mean `converged`?"),
        ("value: converged", "value: backbone/linear", ":14:3", "`converged`"),  # no final probes
        ("value: probe", "gap: true, value: edges", ":10:3", "edges/backbone"),
        ("against: [param.frac]", "against: [param.fra]", "no run of the sweep has it", "frac`?"),
    ],
)
def test_what_no_table_will_have_is_found_before_a_run_starts(
    cli, tmp_path, quick, old, new, message, hint
):
    assert cli("reproduce", "richness", "--copy", "mine").code == 0
    path = tmp_path / "mine" / "study.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    refusal = cli("reproduce", "./mine", *quick, "--set", "loss=simclr").err
    assert message in refusal
    assert hint in refusal
    assert not (tmp_path / "runs").exists()


def test_a_recipe_that_is_no_reading_is_not_replaced_silently(cli, tmp_path, quick):
    assert cli("reproduce", "gap", "--copy", "mine").code == 0
    path = tmp_path / "mine" / "smoke.yaml"
    path.write_text(path.read_text().replace("recipe: views.rrl", "recipe: simclr"))
    refusal = cli("reproduce", "./mine", *quick).err
    assert "a study trains the recipe of a reading, and `simclr` is none" in refusal
    assert "mine/smoke.yaml:1:9" in refusal
    assert not (tmp_path / "runs").exists()
