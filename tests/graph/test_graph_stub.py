"""The generated stub is what the registry says today."""

from rrl_dsl.graph.stub import PATH, stub


def test_the_stub_is_not_stale() -> None:
    assert PATH.read_text(encoding="utf-8") == stub(), "run `python -m rrl_dsl.graph.stub`"
