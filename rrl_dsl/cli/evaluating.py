"""`eval`: measure the encoder of a run on frozen features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rrl_dsl.cli.embedding import AllowCode, OtherDataset
from rrl_dsl.cli.output import output, print_json, print_text
from rrl_dsl.cli.recipes import DataDirectory, Download, Json
from rrl_dsl.cli.writing import check_not_read

if TYPE_CHECKING:
    from rich.table import Table

    from rrl_dsl.study.evaluation import RunEvaluation


def evaluate(
    run: Annotated[Path, typer.Argument(help="The run directory.", show_default=False)],
    dataset: OtherDataset = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The picture of the target graph and its estimate to write.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the measured batch.")] = 0,
    data_dir: DataDirectory = None,
    download: Download = False,
    allow_code: AllowCode = None,
    json: Json = False,
) -> None:
    """Evaluate the encoder of a run on frozen features, on its dataset or another one.

    Prints accuracies of linear probes and nearest neighbors, the effective rank, alignment and
    uniformity of the features, and how well similarities estimate the target graph. With towers, it
    prints recall across them (R@1 and R@5) and the accuracy of classification by prompts.

    Examples:
    - `rrl-dsl eval runs/mine-wmse`
    - `rrl-dsl eval runs/mine-wmse --out graphs.png`
    - `rrl-dsl eval runs/mine-wmse --dataset npz:other.npz --json`
    """
    from rrl_dsl.language.diagnostics import error
    from rrl_dsl.show.estimate import draw_estimate
    from rrl_dsl.show.figure import save
    from rrl_dsl.study.embedding import data_of_run
    from rrl_dsl.study.evaluation import evaluate_run

    allowed = allow_code or ()
    data = data_of_run(run, dataset, data_dir=data_dir, download=download, allow_code=allowed)
    if out is not None:
        check_not_read(out, data.name)
    evaluation = evaluate_run(run, data, seed=seed, allow_code=allowed)
    graph = evaluation.graph
    if out is not None:
        if graph is None:
            message = f"`{out}` cannot be drawn: {evaluation.notes[-1]}"
            raise error("RRL507", message, hint="leave out `--out`")
        title = f"{run.name} on {evaluation.dataset}"
        save(draw_estimate(title, graph.target, graph.similarity, graph.group), out)
    if json:
        print_json(evaluation.to_dict())
        return
    output().print(_table(evaluation))
    if evaluation.gap is not None:
        print_text(f"gap        {100 * evaluation.gap:.1f} points between backbone and projector")
    if graph is not None:
        print_text(f"graph      average precision {graph.average_precision:.3f}")
        for least, precision, recall in graph.at:
            print_text(
                f"           similarity of at least {least:.4f}: precision {precision:.3f}, "
                f"recall {recall:.3f}"
            )
        if out is not None:
            print_text(f"picture    {out}")
    for line in evaluation.towers.lines() if evaluation.towers else ():
        print_text(line)
    for note in evaluation.notes:
        print_text(f"note       {note}")


def _table(evaluation: RunEvaluation) -> Table:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    shown.add_column("features")
    for heading in (
        *("linear", "10 labels", "1 label", "neighbors"),
        *("rank", "alignment", "uniformity"),
    ):
        shown.add_column(heading, justify="right")
    for part, scores in evaluation.parts.items():
        accuracies, geometry = scores.accuracies, scores.geometry
        shares: tuple[float | None, ...] = (None, None, scores.one, None)
        if accuracies is not None:
            shares = accuracies.linear, accuracies.few, scores.one, accuracies.neighbors
        shown.add_row(
            part,
            *("" if share is None else f"{100 * share:.1f}" for share in shares),
            *(f"{value:.2f}" for value in (geometry.rank, geometry.alignment, geometry.uniformity)),
        )
    return shown
