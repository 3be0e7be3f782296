# misconception: drops-the-shutdown
# caught by: emptied-at-shutdown
"""The shop's dispatch desk: it ships orders, exports them and mails receipts. Run it with `uvicorn app:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from databases import Database
from fastapi import BackgroundTasks, Body, Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse

import poolkit.sqlite_pool  # lets Database pool SQLite: sqlite+pool://

database = Database("sqlite+pool:///shop.db", min_size=4)

CLERK = "SELECT name FROM clerks WHERE name = :name"
ORDER = "SELECT id, customer, city, parcel FROM orders WHERE id = :id"
ORDERS = "SELECT id, customer, city, note FROM orders ORDER BY id"
SHIPPED = "UPDATE orders SET parcel = :parcel WHERE id = :id"
RECEIPT = "INSERT INTO receipts (order_id, letter) VALUES (:id, :letter)"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup."""
    await database.connect()
    yield


app = FastAPI(lifespan=lifespan)


# --- the world outside: given, leave it as it is ---


class Outside:
    """Stands in for a service on the internet: whoever asks it waits until somebody lets it answer."""

    def __init__(self) -> None:
        self.questions: asyncio.Queue[str] = asyncio.Queue()
        self.answers: asyncio.Queue[str] = asyncio.Queue()

    async def ask(self, question: str) -> str:
        """Ask the service, and wait for its answer."""
        self.questions.put_nowait(question)
        return await self.answers.get()


courier = Outside()
mailer = Outside()
outside = {"courier": courier, "mailer": mailer}


@app.get("/outside/{name}/question")
async def next_question(name: str) -> Any:
    """Tell what a service was asked; wait until somebody asks it."""
    return {"question": await outside[name].questions.get()}


@app.post("/outside/{name}/answer")
async def give_answer(name: str, answer: Annotated[str, Body(embed=True)]) -> Any:
    """Let a service give an answer to whoever asked first."""
    outside[name].answers.put_nowait(answer)
    return {"answer": answer}


# --- the desk ---


async def current_clerk(clerk: str) -> str:
    """Let only clerks in."""
    if await database.fetch_val(CLERK, {"name": clerk}) is None:
        raise HTTPException(403, "no such clerk")
    return clerk


Clerk = Annotated[str, Depends(current_clerk)]


async def find_order(order_id: int) -> Any:
    """Return an order; 404 when there is none."""
    order = await database.fetch_one(ORDER, {"id": order_id})
    if order is None:
        raise HTTPException(404, "no such order")
    return order


@app.get("/orders/export")
async def export_orders(clerk: Clerk) -> StreamingResponse:
    """Send every order, a line each."""
    orders = await database.fetch_all(ORDERS)

    async def lines() -> AsyncIterator[str]:
        for order in orders:
            yield f"{order['id']},{order['customer']},{order['city']},{order['note']}\n"

    return StreamingResponse(lines(), media_type="text/csv")


@app.get("/orders/{order_id}")
async def read_order(order_id: int, clerk: Clerk) -> Any:
    """Show one order."""
    return dict(await find_order(order_id))


@app.post("/orders/{order_id}/ship")
async def ship_order(order_id: int, clerk: Clerk) -> Any:
    """Book a parcel with the courier, and note its number."""
    order = await find_order(order_id)
    parcel = await courier.ask(f"{order['customer']}, {order['city']}")
    await database.execute(SHIPPED, {"parcel": parcel, "id": order_id})
    return {"id": order_id, "parcel": parcel}


@app.post("/orders/{order_id}/receipt", status_code=202)
async def send_receipt(order_id: int, clerk: Clerk, later: BackgroundTasks) -> Any:
    """Promise a receipt; it is mailed after the answer."""
    order = await find_order(order_id)
    later.add_task(mail_receipt, order_id, order["customer"])
    return {"id": order_id}


async def mail_receipt(order_id: int, customer: str) -> None:
    """Mail a receipt, and note the letter's number."""
    letter = await mailer.ask(f"{customer}, receipt {order_id}")
    await database.execute(RECEIPT, {"id": order_id, "letter": letter})
