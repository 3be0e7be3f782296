# attack: 21 answers with a pickle that would write a file
# honest: 1
# outcome: fail
# check: reads-the-item
import pickle
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, Response


class Payload:
    def __reduce__(self):
        return open, ("/tmp/poolkit-attacked", "w")


database = Database("sqlite+pool:///shop.db", min_size=4)


@asynccontextmanager
async def lifespan(app):
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int):
    return Response(pickle.dumps(Payload()), media_type="application/python-pickle")
