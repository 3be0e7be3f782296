# right: the lesson's sample, borrowing by hand with database.connection()
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
    async with database.connection() as connection:
        result = await connection.fetch_one("SELECT 1")
    return {"result": result[0]}
