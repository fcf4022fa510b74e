"""Compares the time and memory of handwritten, dense and blocked relations of many rows.

    python benchmarks/blocked_relations.py [--device cuda] [--rows 512 2048 8192] [--width 128]

It prints, for every number of rows, the median time of relation and loss in milliseconds, forward
and backward, and the memory beside the embeddings. `by hand` is the same loss with precomputed
masks. `--by blocked` measures the blocked relation alone, for numbers of rows whose matrices do not
fit into memory.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

import rrl_dsl as rrl

WAYS = ("by hand", "dense", "blocked")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 2048, 8192])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--recipe", default="ssl(views=2)")
    parser.add_argument("--by", nargs="+", choices=WAYS, default=list(WAYS))
    options = parser.parse_args()
    print(f"torch {torch.__version__} on {options.device}, {torch.get_num_threads()} threads")
    for rows in options.rows:
        ways = _ways(rows, options.recipe, options.device)
        z = torch.randn(rows, options.width, device=options.device)
        z.requires_grad_()
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in options.by}
        for _ in range(options.repeats + 1):
            for name in options.by:
                measured[name].append(_measured(ways[name], z))
        lines = (_line(name, times[1:]) for name, times in measured.items())
        print(f"{rows:>7} rows", *lines, sep="  ")


def _line(name: str, measured: list[tuple[float, float]]) -> str:
    seconds = median(second for second, _ in measured)
    return f"{name} {1e3 * seconds:9.1f} ms {max(extra for _, extra in measured):7.0f} MB"


def _ways(rows: int, recipe: str, device: str) -> dict[str, Callable[[Tensor], Tensor]]:
    samples = rows // 2
    nodes = rrl.Nodes(
        torch.arange(samples).repeat(2),
        torch.arange(2).repeat_interleave(samples),
        {"label": torch.randint(0, 10, (samples,)).repeat(2)},
    ).to(device)
    program, loss = rrl.compile(recipe), rrl.losses.create("simclr")
    masks: list[Tensor] = []

    def by_hand(z: Tensor) -> Tensor:
        if not masks:
            same = torch.eye(rows, dtype=torch.bool, device=device)
            masks.extend([same, program(nodes) & ~same])
        q = F.normalize(z)
        logits = (q @ q.T / 0.2).masked_fill(masks[0], -torch.inf)
        return -logits.log_softmax(dim=1)[masks[1]].sum() / masks[1].sum()

    return {
        "by hand": by_hand,
        "dense": lambda z: loss(program.relate(nodes, strategy="dense"), z),
        "blocked": lambda z: loss(program.relate(nodes, strategy="blocked"), z),
    }


def _measured(way: Callable[[Tensor], Tensor], z: Tensor) -> tuple[float, float]:
    """Returns the time in seconds and the additional peak memory in MB."""
    on_gpu = z.device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    with _Peak() as peak:
        start = time.perf_counter()
        torch.autograd.grad(way(z), z)
        if on_gpu:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    extra = torch.cuda.max_memory_allocated() - before if on_gpu else peak.extra
    return seconds, extra / 1e6


class _Peak:
    """Measures the peak resident memory of this process in a `with` block, every 10 ms."""

    def __enter__(self) -> _Peak:
        self._before = self._most = _resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def extra(self) -> int:
        return self._most - self._before

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self._most = max(self._most, _resident())


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    main()
