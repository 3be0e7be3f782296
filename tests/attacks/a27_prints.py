# attack: 27 prints without end to stdout and stderr
# honest: 1
# outcome: fail
# check: *
import os
import threading
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException


def flood(descriptor):
    while True:
        os.write(descriptor, b"\x1b[31mflood" * 6000)


for number in (1, 2):
    threading.Thread(target=flood, args=(number,), daemon=True).start()

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
