# attack: 43 sends a body in a million chunks of one byte
# honest: 1
# outcome: fail
# check: reads-the-item
# limit: 1
import asyncio
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

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


fastapi_app = app
START = {"type": "http.response.start", "status": 200, "headers": []}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return await fastapi_app(scope, receive, send)
    await send(START)
    for _ in range(100):
        transport = send.__self__.transport
        transport.write(b"1\r\nx\r\n" * 10_000)
        await asyncio.sleep(0)
    await asyncio.sleep(1000)
