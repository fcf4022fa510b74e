"""Every code has an explanation; its wrong example has the error, its right example compiles."""

import pytest

import rrl_dsl as rrl
from rrl_dsl.language.codes import CODES
from rrl_dsl.language.explanations import EXPLANATIONS

SHOWN = {
    code: explanation for code, explanation in EXPLANATIONS.items() if explanation.wrong is not None
}
NOT_ABOUT_A_TEXT = {
    *("RRL011", "RRL012", "RRL014", "RRL019"),  # too long to show
    *("RRL021", "RRL022", "RRL023", "RRL024", "RRL025"),  # about files
    *("RRL106", "RRL211", "RRL212"),  # about what is given from outside
}


def test_every_code_is_explained_and_no_other():
    assert list(EXPLANATIONS) == list(CODES)


def test_every_code_about_a_text_has_its_examples():
    language = {code for code in CODES if code < "RRL4"}
    assert set(SHOWN) == language - NOT_ABOUT_A_TEXT
    assert all(explanation.right is not None for explanation in SHOWN.values())


@pytest.mark.parametrize("code", SHOWN)
def test_mistake_gives_its_code_alone(code: str):
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(SHOWN[code].wrong)
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {code}


@pytest.mark.parametrize("code", SHOWN)
def test_the_right_recipe_compiles(code: str):
    rrl.compile(SHOWN[code].right)
