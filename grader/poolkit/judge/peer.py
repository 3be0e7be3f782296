"""HTTP over one connection, a message at a time: what `poolkit.judge.relay` holds at each of its two ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Protocol

import h11

_CHUNK = 64 << 10
_MAX_HEAD = 64 << 10  # as uvicorn has it


class Line(Protocol):
    """Bytes to and from somebody."""

    async def read(self) -> bytes:
        """Return what came, nothing when the other side has hung up."""

    async def send(self, data: bytes) -> None:
        """Send, and wait while the other side is slower than we."""

    def close(self) -> None:
        """Hang up."""


class StreamLine:
    """A line that asyncio's server gave us: what was read ahead is not lost when a read is cancelled."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(_CHUNK)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


class SocketLine:
    """A line to a lab: what it said can still be read when it takes no more, which ends a stream of asyncio's."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    @classmethod
    async def to(cls, path: Path) -> SocketLine:
        """Connect to a Unix socket."""
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, str(path))
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    async def read(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, _CHUNK)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def close(self) -> None:
        self._socket.close()


class Peer:
    """HTTP with whoever is at the other end of a line.

    Args:
        role: what we are to them.
    """

    def __init__(self, role: type[h11.SERVER] | type[h11.CLIENT], line: Line) -> None:
        self._http = h11.Connection(role, max_incomplete_event_size=_MAX_HEAD)
        self._line = line

    async def next(self) -> h11.Event:
        """Return the next event of the other side's."""
        while not isinstance(event := self._http.next_event(), h11.Event):
            if event is h11.PAUSED:
                raise h11.RemoteProtocolError("more than one message at once")
            self._http.receive_data(await self._line.read())
        return event

    async def send(self, event: h11.Event) -> None:
        """Send an event, and wait while the other side is slower than we."""
        if data := self._http.send(event):
            await self._line.send(data)

    async def offer(self, event: h11.Event) -> None:
        """Send an event, unless the other side has gone: it may answer without reading all of a request."""
        with contextlib.suppress(OSError):
            await self.send(event)

    async def go_on(self) -> None:
        """Ask for the body, where the client waits to be asked."""
        if self._http.they_are_waiting_for_100_continue:
            await self.send(h11.InformationalResponse(status_code=100, headers=[]))

    async def gone(self) -> None:
        """Return when the other side has hung up; what it sends meanwhile is its next request."""
        data = await self._line.read()
        self._http.receive_data(data)
        if data:
            await asyncio.get_running_loop().create_future()

    def again(self) -> bool:
        """Be ready for the next request, where there may be one."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def refuse(self, status: int, why: str) -> None:
        """Answer in the app's place, where nothing is answered yet."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = f"poolkit: {why}\n".encode()
        headers = [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body)))]
        with contextlib.suppress(OSError, h11.LocalProtocolError):
            await self.send(h11.Response(status_code=status, headers=[*headers, ("connection", "close")]))
            await self.send(h11.Data(data=body))
            await self.send(h11.EndOfMessage())

    def hang_up(self) -> None:
        """Close the connection."""
        self._line.close()
