# attack: 41 sends statements and parameters that SQLite itself stumbles over
# honest: 1
# outcome: fail
# check: starts-full|reads-the-item
import sqlite3
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

from poolkit import wire

driver = sqlite3.connect.__self__  # the kit's
OPENING = {
    "op": "open",
    "token": driver._token,
    "database": "shop.db",
    "isolation_level": None,
    "timeout": 0,
    "pooled": True,
}


def dial(**changes):
    """Open a connection by hand; return a function that sends a message and returns the answer."""
    link = driver.dial()
    answers = link.makefile("rb")

    def ask(message):
        link.sendall(message if isinstance(message, bytes) else wire.encode(message))
        return answers.readline()

    ask.kept = link, ask({**OPENING, **changes})
    return ask


ask = dial(pooled=False)
for sql, params in (
    ("\x00", []),
    ("SELECT '\ud800'", []),
    ("SELECT ?", [10**30]),
    ("SELECT ?", ["\ud800"]),
    ("SELECT ?", [{"f": "nan"}]),
    ("SELECT :a", {}),
    ("SELECT 1; SELECT 2", []),
    ("SELECT CAST(x'ff' AS TEXT)", []),
    ("", []),
    ("-- " * 100_000, []),
    ("--\n" * 200_000, []),
    ("/*" * 200_000, []),
    ("SELECT " + "(" * 5_000, []),
    ("SELECT " + "1," * 200_000 + "1", []),
    ("SELECT 1 AS '" + "x" * 900_000 + "'", []),
    ('SELECT "' + "x" * 900_000 + '"', []),
):
    if not ask({"op": "execute", "sql": sql, "params": params}):
        print("LEAKED: the witness hung up", flush=True)
for kind in ("commit", "rollback", "close"):
    ask({"op": kind, "extra": [1, 2, 3]})

database = Database("sqlite+pool:///shop.db", min_size=4)


@asynccontextmanager
async def lifespan(app):
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int):
    raise HTTPException(404, "no such item")
