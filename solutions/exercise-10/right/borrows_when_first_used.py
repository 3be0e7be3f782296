# right: an object for each request that borrows at the first query and is closed at the end
"""A small shop: a customer looks at an order with the link from a mail. Run it with `uvicorn app:app`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from poolkit.sqlite_pool import PooledConnection, PoolTimeout, SQLitePool

pool = SQLitePool("shop.db", min_size=4, timeout=10)

CUSTOMER = "SELECT id, name FROM customers WHERE link_key = ?"
ORDER = "SELECT id, item, pieces FROM orders WHERE id = ? AND customer_id = ?"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fill the pool at startup, empty it at shutdown."""
    async with pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(PoolTimeout)
async def too_busy(request: Request, error: PoolTimeout) -> JSONResponse:
    """Answer 503 when no connection became free in time."""
    return JSONResponse({"detail": "too busy, please try again"}, 503, {"Retry-After": "5"})


@dataclass(frozen=True)
class Customer:
    """Who is asking."""

    id: int
    name: str


class Session:
    """The queries of one request, all on the same connection."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._connection: PooledConnection | None = None

    async def rows(self, query: str, values: tuple[object, ...]) -> list[Any]:
        """Run a query; borrow a connection for the first."""
        if self._connection is None:
            self._connection = await self._stack.enter_async_context(pool.connection())
        return list(await self._connection.execute_fetchall(query, values))

    async def close(self) -> None:
        """Return the connection, if there is one."""
        await self._stack.aclose()


async def get_session() -> AsyncIterator[Session]:
    """Give a request its session."""
    session = Session()
    try:
        yield session
    finally:
        await session.close()


RequestSession = Annotated[Session, Depends(get_session)]


async def get_customer(key: str, session: RequestSession) -> Customer:
    """Find out whose key it is."""
    rows = await session.rows(CUSTOMER, (key,))
    if not rows:
        raise HTTPException(401, "this key is not known")
    return Customer(*rows[0])


@app.get("/orders/{order_id}")
async def read_order(
    order_id: int, customer: Annotated[Customer, Depends(get_customer)], session: RequestSession
) -> Any:
    """Show an order to the customer whose order it is."""
    rows = await session.rows(ORDER, (order_id, customer.id))
    if not rows:
        raise HTTPException(404, "you have no such order")
    number, item, pieces = rows[0]
    return {"id": number, "customer": customer.name, "item": item, "pieces": pieces}
