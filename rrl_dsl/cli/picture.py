"""From a program to what the pictures are drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rrl_dsl.backends.program import Program
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.graph.algebra import Applied, Combined, Complement, Graph, Scaled, Source
from rrl_dsl.language.span import Source as Text
from rrl_dsl.show.sample import GraphSample
from rrl_dsl.show.tree import Branch
from rrl_dsl.training.rows import sample_batches

PICTURE_SAMPLES: Final = 64
"""Samples in a picture: more rows than a person can tell apart help nobody."""


def sample_of(
    source: Text, program: Program, dataset: DataSet, samples: int, seed: int
) -> GraphSample:
    """The graph of one batch of a data set, grouped by the recipe's first label field."""
    batch = next(sample_batches(dataset, samples, program.requires.views, 1, seed=seed))
    nodes = batch[batch.sample.argsort(stable=True)]  # the views of a sample side by side
    field = program.requires.labels[0] if program.requires.labels else "label"
    weights = program(nodes)
    false_edges = None
    if program.adds_edges:
        false_edges = ((weights > 0) & ~(program.without_noise()(nodes) > 0)).numpy()
    return GraphSample(
        weights=weights.double().numpy(),
        group=nodes.label(field).numpy(),
        group_names=dataset.class_names[field],
        view=nodes.view.numpy(),
        title=f"{Path(source.name).name} on {dataset.name}"
        if source.name != "-e"
        else dataset.name,
        recipe=source.text.strip(),
        false_edges=false_edges,
    )


def tree_of(graph: Graph) -> Branch:
    """The recipe as a tree of operators and calls."""
    return Branch(_label(graph), tuple(tree_of(operand) for operand in graph.operands))


def _label(node: Graph) -> str:
    if isinstance(node, Source | Applied):
        return str(node.call)
    if isinstance(node, Combined):
        return {"|": "union", "&": "intersection", "+": "sum", "-": "difference"}[node.operator]
    if isinstance(node, Scaled):
        return f"times {node.factor:g}"
    assert isinstance(node, Complement)
    return "complement"
