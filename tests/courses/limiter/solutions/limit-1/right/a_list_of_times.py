# right: the times of those who were let in, the old ones dropped with the window
"""A weather page. Run it with `uvicorn app:app`."""

import time

from fastapi import FastAPI, HTTPException

LIMIT = 3
WINDOW = 60.0

app = FastAPI()
times: list[float] = []


@app.get("/weather")
async def read_weather() -> dict[str, str]:
    """Tell the weather, to so many visitors in a minute."""
    if times and time.monotonic() - times[0] >= WINDOW:
        times.clear()
    if len(times) >= LIMIT:
        raise HTTPException(429)
    times.append(time.monotonic())
    return {"weather": "rain"}
