"""When the encoder is compiled, and that its steps are those of one that is not."""

import pytest
import torch
from torch import nn

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.training.compiling import WORTH_STEPS, check_compile, compiles
from rrl_dsl.training.config import Config
from rrl_dsl.training.record import machine


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU and a compiler, as far as the choice can tell."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("rrl_dsl.training.compiling.has_compiler", lambda _: True)


@pytest.mark.parametrize(
    ("settings", "steps", "expected"),
    [
        ({}, WORTH_STEPS, True),
        ({}, WORTH_STEPS - 1, False),
        ({"accelerator": "cpu"}, WORTH_STEPS, False),
        ({"devices": 2}, WORTH_STEPS, False),
        ({"micro_batch": 8}, WORTH_STEPS, False),
        ({"compile": False}, WORTH_STEPS, False),
        ({"compile": True, "accelerator": "cpu", "devices": 2}, 1, True),
    ],
)
def test_long_runs_on_one_gpu_are_compiled_and_others_where_asked(gpu, settings, steps, expected):
    assert compiles(Config(**settings), steps) is expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_runs_on_a_cpu_are_not_compiled():
    assert not compiles(Config(), 10**6)


def test_compiling_needs_a_compiler(monkeypatch):
    monkeypatch.setattr("rrl_dsl.training.compiling.has_compiler", lambda _: False)
    check_compile(Config())
    with pytest.raises(RRLError, match=r"(?s)RRL506.*`compile` needs a compiler"):
        check_compile(Config(compile=True))


def test_compiling_excludes_parts_of_a_batch():
    with pytest.raises(
        RRLError, match=r"(?s)RRL502.*`compile` and `micro_batch` cannot be used together"
    ):
        check_compile(Config(compile=True, micro_batch=8))


@pytest.mark.slow
def test_a_compiled_encoder_computes_what_one_that_is_not_does(make_module, monkeypatch):
    compiled = []

    def trace(module):
        compiled.append(module)
        module._compiled_call_impl = torch.compile(module._call_impl, backend="eager")

    monkeypatch.setattr(nn.Module, "compile", trace)
    module = make_module("ssl(views=2)", "byol")
    views = torch.randn(8, 1, 8, 8)
    expected = module.network(views)
    module.compile_encoder()
    outputs = module.network(views)
    assert compiled == [module.network.encoder, module.network.teacher.encoder]
    assert outputs.keys() == expected.keys()
    for name, output in outputs.items():
        torch.testing.assert_close(output, expected[name])


def test_a_run_compiles_its_encoder_where_asked(make_module, fit, tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr("rrl_dsl.training.compiling.has_compiler", lambda _: True)
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    module = make_module("ssl(views=2)", "simclr", epochs=1, eval=False, compile=True)
    fit(module, tmp_path)
    assert module.is_compiled
    assert compiled == [module.network.encoder]


def test_a_run_says_that_its_encoder_was_compiled():
    assert "encoder" not in machine(torch.device("cpu"), compiled=False)
    assert machine(torch.device("cpu"), compiled=True)["encoder"] == "compiled"
