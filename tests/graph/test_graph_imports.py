"""One direction of imports, and an `import rrl_dsl` that brings neither torch nor NumPy."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rrl_dsl

PACKAGE = Path(rrl_dsl.__file__).parent
BELOW = {
    "language": {"grammar"},
    "tables": {"language"},
    "graph": {"language", "tables"},
    "backends": {"language", "graph"},
    "losses": {"language", "graph", "backends"},
    "data": {"language", "tables", "backends.nodes"},
    "show": {"language"},
    "models": {"language", "graph", "backends", "losses"},
    "training": {"language", "graph", "backends", "losses", "models", "data", "show", "report"},
    "report": {"language", "graph", "backends", "data", "show"},
    "study": {
        "language",
        "graph",
        "backends",
        "losses",
        "models",
        "data",
        "show",
        "report",
        "training",
    },
    "cli": {
        "language",
        "graph",
        "backends",
        "losses",
        "data",
        "models",
        "show",
        "report",
        "training",
        "study",
        "editor",
        "bench",
    },
    "bench": {
        "language",
        "graph",
        "backends",
        "losses",
        "models",
        "data",
        "training",
        "show",
        "generate",
    },
    "editor": {"language", "tables", "graph", "backends", "data", "report"},
    "generate": {
        "language",
        "grammar",
        "graph",
        "backends",
        "losses",
        "data",
        "models",
        "show",
        "report",
        "training",
        "study",
        "editor",
    },
}
"""What each folder may import beside itself."""
UPWARDS = {
    ("graph/algebra.py", "report.display"),
    ("backends/program.py", "report.display"),
}
"""What a notebook or `show` asks a graph for: its picture, drawn only then."""


def imported(path: Path) -> Iterator[str]:
    """The modules of this package that a file imports, anywhere in it, without `rrl_dsl.`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [node.module or ""]
            if node.module in {"rrl_dsl", *(f"rrl_dsl.{folder}" for folder in BELOW)}:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name == "rrl_dsl" or name.startswith("rrl_dsl."):
                yield name.removeprefix("rrl_dsl").removeprefix(".")


@pytest.mark.parametrize("folder", BELOW)
def test_no_folder_imports_upwards(folder: str):
    allowed = {folder, *BELOW[folder]}
    upwards = {
        (path.relative_to(PACKAGE).as_posix(), module)
        for path in (PACKAGE / folder).rglob("*.py")
        for module in imported(path)
        if module not in ("__version__", "PUBLIC")
        and not any(module == name or module.startswith(f"{name}.") for name in allowed)
    }
    assert upwards == {reference for reference in UPWARDS if reference[0].startswith(f"{folder}/")}


@pytest.mark.parametrize("folder", BELOW)
def test_no_module_is_imported_by_a_string(folder: str):
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.endswith(("import_module", "__import__")):
                name = ast.unparse(node.args[0])
                assert "rrl_dsl" not in name or f"rrl_dsl.{folder}." in name, path


def test_every_folder_of_the_package_has_its_place():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders - {"grammar", "recipes"} == set(BELOW), "but for what holds no code"


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running some code."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_neither_torch_nor_numpy():
    loaded = loaded_after("import rrl_dsl")
    assert "rrl_dsl" in loaded
    assert loaded.isdisjoint({"torch", "numpy", "scipy", "networkx", "matplotlib", "lightning"})


def test_checking_and_compiling_a_recipe_load_neither_torch_nor_numpy():
    loaded = loaded_after(
        "import rrl_dsl as rrl\n"
        "program = rrl.compile('param f = .3\\nssl() | supervised(frac=f) | keep(.9)', seed=3)\n"
        "program.requires, program.identity, repr(program), dir(rrl)\n"
        "try: rrl.parse('ssl(')\n"
        "except rrl.RRLError as error: str(error)"
    )
    assert loaded.isdisjoint({"torch", "numpy", "scipy", "networkx", "matplotlib", "lightning"})


def test_every_public_name_is_there():
    for name in rrl_dsl.__all__:
        assert getattr(rrl_dsl, name) is not None
    assert set(rrl_dsl.__all__) <= set(dir(rrl_dsl))
    with pytest.raises(AttributeError, match="has no attribute `kmeans`"):
        rrl_dsl.kmeans  # noqa: B018
