"""What a data set lacks of what a recipe reads."""

from __future__ import annotations

import numpy as np

from rrl_dsl.backends.pair_ids import lacking_pairs
from rrl_dsl.data.table import Columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.traverse import calls_of
from rrl_dsl.language.diagnostics import Diagnostic


def lacking(graph: Graph, columns: Columns) -> list[Diagnostic]:
    """RRL401 and RRL417 for each column, RRL416 for each file of pairs."""
    faults = columns.faults(requires_of(graph).columns)
    values = (value for call in calls_of(graph) for value in call.arguments.values())
    files = (value for value in values if isinstance(value, Links))
    known = np.concatenate([columns.sample, columns.others])
    pairs = (lacking_pairs(links, known) for links in files)
    return faults + list(dict.fromkeys(fault for fault in pairs if fault is not None))
