# attack: 42 says a line of over 1 MiB to the judge
# honest: 1
# outcome: tampering
# says: broke the protocol
import gc
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

from poolkit.lab.control import Control

control = next(thing for thing in gc.get_objects() if isinstance(thing, Control))


def say(line):
    """Send a line to the judge, whatever it is."""
    control._socket.sendall(line)


say(b"x" * (1 << 21) + b"\n")

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
