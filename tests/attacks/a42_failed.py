# attack: 42 claims that the import failed
# honest: 1
# outcome: error
# says: Oops: sorry
# limit: 2
import gc
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

from poolkit.lab.control import Control

control = next(thing for thing in gc.get_objects() if isinstance(thing, Control))


def say(line):
    """Send a line to the judge, whatever it is."""
    control._socket.sendall(line)


say(b'{"event":"failed","error":{"type":"Oops","message":"sorry","at":["app.py",1,"x"]}}\n')
sum(range(10**12))

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
