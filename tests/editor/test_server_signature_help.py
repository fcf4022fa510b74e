"""The signature of the call around a place, and its argument there."""

from pathlib import Path

import pytest
from editor_places import IMPORT, marked

from rrl_dsl.editor.signature_help import signature_help
from rrl_dsl.graph.registry import signatures


@pytest.mark.parametrize(
    ("text", "active"),
    [
        ("supervised(^", 0),
        ("supervised(^)", 0),
        ("supervised(0.3^", 0),
        ("supervised(0.3, ^", 1),
        ("supervised(0.3, coarse, 3, ^", 3),
        ("supervised(labels=^", 1),
        ("supervised(labels='a^'", 1),
        ("supervised(seed=1, frac=^0.2)", 0),
        ("supervised(seed=1, ^", 4),
        ("supervised(0.3, coarse, 3, 4, ^", 4),
        ("corrupt(^", 5),
        ("corrupt(fpr=^", 1),
        ("ssl() | supervised(frac=linear(^", 0),
        ("ssl() | supervised(frac=linear(0, 1, epochs=^", 2),
        ("ssl() | supervised(frac=linear(0, 1, epochs=3), ^", 4),
        ("supervised(\n  # a remark\n  frac=^", 0),
    ],
)
def test_the_active_parameter(text: str, active: int):
    answer = signature_help(*marked(text))
    assert answer is not None
    assert answer.active_parameter == active


@pytest.mark.parametrize("text", ["ssl()^", "^", "(^", "nothing(^", "ssl() # (^", "supervised^("])
def test_no_signature(text: str):
    assert signature_help(*marked(text)) is None


@pytest.mark.parametrize("signature", signatures().values(), ids=lambda signature: signature.name)
def test_the_parameters_of_a_signature(signature):
    answer = signature_help(*marked(f"{signature.name}(^"))
    assert answer is not None
    (shown,) = answer.signatures
    assert shown.label == str(signature)
    texts = [shown.label[slice(*parameter.label)] for parameter in shown.parameters]
    assert texts == [str(parameter) for parameter in signature.parameters]


def test_the_signature_of_an_imported_recipe(folder: Path):
    answer = signature_help(*marked(f"{IMPORT}base(by=^", folder))
    assert answer is not None
    assert answer.signatures[0].label == "base(frac=0.3, by=label, on=true)"
    assert answer.active_parameter == 1
