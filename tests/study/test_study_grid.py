"""The combinations that a sweep file declares, and its errors."""

import pytest

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.study.grid import read_grid
from rrl_dsl.study.plan import plan
from rrl_dsl.training.settings import from_assignment


def combinations(path, *overrides):
    given = read_grid(path, [from_assignment(text) for text in overrides])
    return [{"recipe": combination.recipe.value, **combination.values} for combination in given]


def test_every_combination_is_a_run_and_the_last_axis_changes_fastest(declare):
    path = declare("recipe: [a.rrl, b.rrl]\nparam.frac: [0.1, 1]\nseed: [0, 1]", dataset="digits")
    planned = combinations(path)
    assert [
        (combination["recipe"], combination["param.frac"], combination["seed"])
        for combination in planned
    ] == [
        (recipe, frac, seed)
        for recipe in ("a.rrl", "b.rrl")
        for frac in (0.1, 1)
        for seed in (0, 1)
    ]
    assert {combination["epochs"] for combination in planned} == {1}


def test_nested_and_dotted_keys_are_the_same(tmp_path):
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("recipe: simclr\noptimizer: {lr: [0.1, 0.2]}\nparam: {frac: 0.5}\n")
    other.write_text("recipe: simclr\noptimizer.lr: [0.1, 0.2]\nparams.frac: 0.5\n")
    assert combinations(one) == combinations(other)
    assert [combination["optimizer.lr"] for combination in combinations(one)] == [0.1, 0.2]


def test_a_mapping_is_one_value_of_an_axis(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("recipe: simclr\nloss: [simclr, {name: wmse, slice: 16}]\n")
    first, second = combinations(path)
    assert first == {"recipe": "simclr", "loss": "simclr"}
    assert second == {"recipe": "simclr", "loss": "wmse", "loss.slice": 16}


def test_each_mapping_of_runs_replaces_the_keys_that_it_repeats(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(
        "seed: [0, 1]\nepochs: 3\nruns:\n- {recipe: simclr}\n- {recipe: wmse, seed: 7, epochs: 5}\n"
    )
    assert combinations(path) == [
        {"recipe": "simclr", "seed": 0, "epochs": 3},
        {"recipe": "simclr", "seed": 1, "epochs": 3},
        {"recipe": "wmse", "seed": 7, "epochs": 5},
    ]


def test_an_override_replaces_an_axis(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("recipe: simclr\nseed: [0, 1]\n")
    planned = combinations(path, "seed=[5, 6, 7]", "epochs=2")
    assert [(combination["seed"], combination["epochs"]) for combination in planned] == [
        (5, 2),
        (6, 2),
        (7, 2),
    ]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "RRL503", "the file of a sweep is empty"),
        ("- recipe: a.rrl", "RRL503", "a configuration must be a mapping"),
        ("seed: [0, 1]", "RRL502", "a run of this sweep has no recipe"),
        ("recipe: simclr\nseed: []", "RRL502", "`seed` has no values"),
        ("recipe: 3", "RRL502", "a recipe is a file, a text or the name"),
        ("recipe: simclr\nruns: 3", "RRL503", "`runs` must be a list of mappings"),
        ("recipe: simclr\nseed: 1\nseed: 2", "RRL503", "the key `seed` occurs twice"),
        (f"recipe: simclr\nseed: {[*range(10_001)]}", "RRL502", "this sweep has 10,001 runs"),
    ],
)
def test_a_file_that_is_not_a_sweep_is_an_error(tmp_path, text, code, message):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(RRLError) as caught:
        read_grid(path)
    assert caught.value.diagnostics[0].code == code
    assert message in caught.value.diagnostics[0].message


def test_all_errors_are_shown_at_once_at_their_lines(declare, tmp_path):
    (tmp_path / "bad.rrl").write_text("ssl(views=2) | supervisd()\n")
    path = declare(
        "recipe: [bad.rrl, simclr, nothing.rrl]\n"
        "loss: [simclr, wmsee]\n"
        "epochs: [1, -3]\n"
        "optimizer.lrr: 1\n"
    )
    with pytest.raises(RRLError) as caught:
        plan(read_grid(path), path.parent)
    refused = {
        (
            diagnostic.code,
            diagnostic.source.name.rpartition("/")[2],
            diagnostic.source.position(diagnostic.span.start)[0],
        )
        for diagnostic in caught.value.diagnostics
    }
    assert refused == {
        ("RRL101", "bad.rrl", 1),
        ("RRL021", "sweep.yaml", 1),
        ("RRL407", "sweep.yaml", 2),
        ("RRL502", "sweep.yaml", 3),
        ("RRL501", "sweep.yaml", 4),
    }


