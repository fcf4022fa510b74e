"""`export`: the trained encoder of a run, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rrl_dsl.cli.output import print_text


def export(
    run: Annotated[Path, typer.Argument(help="The run directory.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("encoder.pt"),
    part: Annotated[
        str,
        typer.Option(help="The part to write: backbone, projector, teacher, or a tower's column."),
    ] = "backbone",
) -> None:
    """Write the weights of a trained encoder as a plain PyTorch state dict.

    Read it with `torch.load(FILE, weights_only=True)`. The weights of a backbone have the parameter
    names of its network, for example those of torchvision or timm. In Python,
    `rrl_dsl.load_encoder(RUN)` returns the network with its input normalization.

    Examples:
    - `rrl-dsl export runs/semi_supervised-wmse-digits-1 --out encoder.pt`
    """
    import io

    import torch

    from rrl_dsl.language.files import write_bytes
    from rrl_dsl.training.trained_encoder import weights_of

    weights = weights_of(run, part)
    content = io.BytesIO()
    torch.save(weights, content)
    write_bytes(out, content.getvalue())
    count = sum(weight.numel() for weight in weights.values())
    print_text(f"{out}  {part}, {len(weights)} tensors, {count:,} values")
