"""Tests for a connection pool. Run them with `pytest test_pool.py`."""

import pytest
from pool import Pool

pytestmark = pytest.mark.anyio  # the tests of this file may be `async def`


async def test_lends_a_connection_that_works() -> None:
    pool = Pool("shop.db", min_size=1, max_size=1, timeout=5)
    await pool.open()
    connection = await pool.acquire()
    rows = await connection.execute_fetchall("SELECT name FROM items WHERE id = 1")
    assert list(rows) == [("Teapot",)]
    await pool.release(connection)
    await pool.close()


# TODO: this passes on nearly every pool, however broken. Write tests that fail when a promise of README.md is broken.
