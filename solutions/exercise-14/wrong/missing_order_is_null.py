# misconception: changes-what-was-given
# caught by: takes-orders
"""A shop that books parcels in the background. Run it with `uvicorn app:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Annotated, Any

from databases import Database
from fastapi import Body, FastAPI, HTTPException

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

shop = Database("sqlite+pool:///shop.db", min_size=4)
archive = Database("sqlite+pool:///archive.db", min_size=2)

PLACE = "INSERT INTO orders (customer) VALUES (:customer)"
ORDER = "SELECT id, customer, parcel FROM orders WHERE id = :id"
COPY = "INSERT INTO parcels (order_id, customer, parcel) VALUES (:id, :customer, :parcel)"
BOOKED = "UPDATE orders SET parcel = :parcel WHERE id = :id"
SIGN_ON = "INSERT INTO shifts (ended) VALUES (0)"
SIGN_OFF = "UPDATE shifts SET ended = 1 WHERE ended = 0"


# --- given: leave it as it is ---


class Courier:
    """Stands in for a company on the internet. Whoever books a parcel waits as long as it is silent."""

    def __init__(self) -> None:
        self.line = asyncio.Event()
        self.line.set()
        self.numbers = count(1)

    async def book(self) -> str:
        """Return the number of a new parcel."""
        await self.line.wait()
        return f"P-{next(self.numbers)}"


courier = Courier()


async def book_parcel(order_id: int, customer: str) -> None:
    """The job: book a parcel, keep a copy in the archive, note its number at the order."""
    parcel = await courier.book()
    await archive.execute(COPY, {"id": order_id, "customer": customer, "parcel": parcel})
    await shop.execute(BOOKED, {"id": order_id, "parcel": parcel})


async def sign_on() -> None:
    """Note in the shop's database that a shift has begun. It may raise."""
    await shop.execute(SIGN_ON)


async def sign_off() -> None:
    """Note that the shift has ended. It may raise."""
    await shop.execute(SIGN_OFF)


# --- yours ---


jobs: set[asyncio.Task[None]] = set()


async def finish_jobs() -> None:
    """Give the jobs their ten seconds, and give up what is left."""
    if jobs:
        _, late = await asyncio.wait(jobs, timeout=10)
        for job in late:
            job.cancel()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what the shop needs, and close it, whatever happens in between."""
    async with shop, archive:
        await sign_on()
        try:
            yield
        finally:
            app.state.closing = True
            try:
                await finish_jobs()
            finally:
                await sign_off()


app = FastAPI(lifespan=lifespan)
app.state.closing = False


@app.post("/orders", status_code=202)
async def place_order(customer: Annotated[str, Body(embed=True)]) -> Any:
    """Take an order, and leave the parcel to a job."""
    if app.state.closing:
        raise HTTPException(503, "the shop is closing")
    order_id = await shop.execute(PLACE, {"customer": customer})
    job = asyncio.create_task(book_parcel(order_id, customer))
    jobs.add(job)
    job.add_done_callback(jobs.discard)
    return {"id": order_id}


# --- given ---


@app.get("/orders/{order_id}")
async def read_order(order_id: int) -> Any:
    """Show one order."""
    order = await shop.fetch_one(ORDER, {"id": order_id})
    return dict(order._mapping) if order else None


@app.post("/courier/{state}")
async def set_courier(state: str) -> Any:
    """Make the courier silent, or let it answer again."""
    if state not in ("silent", "back"):
        raise HTTPException(404, "the courier is silent or back")
    if state == "silent":
        courier.line.clear()
    else:
        courier.line.set()
    return {"courier": state}
