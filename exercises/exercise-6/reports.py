"""The reports of the archive, as another team hands them over. The shop mounts them; leave this file as it is."""

from typing import Any

from fastapi import APIRouter, Request

router = APIRouter()

SOLD = "SELECT count(*) AS orders, coalesce(sum(quantity), 0) AS pieces FROM orders WHERE item_id = :item_id"


@router.get("/sold/{item_id}")
async def read_sold(item_id: int, request: Request) -> dict[str, Any]:
    """Tell how often an item was ordered, and how many pieces of it."""
    row = await request.state.archive.fetch_one(SOLD, {"item_id": item_id})
    return {"item_id": item_id, "orders": row["orders"], "pieces": row["pieces"]}
