"""Checkpoints: written atomically with a checksum, and read without unpickling code."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from dataclasses import fields as dataclass_fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

import lightning as L
import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from rrl_dsl.data.channel_statistics import Statistics
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.language.files import open_file, write_bytes
from rrl_dsl.language.machine import needing_memory
from rrl_dsl.models.renamed import current_settings, current_weights
from rrl_dsl.training.config import Config
from rrl_dsl.training.history import History, Row
from rrl_dsl.training.provenance import Provenance
from rrl_dsl.training.record import Record

_SEAL: Final = b"rrl-dsl checkpoint, SHA-256 "
"""The end of a file, before the checksum of all preceding bytes. PyTorch ignores it."""

_SEAL_SIZE: Final = len(_SEAL) + 64
_PIECE: Final = 1 << 20

FORMAT: Final = 1
"""The format of checkpoints. Raise it if this release cannot read what earlier releases wrote, or
earlier releases cannot read what it writes. A checkpoint without a number has format 1."""

_CALLBACKS: Final = {
    History.__qualname__: ("rows", "seconds"),
    Record.__qualname__: ("provenance", "machine", "notes"),
}
"""The state of callbacks in a checkpoint."""

_WRITTEN: Final = "rrl_dsl"
"""The key of the format in a checkpoint, and of the release that wrote it."""


@dataclass(frozen=True)
class Resumed:
    """A checkpoint that a run is resumed from.

    Attributes:
        checkpoint: The file.
        epochs: The number of complete epochs.
        rows: The metrics of each epoch.
        provenance: What its numbers depend on.
        weights: The weights by name, on the CPU.
        warning: Why the newest checkpoint is not used; None if this is the newest.
    """

    checkpoint: Path
    epochs: int
    rows: Sequence[Row]
    provenance: Provenance
    weights: Mapping[str, Tensor]
    warning: Diagnostic | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a checkpoint.

        Raises:
            RRLError: As `read`.
        """
        checkpoint = read(path)
        return cls(
            path,
            epochs_of(checkpoint),
            rows_of(checkpoint),
            provenance_of(checkpoint),
            {
                name: value
                for name, value in checkpoint["state_dict"].items()
                if isinstance(value, Tensor)
            },
        )


def read(path: Path) -> dict[str, Any]:
    """Verifies the checksum of a checkpoint, and loads its tensors onto the CPU.

    Raises:
        RRLError: RRL505 if it does not exist, is damaged, or has another format; RRL515 if there
            is too little memory.
    """
    try:
        _check_seal(path)
        with needing_memory(f"the checkpoint `{path}`", "close other programs that use memory"):
            checkpoint: dict[str, Any] = torch.load(
                path, map_location="cpu", weights_only=True, mmap=True
            )
        _check_format(path, checkpoint)
        _check_parts(checkpoint)
        checkpoint["state_dict"] = current_weights(checkpoint["state_dict"])
        provenance_of(checkpoint)
        if len(rows_of(checkpoint)) != epochs_of(checkpoint):
            raise ValueError("it has no history of its run")
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        pickle.UnpicklingError,
    ) as problem:
        reason = str(problem).partition("\n")[0]
        raise _unreadable(path, reason) from None
    except (KeyError, TypeError, AttributeError) as problem:
        reason = "another release or another program wrote it"
        lacks = f", and it has no `{problem.args[0]}`" if isinstance(problem, KeyError) else ""
        raise _unreadable(path, reason + lacks) from None
    return checkpoint


def _unreadable(path: Path, reason: str) -> RRLError:
    message = f"`{path}` is not a readable checkpoint: {reason}"
    return error("RRL505", message, hint="put an intact checkpoint there, or start a new run")


def _check_format(path: Path, checkpoint: dict[str, Any]) -> None:
    """Refuses the formats of other releases.

    Raises:
        RRLError: RRL505.
    """
    written = checkpoint.get(_WRITTEN)
    if written and written["format"] != FORMAT:
        release = f"rrl-dsl {written['release']}"
        message = f"`{path}` has format {written['format']}, of {release}, and rrl-dsl "
        message += f"{version('rrl-dsl')} reads format {FORMAT}"
        hint = f"install {release}, or start a new run"
        raise error("RRL505", message, hint=hint)


def _check_parts(checkpoint: dict[str, Any]) -> None:
    """Checks that a checkpoint has all that a run is resumed with.

    Raises:
        KeyError: If a part is missing.
    """
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks"):
        checkpoint[part]
    for callback, parts in _CALLBACKS.items():
        for part in parts:
            checkpoint["callbacks"][callback][part]


