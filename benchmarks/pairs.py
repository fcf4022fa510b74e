"""Time and memory of relations from files: pairs in Parquet, and a matrix of 10^8 entries.

    python benchmarks/pairs.py pairs --rows 10000000
    python benchmarks/pairs.py matrix --entries 100000000

The matrix takes 0.8 GB on disk and several times as much memory. `docs/performance.md` has results.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
import torch

import rrl_dsl as rrl
from rrl_dsl.graph.links import read

SAMPLES = 10**6
BATCH = 4096


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Prints the time of the block, and the most memory that the process has had so far."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what}: {seconds:.1f} s, at most {peak:.2f} GiB so far")


def write_pairs(path: Path, rows: int, kind: str) -> None:
    """Writes random pairs of 10^6 samples, with ids as numbers or paths, or with weights."""
    draw = np.random.default_rng(0)
    ends = {name: pa.array(draw.integers(0, SAMPLES, rows)) for name in ("a", "b")}
    if kind == "paths":
        paths = pa.array([f"train/{number % 1000}/{number}.png" for number in range(SAMPLES)])
        ends = {name: pa.DictionaryArray.from_arrays(ids, paths) for name, ids in ends.items()}
    if kind == "weights":
        ends["weight"] = pa.array(draw.random(rows))
    pq.write_table(pa.table(ends), path)


def write_matrix(path: Path, entries: int) -> None:
    """Writes a symmetric matrix of 10^6 rows with as many entries in each row."""
    per_sample = entries // SAMPLES
    draw = np.random.default_rng(0)
    steps = draw.choice(SAMPLES // 2 - 1, per_sample // 2, replace=False) + 1
    steps = np.concatenate([steps, SAMPLES - steps])
    columns = np.empty((SAMPLES, per_sample), np.int32)
    weights = np.empty((SAMPLES, per_sample), np.float32)
    for rows in np.split(np.arange(SAMPLES), 10):
        columns[rows] = np.sort((rows[:, None] + steps) % SAMPLES, axis=1)
        weights[rows] = ((rows[:, None] ^ columns[rows]) % 997 + 1) / 1000
    starts = np.arange(SAMPLES + 1) * per_sample
    matrix = sp.csr_array((weights.ravel(), columns.ravel(), starts), shape=(SAMPLES, SAMPLES))
    sp.save_npz(path, matrix, compressed=False)


def use(graph: rrl.Graph) -> None:
    """Binds the graph to 10^6 samples and evaluates a batch."""
    split = rrl.Split(torch.zeros(SAMPLES, 1, 1, 1, dtype=torch.uint8), torch.arange(SAMPLES), {})
    with measured("bind to 1,000,000 samples"):
        program = rrl.compile(graph, seed=0)
        program.bind(split)
    sample = torch.arange(BATCH) * 241 % SAMPLES
    with measured(f"the weights of a batch of {BATCH:,}"):
        weights = program(rrl.Nodes(sample=sample, view=torch.zeros_like(sample), labels={}))
    print(f"{int((weights > 0).sum()):,} of {weights.numel():,} pairs are edges")


def main() -> None:
    """Runs a measurement in a temporary folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["pairs", "paths", "weights", "matrix"])
    parser.add_argument("--rows", type=int, default=10**7)
    parser.add_argument("--entries", type=int, default=10**8)
    parser.add_argument("--folder", type=Path, help="where to keep the files")
    chosen = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        os.environ["RRL_DSL_CACHE"] = str(folder / "cache")
        os.environ["RRL_DSL_MAX_BYTES"] = str(2**32)  # paths count with their length in each row
        if chosen.what == "matrix":
            path = folder / f"matrix-{chosen.entries}.npz"
            if not path.exists():
                write_matrix(path, chosen.entries)
                return print("written; start it again, so that the peak is that of reading")
            with measured("read"):
                graph = rrl.pairs(str(path))
            return use(graph)
        path = folder / f"{chosen.what}-{chosen.rows}.parquet"
        if not path.exists():
            write_pairs(path, chosen.rows, chosen.what)
        with measured("read"):
            links = read(path)
        with measured("index"):
            links.linked(None)
    return None


if __name__ == "__main__":
    main()
