"""`poolkit.judge.client`: requests over a Unix socket, and hanging up at any moment."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from poolkit.judge.client import LabTransport

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"
REQUEST = httpx.Request("GET", "http://lab/")


async def _ask(transport: LabTransport) -> bytes:
    response = await transport.handle_async_request(REQUEST)
    return await response.aread()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # the client hung up
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
    writer.close()


async def test_it_asks_and_is_answered(tmp_path: Path) -> None:
    """One request, and many at once."""
    path = tmp_path / "http.sock"
    async with await asyncio.start_unix_server(_serve, path):
        transport = LabTransport(path)
        assert await _ask(transport) == b"hi"
        assert await asyncio.gather(*(_ask(transport) for _ in range(50))) == [b"hi"] * 50
        await transport.aclose()


async def test_nobody_there_is_an_error_of_httpx(tmp_path: Path) -> None:
    """So that a suite need know nothing of what lies below."""
    with pytest.raises(httpx.ConnectError):
        await _ask(LabTransport(tmp_path / "nobody.sock"))


async def test_a_call_may_be_cancelled_in_the_turn_of_its_answer(tmp_path: Path) -> None:
    """At whatever turn of the loop it is, the loop has nothing to complain of."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    path = tmp_path / "http.sock"
    served: list[asyncio.Task[None]] = []

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.ensure_future(_serve(reader, writer)))

    async with await asyncio.start_unix_server(serve, path):
        transport = LabTransport(path)
        for turns in range(40):
            call = asyncio.ensure_future(_ask(transport))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait((call,))
        await transport.aclose()
        assert await _ask(LabTransport(path)) == b"hi"  # the last to be accepted
    await asyncio.gather(*served)
    assert complaints == []
