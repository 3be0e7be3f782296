# misconception: too-few
# caught by: lets-each-in-twice
"""A weather page with many visitors. Run it with `uvicorn app:app`."""

from fastapi import FastAPI, HTTPException

LIMIT = 2

app = FastAPI()
seen: set[str] = set()


@app.get("/weather/{visitor}")
async def read_weather(visitor: str) -> dict[str, str]:
    """Tell the weather, to each visitor twice."""
    if visitor in seen:
        raise HTTPException(429)
    seen.add(visitor)
    return {"weather": "rain"}
