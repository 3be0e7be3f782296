"""A weather page. Run it with `uvicorn app:app`."""

import time

from fastapi import FastAPI, HTTPException

LIMIT = 3
WINDOW = 60.0

app = FastAPI()
began = float("-inf")
seen = 0


@app.get("/weather")
async def read_weather() -> dict[str, str]:
    """Tell the weather, to so many visitors in a minute."""
    global began, seen
    if time.monotonic() - began >= WINDOW:
        began, seen = time.monotonic(), 0
    if seen >= LIMIT:
        raise HTTPException(429)
    seen += 1
    return {"weather": "rain"}
