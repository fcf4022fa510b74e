"""The profiles of hypothesis, and the command line as a function.

`quick` is the same examples in every run. `pytest --hypothesis-profile=long tests/language
tests/editor -k any` hunts through many new ones; what it finds, it finds first the next time.
"""

import os
import sys
from dataclasses import dataclass

import pytest
from hypothesis import settings

from rrl_dsl.cli import start
from rrl_dsl.cli.output import output

# one process for each core: threads of torch would only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("quick", max_examples=150, deadline=None, derandomize=True, database=None)
settings.register_profile("long", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile("quick")


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory):
    """The cache is in a folder of the test run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRL_DSL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    """Runs `rrl-dsl` with some words in an empty folder; gives exit code and output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["rrl-dsl", *map(str, words)])
        output.cache_clear()  # a console reads the environment once
        try:
            start.run()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
