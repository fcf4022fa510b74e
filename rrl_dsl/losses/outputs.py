"""The outputs of a model for the rows of a batch, by name. Losses take them."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Output = Literal[
    "backbone",
    "projection",
    "prediction",
    "prototypes",
    "patches",
    "patch_prototypes",
    "mask",
    "teacher_projection",
    "teacher_prototypes",
    "teacher_patches",
    "teacher_patch_prototypes",
    "center",
    "patch_center",
    "bank",
]

Part = Literal["predictor", "prototypes", "patches", "teacher", "bank"]
"""A part that a model has only where a loss or a recipe needs it."""


class Described(NamedTuple):
    """An output in words, its shape, and the parts of a model that it needs.

    Sizes: n rows, m earlier rows, P patches; f, d and K are widths.
    """

    what: str
    shape: tuple[str, ...]
    parts: tuple[Part, ...] = ()

    @property
    def doc(self) -> str:
        """What it is, with its shape."""
        sizes = ", ".join(self.shape) + ("," if len(self.shape) == 1 else "")
        return f"{self.what} ({sizes})"


_ROW, _PATCH, _SCORES, _PATCH_SCORES = ("n", "d"), ("n", "P", "d"), ("n", "K"), ("n", "P", "K")

OUTPUTS: Final[dict[Output, Described]] = {
    "backbone": Described("the backbone's features", ("n", "f")),
    "projection": Described("the projector's embeddings", _ROW),
    "prediction": Described("the predictor's embeddings", _ROW, ("predictor",)),
    "prototypes": Described("the scores of the prototypes", _SCORES, ("prototypes",)),
    "patches": Described("the embeddings of the patches", _PATCH, ("patches",)),
    "patch_prototypes": Described(
        "the patches' scores of the prototypes", _PATCH_SCORES, ("patches", "prototypes")
    ),
    "mask": Described("which patches are hidden from the student, bool", ("n", "P"), ("patches",)),
    "teacher_projection": Described("the teacher's embeddings", _ROW, ("teacher",)),
    "teacher_prototypes": Described(
        "the teacher's scores of the prototypes", _SCORES, ("teacher", "prototypes")
    ),
    "teacher_patches": Described(
        "the teacher's embeddings of the patches", _PATCH, ("teacher", "patches")
    ),
    "teacher_patch_prototypes": Described(
        "the teacher's scores of the prototypes for the patches",
        _PATCH_SCORES,
        ("teacher", "patches", "prototypes"),
    ),
    "center": Described(
        "the running mean of the teacher's scores", ("K",), ("teacher", "prototypes")
    ),
    "patch_center": Described(
        "the running mean of the teacher's scores for the patches",
        ("K",),
        ("teacher", "patches", "prototypes"),
    ),
    "bank": Described("the embeddings of earlier rows", ("m", "d"), ("bank",)),
}
"""Output -> what it is."""
