"""`export`: the trained network of a run, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rrl_dsl.cli.embedding import AllowCode
from rrl_dsl.cli.output import print_text


def export(
    run: Annotated[Path, typer.Argument(help="The run directory.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file to write: .pt, .safetensors or .onnx.")
    ] = Path("encoder.pt"),
    part: Annotated[
        str,
        typer.Option(help="The part to write: backbone, projector, teacher, or a tower's column."),
    ] = "backbone",
    allow_code: AllowCode = None,
) -> None:
    """Write a trained network for other programs, with a model card.

    A .pt and a .safetensors file hold a state dict with the names that torchvision or timm give
    the weights; read a .pt file with `torch.load(FILE, weights_only=True)`. An .onnx file holds the
    network itself, for batches of any size. The card, FILE.md, says how to load the file, how to
    normalize samples, and how the network was trained. In Python, `rrl_dsl.load_encoder(RUN)`
    returns the network with its input normalization.

    Examples:
    - `rrl-dsl export runs/semi_supervised-wmse-digits-1 --out encoder.pt`
    """
    from rrl_dsl.training.export import export as write

    card, weights = write(run, out, part, allow_code=allow_code or ())
    count = sum(weight.numel() for weight in weights.values())
    print_text(f"{out}  {part}, {len(weights)} tensors, {count:,} values")
    print_text(f"{card}  model card")
