"""`SQLitePool` as it is in a lab: its connections tell the witness when they are lent and returned."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import aiosqlite
from databases import DatabaseURL

import poolkit.sqlite_pool
import poolkit.sqlite_pool._backend
from poolkit.lab.blame import Blame
from poolkit.lab.control import Control
from poolkit.lab.driver import PooledConnection
from poolkit.sqlite_pool import PoolBackend, PoolObserver, SQLitePool, register

current_request: ContextVar[int | None] = ContextVar("poolkit_request", default=None)
"""The number of the request that a task works for, as the judge sent it."""


_SETTINGS = frozenset(
    ("min_size", "max_size", "timeout", "close_timeout", "max_waiting", "max_lifetime", "max_idle", "check")
)
"""What `SQLitePool` takes that is its own and not the driver's."""


class _Observer:
    def __init__(self, control: Control, blame: Blame) -> None:
        self._control = control
        self._blame = blame

    def borrowed(self, connection: aiosqlite.Connection) -> None:
        raw = connection._conn
        if isinstance(raw, PooledConnection):
            raw.mark("borrow", request=current_request.get(), at=self._blame.here())

    def returned(self, connection: aiosqlite.Connection) -> None:
        raw = connection._conn
        if isinstance(raw, PooledConnection):
            raw.mark("return")

    def waiting(self, tasks: int) -> None:
        self._control.say("waiting", tasks=tasks)


class _Both:
    """Tells the witness, and an observer of the learner's own."""

    def __init__(self, first: PoolObserver, second: PoolObserver) -> None:
        self._all = (first, second)

    def borrowed(self, connection: aiosqlite.Connection) -> None:
        for each in self._all:
            each.borrowed(connection)

    def returned(self, connection: aiosqlite.Connection) -> None:
        for each in self._all:
            each.returned(connection)

    def waiting(self, tasks: int) -> None:
        for each in self._all:
            each.waiting(tasks)


class LabSetup:
    """What the pools of this lab need to know.

    `sizes` are the judge's own `min_size` and `max_size`, when it wants to see the app with another pool.
    """

    def __init__(self, control: Control, blame: Blame) -> None:
        self.control = control
        self.observer = _Observer(control, blame)
        self.sizes: tuple[int, int] | None = None

    def install(self) -> None:
        """Make every pool of this process one that the witness sees, for `sqlite://` URLs too."""
        LabPool.setup = self
        # What a learner's file imports, and what the backend makes.
        for module in (poolkit.sqlite_pool, poolkit.sqlite_pool._backend):
            vars(module)["SQLitePool"] = LabPool
        register(backend="poolkit.lab.pool:PoolBackend")
        register("sqlite", "poolkit.lab.pool:PlainBackend")


class LabPool(SQLitePool):
    """A pool whose connections are the driver's and are watched."""

    # A class attribute, since it is the learner's code that makes the pools; set once, in a process of its own.
    setup: LabSetup

    def __init__(self, database: str, **settings: Any) -> None:  # noqa: ANN401  (those of SQLitePool)
        own = {name: settings.pop(name) for name in _SETTINGS & settings.keys()}
        others: PoolObserver | None = settings.pop("observer", None)
        connect = settings.pop("connect", None)
        settings.pop("factory", None)
        super().__init__(
            database,
            **own,
            connect=connect or (lambda: aiosqlite.connect(database, factory=PooledConnection, **settings)),
            observer=_Both(self.setup.observer, others) if others else self.setup.observer,
        )

    async def open(self) -> None:
        """Open as the base does, with the judge's sizes where it set some."""
        if self.setup.sizes is not None:
            self.min_size, self.max_size = self.setup.sizes
        self.setup.control.say("pool", min_size=self.min_size, max_size=self.max_size)
        await super().open()


class PlainBackend(PoolBackend):
    """Serves plain `sqlite://` URLs with a pool of default sizes; options of other drivers are ignored."""

    @staticmethod
    def _settings(url: DatabaseURL, options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if name in _SETTINGS}


__all__ = ["LabPool", "LabSetup", "PlainBackend", "PoolBackend", "current_request"]
