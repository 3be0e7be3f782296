# right: the lesson's sample, which answers with the record as it comes
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
    return {"result": result}
