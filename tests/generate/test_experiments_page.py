"""The tables of the page on experiments: means and spreads of the runs in `experiments/`."""

from pathlib import Path
from statistics import fmean

from rrl_dsl.generate.experiments_page import claims, measurements, methods
from rrl_dsl.report.gallery import recipes
from rrl_dsl.study.grid import read_grid
from rrl_dsl.study.table import read_table

FOLDER = Path(__file__).parents[2] / "experiments"


def run(recipe, seed, linear, **more):
    return {
        "recipe": recipe, "loss": "simclr", "seed": seed,
        **{
            f"{features}/{name}": value
            for features, value in {"backbone": linear, "pixels": 0.9, "untrained": 0.8}.items()
            for name in ("linear", "few", "neighbors")
        },
        **more,
    }  # fmt: skip


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_method_has_its_mean_and_spread_and_the_best_comes_first():
    rows = [run(name, seed, 0.5 + 0.01 * seed) for name in recipes() for seed in (0, 1, 2)]
    for row in rows:
        if row["recipe"] == "vicreg":
            row["backbone/linear"] = (0.97, 0.99, 0.98)[row["seed"]]
    table = [cells(line) for line in methods(rows, [run("", 0, 0.95)])][2:]
    assert [row[0] for row in table[:4]] == [
        "*raw pixels*", "*untrained encoder*", "*cross-entropy*", "VICReg",
    ]  # fmt: skip
    assert table[0][3] == "90.0 ± 0.0"
    assert table[2][3] == "95.0"
    assert table[3][3] == "98.0 ± 1.0"
    assert table[3][6] == "3"
    assert len(table) == 3 + len(recipes())


def test_the_table_names_the_columns_that_a_graph_reads():
    rows = [run(name, 0, 0.5) for name in recipes()]
    reads = {row[0]: row[2] for row in map(cells, methods(rows, [run("", 0, 0.95)]))}
    assert reads["SupCon"] == "labels"
    assert reads["Active learning of pairs"] == "pairs"
    assert reads["ISOMAP"] == "pixels"
    assert reads["MeanShift"] == "neighbors"
    assert reads["SimCLR"] == ""


def test_a_study_has_a_row_for_each_setting():
    rows = [
        {
            "run": "", "recipe": "labels", "loss": "simclr", "dataset": "digits", "seed": seed,
            "param.frac": frac, "state": "done", "probe/backbone": frac / 2 + seed / 10,
            "probe/projector": 0.25, "probe/gap": 0.5, "converged": 4.0,
        }
        for frac in (0.2, 1.0)
        for seed in (0, 1)
    ]  # fmt: skip
    table = [cells(line) for line in measurements(rows)]
    assert table[0] == ["`loss`", "`param.frac`", "`probe/backbone`", "`probe/projector`",
                        "`probe/gap`", "`converged`", "seeds"]  # fmt: skip
    assert table[2] == ["simclr", "0.2", "15.0 ± 7.1", "25.0 ± 0.0", "50.0 ± 0.0", "4.0 ± 0.0", "2"]
    (claim,) = list(claims({"gap-frac": rows}))[2:]
    assert "**cannot be told**" in claim


def test_the_sweep_has_all_methods_but_those_with_captions():
    runs = read_grid(FOLDER / "methods.yaml")
    methods = set(recipes()) - {"clip", "soft_clip"}
    assert {run.recipe.value for run in runs} == methods
    assert len(runs) == 3 * len(methods)


def test_the_page_shows_the_runs_of_the_table():
    page = (FOLDER.parent / "docs" / "experiments.md").read_text(encoding="utf-8")
    rows = read_table(FOLDER / "methods.csv")
    linear = [100 * row["backbone/linear"] for row in rows if row["recipe"] == "byol"]
    (line,) = (line for line in page.splitlines() if line.startswith("| BYOL |"))
    assert cells(line)[3].partition(" ")[0] == f"{fmean(linear):.1f}"
