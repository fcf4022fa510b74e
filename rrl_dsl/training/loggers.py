"""Services of experiment tracking that get the configuration and the metrics of a run.

A service is imported, and gets something, only if the setting `logger` names it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from rrl_dsl.graph.text import text_of
from rrl_dsl.language.diagnostics import Diagnostic, error
from rrl_dsl.language.files import TABLE_BYTES, read_bytes, write_text
from rrl_dsl.training import ranks
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.run import RunDirectory

_PROJECT: Final = "rrl-dsl"
_PATIENCE: Final = {
    "WANDB_INIT_TIMEOUT": "30",  # seconds
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
"""How long a service tries to start. By default, wandb and MLflow try for minutes."""


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


@contextmanager
def service_of(
    module: RelationalModule, run: RunDirectory, warn: Callable[[Diagnostic], None]
) -> Iterator[Service | None]:
    """Starts a run of the service that the setting `logger` names, and ends it in any case.

    Args:
        module: The module that is trained.
        run: The run directory. If a run was started for it before, that run is continued.
        warn: Called if the service fails during training.

    Yields:
        The logger; None without a service, and in the processes that do not lead.

    Raises:
        RRLError: RRL502 if the service cannot start; RRL505 if `logger.json` cannot be read;
            RRL507 if it cannot be written.
    """
    name = module.config.logger
    if name is None or not ranks.leads():
        yield None
        return
    service = Service(name, run, described(module), warn)
    try:
        yield service
    finally:
        service.finalize("failed")  # no effect after a training that ended


def described(module: RelationalModule) -> dict[str, Any]:
    """Returns what loggers get before training: the recipe, its identity, and every setting."""
    program = module.program
    recipe = {"recipe": text_of(program.graph), "identity": program.identity}
    return {**recipe, **module.config.model_dump(mode="json")}


class Service(Logger):
    """Logs to a service. If the service fails during training, a warning says so, once."""

    def __init__(
        self,
        name: str,
        run: RunDirectory,
        settings: dict[str, Any],
        warn: Callable[[Diagnostic], None],
    ) -> None:
        """Starts or continues a run of a service, and keeps its id in the run directory.

        Args:
            name: A value of the setting `logger`.
            run: The run directory. Its name is the name of the run there.
            settings: The configuration.
            warn: Called if the service fails during training.

        Raises:
            RRLError: RRL502 if the service cannot start; RRL505; RRL507.
        """
        super().__init__()
        self._service = name
        self._warn = warn
        self._ended = False
        known = _known(run.services)
        try:
            with _impatient():
                self._logger = _LOGGERS[name](run, known.get(name))
                self._logger.log_hyperparams(settings)
        except Exception as problem:  # the service can raise any error
            hint = _HINTS[name]
            if name in known:
                hint += f", or remove `{run.services}` to start another run there"
            message = f"the logger `{name}` cannot start: {_first_line(problem)}"
            raise error("RRL502", message, hint=hint, settings=("logger",)) from problem
        ids = {**known, name: str(self._logger.version)}
        write_text(run.services, json.dumps(ids, indent=2) + "\n")

    @property
    def name(self) -> str:
        """The service."""
        return self._service

    @property
    def version(self) -> None:
        """None: the service has its own names of runs."""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Does nothing: the service gets the configuration when its run starts."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs the metrics of a step."""
        self._try(lambda: self._logger.log_metrics(dict(metrics), step))

    def finalize(self, status: str) -> None:
        """Ends the run of the service."""
        self._try(lambda: self._logger.finalize(status))
        self._ended = True

    def _try(self, log: Callable[[], None]) -> None:
        if self._ended:
            return
        try:
            log()
        except Exception as problem:
            self._ended = True
            message = f"`{self._service}` failed, and gets no more metrics: {_first_line(problem)}"
            self._warn(Diagnostic("RRL509", message, severity="warning"))


def _known(path: Path) -> dict[str, str]:
    """Reads the ids of a run at its services; no service has logged it if there is no file."""
    if not os.path.lexists(path):
        return {}
    try:
        ids = json.loads(read_bytes(path, str(path), TABLE_BYTES))
        return {str(name): str(ids[name]) for name in ids}
    except (OSError, ValueError, TypeError):
        message = f"`{path}` is damaged: it has the ids of this run at its loggers"
        hint = "remove it; the logger then starts a new run"
        raise error("RRL505", message, hint=hint) from None


@contextmanager
def _impatient() -> Iterator[None]:
    """Lets a service fail soon if it cannot be reached, unless the user set how long it tries."""
    added = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


class _Wandb(WandbLogger):
    """Ends the run of the service after training, so that the next training is a new run."""

    def finalize(self, status: str) -> None:
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=int(status != "success"))
            self._experiment = None


class _Mlflow(MLFlowLogger):
    """Continues a run: it is running again, with the parameters of its start."""

    def __init__(self, known: str | None, **options: Any) -> None:
        super().__init__(run_id=known, **options)
        self._known = known

    def log_hyperparams(self, params: Any) -> None:
        if self._known is None:
            super().log_hyperparams(params)
        else:  # MLflow refuses another value of a parameter
            self.experiment.update_run(self._known, status="RUNNING")


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
    def version(self) -> str:
        return self._name

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        project = os.environ.get("TRACKIO_PROJECT", _PROJECT)
        options = {"config": params, "resume": "allow", "embed": False}
        self._trackio.init(project=project, name=self._name, **options)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._trackio.log(dict(metrics), step=step)

    def finalize(self, status: str) -> None:
        self._trackio.finish()


def _wandb(run: RunDirectory, known: str | None) -> Logger:
    project = os.environ.get("WANDB_PROJECT", _PROJECT)
    return _Wandb(name=run.path.name, save_dir=run.path, project=project, id=known)


def _mlflow(run: RunDirectory, known: str | None) -> Logger:
    return _Mlflow(
        known,
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT),
        run_name=run.path.name,
        tracking_uri=import_module("mlflow").get_tracking_uri(),
    )


def _trackio(run: RunDirectory, known: str | None) -> Logger:
    # a name is all that Trackio continues a run by, so it has to be unique
    return _Trackio(known or f"{run.path.name}-{secrets.token_hex(4)}")


_LOGGERS: Final[dict[str, Callable[[RunDirectory, str | None], Logger]]] = {
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
