"""Services of experiment tracking that get the configuration and the metrics of a run.

A service is imported, and gets something, only if the setting `logger` names it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.training.run import RunDirectory

_PROJECT: Final = "rrl-dsl"


def check_installed(name: str | None) -> None:
    """Checks that the package of a service is installed, without importing it.

    Args:
        name: The setting `logger`.

    Raises:
        RRLError: RRL502.
    """
    if name is not None and find_spec(name) is None:
        message = f"the logger `{name}` needs the package {name}, which is not installed"
        hint = f"install it with `pip install 'rrl-dsl[{name}]'`"
        raise error("RRL502", message, hint=hint, settings=("logger",))


class Service(Logger):
    """Logs to a service. If the service fails during training, a warning says so, once."""

    def __init__(self, name: str, run: RunDirectory, warn: Callable[[Diagnostic], None]) -> None:
        """Connects to a service.

        Args:
            name: A value of the setting `logger`.
            run: The run directory. Its name is the name of the run there.
            warn: Called if the service fails during training.

        Raises:
            RRLError: RRL502 if the service cannot be used.
        """
        super().__init__()
        self._service = name
        self._warn = warn
        self._failed = False
        try:
            self._logger = _LOGGERS[name](run)
        except Exception as problem:  # whatever the service raises
            raise self._cannot_start(problem) from problem

    @property
    def name(self) -> str:
        """The service."""
        return self._service

    @property
    def version(self) -> None:
        """None: the service has its own names of runs."""

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Starts the run of the service, with its configuration.

        Raises:
            RRLError: RRL502 if the service does not accept it.
        """
        try:
            self._logger.log_hyperparams(params)
        except Exception as problem:
            raise self._cannot_start(problem) from problem

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs the metrics of a step."""
        self._try(lambda: self._logger.log_metrics(dict(metrics), step))

    def finalize(self, status: str) -> None:
        """Ends the run of the service."""
        self._try(lambda: self._logger.finalize(status))

    def _try(self, log: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            log()
        except Exception as problem:
            self._failed = True
            message = f"`{self._service}` failed, and gets no more metrics: {_first_line(problem)}"
            self._warn(Diagnostic("RRL509", message, severity="warning"))

    def _cannot_start(self, problem: Exception) -> RRLError:
        message = f"the logger `{self._service}` cannot start: {_first_line(problem)}"
        return error("RRL502", message, hint=_HINTS[self._service], settings=("logger",))


class _Wandb(WandbLogger):
    """Ends the run of the service after training, so that the next one is another run."""

    def finalize(self, status: str) -> None:
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=int(status != "success"))
            self._experiment = None


class _Trackio(Logger):
    """Trackio, for which Lightning has no logger."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._trackio = import_module("trackio")

    @property
    def name(self) -> str:
        return self._name

    @property
    def version(self) -> None:
        return None

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        project = os.environ.get("TRACKIO_PROJECT", _PROJECT)
        self._trackio.init(project=project, name=self._name, config=params, embed=False)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._trackio.log(dict(metrics), step=step)

    def finalize(self, status: str) -> None:
        self._trackio.finish()


def _wandb(run: RunDirectory) -> Logger:
    project = os.environ.get("WANDB_PROJECT", _PROJECT)
    return _Wandb(name=run.path.name, save_dir=run.path, project=project)


def _mlflow(run: RunDirectory) -> Logger:
    return MLFlowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT),
        run_name=run.path.name,
        tracking_uri=import_module("mlflow").get_tracking_uri(),
    )


def _trackio(run: RunDirectory) -> Logger:
    return _Trackio(run.path.name)


_LOGGERS: Final[dict[str, Callable[[RunDirectory], Logger]]] = {
    "wandb": _wandb,
    "mlflow": _mlflow,
    "trackio": _trackio,
}
_HINTS: Final = {
    "wandb": "log in with `wandb login`, or set WANDB_MODE=offline to keep the run on this machine",
    "mlflow": "check MLFLOW_TRACKING_URI, the address of the server or a database of this machine",
    "trackio": "check the installation of trackio",
}


def _first_line(problem: Exception) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0]
