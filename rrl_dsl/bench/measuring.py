"""Time and peak memory of several ways to compute one result, measured in turn in one process."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Final, NamedTuple

import torch
from torch.profiler import ProfilerActivity

from rrl_dsl.bench.claims import Plot
from rrl_dsl.language.machine import is_out_of_memory

Way = Callable[[], object]

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")
_PROFILED: Final = 5
"""Runs of which a profile is made."""
_LISTED: Final = 10
"""Operations of a profile that are listed."""


class Timing(NamedTuple):
    """The runs of one way.

    Attributes:
        seconds: The time of each run.
        extra: The peak of the memory above that before a run, in bytes; None if the system does
            not say.
    """

    seconds: tuple[float, ...]
    extra: int | None

    @property
    def median(self) -> float:
        """The median time in seconds."""
        return median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile, in seconds."""
        if len(self.seconds) == 1:
            return self.seconds[0], self.seconds[0]
        first, _, third = quantiles(self.seconds, n=4, method="inclusive")
        return first, third


Timings = dict[str, Timing | str]
"""Way -> its timing, or the reason why it was not measured."""


def in_turn(ways: Mapping[str, Way], device: torch.device, *, runs: int, seconds: float) -> Timings:
    """Measures ways in turn, so that a change of the speed of the machine affects all of them.

    The first run of each compiles what is compiled late, the second measures the memory, and the
    others the time.

    Args:
        ways: Name -> a function that computes something on the device.
        device: The device.
        runs: The most runs whose time is measured.
        seconds: After this time, no further round begins; one is always measured.

    Returns:
        By name, the times; or why there are none, in words.
    """
    failed: Timings = {}
    memory: dict[str, int | None] = {}
    for name, way in ways.items():
        try:
            way()
            memory[name] = _peak(way, device)
        except ImportError as problem:
            failed[name] = f"not installed: {problem.name}"
        except (MemoryError, RuntimeError) as problem:
            if not is_out_of_memory(problem):
                raise
            failed[name] = "out of memory"
    times: dict[str, list[float]] = {name: [] for name in memory}
    start = time.perf_counter()
    for number in range(runs):
        if number and time.perf_counter() - start > seconds:
            break
        gc.collect()
        for name, measured in times.items():
            measured.append(seconds_of(ways[name], device))
    return failed | {name: Timing(tuple(times[name]), memory[name]) for name in memory}


def seconds_of(way: Way, device: torch.device) -> float:
    """The time of one run."""
    start = time.perf_counter()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _peak(way: Way, device: torch.device) -> int | None:
    """The additional peak memory of one run in bytes; None if it is unknown."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.max_memory_allocated(device)
        way()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    known = _forget_peak()
    before = _resident_peak() if known else 0
    way()
    return max(_resident_peak() - before, 0) if known else None


def _forget_peak() -> bool:
    """Resets the measured peak of the memory; returns whether the system supports this."""
    try:
        ctypes.CDLL(None).malloc_trim(0)  # glibc: returns freed memory to the system
        _CLEAR.write_text("5")  # Linux
    except (AttributeError, OSError, TypeError):
        return False
    return True


def _resident_peak() -> int:
    """The peak resident memory of this process in bytes."""
    [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def bars(title: str, timings: Timings) -> Plot:
    """A plot of the medians of several ways."""
    return Plot(title, "", "ms", curves({0: timings}))


def curves(timings: Mapping[int, Timings]) -> dict[str, list[tuple[float, float]]]:
    """Way -> its medians in milliseconds by size."""
    points: dict[str, list[tuple[float, float]]] = {}
    for size, timings_of_size in timings.items():
        for way, timing in timings_of_size.items():
            if not isinstance(timing, str):
                points.setdefault(way, []).append((size, 1e3 * timing.median))
    return points


def machine(device: torch.device) -> str:
    """The machine, its load and the versions, in words."""
    busy = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    words = [f"{_processor()}, {_count(cores, 'core')}, {_count(threads, 'thread')}{busy}"]
    if device.type == "cuda":
        words.insert(0, torch.cuda.get_device_name(device))
    return "; ".join([*words, f"PyTorch {torch.__version__}, Python {platform.python_version()}"])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def milliseconds(timing: Timing | str) -> str:
    """The median and the quartiles: `3.52 ms (3.4 to 3.6)`; or why it was not measured."""
    if isinstance(timing, str):
        return timing
    first, third = timing.quartiles
    return f"{in_unit(timing.median)} ({in_unit(first)} to {in_unit(third)})"


def in_unit(seconds: float) -> str:
    """A time in seconds, milliseconds or microseconds, with three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def megabytes(timing: Timing | str) -> str:
    """The additional peak memory in units of 10^6 bytes."""
    if isinstance(timing, str) or timing.extra is None:
        return ""
    return f"{timing.extra / 1e6:,.0f} MB"


def ratio(timing: Timing | str, to: Timing | str) -> float | None:
    """The ratio of two medians; None if one is missing."""
    if isinstance(timing, str) or isinstance(to, str):
        return None
    return timing.median / to.median


def profile(way: Way, device: torch.device) -> list[tuple[str, str, str]]:
    """Measures where the time of a way goes, in the operations of torch.

    Returns:
        The operations that take most, with the calls per run and the share of the time, without
        that of the operations that they call.
    """
    kinds = [ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=kinds) as profiler:
        for _ in range(_PROFILED):
            way()
    own = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    operations = sorted(profiler.key_averages(), key=lambda operation: -getattr(operation, own))
    total = sum(getattr(operation, own) for operation in operations)
    return [
        (
            f"`{operation.key}`",
            f"{operation.count / _PROFILED:g}",
            f"{getattr(operation, own) / total:.1%}",
        )
        for operation in operations[:_LISTED]
    ]
