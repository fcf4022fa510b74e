"""A training that diverges names the setting that may be the cause."""

import pytest

TRAIN = ("train", "-e", "ssl(views=2)", "--epochs", "1", "--batch-size", "600", "--no-eval")
SMALL = ("--set", "backbone=small", "--set", "projector.hidden=8", "--set", "projector.out=8")


@pytest.mark.parametrize(
    ("loss", "changes", "message", "hint"),
    [
        (
            "simclr",
            ["loss.temperature=1e-40"],
            "the loss became nan in epoch 1; `loss.temperature` is 1e-40",
            "set `loss.temperature` nearer to the default in `rrl-dsl explain simclr`",
        ),
        (
            "simclr",
            ["optimizer.lr=1e25"],
            "the loss became nan in epoch 1; `optimizer.lr` is 1e+25",
            "lower `optimizer.lr`",
        ),
        (
            "wmse",
            ["optimizer.lr=1e20", "optimizer.name=sgd"],
            "the outputs of the network are not finite in step 2; `optimizer.lr` is 1e+20",
            "lower `optimizer.lr`",
        ),
    ],
)
def test_the_setting_and_its_value_are_named(
    command, tmp_path, monkeypatch, loss, changes, message, hint
):
    monkeypatch.chdir(tmp_path)
    given = [word for change in changes for word in ("--set", change)]
    code, printed = command(*TRAIN, *SMALL, "--loss", loss, *given)
    assert code == 1
    assert f"error[RRL508]: {message}\n" in printed
    assert f"1 | {changes[0]}\n" in printed
    assert f"= help: {hint}\n" in printed
