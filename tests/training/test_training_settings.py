"""Settings by file, `--set` and flag: which wins, and what stays."""

import pytest

import rrl_dsl as rrl
from rrl_dsl.training.settings import from_assignment, from_flag, from_yaml, resolve


def test_a_flag_that_names_the_same_loss_keeps_its_options():
    given = [from_assignment("loss.slice=64"), from_flag("--loss", ("loss",), "wmse")]
    assert resolve(given, {"loss": "wmse"}).loss.options == {"slice": 64}


def test_a_file_and_a_flag_of_the_same_loss_keep_its_options(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("loss:\n  name: wmse\n  slice: 64\nepochs: 3\n")
    settings = [*from_yaml(path), from_flag("--loss", ("loss",), "wmse")]
    config = resolve(settings, {"loss": "wmse", "epochs": 9})
    assert config.loss.options == {"slice": 64}
    assert config.epochs == 3


def test_another_loss_leaves_the_options_behind():
    given = [
        from_assignment("loss.name=wmse"),
        from_assignment("loss.slice=64"),
        from_flag("--loss", ("loss",), "simclr"),
    ]
    assert resolve(given, {}).loss.options == {}


def test_the_last_word_wins_and_an_error_points_at_it():
    given = [from_assignment("epochs=3"), from_assignment("epochs=x")]
    with pytest.raises(rrl.RRLError, match="epochs=x"):
        resolve(given, {})
    assert resolve(reversed(given), {}).epochs == 3


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("mask.ratio=[0.5, 0.1]", "`mask.ratio`: it should be two shares above 0 and below 1"),
        ("micro_batch=1", "`micro_batch`: it should be greater than or equal to 2, not 1"),
    ],
)
def test_a_value_that_does_not_fit_is_said_in_plain_words(assignment, message):
    with pytest.raises(rrl.RRLError) as problem:
        resolve([from_assignment(assignment)], {})
    assert problem.value.diagnostics[0].message.startswith(message)
