"""A weather page with many visitors. Run it with `uvicorn app:app`."""

from fastapi import FastAPI, HTTPException

LIMIT = 2

app = FastAPI()
seen: dict[str, int] = {}


@app.get("/weather/{visitor}")
async def read_weather(visitor: str) -> dict[str, str]:
    """Tell the weather, to each visitor twice."""
    if seen.get(visitor, 0) >= LIMIT:
        raise HTTPException(429)
    seen[visitor] = seen.get(visitor, 0) + 1
    return {"weather": "rain"}
