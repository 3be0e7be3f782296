"""Lets a browser or curl reach the app in a lab: HTTP comes in on a port of this machine and goes on over the lab's
Unix socket, so that the lab itself needs no network.

Each request is read with h11 rather than passed on as bytes, because only then can it be given its number, by which
the ledger's rows say whose they are.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h11

from poolkit.errors import UsageFault
from poolkit.judge.fixture import REQUEST_HEADER
from poolkit.judge.ledger import Ledger
from poolkit.judge.peer import Peer, SocketLine, StreamLine

ADDRESS = "127.0.0.1"
MAX_CLIENTS = 256
_BACKLOG = 128
_LINGER = 1.0  # seconds

# What is between two ends of one connection and not to be passed on (RFC 9110, 7.6.1), and what is ours.
_OWN = frozenset(
    (b"connection", b"expect", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade")
    + (REQUEST_HEADER.encode(),)
)


def bind(port: int) -> socket.socket:
    """Return a socket of this machine's own address at `port`, or at any free one for 0.

    Raises:
        UsageFault: the port is taken, or not for this user.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((ADDRESS, port))
        # Two may bind one port; only one of them may listen there.
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise UsageFault(f"port {port} {why}; choose another with --port N, or any free one with --port 0") from None
    return found


class Relay:
    """Passes requests on to a lab, and tells the ledger of each.

    Args:
        path: the Unix socket that the lab's app is served on.
        ledger: of that lab.
    """

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self._path = path
        self._ledger = ledger
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._closing = False
        self._clients: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Begin to take clients at a socket that `bind` made."""
        self._server = await asyncio.start_server(self._welcome, sock=listener, backlog=_BACKLOG)

    async def close(self, grace: float) -> None:
        """Take no more clients, let the requests under way end within `grace` seconds, and hang up on the rest."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        for client in self._clients - self._busy:
            client.cancel()
        if self._busy:
            await asyncio.wait(list(self._busy), timeout=grace)
        left = list(self._clients)
        for client in left:
            client.cancel()
        if left:
            await asyncio.wait(left)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of ours: how a cancelled one of asyncio's own ends depends on Python's version.
        peer = Peer(h11.SERVER, StreamLine(reader, writer))
        client = asyncio.get_running_loop().create_task(self._serve(peer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)
        # Not in the task: one that is cancelled before its first step does nothing at all.
        client.add_done_callback(lambda _: peer.hang_up())

    async def _serve(self, client: Peer) -> None:
        try:
            if len(self._clients) > MAX_CLIENTS:
                await client.refuse(503, f"There are over {MAX_CLIENTS} clients at once.")
                return
            while isinstance(request := await client.next(), h11.Request):
                await self._answer(client, request)
                if self._closing or not client.again():
                    break
        except h11.RemoteProtocolError as error:
            await client.refuse(error.error_status_hint, f"That is no request: {error}.")
        except (OSError, h11.LocalProtocolError):
            # The client has gone, or the app's answer broke off in the middle: all that is left is to hang up.
            pass

    async def _answer(self, client: Peer, request: h11.Request) -> None:
        number = next(self._numbers)
        self._ledger.request(number, _shown(request))
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        outcome = _Outcome()
        try:
            await self._pass_on(client, request, number, outcome)
        finally:
            self._busy.discard(task)
            self._ledger.answered(number, status=outcome.status, detail=outcome.detail)

    async def _pass_on(self, client: Peer, request: h11.Request, number: int, outcome: _Outcome) -> None:
        try:
            lab = Peer(h11.CLIENT, await SocketLine.to(self._path))
        except OSError:
            outcome.detail = "no answer"
            await client.refuse(502, "The app is not there any more; the terminal says why.")
            return
        try:
            await lab.send(_numbered(request, number))
            await self._exchange(client, lab, outcome)
        except _BadAnswer:
            outcome.detail = "no proper answer"
            await client.refuse(502, "What the app answered is no proper HTTP.")
        finally:
            lab.hang_up()

    async def _exchange(self, client: Peer, lab: Peer, outcome: _Outcome) -> None:
        """Pass the body on to the lab and the answer back; stop when the answer is whole, or the client gone."""
        loop = asyncio.get_running_loop()
        asking = loop.create_task(_pass_body(client, lab))
        watching = loop.create_task(_until_gone(client, asking))
        answering = loop.create_task(_pass_answer(lab, client, outcome))
        try:
            await asyncio.wait((watching, answering), return_when=asyncio.FIRST_COMPLETED)
            if answering.done() and not asking.done():
                # Hanging up on a client that still sends would take the answer from it.
                await asyncio.wait((asking,), timeout=_LINGER)
        finally:
            tasks = (answering, watching, asking)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            failed = [error for task in tasks if not task.cancelled() and (error := task.exception())]
        if failed:
            raise failed[0]


class _BadAnswer(Exception):
    """The app hung up, or what it sent is no HTTP."""


@dataclass(slots=True)
class _Outcome:
    """How a request ended, as the client saw it."""

    status: int | None = None
    detail: str = "hung up"


async def _pass_body(client: Peer, lab: Peer) -> None:
    """Send the request's body to the lab."""
    await client.go_on()
    while not isinstance(event := await client.next(), h11.EndOfMessage):
        if isinstance(event, h11.ConnectionClosed):
            return
        await lab.offer(event)
    await lab.offer(h11.EndOfMessage())


async def _until_gone(client: Peer, asking: asyncio.Task[None]) -> None:
    """Return when the client has hung up, which shows only after its request."""
    await asyncio.wait((asking,))
    if not asking.cancelled() and asking.exception() is None:
        await client.gone()


async def _pass_answer(lab: Peer, client: Peer, outcome: _Outcome) -> None:
    """Send the lab's answer to the client, as it comes."""
    while not isinstance(event := await _heard(lab), h11.EndOfMessage):
        match event:
            case h11.Response():
                outcome.status, outcome.detail = event.status_code, "broken off"
                headers = list(_without_own(event.headers.raw_items()))
                await client.send(h11.Response(status_code=event.status_code, headers=headers, reason=event.reason))
            case h11.Data():
                await client.send(event)
            case h11.ConnectionClosed():
                raise _BadAnswer
    outcome.detail = str(outcome.status)
    await client.send(h11.EndOfMessage())


async def _heard(lab: Peer) -> h11.Event:
    try:
        return await lab.next()
    except (OSError, h11.RemoteProtocolError) as error:
        raise _BadAnswer from error


def _numbered(request: h11.Request, number: int) -> h11.Request:
    """Return the request as the lab gets it."""
    headers = list(_without_own(request.headers.raw_items()))
    if not any(name.lower() == b"host" for name, _ in headers):
        headers.append((b"host", ADDRESS.encode()))  # HTTP/1.0 does without, and the lab is asked in HTTP/1.1
    ours = [(REQUEST_HEADER.encode(), str(number).encode()), (b"connection", b"close")]
    return h11.Request(method=request.method, target=request.target, headers=[*headers, *ours])


def _without_own(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    return ((name, value) for name, value in headers if name.lower() not in _OWN)


def _shown(request: h11.Request) -> str:
    return f"{request.method.decode('ascii', 'replace')} {request.target.decode('ascii', 'replace')}"
