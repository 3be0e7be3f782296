"""HTTP to a lab over its Unix socket, by httpx on asyncio's own streams.

anyio's streams, which httpx takes by default, put an InvalidStateError into the event loop when a call is cancelled
in the very turn in which its answer arrives (anyio 4.16); suites hang up on purpose.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import httpcore
import httpx

MAX_CONNECTIONS = 500


class LabTransport(httpx.AsyncHTTPTransport):
    """Sends requests to the app behind a Unix socket.

    Without httpx's client around it, which would read a lab's cookies and follow its redirects.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(verify=_no_tls(), trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            uds=str(path),
            # A connection for each request: uvicorn hangs up after an exception, which a reused one would trip over.
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=0,
            network_backend=_Backend(),
        )


@cache
def _no_tls() -> ssl.SSLContext:
    """Return what httpx wants to have; it would read every certificate of the machine for one of its own."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Backend(httpcore.AsyncNetworkBackend):
    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Stream(*await asyncio.open_unix_connection(path))
        except OSError as error:
            raise httpcore.ConnectError(error) from error


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._reader.read(max_bytes)
        except OSError as error:
            raise httpcore.ReadError(error) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as error:
            raise httpcore.WriteError(error) from error

    async def aclose(self) -> None:
        self._writer.close()
