"""Whether `torch.compile` compiles the encoder of a run."""

from __future__ import annotations

from typing import Final

import torch

from rrl_dsl.backends.edge import has_compiler
from rrl_dsl.language.diagnostics import error
from rrl_dsl.training.config import Config

WORTH_STEPS: Final = 2_000
"""Compiling takes about a minute, which fewer steps do not earn back."""

_SETTING: Final = ("compile",)


def check_compile(config: Config) -> None:
    """Checks that the encoder can be compiled, if the configuration asks for it.

    Raises:
        RRLError: RRL502 with `micro_batch`, RRL506 if there is no compiler.
    """
    if not config.compile:
        return
    if config.micro_batch is not None:
        # a recomputation may then save other activations than the forward pass
        message = "`compile` and `micro_batch` cannot be used together"
        raise error("RRL502", message, hint="remove one of them", settings=_SETTING)
    if not has_compiler(device_of(config)):
        message = "`compile` needs a compiler such as `g++`, and there is none"
        raise error("RRL506", message, hint="install one, or remove `compile`", settings=_SETTING)


def compiles(config: Config, steps: int) -> bool:
    """Returns whether to compile the encoder: as asked, or on a GPU if it is soon earned back.

    Args:
        config: The configuration.
        steps: The number of steps of the run.
    """
    if config.compile is not None:
        return config.compile
    device = device_of(config)
    on_one_gpu = device.type == "cuda" and config.processes == 1
    worth = steps >= WORTH_STEPS and config.micro_batch is None
    return on_one_gpu and worth and has_compiler(device)


def device_of(config: Config) -> torch.device:
    """Returns the kind of device that a run trains on."""
    on_gpu = torch.cuda.is_available() and config.accelerator != "cpu"
    return torch.device("cuda" if on_gpu else "cpu")
