"""Threads that work while the server answers the editor."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

MAX_WORKERS: Final = 16

T = TypeVar("T")


class Workers:
    """At most `MAX_WORKERS` threads, which start on demand.

    They are daemon threads, unlike those of `ThreadPoolExecutor`, so the server can exit while they
    wait for a file.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Runs a function in a thread; a future that is canceled before it starts is skipped."""
        future: Future[T] = Future()
        self._work.put((work, future))
        if len(self._threads) < MAX_WORKERS:
            thread = threading.Thread(target=self._run, name="worker", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def _run(self) -> None:
        while True:
            work, future = self._work.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as problem:
                    future.set_exception(problem)
            del work, future  # a waiting thread must not keep a result alive
