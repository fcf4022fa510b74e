"""Writes a graph for other programs, as NumPy arrays, GraphML or DOT."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import networkx as nx
import numpy as np

from rrl_dsl.backends.reference import Rows
from rrl_dsl.data.columns import Columns
from rrl_dsl.language.diagnostics import printable
from rrl_dsl.language.files import write_bytes
from rrl_dsl.report.sample import Sample

_NO_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML does not allow, or that an XML parser would change."""


def save(sample: Sample, path: Path) -> None:
    """Writes the graph of a batch; the suffix of the file decides the format.

    Args:
        sample: The rows and the graph over them.
        path: The file, with the suffix `.npz`, `.graphml` or `.dot`; an existing file is replaced.

    Raises:
        RRLError: RRL507 if the file cannot be written.
    """
    suffix = path.suffix.lower()
    write_bytes(path, TEXTS[suffix](_network(sample)) if suffix in TEXTS else _npz(sample))


def _npz(sample: Sample) -> bytes:
    """The arrays `weights` float32 (n, n), `sample` and `view` int64 (n,), and `label_NAME`."""
    content = io.BytesIO()
    rows = sample.rows
    labels: dict[str, Any] = {f"label_{name}": rows.label(name) for name in sample.columns.labels}
    if sample.false is not None:
        labels["false"] = sample.false
    np.savez_compressed(
        content, weights=sample.weights, sample=rows.sample, view=rows.view, **labels
    )
    return content.getvalue()


def _graphml(network: nx.Graph[int]) -> bytes:
    return "\n".join([*nx.generate_graphml(network), ""]).encode()


def _dot(network: nx.Graph[int]) -> bytes:
    def lines() -> Iterator[str]:
        kind, joint = ("digraph", "->") if network.is_directed() else ("graph", "--")
        yield f"{kind} {{"
        for row, values in network.nodes(data=True):
            yield f"  {row} [{_attributes(values)}];"
        for one, other, values in network.edges(data=True):
            yield f"  {one} {joint} {other} [{_attributes(values)}];"
        yield "}\n"

    return "\n".join(lines()).encode()


def _attributes(values: Mapping[str, object]) -> str:
    def quoted(value: object) -> str:
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'

    return ", ".join(f"{quoted(name)}={quoted(value)}" for name, value in values.items())


def _shown(character: re.Match[str]) -> str:
    return printable(character[0])


def _classes(label: Any, names: Sequence[str]) -> str:
    """The names of the labels of a row, joined by `|`."""
    known = [_NO_XML.sub(_shown, names[at]) for at in np.atleast_1d(label) if at >= 0]
    return "|".join(known) or "unknown"


def network_of(
    rows: Rows,
    columns: Columns,
    edges: Iterable[tuple[int, int, dict[str, object]]],
    *,
    directed: bool,
) -> nx.Graph[int]:
    """Returns the graph of rows, with samples, views and names of classes.

    Args:
        rows: The rows.
        columns: The dataset that they are from.
        edges: Two rows and the attributes of their edge.
        directed: Whether an edge leads one way.
    """
    network: nx.Graph[int] = nx.DiGraph() if directed else nx.Graph()
    names = columns.class_names
    classes = {
        f"label_{name}": [_classes(label, names[name]) for label in rows.label(name)]
        for name in columns.labels
    }
    for row in range(len(rows)):
        known = {name: values[row] for name, values in classes.items()}
        network.add_node(row, sample=int(rows.sample[row]), view=int(rows.view[row]), **known)
    network.add_edges_from(edges)
    return network


def _network(sample: Sample) -> nx.Graph[int]:
    """The graph of a batch, without loops."""
    related = np.triu(sample.related) if sample.symmetric else sample.related

    def edges() -> Iterator[tuple[int, int, dict[str, object]]]:
        for one, other in np.argwhere(related).tolist():
            values: dict[str, object] = {"weight": float(sample.weights[one, other])}
            if sample.false is not None:
                values["false"] = bool(sample.false[one, other])
            yield one, other, values

    return network_of(sample.rows, sample.columns, edges(), directed=not sample.symmetric)


TEXTS: Final[Mapping[str, Callable[[nx.Graph[int]], bytes]]] = {".graphml": _graphml, ".dot": _dot}
"""Suffix -> function from a network to the content of the file."""
