"""The time that a long run on the CPU takes is said before it starts."""

import copy
from itertools import chain, cycle

import pytest
import torch

from rrl_dsl.training import estimate


@pytest.fixture
def clock(monkeypatch):
    """The timed passes of 8 images take as many seconds as the clock is told, in turn."""

    def told(*passes):
        readings = chain.from_iterable((0.0, seconds) for seconds in cycle(passes))
        monkeypatch.setattr(estimate, "perf_counter", lambda: next(readings))

    return told


def test_the_time_is_that_of_all_views_of_all_epochs(make_module, digits, clock):
    samples = len(digits.train) // 256 * 256
    module = make_module("ssl(views=3)", epochs=10, batch_size=256, accelerator="cpu")
    clock(8.0)  # a second an image
    hours = samples * 3 * 10 / 3600
    said = estimate.long_run(module, digits)
    assert said.startswith(f"about {hours:.0f} hours: 10 epochs of {samples * 3:,} images of 8 ")
    clock(8.0 / 24)
    assert estimate.long_run(module, digits).startswith(f"about {hours / 24 * 60:.0f} minutes")
    clock(8.0 * 24)
    assert estimate.long_run(module, digits).startswith(f"about {hours:.0f} days")


def test_a_pass_that_other_processes_slow_down_does_not_count(make_module, digits, clock):
    module = make_module(epochs=1, batch_size=256, accelerator="cpu")
    clock(800.0, 0.8)  # 0.1 s an image, and 2 x 1,280 images
    assert estimate.long_run(module, digits) is None


def test_local_views_count_by_their_area(make_module, digits, clock):
    samples = len(digits.train) // 256 * 256
    local = {"count": 4, "size": 4}
    module = make_module(epochs=10, batch_size=256, accelerator="cpu", local_views=local)
    clock(8.0)
    assert f" {samples * 3:,} images" in estimate.long_run(module, digits)  # 2 + 4 / 4


def test_a_short_run_has_no_estimate(make_module, digits, clock):
    module = make_module(epochs=1, batch_size=256, accelerator="cpu")
    clock(0.8)  # 0.1 s an image, and 2 x 1,280 images
    assert estimate.long_run(module, digits) is None


def test_measuring_changes_nothing(make_module, digits):
    module = make_module(accelerator="cpu")
    before = copy.deepcopy(module.state_dict())
    state = torch.random.get_rng_state()
    estimate.long_run(module, digits)
    assert torch.random.get_rng_state().equal(state)
    after = module.state_dict()
    assert after.pop("network._extra_state") == before.pop("network._extra_state")
    assert all(value.equal(before[name]) for name, value in after.items())
    assert all(parameter.grad is None for parameter in module.parameters())
