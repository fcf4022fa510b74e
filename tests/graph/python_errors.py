"""The error of a graph that is built in Python."""

import pytest

import rrl_dsl as rrl


def refusal(build: object) -> tuple[str, str]:
    """The code and the message of the one error."""
    with pytest.raises(rrl.RRLError) as caught:
        build()
    (only,) = caught.value.diagnostics
    assert only.span is None
    return only.code, only.message


# numbers
