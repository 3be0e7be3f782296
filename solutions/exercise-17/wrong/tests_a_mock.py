# misconception: never-uses-the-pool
# caught by: notices-opens-at-the-first-borrow
# fails too: notices-opens-anew-each-time, notices-opens-one-too-many, notices-grows-in-a-crowd, notices-lends-what-is-out, notices-does-not-wake, notices-serves-the-last-first, notices-waits-for-ever, notices-serves-who-gave-up, notices-waits-for-the-cancelled, notices-loses-it-to-the-cancelled, notices-keeps-it-when-the-block-raises, notices-counts-a-second-return, notices-takes-it-from-the-next, notices-accepts-a-stranger, notices-leaves-the-transaction, notices-commits-at-the-return, notices-lends-what-is-closed, notices-leaves-some-open, notices-lends-after-close, notices-forgets-who-waits


"""Tests for a pool, with a mock in the place of everything that is slow."""

from unittest.mock import AsyncMock

import pytest
from pool import Pool

pytestmark = pytest.mark.anyio


@pytest.fixture
def pool():
    mock = AsyncMock(spec=Pool)
    mock.acquire.side_effect = ["connection 1", "connection 2", TimeoutError]
    return mock


async def test_lends_two_and_then_gives_up(pool):
    await pool.open()
    assert await pool.acquire() != await pool.acquire()
    with pytest.raises(TimeoutError):
        await pool.acquire()


async def test_takes_back(pool):
    connection = await pool.acquire()
    await pool.release(connection)
    pool.release.assert_awaited_once_with(connection)


async def test_closes(pool):
    await pool.open()
    await pool.close()
    pool.close.assert_awaited_once()
