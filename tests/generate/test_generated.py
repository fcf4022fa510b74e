"""The generated files that are checked in are up to date."""

from rrl_dsl.generate.__main__ import FILES, stale


def test_no_generated_file_is_stale():
    assert stale() == [], "run `python -m rrl_dsl.generate`"
    assert "rrl_dsl/__init__.pyi" in FILES
