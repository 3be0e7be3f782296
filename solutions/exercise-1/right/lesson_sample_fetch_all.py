# right: the lesson's sample with fetch_all, and the rows themselves as the answer
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
    result = await database.fetch_all("SELECT 1")
    return {"result": result}
