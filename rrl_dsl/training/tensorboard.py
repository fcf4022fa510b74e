"""Writes TensorBoard's files, and reports a full disk as every other file does.

TensorBoard writes in a thread. If that fails, the thread prints a traceback, and its writer raises
the error again at the next call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.files import cannot_write


class Curves(TensorBoardLogger):
    """Logs the metrics of a training to TensorBoard.

    All methods raise RRL507 if a file cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        """A logger.

        Args:
            directory: The directory of the files.
        """
        super().__init__(directory.parent, name=directory.name, version="")
        self._directory = directory

    def log_hyperparams(self, *given: Any, **named: Any) -> None:
        """Logs the settings."""
        with _reported(self._directory):
            super().log_hyperparams(*given, **named)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs the metrics of a step."""
        with _reported(self._directory):
            super().log_metrics(metrics, step)

    def save(self) -> None:
        """Writes what was logged."""
        with _reported(self._directory):
            super().save()

    def finalize(self, status: str) -> None:
        """Closes the files; after a failure, only the first error is raised."""
        with suppress(*[] if status == "success" else [RRLError]), _reported(self._directory):
            super().finalize(status)


def write_figure(directory: Path, name: str, figure: Figure) -> None:
    """Writes a picture.

    Args:
        directory: The directory of the files.
        name: The name of the picture.
        figure: The picture.

    Raises:
        RRLError: RRL507 if it cannot be written.
    """
    with silent_thread(), _reported(directory), SummaryWriter(str(directory)) as writer:
        writer.add_figure(name, figure, close=False)


@contextmanager
def silent_thread() -> Iterator[None]:
    """Suppresses the tracebacks of TensorBoard's threads."""
    before = threading.excepthook

    def hook(problem: threading.ExceptHookArgs) -> None:
        if not type(problem.thread).__module__.startswith("tensorboard."):
            before(problem)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def _reported(directory: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as problem:
        cause = problem if isinstance(problem, OSError) else problem.__cause__
        if not isinstance(cause, OSError):
            raise
        raise cannot_write(directory, cause) from None  # Lightning raises a ValueError from it
