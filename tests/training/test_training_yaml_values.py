"""Values of configurations are read as people write them, and come back as they were written."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import from_assignment, from_yaml
from rrl_dsl.training.yaml_values import Dumper, Loader

READ = {
    "1e-1": 0.1,
    "1e5": 100000.0,
    "2E-3": 0.002,
    ".5": 0.5,
    "5.": 5.0,
    "+1": 1,
    "-1": -1,
    "010": 10,
    "0x1F": 31,
    "1_000": 1000,
    "1_000.5": 1000.5,
    "1__0": "1__0",
    "-.inf": -math.inf,
    "true": True,
    "~": None,
    "1:30": "1:30",
    "on": "on",
    "no": "no",
    "2001-12-14": "2001-12-14",
    "'1e-1'": "1e-1",
}


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_values_are_read_as_people_write_them(text, value, tmp_path):
    (tmp_path / "c.yaml").write_text(f"backbone_options: {{deep: [{text}]}}\n")
    (setting,) = from_yaml(tmp_path / "c.yaml")
    assignment = from_assignment(f"backbone_options.deep=[{text}]")
    for read in (setting.value[0], assignment.value[0]):
        assert read == value
        assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "value"), [("+1", 1), ("1_000", 1000), ("0x10", 16), ("on", "on")]
)
def test_a_parameter_is_the_same_value_in_every_form(text, value, tmp_path):
    assignments = [from_assignment(f"params.a={text}"), from_assignment(f"params={{a: {text}}}")]
    for written in (f"params:\n  a: {text}\n", f"params: {{a: {text}}}\n"):
        (tmp_path / "c.yaml").write_text(written)
        assignments += from_yaml(tmp_path / "c.yaml")
    assert [resolve([assignment], {}).params for assignment in assignments] == [{"a": value}] * 4


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.dictionaries(st.text(min_size=1), PLAIN | st.lists(PLAIN)))
def test_what_is_written_is_read_again(values):
    assert yaml.load(yaml.dump(values, Dumper=Dumper), Loader=Loader) == values


def test_a_number_of_too_many_digits_is_named(tmp_path):
    (tmp_path / "c.yaml").write_text(f"backbone_options: {{width: {'1' * 5000}}}\n")
    with pytest.raises(RRLError, match=r"RRL503.*too many digits"):
        from_yaml(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    "value",
    [
        *("!!int x", "!!int", "!!int 0x", "!!float x", "!!bool x", "!!timestamp 2001-13-45"),
        *("!!binary a", "!!seq x", "!!python/name:os.system", "!own x", '"\\UFFFFFFFF"'),
        *("0x" + "f" * 5000, "[" * 200, "[&a 1, *a]", "@x"),
    ],
    ids=lambda value: value[:20],
)
def test_a_value_that_does_not_fit_its_tag_has_a_place(value, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"seed: 1\nbackbone_options:\n  a: {value}\n")
    for read, text in ((from_yaml, path), (from_assignment, f"backbone_options.a={value}")):
        with pytest.raises(RRLError) as caught:
            read(text)
        (fault,) = caught.value.diagnostics
        assert fault.code == "RRL503"
        assert fault.source is not None


@pytest.mark.parametrize("key", ["[a]", "{a: b}", "? [a, b]\n"])
def test_a_key_is_a_word(key, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"{key}: 1\n")
    with pytest.raises(RRLError, match="a key must be a word"):
        from_yaml(path)