def test_a_parameter_applies_to_the_recipes_that_have_it(declare):
    text = "recipe: [simclr, semi_supervised]\nparam.frac: [0.1, 1.0]\nseed: [0, 1]"
    path = declare(text, loss="simclr")
    runs = plan(read_grid(path), path.parent)
    assert [(run.recipe, run.value_of("param.frac"), run.given.lacking) for run in runs] == [
        ("simclr", None, ("frac",)),
        ("simclr", None, ("frac",)),
        ("semi_supervised", 0.1, ()),
        ("semi_supervised", 0.1, ()),
        ("semi_supervised", 1.0, ()),
        ("semi_supervised", 1.0, ()),
    ]


def test_a_parameter_that_a_sweep_does_not_give_has_the_value_of_the_recipe(declare):
    text = "runs: [{recipe: semi_supervised, param.frac: 0.1}, {recipe: semi_supervised}]"
    path = declare(text, loss="simclr")
    runs = plan(read_grid(path), path.parent)
    assert [run.value_of("param.frac") for run in runs] == [0.1, 0.3]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "recipe: [simclr, semi_supervised]\nparam.frca: [0.1, 0.2]",
            {
                "the recipe `simclr.rrl` has no parameter `frca`",
                "the recipe `semi_supervised.rrl` has no parameter `frca`",
            },
        ),
        (
            "runs: [{recipe: simclr, param.frac: 1}, {recipe: semi_supervised, param.frac: 1}]",
            {"the recipe `simclr.rrl` has no parameter `frac`"},
        ),
        (
            "recipe: [simclr, semi_supervised]\nparam: 3",
            {"`params`: it should be a mapping of keys to values, not 3"},
        ),
        ("recipe: simclr\nparam.frac.x: 3", {"there is no setting `params.frac.x`"}),
        (
            "recipe: semi_supervised\nparam.frac: [[1]]",
            {"`params.frac`: it should be a number, a word, true or false, not [1]"},
        ),
    ],
)
def test_a_parameter_that_no_recipe_of_its_axis_has_is_an_error(declare, text, wanted):
    path = declare(text, loss="simclr")
    with pytest.raises(RRLError) as caught:
        plan(read_grid(path), path.parent)
    faults = caught.value.diagnostics
    assert {diagnostic.message for diagnostic in faults} == wanted
    assert all(diagnostic.source.name == str(path) for diagnostic in faults)


def test_what_does_not_fit_together_is_found_before_the_first_run(declare):
    path = declare("recipe: supervised_least_squares\nloss: [simclr, wmse]\nbatch_size: [16, 400]")
    with pytest.raises(RRLError) as caught:
        plan(read_grid(path), path.parent)
    assert any(
        "exceeds the 30 training samples" in str(diagnostic)
        for diagnostic in caught.value.diagnostics
    )


def test_a_recipe_beside_the_working_directory_is_named(declare, tmp_path, monkeypatch):
    (tmp_path / "mine.rrl").write_text("ssl(views=2)\n")
    folder = tmp_path / "sweeps"
    folder.mkdir()
    path = declare("recipe: mine.rrl").rename(folder / "sweep.yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RRLError, match=r"write `\.\./mine\.rrl`"):
        plan(read_grid(path), path.parent)


def test_names_follow_from_identity_configuration_data_and_seed(declare, tmp_path):
    def names(text):
        path = declare(text)
        return [run.name for run in plan(read_grid(path), path.parent)]

    (tmp_path / "same.rrl").write_text("# another text of the same graph\nssl(views=2)\n")
    one = names("recipe: simclr\nseed: [0, 1]")
    assert len(set(one)) == 2
    assert names("seed: [1, 0]\nrecipe: same.rrl\nworkers: 0") == one[::-1]
    assert set(names("recipe: simclr\nseed: 0\nepochs: 2")).isdisjoint(one)
    assert set(names("recipe: simclr\nseed: 0\noptimizer.lr: 0.5")).isdisjoint(one)
    assert set(names("recipe: 'ssl(views=3)'\nseed: 0")).isdisjoint(one)


def test_combinations_that_are_the_same_run_are_one(declare, tmp_path):
    (tmp_path / "same.rrl").write_text("ssl(views=2)\n")
    path = declare("recipe: [simclr, same.rrl]\nloss: simclr")
    assert len(plan(read_grid(path), path.parent)) == 1
