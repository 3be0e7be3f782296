"""A weather page. Run it with `uvicorn app:app`."""

import time

from fastapi import FastAPI, HTTPException

LIMIT = 3
WINDOW = 60.0

app = FastAPI()


@app.get("/weather")
async def read_weather() -> dict[str, str]:
    """Tell the weather, to so many visitors in a minute."""
    # TODO: answer 429 to the fourth visitor of a minute, with `raise HTTPException(429)`.
    return {"weather": "rain"}
