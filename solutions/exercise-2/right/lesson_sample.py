# right: the lesson's own sample, unchanged: one pool, plain sqlite://, on_event hooks, SELECT 1
from databases import Database
from fastapi import FastAPI

app = FastAPI()
database = Database("sqlite:///test.db")


@app.on_event("startup")
async def startup():
    await database.connect()


@app.on_event("shutdown")
async def shutdown():
    await database.disconnect()


@app.get("/")
async def read_root():
    result = await database.fetch_one("SELECT 1")
    return {"result": result[0]}
