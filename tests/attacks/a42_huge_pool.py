# attack: 42 claims pools of sizes that no text can hold
# honest: 1
# outcome: fail
# check: *
import gc
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

from poolkit.lab.control import Control

control = next(thing for thing in gc.get_objects() if isinstance(thing, Control))


def say(line):
    """Send a line to the judge, whatever it is."""
    control._socket.sendall(line)


for size in (b"0", b"-1", b"true", b"1e999", b"null", b"[]", b"1000000000", b"9" * 4300, b"9" * 4300, b"9" * 4300):
    say(b'{"event":"pool","min_size":' + size + b"}\n")

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
