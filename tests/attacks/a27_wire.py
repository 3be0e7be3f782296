# attack: 27 sends a hundred thousand messages at once on each of many connections
# honest: 1
# outcome: fail
# check: *
# limit: 2
import sqlite3
import threading
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

from poolkit import wire

driver = sqlite3.connect.__self__  # the kit's
opening = {
    "op": "open",
    "token": driver._token,
    "database": "shop.db",
    "isolation_level": None,
    "timeout": 0,
    "pooled": False,
}


def flood():
    link = driver.dial()
    link.sendall(wire.encode(opening))
    while True:
        link.sendall(b'{"op":"commit"}\n' * 20_000)


for _ in range(20):
    threading.Thread(target=flood, daemon=True).start()

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
