"""The spelling of numbers, strings, Booleans and names."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.graph.recipe import parameter_value
from rrl_dsl.language import syntax
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source

MODEST = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def value_of(literal: str) -> object:
    recipe, faults = parse(Source(f"param a = {literal}"))
    assert not faults, faults
    (statement,) = recipe.statements
    assert isinstance(statement, syntax.Param)
    return statement.value.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("2", 2),
        ("007", 7),
        ("9007199254740993", 2**53 + 1),
        ("9223372036854775807", 2**63 - 1),
        ("0.3", 0.3),
        (".05", 0.05),
        ("2.", 2.0),
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        (".5e1", 5.0),
        ("2.e2", 200.0),
        ("-3", -3),
        ("- .5", -0.5),
    ],
)
def test_numbers_have_their_python_value(text: str, value: float):
    read = value_of(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text", ["1e999", "0x1F", "1_000", "1e", "1e-", "1.2.3", "3views", "1e5.2", "٣", "1e+", "1j"]
)
def test_malformed_number_is_one_error(text: str):
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(f"ssl({text})")
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["RRL002"]


@pytest.mark.parametrize("text", ["inf", "nan", "infinity"])
def test_no_word_is_a_number(text: str):
    with pytest.raises(rrl.RRLError, match="RRL101"):
        rrl.parse(f"{text} * ssl()")


@MODEST
@given(st.floats(min_value=0, allow_infinity=False, allow_nan=False))
def test_every_finite_float_reads_back_as_it_was_written(number: float):
    read = value_of(repr(number))
    assert isinstance(read, float)
    assert math.copysign(1, read) == 1.0
    assert read == number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"coarse"', "coarse"),
        ("'coarse'", "coarse"),
        ('""', ""),
        ('"it\'s"', "it's"),
        (r'"say \"it\""', 'say "it"'),
        (r"'it\'s'", "it's"),
        (r'"back\\slash"', "back\\slash"),
        (r'"ends in \\"', "ends in \\"),
        ("'#(|)'", "#(|)"),
        ("'été 細'", "été 細"),
    ],
)
def test_string_takes_either_quote_and_three_escapes(text: str, value: str):
    assert value_of(text) == value


@MODEST
@given(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=20))
def test_any_text_of_one_line_can_be_quoted(text: str):
    for quote in "\"'":
        escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
        assert value_of(f"{quote}{escaped}{quote}") == text


@pytest.mark.parametrize("text", [r'"a\nb"', r'"\t"', r"'\x41'", r'"\u0041"'])
def test_other_escapes_are_refused(text: str):
    with pytest.raises(rrl.RRLError, match="RRL005"):
        rrl.parse(f"supervised(labels={text})")


def test_string_does_not_go_over_a_line():
    with pytest.raises(rrl.RRLError, match="RRL004"):
        rrl.parse('supervised(labels="co\narse")')


@pytest.mark.parametrize("text", ["true", "True"])
def test_true_is_read_in_both_spellings(text: str):
    assert value_of(text) is True


@pytest.mark.parametrize("text", ["false", "False"])
def test_false_is_read_in_both_spellings(text: str):
    assert value_of(text) is False


@pytest.mark.parametrize("name", ["a", "_", "a1", "_a_1", "views", "truth", "lets"])
def test_names_are_lower_case_letters_digits_and_underscores(name: str):
    assert rrl.parse(f"let {name} = ssl()\n{name}") == rrl.ssl()


@pytest.mark.parametrize("name", ["A", "aB", "é", "ß", "变量", "a٣", "²"])
def test_other_names_are_refused(name: str):
    with pytest.raises(rrl.RRLError, match="RRL003"):
        rrl.parse(f"let {name} = ssl()\nssl()")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("-2", -2),
        ("- 2", -2),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ('"two words"', "two words"),
        ("'2'", "2"),
        (r'"a \"b\""', 'a "b"'),
        ("''", ""),
        ("coarse", "coarse"),
    ],
)
def test_value_on_the_command_line_reads_as_in_a_recipe(text: str, value: object):
    read = parameter_value(text)
    assert read == value
    assert type(read) is type(value)
    if text != "coarse":
        assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+1", 1),
        ("+.5", 0.5),
        ("1_000", 1000),
        ("-1_000.5", -1000.5),
        ("0x10", 16),
        ("0o17", 15),
        ("1e-1", 0.1),
        ("1E+2", 100.0),
    ],
)
def test_number_on_the_command_line_is_read_as_people_write_it(text: str, value: object):
    read = parameter_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    ["-", "--2", "+-2", "1e999", "1__000", "1_", "0x", "TRUE", "2 views", "2 # two", "nan"],
)
def test_other_values_on_the_command_line_are_strings(text: str):
    assert parameter_value(text) == text


@pytest.mark.parametrize("text", ["", "'", "'open", r"'\n'", "'closed' early", "'two\nlines'"])
def test_empty_values_and_unclosed_strings_are_errors(text: str):
    assert parameter_value(text) is None
