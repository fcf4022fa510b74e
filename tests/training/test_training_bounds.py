"""Numbers that no run can serve are refused before anything is built."""

from collections.abc import Iterator
from typing import Any

import annotated_types
import pytest
from pydantic import BaseModel

import rrl_dsl as rrl
from rrl_dsl.training import processes
from rrl_dsl.training.config import Config
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import from_assignment

CHECKED_ELSEWHERE = {
    "projector.hidden": "memory, RRL515",
    "projector.out": "memory, RRL515",
    "predictor.hidden": "memory, RRL515",
    "prototypes.count": "memory, RRL515",
    "bank": "memory, RRL515",
    "batch_size": "the size of the dataset",
    "sampler.meet": "the batch size",
    "patch_size": "the side of the image",
    "devices": "the number of GPUs or cores",
    "num_nodes": "the number of processes that a launcher starts",
    "micro_batch": "no effect above the batch size",
    "bank_views": "no effect above the number of views",
    "optimizer.warmup": "no effect above the number of epochs",
    "prototypes.frozen": "no effect above the number of epochs",
}


def numbers(model: type[BaseModel] = Config, section: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting that is a number, with its field."""
    for key, field in model.model_fields.items():
        name, kind = f"{section}{key}", field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from numbers(kind, f"{name}.")
        elif kind in (int, float, int | None):
            yield name, field


def test_every_number_has_an_upper_bound_or_a_reason():
    bounded = {
        name
        for name, field in numbers()
        if any(
            isinstance(bound, annotated_types.Le | annotated_types.Lt) for bound in field.metadata
        )
    }
    assert {name for name, _ in numbers()} - bounded == CHECKED_ELSEWHERE.keys()


@pytest.mark.parametrize(
    ("setting", "largest"),
    [
        ("projector.layers", 64),
        ("predictor.layers", 64),
        ("local_views.count", 64),
        ("local_views.size", 4096),
        ("image_size", 4096),
        ("epochs", 10**6),
        ("workers", 1024),
    ],
)
@pytest.mark.parametrize("excess", [1, 10**5, 10**30])
def test_a_number_that_no_run_can_serve_is_refused(setting, largest, excess):
    resolve([from_assignment(f"{setting}={largest}")], {})
    with pytest.raises(rrl.RRLError) as caught:
        resolve([from_assignment(f"{setting}={largest + excess}")], {})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL502"
    expected = f"`{setting}`: it should be less than or equal to {largest}, not {largest + excess}"
    assert diagnostic.message == expected
    assert diagnostic.source.text[slice(*diagnostic.span)] == str(largest + excess)


@pytest.mark.parametrize("loss", ["dino", "ibot", "wmse"])
def test_so_is_such_an_option_of_a_loss(loss):
    rrl.losses.create(loss, iterations=1000)
    with pytest.raises(rrl.RRLError, match=r"`iterations`.*less than or equal to 1000"):
        rrl.losses.create(loss, iterations=1001)


def test_processes_that_the_cores_cannot_serve_are_not_started(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    with (
        pytest.raises(rrl.RRLError, match=r"RRL506.*`devices` is 9, and this machine has 2 cores"),
        processes.together(9),
    ):
        pass
