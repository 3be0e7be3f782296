"""`poolkit.judge.relay`: what a client sends reaches the app with its number, and what the app answers comes back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from poolkit.errors import UsageFault
from poolkit.judge.ledger import Ledger
from poolkit.judge.relay import Relay, bind

DEADLINE = 20.0  # seconds; only a failing test waits that long
GET = b"GET /items/1 HTTP/1.1\r\nHost: shop\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"

App = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Stage:
    """A relay between clients and an app that a test plays."""

    def __init__(self, port: int, ledger: Ledger, relay: Relay) -> None:
        self.port = port
        self.ledger = ledger
        self.relay = relay
        self.heard: list[bytes] = []

    async def client(self, sent: bytes) -> Client:
        """Connect, and send something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        return reader, writer

    async def ask(self, sent: bytes) -> bytes:
        """Return all that comes back until the relay hangs up."""
        reader, writer = await self.client(sent)
        async with asyncio.timeout(DEADLINE):
            back = await reader.read()
        writer.close()
        return back

    async def told(self, kind: str, times: int = 1) -> list[str]:
        """Wait until the ledger has rows of a kind; return what they say."""
        assert await self.ledger.until(lambda ledger: len(ledger.of(kind)) >= times, DEADLINE)
        return [event.detail for event in self.ledger.of(kind)]


@asynccontextmanager
async def stage(folder: Path, app: App) -> AsyncIterator[Stage]:
    """Serve an app behind a relay."""
    ledger = Ledger()
    relay = Relay(folder / "http.sock", ledger)
    listener = bind(0)
    made = Stage(listener.getsockname()[1], ledger, relay)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            made.heard.append(await reader.readuntil(b"\r\n\r\n"))
            await app(reader, writer)

    server = await asyncio.start_unix_server(play, str(folder / "http.sock"))
    await relay.serve(listener)
    try:
        yield made
    finally:
        await relay.close(0)
        server.close()


async def says_hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer and hang up."""
    writer.write(OK)


@pytest.mark.anyio
async def test_a_request_gets_its_number_and_its_rows(tmp_path: Path) -> None:
    """Its arrival and its answer are in the ledger, and the app is told which it is; a client's own claim goes."""
    async with stage(tmp_path, says_hello) as it:
        back = await it.ask(GET + b"X-Poolkit-Request: 99\r\nConnection: close\r\n\r\n")
        await it.ask(GET + b"Connection: close\r\n\r\n")
        assert back.startswith(b"HTTP/1.1 200 ")
        assert back.endswith(b"hello")
        assert [head.lower().count(b"x-poolkit-request: %d\r\n" % n) for n, head in enumerate(it.heard, 1)] == [1, 1]
        assert it.heard[0].lower().count(b"x-poolkit-request") == 1
        rows = [(event.kind, event.request, event.detail, event.status) for event in it.ledger]
        assert rows[:2] == [("request", 1, "GET /items/1", None), ("response", 1, "200", 200)]


@pytest.mark.anyio
async def test_one_connection_carries_many_requests(tmp_path: Path) -> None:
    """Those that are sent ahead wait for their turn; each answer says that the connection stays."""
    async with stage(tmp_path, says_hello) as it:
        back = await it.ask((GET + b"\r\n") * 2 + GET + b"Connection: close\r\n\r\n")
        assert back.count(b"HTTP/1.1 200 ") == 3
        assert back.lower().count(b"connection: close") == 1
        assert await it.told("response", 3) == ["200"] * 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: 11\r\n", b"a long story"[:11]),
        (b"Transfer-Encoding: chunked\r\n", b"6\r\na long\r\n5\r\n stor\r\n0\r\n\r\n"),
        (b"Content-Length: 11\r\nExpect: 100-continue\r\n", b"a long stor"),
    ],
)
async def test_a_body_arrives_whole(tmp_path: Path, head: bytes, body: bytes) -> None:
    """Of known length, in chunks, and from a client that waits to be asked for it."""
    got = bytearray()

    async def takes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not got.endswith(b"stor") and b"0\r\n\r\n" not in got:
            got.extend(await reader.read(100))
        writer.write(OK)

    async with stage(tmp_path, takes) as it:
        reader, writer = await it.client(b"POST /up HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n" + head + b"\r\n")
        async with asyncio.timeout(DEADLINE):
            if b"Expect" in head:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            writer.write(body)
            assert (await reader.read()).endswith(b"hello")
        writer.close()
        assert b"a long" in got
        assert b" stor" in got
        assert b"expect" not in it.heard[0].lower()


