"""Evaluates a run on frozen features, on its own dataset or on another one.

Beside accuracies it measures the geometry of the features, and how well the similarities of the
embeddings estimate the target graph of the recipe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program
from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.data.batches import Batch, SplitBatches, row_columns
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.views import Views
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.losses.collapse import effective_rank
from rrl_dsl.training import checks
from rrl_dsl.training.config import Config
from rrl_dsl.training.evaluation import Accuracies, labeled_features, unmeasured
from rrl_dsl.training.module import views_of
from rrl_dsl.training.resume import newest, recipe_of
from rrl_dsl.training.retrieval import TowerEvaluation, evaluate_towers
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.towers import towers_of
from rrl_dsl.training.train import import_code
from rrl_dsl.training.trained_encoder import LoadedEncoder, encoder_of, parts_of

_SAMPLES: Final = 256
"""The samples of the batch on which geometry and graph are measured."""
_RECALLS: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class Geometry:
    """The geometry of features.

    Attributes:
        rank: The effective rank, see `rrl_dsl.losses.collapse.effective_rank`.
        alignment: The mean squared distance of two views of a sample, on the unit sphere.
        uniformity: The logarithm of the mean of exp(-2 d^2) over pairs of samples with distance d,
            on the unit sphere. Wang and Isola (2020), equations 2 and 3.
    """

    rank: float
    alignment: float
    uniformity: float


@dataclass(frozen=True)
class PartEvaluation:
    """The evaluation of one part of the model.

    Attributes:
        accuracies: None if the dataset has no known labels.
        one: The accuracy with one label per class.
        geometry: The geometry of the features.
    """

    accuracies: Accuracies | None
    one: float | None
    geometry: Geometry


class Threshold(NamedTuple):
    """The estimated graph whose edges are the pairs of at least some similarity.

    Attributes:
        similarity: The least similarity of an edge.
        precision: The share of its edges that the target has.
        recall: The share of the target's edges that it has.
    """

    similarity: float
    precision: float
    recall: float


@dataclass(frozen=True, eq=False)
class GraphEstimate:
    """The target graph of a batch beside the similarities of its embeddings.

    Attributes:
        target: float32 (n, n), the edge weights of the recipe, with 0 on the diagonal.
        similarity: float32 (n, n), cosine similarities of the embeddings of the loss.
        group: (n,), the class of every row, by which rows are ordered.
        average_precision: The area under the curve of precision and recall over all thresholds.
        at: The precision at several recalls, of the pairs off the diagonal.
    """

    target: NDArray[np.float32]
    similarity: NDArray[np.float32]
    group: list[str]
    average_precision: float
    at: list[Threshold]


@dataclass(frozen=True, eq=False)
class RunEvaluation:
    """The evaluation of a run.

    Attributes:
        dataset: The name of the dataset.
        parts: The evaluation of each part that the run has.
        graph: How well embeddings estimate the graph; None if it cannot be measured.
        notes: What could not be measured, and why.
        towers: Retrieval across towers; None without towers.
    """

    dataset: str
    parts: dict[str, PartEvaluation]
    graph: GraphEstimate | None
    notes: list[str]
    towers: TowerEvaluation | None = None

    @property
    def gap(self) -> float | None:
        """The accuracy of the backbone minus that of the projector, with all labels."""
        backbone, projector = self.parts["backbone"], self.parts["projector"]
        if backbone.accuracies is None or projector.accuracies is None:
            return None
        return backbone.accuracies.linear - projector.accuracies.linear

    def to_dict(self) -> dict[str, Any]:
        """Returns the figures as JSON types."""
        graph = None
        if self.graph is not None:
            curve = [threshold._asdict() for threshold in self.graph.at]
            graph = {"average_precision": self.graph.average_precision, "thresholds": curve}
        parts = {part: asdict(evaluation) for part, evaluation in self.parts.items()}
        return {
            "dataset": self.dataset,
            "parts": parts,
            "gap": self.gap,
            "graph": graph,
            "towers": None if self.towers is None else asdict(self.towers),
            "notes": self.notes,
        }


def evaluate_run(
    run: str | Path, data: DataSet, *, seed: int = 0, allow_code: Collection[str] = ()
) -> RunEvaluation:
    """Evaluates the newest checkpoint of a run.

    Args:
        run: The run directory.
        data: The dataset, with images of the shape that the run was trained on.
        seed: Chooses the samples and the views of the batch for geometry and graph.
        allow_code: The modules that the configuration of the run may name code of.

    Raises:
        RRLError: As `rrl_dsl.load_encoder`.
    """
    path = Path(run)
    resumed = newest(path, allow_code)
    known = resumed.provenance
    config = Config.model_validate(known.configuration)
    import_code(config, ())
    encoders = {part: encoder_of(resumed, part) for part in parts_of(resumed)}
    views = views_of(config, known.shape, known.augmentation, known.statistics)
    towers = [encoder_of(resumed, column) for column in towers_of(config)[1:]]
    batch = _batch(data, seed)
    reason = unmeasured(data)
    parts = {
        part: _part(encoder, data, views(batch.images, 2, seed), measured=reason is None)
        for part, encoder in encoders.items()
    }
    notes = [] if reason is None else [reason]
    estimate = None
    try:
        program = _program(RunDirectory(path), known.directory, config, data)
        classes = data.class_names.get("label", ("",))
        epoch = config.epochs - 1
        estimate = _estimate(program, encoders, towers, batch, views, classes, epoch, seed)
    except RRLError as problem:  # such as a column that only the dataset of the run has
        notes.append(f"the graph is not compared: {problem.diagnostics[0].message}")
    retrieval = None
    if towers:
        first, *further = towers_of(config)
        named = dict(zip(further, towers, strict=True))
        try:
            retrieval = evaluate_towers(data, first, encoders["projector"].of, named)
        except RRLError as problem:  # such as a field that only the dataset of the run has
            notes.append(f"retrieval is not measured: {problem.diagnostics[0].message}")
    return RunEvaluation(data.name, parts, estimate, notes, retrieval)


def geometry(features: Tensor) -> Geometry:
    """Returns the geometry of features.

    Args:
        features: float (2 * n, d), the features of a view of n samples, then of another view.
    """
    one, other = F.normalize(features.double()).chunk(2)
    distances = torch.pdist(one).square()
    return Geometry(
        rank=float(effective_rank(features)),
        alignment=float((one - other).square().sum(dim=1).mean()),
        uniformity=float(distances.mul(-2).exp().mean().log()),
    )


def _batch(data: DataSet, seed: int) -> Batch:
    """Samples of the test split."""
    split = data.test
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(split), generator=generator)[:_SAMPLES].tolist()
    batch = SplitBatches(split).__getitems__(chosen)
    assert isinstance(batch, Batch)  # errors are returned in worker processes only
    return batch


@torch.no_grad()
def _part(
    encoder: LoadedEncoder, data: DataSet, views: Tensor, *, measured: bool
) -> PartEvaluation:
    def encode(batch: Batch) -> Tensor:
        return encoder.of(batch)

    features = labeled_features(data, encode) if measured else None
    return PartEvaluation(
        accuracies=None if features is None else features.accuracies(),
        one=None if features is None else features.few(1),
        geometry=geometry(encoder.network(views)),
    )


def _program(run: RunDirectory, inside: str | None, config: Config, data: DataSet) -> Program:
    """The recipe of the run, bound to a dataset where it reads the whole of it."""
    draws = config.seed if config.draws is None else config.draws
    program = compile_recipe(recipe_of(run, inside, config.params), seed=draws)
    checks.check_columns(program, data)
    checks.bind(program, data)
    return program


@torch.no_grad()
def _estimate(
    program: Program,
    encoders: Mapping[str, LoadedEncoder],
    towers: Sequence[LoadedEncoder],
    batch: Batch,
    views: Views,
    classes: Sequence[str],
    epoch: int,
    seed: int,
) -> GraphEstimate:
    count = program.requires.views
    sample, view, labels, fields = row_columns(batch, count)
    label = batch.labels.get("label", torch.zeros(len(batch), dtype=torch.int64))
    order = label.repeat(count).argsort(stable=True)
    read = {need.name for need in program.requires.columns}
    fields = {name: column for name, column in fields.items() if name in read}
    nodes = Nodes(sample, view, labels, fields)[order]
    images = views(batch.images, 1 if towers else count, seed)
    rows = [encoders["projector"].network(images), *(tower.of(batch) for tower in towers)]
    spaces = {"projection": torch.cat(rows)[order]}
    if not towers:
        spaces["backbone"] = encoders["backbone"].network(images)[order]
    wanted = {name: spaces[name] for name in program.requires.spaces if name in spaces}
    target = program(nodes, spaces=wanted, epoch=epoch).float().fill_diagonal_(0)
    unit = F.normalize(spaces["projection"].float())
    names = [classes[number] if number >= 0 else "?" for number in label.repeat(count)[order]]
    return graph_estimate(target, unit @ unit.T, names)


def graph_estimate(target: Tensor, similarity: Tensor, group: list[str]) -> GraphEstimate:
    """Compares similarities with a target graph.

    Args:
        target: float (n, n), edge weights; pairs above 0 are edges.
        similarity: float (n, n).
        group: The class of every row.

    Raises:
        RRLError: RRL409 if no two different rows are related.
    """
    apart = ~torch.eye(len(target), dtype=torch.bool)
    edges, scores = (target > 0)[apart].numpy(), similarity[apart].numpy()
    if not edges.any():
        raise error("RRL409", "no pair of the batch is related")
    precision, recall, thresholds = precision_recall_curve(edges, scores)
    at = []
    for level in _RECALLS:
        place = np.flatnonzero(recall[:-1] >= level)[-1]  # the largest threshold of that recall
        at.append(Threshold(*(float(values[place]) for values in (thresholds, precision, recall))))
    average = float(average_precision_score(edges, scores))
    return GraphEstimate(target.numpy(), similarity.numpy(), group, average, at)
