"""A weather page with many visitors. Run it with `uvicorn app:app`."""

from fastapi import FastAPI, HTTPException

LIMIT = 2

app = FastAPI()
seen = 0


@app.get("/weather/{visitor}")
async def read_weather(visitor: str) -> dict[str, str]:
    """Tell the weather, to each visitor twice."""
    # TODO: count each visitor by themselves.
    global seen
    if seen >= LIMIT:
        raise HTTPException(429)
    seen += 1
    return {"weather": "rain"}
