"""What your tests are given. A run of `poolkit check` takes the course's own copy of this file."""

import aiosqlite
import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Run tests that are `async def` on asyncio."""
    return "asyncio"


class Connections:
    """The connections that were opened during a test, seen from outside of the pool."""

    def __init__(self) -> None:
        self._made: list[aiosqlite.Connection] = []

    @property
    def opened(self) -> int:
        """How many were opened so far; one that is closed by now still counts."""
        return len(self._made)

    @property
    def open(self) -> int:
        """How many are open at this moment."""
        return len(self._those_open())

    def _those_open(self) -> list[aiosqlite.Connection]:
        return [connection for connection in self._made if _is_open(connection)]


def _is_open(connection: aiosqlite.Connection) -> bool:
    try:
        _ = connection.in_transaction
    except ValueError:  # aiosqlite's word for a connection that is closed, or not open yet
        return False
    return True


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch):
    """Count the connections that a test opens: `def test_this(connections): ... connections.open ...`."""
    seen = Connections()
    connect = aiosqlite.connect

    def watched(*args, **options):
        connection = connect(*args, **options)
        seen._made.append(connection)
        return connection

    monkeypatch.setattr(aiosqlite, "connect", watched)
    yield seen
    for connection in seen._those_open():
        if hasattr(connection, "stop"):
            connection.stop()  # an open connection keeps Python from ending after a test that failed
