# right: the kit's pool without databases, with a page of rows for each chunk
"""The shop's dispatch desk: it ships orders, exports them and mails receipts. Run it with `uvicorn app:app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiosqlite
from fastapi import BackgroundTasks, Body, Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse

from poolkit.sqlite_pool import SQLitePool

pool = SQLitePool("shop.db", min_size=4)

ORDER = "SELECT id, customer, city, parcel FROM orders WHERE id = :id"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    async with pool:
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


PAGE = "SELECT id, customer, city, note FROM orders ORDER BY id LIMIT 4 OFFSET ?"


async def fetch(query: str, *values: Any) -> list[aiosqlite.Row]:
    """Borrow for one query."""
    async with pool.connection() as connection:
        connection.row_factory = aiosqlite.Row
        return list(await connection.execute_fetchall(query, values))


async def execute(statement: str, *values: Any) -> None:
    """Borrow for one statement, and commit it."""
    connection = await pool.acquire()
    try:
        await connection.execute(statement, values)
        await connection.commit()
    finally:
        await pool.release(connection)


async def current_clerk(clerk: str) -> str:
    """Let only clerks in."""
    if not await fetch("SELECT name FROM clerks WHERE name = ?", clerk):
        raise HTTPException(403, "no such clerk")
    return clerk


async def find_order(order_id: int) -> aiosqlite.Row:
    """Return an order; 404 when there is none."""
    for order in await fetch("SELECT id, customer, city, parcel FROM orders WHERE id = ?", order_id):
        return order
    raise HTTPException(404, "no such order")


@app.get("/orders/export", dependencies=[Depends(current_clerk)])
async def export_orders() -> StreamingResponse:
    """Send every order, a line each."""

    async def lines() -> AsyncIterator[str]:
        sent = 0
        while orders := await fetch(PAGE, sent):
            for order in orders:
                yield ",".join(str(value) for value in order) + "\n"
            sent += len(orders)

    return StreamingResponse(lines(), media_type="text/csv")


@app.get("/orders/{order_id}", dependencies=[Depends(current_clerk)])
async def read_order(order: Annotated[aiosqlite.Row, Depends(find_order)]) -> Any:
    """Show one order."""
    return dict(order)


@app.post("/orders/{order_id}/ship", dependencies=[Depends(current_clerk)])
async def ship_order(order: Annotated[aiosqlite.Row, Depends(find_order)]) -> Any:
    """Book a parcel with the courier, and note its number."""
    parcel = await courier.ask(f"{order['customer']}, {order['city']}")
    await execute("UPDATE orders SET parcel = ? WHERE id = ?", parcel, order["id"])
    return {"id": order["id"], "parcel": parcel}


@app.post("/orders/{order_id}/receipt", status_code=202, dependencies=[Depends(current_clerk)])
async def send_receipt(order: Annotated[aiosqlite.Row, Depends(find_order)], later: BackgroundTasks) -> Any:
    """Promise a receipt; it is mailed after the answer."""
    later.add_task(mail_receipt, order["id"], order["customer"])
    return {"id": order["id"]}


async def mail_receipt(order_id: int, customer: str) -> None:
    """Mail a receipt, and note the letter's number."""
    letter = await mailer.ask(f"{customer}, receipt {order_id}")
    await execute("INSERT INTO receipts (order_id, letter) VALUES (?, ?)", order_id, letter)