def epochs_of(checkpoint: dict[str, Any]) -> int:
    """Returns the number of complete epochs of a checkpoint.

    Raises:
        KeyError: If it was not written by rrl-dsl.
    """
    return int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])


def rows_of(checkpoint: dict[str, Any]) -> list[dict[str, float]]:
    """Returns the metrics of each complete epoch of a checkpoint.

    Raises:
        KeyError: If it was not written by rrl-dsl.
    """
    rows: list[dict[str, float]] = checkpoint["callbacks"][History.__qualname__]["rows"]
    return rows


def provenance_of(checkpoint: dict[str, Any]) -> Provenance:
    """Returns what the numbers of a checkpoint depend on.

    Raises:
        KeyError: If it was not written by rrl-dsl, or a value is missing.
    """
    fields = dict(checkpoint["callbacks"][Record.__qualname__]["provenance"])
    earlier = current_settings(fields["configuration"])
    fields["configuration"] = _completed(earlier, Config().model_dump(mode="json"))
    if (measured := fields.get("statistics")) is not None:
        fields["statistics"] = Statistics(**measured)
    known = [
        field.name
        for field in dataclass_fields(Provenance)
        if field.name in fields or field.default is MISSING
    ]
    return Provenance(**{name: fields[name] for name in known})


def _completed(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Adds settings that a run did not have yet: their defaults change nothing."""
    return {**defaults, **settings} | {
        name: _completed(settings[name], inner)
        for name, inner in defaults.items()
        if isinstance(inner, Mapping) and isinstance(settings.get(name), Mapping)
    }


def is_whole(path: Path) -> bool:
    """Returns whether a checkpoint exists and is not truncated; does not compute its checksum."""
    try:
        with open_file(path) as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _SEAL_SIZE, 0))
            return file.read(_SEAL_SIZE).startswith(_SEAL)
    except OSError:
        return False


def _check_seal(path: Path) -> None:
    """Compares a file with its checksum.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it has no checksum, or another one.
    """
    digest = hashlib.sha256()
    with open_file(path) as file:
        left = os.fstat(file.fileno()).st_size - _SEAL_SIZE
        while left > 0 and (piece := file.read(min(left, _PIECE))):
            digest.update(piece)
            left -= len(piece)
        seal = file.read()
    if not seal.startswith(_SEAL):
        raise ValueError("it has no checksum: it is truncated, or another program wrote it")
    if seal != _seal(digest):
        raise ValueError("its content does not match its checksum")


def _seal(digest: hashlib._Hash) -> bytes:
    return _SEAL + digest.hexdigest().encode()


class CheckpointFiles(CheckpointIO):
    """Writes checkpoints atomically, and keeps the previous one.

    Lightning's own class writes to the folder of temporary files and moves the file, which is not
    atomic between file systems.
    """

    def __init__(self, last: Path, previous: Path) -> None:
        """Writes the checkpoints of a run.

        Args:
            last: The path of the newest checkpoint.
            previous: The path of the checkpoint before it.
        """
        self._last = last
        self._previous = previous
        self._whole = False
        """Whether this object has read or written the newest checkpoint, so that it is intact."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Writes the newest checkpoint.

        Raises:
            RRLError: RRL507 if it cannot be written; both existing checkpoints stay.
        """
        content = io.BytesIO()
        written = {"format": FORMAT, "release": version("rrl-dsl")}
        torch.save({**checkpoint, _WRITTEN: written}, content)
        content.write(_seal(hashlib.sha256(content.getbuffer())))
        # a damaged checkpoint must not replace the previous one
        write_bytes(
            self._last, content.getbuffer(), previous=self._previous if self._whole else None
        )
        self._whole = True

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint onto the CPU.

        Raises:
            RRLError: As `read`.
        """
        self._whole = Path(path) == self._last
        return read(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Does nothing: `save_checkpoint` replaces both checkpoints."""


class Checkpoints(ModelCheckpoint):
    """Saves a checkpoint before the first step and after each epoch."""

    def __init__(self, last: Path) -> None:
        """Saves the checkpoints of a run.

        Args:
            last: The path of the newest checkpoint.
        """
        super().__init__(last.parent, last.stem, enable_version_counter=False)
        self._last = last

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Saves a checkpoint before the first step, so that a stopped run can always be resumed."""
        super().on_train_start(trainer, pl_module)
        if trainer.global_step == 0:
            trainer.save_checkpoint(self._last)
