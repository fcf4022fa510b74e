"""Writes a trained network for other programs, with a model card beside it."""

from __future__ import annotations

import importlib
import io
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

import torch
from torch import Tensor, nn

from rrl_dsl.language.diagnostics import error, listing
from rrl_dsl.language.files import write_bytes, write_text
from rrl_dsl.models.plain import plain_weights
from rrl_dsl.training.card import card_of
from rrl_dsl.training.checkpoints import Resumed
from rrl_dsl.training.resume import newest
from rrl_dsl.training.signature import signature_of
from rrl_dsl.training.trained_encoder import encoder_of, weights_of

_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    ".pt": (),
    ".safetensors": ("safetensors",),
    ".onnx": ("onnx", "onnxscript"),
}
"""The suffixes of the formats, and the packages that each of them needs."""


def export(
    run: Path, out: Path, part: str = "backbone", *, allow_code: Collection[str] = ()
) -> tuple[Path, dict[str, Tensor]]:
    """Writes a part of the model of a run, and a model card.

    A `.pt` and a `.safetensors` file hold a state dict with the names that torchvision or timm give
    the weights. An `.onnx` file holds the network with its weights, for any number of samples, with
    the names of `rrl_dsl.training.signature.signature_of`: for images from `images`, normalized
    float32 (n, C, H, W), to `features`, float32 (n, d). Existing files are replaced, after
    everything is checked.

    Args:
        run: The run directory; its newest checkpoint is used.
        out: The file. The name of the card is that of the file and `.md`.
        part: `backbone`, `projector` (without the backbone), `teacher` (its backbone), or the
            column of a tower (its backbone and its projector).
        allow_code: The modules that the configuration may name code of. Only `.onnx` runs it.

    Returns:
        The card, and the weights by name.

    Raises:
        RRLError: RRL507 if the format is unknown, its package is not installed, or a file cannot
            be written; as `rrl_dsl.training.trained_encoder.load_encoder`.
    """
    suffix = _format_of(out)
    checkpoint = newest(run, allow_code if suffix == ".onnx" else None)
    weights = weights_of(checkpoint, part)
    if signature_of(checkpoint, part).returned == "features":  # of a backbone alone
        provenance = checkpoint.provenance
        backbone = provenance.configuration["backbone"]
        weights = plain_weights(backbone, provenance.shape, weights)
    card = out.with_name(f"{out.name}.md")
    text = card_of(run, checkpoint, part, weights, out)
    content = _onnx(checkpoint, part) if suffix == ".onnx" else _state(weights, suffix)
    write_bytes(out, content)
    write_text(card, text)
    return card, weights


def _format_of(path: Path) -> str:
    """Returns the suffix of a file; what the format needs is installed."""
    suffix = path.suffix.lower()
    if suffix not in _NEEDED:
        hint = f"use one of the suffixes {listing(_NEEDED)}"
        raise error("RRL507", f"`{path}` does not have the suffix of a network", hint=hint)
    if missing := [package for package in _NEEDED[suffix] if find_spec(package) is None]:
        message = f"`{path}` needs the package {missing[0]}, which is not installed"
        hint = f"install it with `pip install 'rrl-dsl[{suffix[1:]}]'`"
        raise error("RRL507", message, hint=hint)
    return suffix


def _state(weights: dict[str, Tensor], suffix: str) -> bytes:
    if suffix == ".safetensors":
        save = importlib.import_module("safetensors.torch").save
        # tensors must not share memory; other libraries look for the format
        return cast(
            bytes,
            save({name: weight.clone() for name, weight in weights.items()}, {"format": "pt"}),
        )
    content = io.BytesIO()
    torch.save(weights, content)
    return content.getvalue()


def _onnx(checkpoint: Resumed, part: str) -> bytes:
    network: nn.Module = encoder_of(checkpoint, part).network
    given, shape, dtype, returned = signature_of(checkpoint, part)
    if given == "features":
        assert isinstance(network, nn.Sequential)
        network = network[1]
    example = torch.zeros(2, *shape, dtype=dtype)
    try:
        program = torch.onnx.export(
            network,
            (example,),
            input_names=[given],
            output_names=[returned],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as problem:
        message = f"`{part}` cannot be written as ONNX: {str(problem).splitlines()[0]}"
        hint = "write a state dict, as `.pt` or `.safetensors`"
        raise error("RRL507", message, hint=hint) from problem
    assert program is not None
    model = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        message = f"`{part}` as ONNX takes only batches of {len(example)} samples"
        raise error("RRL507", message, hint="write a state dict, as `.pt` or `.safetensors`")
    return cast(bytes, model.SerializeToString())
