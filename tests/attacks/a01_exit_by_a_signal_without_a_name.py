# attack: 1 dies of a real-time signal, for which Python has no name
# honest: 1
# outcome: error
# says: signal 40
import os
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

os.kill(os.getpid(), 40)

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
