"""The density of a graph on the digits, computed by a thread."""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.language.diagnostics import RRLError

DATASET: Final = "digits"
SAMPLES: Final = 256
MAX_ROWS: Final = 2048
"""Graphs of more rows are not measured: that would take minutes."""
MAX_KEPT: Final = 1000

_log = logging.getLogger(__name__)


class Densities:
    """A line of text about the density of each requested graph, cached by identity.

    The first request loads NumPy and the dataset. One graph is computed at a time, and one more
    waits; a new request replaces the one that waits.
    """

    def __init__(self) -> None:
        self._asked: dict[str, Future[str]] = {}
        self._work: queue.SimpleQueue[tuple[Graph, Future[str]]] = queue.SimpleQueue()
        self._waiting: str | None = None
        self._worker: threading.Thread | None = None

    def of(self, graph: Graph) -> Future[str]:
        """Returns the future line about a graph; it is canceled if a newer request replaces it."""
        identity = graph.identity
        future = self._asked.get(identity)
        if future is None or future.cancelled():
            self._drop_waiting()
            if len(self._asked) >= MAX_KEPT:
                self._asked.clear()
            future = self._asked[identity] = Future()
            self._waiting = identity
            self._work.put((graph, future))
            self._start()
        return future

    def _drop_waiting(self) -> None:
        waiting = self._asked.get(self._waiting or "")
        if waiting is not None and waiting.cancel():
            self._asked.pop(self._waiting or "")

    def _start(self) -> None:
        if self._worker is None:
            # a daemon thread, so that the server can exit during a computation
            self._worker = threading.Thread(target=self._run, name="densities", daemon=True)
            self._worker.start()

    def _run(self) -> None:
        while True:
            graph, future = self._work.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(density_in_words(graph))
                except Exception:
                    _log.exception("density failed")
                    future.set_result("its density cannot be computed")


def density_in_words(graph: Graph) -> str:
    """Returns the density of a graph on a batch of the digits, or why it has none."""
    from rrl_dsl.data.registry import columns
    from rrl_dsl.report.expectation import is_expected
    from rrl_dsl.report.figures import figures_of, in_words
    from rrl_dsl.report.sample import lacking

    data = columns(DATASET, root=Path())
    requires = requires_of(graph)
    faults = lacking(graph, data)
    if faults:
        return "; ".join(fault.message for fault in faults)
    if requires.views * SAMPLES > MAX_ROWS and not is_expected(graph):
        return f"{requires.views} views of {SAMPLES} samples are too many to measure its density"
    try:
        where, *figures = in_words(figures_of(graph, data, samples=SAMPLES))
    except RRLError as problem:
        return problem.diagnostics[0].message
    note = ["with raw pixels in place of embeddings"] if requires.spaces else []
    return f"{where} {'; '.join(figures + note)}"
