"""Compares eager and fused evaluation of the edge function.

    python benchmarks/fused_edges.py [--device cuda] [--rows 512 2048 4096]

It prints, for every number of rows, the median times in milliseconds, their ratio, and the number
of batches after which fusing has saved the time of compilation.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch

import rrl_dsl as rrl
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program

RECIPE = "ssl(views=2) | supervised(frac=0.3, labels=coarse) | corrupt(fpr=0.05)"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 2048, 4096])
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    eager = rrl.compile(RECIPE, fused=False)
    fused = rrl.compile(RECIPE, fused=True)
    start = time.perf_counter()
    fused(_rows(256, options.device))
    compiling = time.perf_counter() - start
    print(f"{torch.__version__} on {options.device}; compiling took {compiling:.1f} s")
    for rows in options.rows:
        nodes = _rows(rows, options.device)
        slow, fast = _alternating(eager, fused, nodes, options.repeats)
        gain = slow - fast
        earned = f"{compiling / gain:,.0f} batches" if gain > 0 else "never"
        print(
            f"{rows:>6} rows  eager {1e3 * slow:7.2f} ms  fused {1e3 * fast:7.2f} ms  "
            f"ratio {slow / fast:5.2f}  earned back after {earned}"
        )


def _rows(rows: int, device: str) -> Nodes:
    samples = rows // 2
    nodes = Nodes(
        torch.arange(samples).repeat(2),
        torch.arange(2).repeat_interleave(samples),
        {"coarse": torch.randint(0, 20, (samples,)).repeat(2)},
    )
    return nodes.to(device)


def _alternating(eager: Program, fused: Program, nodes: Nodes, repeats: int) -> tuple[float, float]:
    """Returns the median times in seconds, measured in turn on the same machine."""
    times: dict[str, list[float]] = {"eager": [], "fused": []}
    for _ in range(repeats + 2):
        for name, program in (("eager", eager), ("fused", fused)):
            start = time.perf_counter()
            program(nodes)
            if nodes.device.type == "cuda":
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - start)
    return median(times["eager"][2:]), median(times["fused"][2:])


if __name__ == "__main__":
    main()
