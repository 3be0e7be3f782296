# attack: 28 loops in C at import, deaf to signals
# honest: 1
# outcome: fail
# check: *
# limit: 1
import signal
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

for number in range(1, 65):
    if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
        signal.signal(number, signal.SIG_IGN)
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
