"""The connections between the processes of one run.

This module loads no libraries, so that processes are connected while they are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from selectors import EVENT_READ, BaseSelector
from socket import create_connection, socket
from typing import Final

_JOINED: Final = "joined"
_DONE: Final = "done"
GONE: Final = "gone"


class Connections:
    """The connections of one process to the others of its run.

    Processes send each other lines `RANK WHAT [VALUE]`. The first process has a connection to each
    of the others. `joined` opens a connection and `done` ends it. A connection that ends without
    `done` belongs to a process that was killed, which is heard as `gone`.

    A thread waits for the selector and calls the function in the data of each key.

    Attributes:
        rank: Of this process.
        last_word: The message that is also sent to a process that connects later.
    """

    def __init__(self, selector: BaseSelector, hear: Callable[[str], None]) -> None:
        """No connections yet.

        Args:
            selector: Waits for data.
            hear: Called with each line that another process sent.
        """
        self.rank = 0
        self.last_word = ""
        self._selector = selector
        self._hear = hear
        self._server: socket | None = None
        self._address: tuple[str, int] | None = None
        self._others = 0
        self._lines: dict[socket, bytes] = {}
        """The open connections, with the bytes of the line that each has not completed."""
        self._peers: dict[int, socket] = {}
        """The connections of other processes by their ranks; a closed one stays."""

    def listen(self, server: socket, others: int) -> None:
        """Waits in the background for the other processes, as the first process.

        Args:
            server: Where they connect; closed when all have.
            others: The number of other processes.
        """
        self._server, self._others = server, others
        self._selector.register(server, EVENT_READ, self._accept)

    def reach(self, address: tuple[str, int], rank: int) -> None:
        """Tries in the background to connect to the first process.

        Args:
            address: Host and port where it listens, now or later.
            rank: Of this process.
        """
        self._others, self.rank = 1, rank
        self._address = address

    @property
    def meets(self) -> bool:
        """Whether this process is connected to the others, or waits for them."""
        return self._others > 0

    @property
    def connected(self) -> bool:
        """Whether no other process is waited for."""
        return len(self._peers) == self._others

    @property
    def ranks(self) -> list[int]:
        """The other processes that are or were connected."""
        return list(self._peers)

    def is_open(self, rank: int) -> bool:
        """Returns whether a process is connected."""
        return self._peers.get(rank) in self._lines

    def try_again(self) -> None:
        """Tries to connect to the first process, unless this process is connected."""
        if not self._address or self._lines or self._peers:
            return
        with suppress(OSError):  # the first process does not listen yet
            line = create_connection(self._address, 1)
            if line.getsockname() == line.getpeername():  # TCP connects a free port to itself
                line.close()
                return
            line.settimeout(None)
            self._add(line)
            _send(line, f"{self.rank} {_JOINED}")

    def tell(self, word: str) -> None:
        """Sends a line to the connected processes."""
        for line in [*self._peers.values()]:
            _send(line, word)

    def part(self) -> None:
        """Tells the connected processes that this one is done."""
        self.tell(f"{self.rank} {_DONE}")

    def sockets(self) -> Iterator[socket]:
        """The open sockets."""
        yield from self._lines
        if self._server:
            yield self._server

    def _accept(self) -> None:
        if self._server:  # not closed a moment ago
            self._add(self._server.accept()[0])

    def _add(self, line: socket) -> None:
        self._lines[line] = b""
        self._selector.register(line, EVENT_READ, lambda: self._read(line))

    def _drop(self, line: socket) -> None:
        self._selector.unregister(line)
        del self._lines[line]
        line.close()

    def _stop_listening(self) -> None:
        if self._server:
            self._selector.unregister(self._server)
            self._server.close()
            self._server = None

    def _read(self, line: socket) -> None:
        try:
            received = line.recv(4096)
        except OSError:
            received = b""
        if not received:
            self._drop(line)
            for rank, peer in self._peers.items():
                if peer is line:
                    self._hear(f"{rank} {GONE}")
            return
        *whole, rest = (self._lines[line] + received).split(b"\n")
        self._lines[line] = rest
        for message in whole:
            if line in self._lines:
                self._take(line, message.decode("ascii", "replace"))

    def _take(self, line: socket, text: str) -> None:
        """Takes up a line that a connection sent."""
        rank, what = [*text.split(" "), ""][:2]
        if what == _JOINED and rank.isdigit() and int(rank) not in self._peers:
            self._join(int(rank), line)
        elif what == _DONE or line not in self._peers.values():  # or not a process of the run
            self._drop(line)
        else:
            self._hear(text)

    def _join(self, rank: int, line: socket) -> None:
        self._peers[rank] = line
        if self.rank == 0:
            _send(line, f"0 {_JOINED}")
        if self.last_word:
            _send(line, self.last_word)
        if self.connected:
            self._stop_listening()


def _send(line: socket, word: str) -> None:
    with suppress(OSError):  # the other process has ended
        line.sendall(f"{word}\n".encode())
