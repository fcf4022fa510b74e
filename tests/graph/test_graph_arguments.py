"""Arguments and parameters given in Python: their types, their limits, their errors."""

import fractions
import inspect

import numpy as np
import pytest
from python_errors import refusal

import rrl_dsl as rrl


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: rrl.ssl(views=0), "RRL301"),
        (lambda: rrl.ssl(views=2.5), "RRL202"),
        (lambda: rrl.ssl(views="2"), "RRL202"),
        (lambda: rrl.ssl(vews=2), "RRL102"),
        (lambda: rrl.ssl(2, 3), "RRL206"),
        (lambda: rrl.ssl(2, views=3), "RRL207"),
        (lambda: rrl.random(), "RRL208"),
        (lambda: rrl.supervised(frac=0.3, per_class=5), "RRL303"),
        (lambda: rrl.supervised(frac=None), "RRL202"),
        (lambda: rrl.supervised(frac=float("nan")), "RRL301"),
        (lambda: rrl.supervised(labels=["a"]), "RRL202"),
        (lambda: rrl.supervised(labels=rrl.ssl()), "RRL202"),
        (lambda: rrl.corrupt(unit="rows"), "RRL301"),
        (lambda: rrl.random(0.5, seed=2**63), "RRL301"),
        (lambda: rrl.random(0.5, seed=-1), "RRL301"),
    ],
)
def test_wrong_arguments_are_refused_as_in_a_recipe(call: object, code: str):
    assert refusal(call)[0] == code


def test_every_wrong_argument_of_a_call_is_reported():
    with pytest.raises(rrl.RRLError) as caught:
        rrl.supervised(frac=2, labels=3, color="red")
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {
        "RRL301",
        "RRL202",
        "RRL102",
    }


def test_functions_carry_their_reference():
    assert rrl.corrupt.__name__ == "corrupt"
    assert "`fpr` is the chance of an absent pair" in rrl.corrupt.__doc__.replace("\n", " ")
    assert "Args:\n    p: The probability" in rrl.random.__doc__
    assert str(inspect.signature(rrl.random)) == "(p, seed=None)"
    assert str(inspect.signature(rrl.corrupt)).startswith("(*, tpr=1.0, fpr=0.0")


@pytest.mark.parametrize("recipe", [3, None, b"ssl()", ["ssl()"]], ids=repr)
def test_compile_refuses_other_types(recipe: object):
    assert refusal(lambda: rrl.compile(recipe))[0] == "RRL210"


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", None, True])
def test_seed_beyond_sixty_four_bits_is_refused(seed: object):
    assert refusal(lambda: rrl.compile("ssl()", seed=seed))[0] == "RRL301"


# parameters


def test_parameters_take_their_written_value_or_the_one_given():
    text = "param frac = 0.3\nparam which = 'coarse'\nssl() | supervised(frac, which)"
    assert rrl.parse(text) == rrl.ssl() | rrl.supervised(0.3, "coarse")
    given = {"frac": np.float64(0.5), "which": "fine"}
    assert rrl.parse(text, params=given) == rrl.ssl() | rrl.supervised(0.5, "fine")
    assert rrl.compile(text, params=given).identity == rrl.parse(text, params=given).identity


def test_whole_number_may_take_the_place_of_a_real_one_and_the_argument_decides():
    assert rrl.parse("param f = 0.3\nsupervised(frac=f)", params={"f": 1}) == rrl.supervised()
    with pytest.raises(rrl.RRLError, match="RRL202"):
        rrl.parse("param v = 2\nssl(v)", params={"v": 2.5})


def test_a_parameter_is_set_to_a_literal_and_to_nothing_else():
    text, ramp = "param f = 1\nsupervised(f)", rrl.linear(0, 1, epochs=5)
    with pytest.raises(rrl.RRLError, match=r"RRL211.* as the number 1 and cannot be a schedule"):
        rrl.parse(text, params={"f": ramp})
    assert rrl.parse(text, params={"f": np.float32(0.5)}) == rrl.supervised(0.5)


def test_bare_word_is_a_parameter_before_it_is_a_field_and_a_quoted_one_never():
    text = "param coarse = 'fine'\nsupervised(labels={})"
    assert rrl.parse(text.format("coarse")) == rrl.supervised(labels="fine")
    assert rrl.parse(text.format("'coarse'")) == rrl.supervised(labels="coarse")


def test_bare_word_is_a_parameter_before_it_is_a_choice():
    text = "param row = 'sample'\nssl() | keep(.5, unit=row)"
    assert rrl.parse(text) == rrl.ssl() | rrl.keep(0.5, unit="sample")


def test_graph_from_python_has_no_parameters():
    with pytest.raises(rrl.RRLError, match="RRL106"):
        rrl.compile(rrl.ssl(), params={"frac": 0.5})


def test_unknown_parameter_names_those_there_are():
    with pytest.raises(rrl.RRLError, match="its parameters are frac, views"):
        rrl.parse("param frac = .3\nparam views = 2\nssl(views)", params={"zzz": 1})


HUGE = 10**400
HUGER = 10**5000  # Python writes no integer of so many digits


@pytest.mark.parametrize(
    ("build", "code", "message"),
    [
        (
            lambda: rrl.linear(0, 1, epochs=5) * HUGE,
            "RRL301",
            "the factor of this schedule is too large",
        ),
        (
            lambda: rrl.ssl() * HUGER,
            "RRL301",
            "the factor of a graph must be a number of at most 3.4e+38, not the number about "
            "1e5000",
        ),
        (
            lambda: rrl.supervised(frac=HUGER),
            "RRL301",
            "`frac` must be a number above 0 and at most 1, not about 1e5000",
        ),
        (
            lambda: rrl.supervised(frac=-HUGER),
            "RRL301",
            "`frac` must be a number above 0 and at most 1, not about -1e5000",
        ),
        (
            lambda: rrl.ssl(views=HUGER),
            "RRL301",
            "`views` must be an integer from 1 to 64, not about 1e5000",
        ),
        (
            lambda: rrl.ssl(views=fractions.Fraction(HUGER, 3)),
            "RRL202",
            "`views` must be an integer from 1 to 64, not the number about 1e5000",
        ),
        (
            lambda: rrl.parse("param k = 1\n0.5 * k * ssl()", params={"k": HUGE}),
            "RRL301",
            "this product is out of range",
        ),
    ],
)
def test_number_that_no_float_holds_is_refused(build, code: str, message: str):
    with pytest.raises(rrl.RRLError) as caught:
        build()
    (only,) = caught.value.diagnostics
    assert (only.code, only.message) == (code, message)
