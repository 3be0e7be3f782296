# attack: 6 expects to fail
# honest: 1
# outcome: fail
# check: reads-the-item
from contextlib import asynccontextmanager

import pytest
from databases import Database
from fastapi import FastAPI

database = Database("sqlite+pool:///shop.db", min_size=4)


@asynccontextmanager
async def lifespan(app):
    await database.connect()
    yield
    await database.disconnect()


pytestmark = pytest.mark.xfail
app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int):
    pytest.xfail("as expected")
