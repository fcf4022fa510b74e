"""A trained run, read from its directory."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.files import YAML_BYTES, read_bytes
from rrl_dsl.training.evaluation import Accuracies
from rrl_dsl.training.history import Row, figures_of
from rrl_dsl.training.retrieval import Retrieval, TowerEvaluation, ZeroShot
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.trained_encoder import LoadedEncoder, load_encoder


class Run:
    """A run that was trained: its evaluation, its metrics and its encoder.

    Everything is read from the directory, when it is first asked for.

    Attributes:
        directory: The directory of the run, as an absolute path.
    """

    def __init__(self, directory: str | Path, allow_code: Collection[str] = ()) -> None:
        """Opens the directory of a run.

        Args:
            directory: The directory.
            allow_code: The modules that its configuration may name code of, for `encoder`.

        Raises:
            RRLError: RRL505 if it is not the directory of a run.
        """
        self.directory = Path(directory).absolute()
        self._allow_code = frozenset(allow_code)
        self._files = RunDirectory(self.directory)
        self._files.check()

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What `summary.json` holds: accuracies, metrics, warnings, and what the run was made of.

        Raises:
            RRLError: RRL505 if the run was not trained to its end.
        """
        try:
            path = self._files.summary
            summary: dict[str, Any] = json.loads(read_bytes(path, str(path), YAML_BYTES))
        except (OSError, ValueError) as problem:
            message = f"the summary of `{self.directory}` cannot be read: {problem}"
            hint = f"finish the run with `rrl-dsl train --resume {self.directory}`"
            raise error("RRL505", message, hint=hint) from None
        return summary

    @property
    def table(self) -> dict[str, Accuracies]:
        """Test accuracies, as shares, of probes that were fitted at the end.

        The keys are kinds of features: `pixels`, `untrained`, `backbone`, `projector`, and
        `teacher` if there is one. The table is empty if the dataset has no labels, or with
        `eval=False`.

        Raises:
            RRLError: As `summary`.
        """
        try:
            accuracies = self.summary["accuracies"]
            return {name: Accuracies(**shares) for name, shares in accuracies.items()}
        except (AttributeError, KeyError, TypeError):
            message = f"the summary of `{self.directory}` was written by another release"
            hint = f"evaluate the run again with `rrl-dsl train --resume {self.directory}`"
            raise error("RRL505", message, hint=hint) from None

    @property
    def towers(self) -> TowerEvaluation | None:
        """Retrieval across towers on the test split; None without towers, or with `eval=False`.

        Raises:
            RRLError: As `summary`.
        """
        towers = self.summary.get("towers")
        if towers is None:
            return None
        retrieval = [Retrieval(**scores) for scores in towers["retrieval"]]
        return TowerEvaluation(retrieval, [ZeroShot(**scores) for scores in towers["zero_shot"]])

    @property
    def warnings(self) -> list[str]:
        """What a reader of the table should know, such as embeddings that are close to collapse.

        Raises:
            RRLError: As `summary`.
        """
        return list(self.summary["warnings"])

    @property
    def history(self) -> list[Row]:
        """The metrics of every epoch, by their names in `metrics.csv`.

        Raises:
            RRLError: RRL505 if no epoch was trained.
        """
        try:
            rows = figures_of(self._files.metrics)
            return [{name: float(value) for name, value in row.items()} for row in rows]
        except (OSError, ValueError, csv.Error) as problem:
            message = f"the metrics of `{self.directory}` cannot be read: {problem}"
            raise error("RRL505", message) from None

    @cached_property
    def encoder(self) -> LoadedEncoder:
        """The trained backbone, as `rrl_dsl.load_encoder` returns it.

        Raises:
            RRLError: As `rrl_dsl.load_encoder`.
        """
        return load_encoder(self.directory, allow_code=self._allow_code)

    def __repr__(self) -> str:
        return f"Run({str(self.directory)!r})"
