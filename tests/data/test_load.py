from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from rrl_dsl.data import registry
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.digits import load as load_digits
from rrl_dsl.data.registry import columns, load, names
from rrl_dsl.language.diagnostics import RRLError


def toy(root: Path, download: bool) -> DataSet:
    assert root == (Path("fetched") if download else Path("here"))
    return load_digits(root)


def nothing(root: Path, download: bool) -> None:
    """Not a dataset."""


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"toy": f"{__name__}:toy", "nothing": f"{__name__}:nothing", "gone": "no_such:thing"}
    points = [EntryPoint(name, value, registry.GROUP) for name, value in values.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)


def complaint(spec: str, size: int | None = None) -> str:
    with pytest.raises(RRLError) as caught:
        load(spec, root=Path("here"), download=True, size=size)
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.code} {diagnostic.message} | {diagnostic.hint}"


def test_every_name_has_a_line() -> None:
    described = names()
    assert {"digits", "fashion-mnist", "cifar10", "cifar100"} < set(described)
    assert {"imagefolder:PATH", "npz:PATH"} < set(described)
    assert all(text and "\n" not in text for text in described.values())


def test_digits_load_from_anywhere() -> None:
    assert load("digits", root=Path("nowhere")).shape == (1, 8, 8)


def test_an_unknown_name_has_a_suggestion() -> None:
    message = complaint("cifar-100")
    assert message.startswith("RRL411")
    assert "did you mean `cifar100`?" in message
    assert "`digits`" in message


@pytest.mark.parametrize("spec", ["", "digits:8", "folder:/tmp", ":x"])
def test_other_spellings_are_unknown(spec: str) -> None:
    assert complaint(spec).startswith(f"RRL411 there is no dataset `{spec}`")


@pytest.mark.parametrize("spec", ["imagefolder", "imagefolder:", "npz", "npz:"])
def test_a_path_must_be_given(spec: str) -> None:
    assert complaint(spec).startswith(f"RRL411 `{spec}` needs a path")


@pytest.mark.parametrize("spec", ["digits", "npz:x.npz"])
def test_a_size_for_images_that_have_one_is_refused(spec: str) -> None:
    assert complaint(spec, size=32).startswith("RRL502")


@pytest.mark.parametrize(
    ("spec", "loader", "fix"),
    [
        ("npz:x.npz", "npz.load", "remove samples or arrays, or pass `rrl_dsl.train` a dataset"),
        ("table:x.csv", "table_file.load", "remove rows or columns, or pass `rrl_dsl.train`"),
        ("wds:x.tar", "shards.load", "remove columns, or images"),
        ("digits", "digits.load", "close other programs that use memory"),
    ],
)
def test_the_fix_for_too_little_memory_fits_the_kind(
    spec: str, loader: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(f"rrl_dsl.data.{loader}", fails)
    message = f"RRL515 there is too little memory for the dataset `{spec}`"
    assert complaint(spec).startswith(f"{message} | {fix}")


@pytest.mark.usefixtures("declared")
def test_other_packages_may_declare_data_sets() -> None:
    assert "toy" in names()["toy"]
    assert len(load("toy", root=Path("fetched"), download=True).train) == 1437
    assert "did you mean `toy`?" in complaint("toyy")


@pytest.mark.usefixtures("declared")
def test_a_declaration_that_does_not_hold_is_named() -> None:
    assert complaint("gone").startswith("RRL412 dataset `gone` is declared as no_such:thing")
    assert "returned a NoneType, not a DataSet" in complaint("nothing")


def test_naming_data_sets_imports_no_torch() -> None:
    code = "import sys, rrl_dsl.data.registry as r; r.names(); print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_the_columns_of_digits_need_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from rrl_dsl.data.registry import columns\n"
        "found = columns('digits', root=Path('nowhere'))\n"
        "print(len(found.sample), *found.labels, *found.fields, 'torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1437", "label", "coarse", "label", "pixels", "False"]


@pytest.mark.usefixtures("declared")
def test_the_columns_of_any_data_set_are_those_it_trains_on() -> None:
    data = columns("toy", root=Path("here"))
    split = load_digits(Path("nowhere")).train
    assert data.sample.tolist() == split.sample.tolist()
    assert data.labels["coarse"].tolist() == split.labels["coarse"].tolist()
    assert data.fields["pixels"].shape == (1437, 64)
    with pytest.raises(RRLError, match="RRL411"):
        columns("toyy", root=Path("here"))
