"""Time and memory of relation and loss over the width of the embeddings."""

from __future__ import annotations

from rrl_dsl.bench.claims import Report, Setup
from rrl_dsl.bench.sizes import compared, lines, plots
from rrl_dsl.bench.ways import RECIPES, batch


def measure(setup: Setup) -> Report:
    """Measures widths of 64 to 2,048 at 4,096 rows, 16,384 on CUDA (with `quick`, at 256)."""
    rows = 256 if setup.quick else 16_384 if setup.on_gpu else 4096
    timings = {
        width: compared(batch(rows, width, setup.device), setup, seconds=10)
        for width in ((64, 128) if setup.quick else (64, 128, 512, 2048))
    }
    return Report(
        columns=("width", "way", "time", "memory"),
        rows=lines(timings),
        plots=plots(timings, "width"),
        notes=[f"`{RECIPES['ssl']}` with `simclr`, forward and backward, {rows:,} rows."],
    )