@pytest.mark.anyio
async def test_an_answer_comes_as_the_app_makes_it(tmp_path: Path) -> None:
    """The first part is there before the app has made the second one."""
    go_on = asyncio.Event()

    async def streams(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go_on.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

    async with stage(tmp_path, streams) as it:
        reader, writer = await it.client(GET + b"Connection: close\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            await reader.readuntil(b"first")
            go_on.set()
            await reader.readuntil(b"second")
        writer.close()


@pytest.mark.anyio
async def test_a_client_that_hangs_up_is_told_of(tmp_path: Path) -> None:
    """To the app, whose connection ends, and to the ledger."""
    gone = asyncio.Event()

    async def waits(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""
        gone.set()

    async with stage(tmp_path, waits) as it:
        _, writer = await it.client(GET + b"\r\n")
        await it.told("request")
        writer.close()
        assert await it.told("response") == ["hung up"]
        async with asyncio.timeout(DEADLINE):
            await gone.wait()


@pytest.mark.anyio
async def test_an_answer_before_the_whole_body_is_not_lost(tmp_path: Path) -> None:
    """An app need not read all that it is sent, and the client that still sends gets its answer all the same."""
    async with stage(tmp_path, says_hello) as it:
        size = 4 << 20
        head = b"POST /up HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
        reader, writer = await it.client(head)
        async with asyncio.timeout(DEADLINE):
            for _ in range(size >> 16):
                writer.write(bytes(1 << 16))
                await writer.drain()
            assert (await reader.read()).endswith(b"hello")
        writer.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nConte", b"\x00\x01\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
async def test_no_proper_answer_is_a_502(tmp_path: Path, answer: bytes) -> None:
    """An app that hangs up, or that says something else than HTTP; the relay goes on."""

    async def mumbles(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with stage(tmp_path, mumbles) as it:
        for _ in range(2):
            assert (await it.ask(GET + b"\r\n")).startswith(b"HTTP/1.1 502 ")
        assert await it.told("response", 2) == ["no proper answer"] * 2


@pytest.mark.anyio
async def test_an_answer_that_breaks_off_is_no_whole_one(tmp_path: Path) -> None:
    """The client sees that something is missing, and so does the ledger."""

    async def breaks_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nsome")

    async with stage(tmp_path, breaks_off) as it:
        assert (await it.ask(GET + b"\r\n")).endswith(b"some")
        assert await it.told("response") == ["no proper answer"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "nonsense", [b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /" + b"x" * 66_000]
)
async def test_what_is_no_request_is_refused(tmp_path: Path, nonsense: bytes) -> None:
    """With an answer that says so, and without a row or a word to the app; the next client is served."""
    async with stage(tmp_path, says_hello) as it:
        assert (await it.ask(nonsense))[9:12] in (b"400", b"431")
        assert len(it.ledger) == 0
        assert (await it.ask(GET + b"Connection: close\r\n\r\n")).endswith(b"hello")


@pytest.mark.anyio
async def test_closing_lets_a_request_end(tmp_path: Path) -> None:
    """What is under way gets its grace; a client that is only connected is hung up on."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        writer.write(OK)

    async with stage(tmp_path, slowly) as it, asyncio.timeout(DEADLINE):
        idle, idle_writer = await it.client(b"")
        reader, writer = await it.client(GET + b"\r\n")
        await asked.wait()
        closed = asyncio.create_task(it.relay.close(DEADLINE))
        assert await idle.read() == b""
        go_on.set()
        await closed
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        idle_writer.close()


def test_a_port_in_use_is_one_clear_line() -> None:
    """With what to do about it."""
    with closing(bind(0)) as first, pytest.raises(UsageFault, match=r"port \d+ is in use; choose another") as caught:
        bind(first.getsockname()[1])
    assert caught.value.exit_code == 2


def test_only_this_machine_is_served() -> None:
    """The port is bound to the loopback address."""
    with closing(bind(0)) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.family is socket.AF_INET
