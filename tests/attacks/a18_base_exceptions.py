# attack: 18 raises what nobody catches, in tasks, callbacks and threads
# honest: 1
# outcome: fail
# check: reads-the-item
import asyncio
import threading
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI


class Fatal(BaseException):
    pass


def fail(*_):
    raise Fatal("nobody expects this")


database = Database("sqlite+pool:///shop.db", min_size=4)


@asynccontextmanager
async def lifespan(app):
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int):
    threading.Thread(target=fail).start()
    asyncio.get_running_loop().call_soon(fail)
    asyncio.create_task(asyncio.to_thread(fail))
    raise Fatal("nor this")
