"""`embed`: the features of a dataset under the encoder of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rrl_dsl.cli.output import print_text
from rrl_dsl.cli.recipes import DATASET_HELP, DataDirectory, Download
from rrl_dsl.cli.writing import check_not_read

OtherDataset = Annotated[
    str | None, typer.Option(help=DATASET_HELP, show_default="that of the run")
]
AllowCode = Annotated[
    list[str] | None,
    typer.Option(
        help="Allow the run to name code of a module; repeatable.",
        metavar="MODULE",
        show_default=False,
    ),
]


def embed(
    run: Annotated[Path, typer.Argument(help="The run directory.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write, .npz or .parquet.")],
    part: Annotated[
        str,
        typer.Option(help="The part to apply: backbone, projector, teacher, or a tower's column."),
    ] = "backbone",
    dataset: OtherDataset = None,
    split: Annotated[
        str | None, typer.Option(help="train, val or test.", show_default="all of them")
    ] = None,
    data_dir: DataDirectory = None,
    download: Download = False,
    allow_code: AllowCode = None,
) -> None:
    """Write the features of a dataset under the encoder of a run.

    The file holds `features`, `sample` (ids), `name` (the texts of ids, such as paths), `split` and
    a column for each label. In Python, `rrl_dsl.load_encoder(RUN)` returns the network.

    Examples:
    - `rrl-dsl embed runs/mine-wmse -o features.npz`
    - `rrl-dsl embed runs/mine-wmse --split test --part projector -o test.parquet`
    - `rrl-dsl embed runs/clip-clip-digits-captions-1 --part tokens -o captions.npz`
    """
    from rrl_dsl.study.embedding import data_of_run, format_of
    from rrl_dsl.study.embedding import embed as embedding_of
    from rrl_dsl.training.run import RunDirectory

    format_of(out)  # before the features are computed
    allowed = allow_code or ()
    data = data_of_run(run, dataset, data_dir=data_dir, download=download, allow_code=allowed)
    check_not_read(out, data.name, RunDirectory(run).files.rglob("*"))
    embedding = embedding_of(run, part=part, data=data, split=split, allow_code=allowed)
    embedding.write(out)
    count, width = embedding.features.shape
    print_text(f"{out}  {part}, {count:,} samples x {width:,} features")
