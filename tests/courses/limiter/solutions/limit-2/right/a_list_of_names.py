# right: a list with a name for each visit
"""A weather page with many visitors. Run it with `uvicorn app:app`."""

from fastapi import FastAPI, HTTPException

LIMIT = 2

app = FastAPI()
seen: list[str] = []


@app.get("/weather/{visitor}")
async def read_weather(visitor: str) -> dict[str, str]:
    """Tell the weather, to each visitor twice."""
    if seen.count(visitor) >= LIMIT:
        raise HTTPException(429)
    seen.append(visitor)
    return {"weather": "rain"}
