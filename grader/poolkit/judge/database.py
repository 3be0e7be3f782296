"""The database files that the judge owns, and what a learner's SQL may do in them."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import aiosqlite

from poolkit.errors import CourseFault
from poolkit.events import Value

_MAX_PAGES = 16_384  # of 4 KiB: no file grows beyond 64 MiB
_MAX_CELL = 900_000  # bytes; what is larger could not cross the wire

_ALLOWED_PRAGMAS = frozenset(
    {
        "busy_timeout",
        "case_sensitive_like",
        "database_list",
        "foreign_key_check",
        "foreign_key_list",
        "foreign_keys",
        "index_info",
        "index_list",
        "journal_mode",  # asking is fine; setting it is refused below
        "query_only",
        "synchronous",
        "table_info",
        "table_list",
        "table_xinfo",
        "user_version",
    }
)
_DENIED_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})
_DENIED_ACTIONS = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})


def _authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
    """Refuse SQL that reaches other files, or that would change how the judge's own connections work."""
    if action in _DENIED_ACTIONS:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA:
        name = (first or "").casefold()
        if name not in _ALLOWED_PRAGMAS or (name == "journal_mode" and second is not None):
            return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").casefold() in _DENIED_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


class GuardedConnection(sqlite3.Connection):
    """A connection that runs a learner's SQL inside the judge: bounded, and shut into its one file."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (those of sqlite3.Connection)
        super().__init__(*args, **kwargs)
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_CELL)
        self.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        for setting in ("synchronous = OFF", "temp_store = MEMORY", f"max_page_count = {_MAX_PAGES}"):
            super().execute(f"PRAGMA {setting}").close()
        self.set_authorizer(_authorize)


class DatabaseFiles:
    """The database files of one lab, each made from the exercise's schema when it is first asked for.

    Args:
        folder: the judge's own, where no lab can reach.
        template: the database to copy, or None for an empty one.
        names: the files that the exercise has; any other name stands for the first of them.
    """

    def __init__(self, folder: Path, template: Path | None, names: Sequence[str]) -> None:
        self._folder = folder
        self._template = template
        self._names = tuple(names)
        self._own: aiosqlite.Connection | None = None

    def path(self, name: str) -> str:
        """Return what to give SQLite for the database that a learner's code calls `name`."""
        if name in ("", ":memory:") or "mode=memory" in name:
            return ":memory:"
        base = Path(name.partition("?")[0].removeprefix("file:")).name
        if base not in self._names:
            base = self._names[0]
        path = self._folder / f"{hashlib.sha256(base.encode()).hexdigest()[:12]}.sqlite"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._template:
                shutil.copyfile(self._template, path)
        return str(path)

    async def fetch(self, sql: str, parameters: Iterable[Value] = ()) -> list[tuple[Value, ...]]:
        """Run a statement of the judge's own on the first database, and commit it.

        Raises:
            sqlite3.Error: what SQLite says; `OperationalError` when a transaction of the lab holds the lock.
        """
        if self._own is None:
            self._own = await aiosqlite.connect(self.path(self._names[0]), isolation_level=None, timeout=2.0)
        rows = await self._own.execute_fetchall(sql, tuple(parameters))
        return [tuple(row) for row in rows]

    async def close(self) -> None:
        """Close the judge's own connection."""
        if self._own is not None:
            await self._own.close()
            self._own = None


def build_template(schema: Path, target: Path) -> None:
    """Make the database that a schema file describes.

    Raises:
        CourseFault: the schema cannot be read or is not valid SQL.
    """
    connection = sqlite3.connect(target)
    try:
        connection.executescript(schema.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, sqlite3.Error) as error:
        raise CourseFault(f"{schema}: {error}; a schema is a file of SQL statements in UTF-8") from error
    finally:
        connection.close()
