"""A lab's line to the judge: commands come in, claims go out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from poolkit import wire


class Control:
    """One end of the socket that the judge gave the lab at its birth."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        self._lock = threading.Lock()

    def say(self, event: str, **claims: Any) -> None:  # noqa: ANN401  (any JSON)
        """Send one claim, after all that was printed until now. Does nothing once the judge has hung up."""
        with contextlib.suppress(Exception):  # a learner may have put anything in the place of stdout
            sys.stdout.flush()
        # An error says that the judge is done with this lab, and will end it.
        with self._lock, contextlib.suppress(OSError):
            self._socket.sendall(wire.encode({"event": event, **claims}))

    def listen(self, loop: asyncio.AbstractEventLoop, obey: Callable[[wire.Message], None]) -> None:
        """Call `obey` for each command from now on; an empty message says that the judge hung up."""
        loop.add_reader(self._socket, self._read, loop, obey)

    def _read(self, loop: asyncio.AbstractEventLoop, obey: Callable[[wire.Message], None]) -> None:
        data = self._socket.recv(65536)
        if not data:
            loop.remove_reader(self._socket)
            obey({})
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            obey(wire.decode(line))
