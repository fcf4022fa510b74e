"""The inputs and outputs of the parts of a run's model, for other programs."""

from __future__ import annotations

from typing import NamedTuple

import torch

from rrl_dsl.data.dataset import Shape, is_image
from rrl_dsl.training.checkpoints import Resumed
from rrl_dsl.training.config import Config
from rrl_dsl.training.towers import towers_of
from rrl_dsl.training.trained_encoder import weights_of


class Signature(NamedTuple):
    """The input and the output of a part of a model.

    Attributes:
        given: The name of the input.
        shape: The shape of a sample of the input.
        dtype: The type of the input.
        returned: The name of the output, float32 (n, d).
    """

    given: str
    shape: Shape
    dtype: torch.dtype
    returned: str


def signature_of(checkpoint: Resumed, part: str) -> Signature:
    """Returns the input and the output of a part of the model in a checkpoint.

    Args:
        checkpoint: The checkpoint.
        part: `backbone`, `projector`, `teacher`, or the column of a tower.

    Raises:
        RRLError: RRL505 if the model does not have the part.
    """
    provenance = checkpoint.provenance
    towers = towers_of(Config.model_validate(provenance.configuration))
    if part in towers[1:]:
        read = provenance.towers[towers.index(part) - 1]
        vectors = read["vocabulary"] is None
        name, dtype = ("vectors", torch.float32) if vectors else ("tokens", torch.int64)
        return Signature(name, tuple(read["shape"]), dtype, "embeddings")
    if part == "projector" and part not in towers:
        width = weights_of(checkpoint, part)["0.weight"].shape[1]
        return Signature("features", (width,), torch.float32, "embeddings")
    given = "images" if is_image(provenance.shape) else "inputs"
    returned = "embeddings" if part in towers else "features"
    return Signature(given, tuple(provenance.shape), torch.float32, returned)
