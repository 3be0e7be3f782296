# misconception: forgets-await
# caught by: notices-opens-at-the-first-borrow
# fails too: notices-opens-anew-each-time, notices-opens-one-too-many, notices-grows-in-a-crowd, notices-lends-what-is-out, notices-does-not-wake, notices-serves-the-last-first, notices-waits-for-ever, notices-serves-who-gave-up, notices-waits-for-the-cancelled, notices-loses-it-to-the-cancelled, notices-keeps-it-when-the-block-raises, notices-counts-a-second-return, notices-takes-it-from-the-next, notices-accepts-a-stranger, notices-leaves-the-transaction, notices-commits-at-the-return, notices-lends-what-is-closed, notices-leaves-some-open, notices-lends-after-close, notices-forgets-who-waits


"""Tests for a pool, as somebody writes them who comes from a language without `await`."""

import pytest
from pool import Pool

pytestmark = pytest.mark.anyio


@pytest.fixture
def pool():
    return Pool("shop.db", min_size=1, max_size=2, timeout=1)


async def test_open(pool):
    pool.open()
    assert pool.acquire()


async def test_borrow_and_return(pool):
    pool.open()
    connection = pool.acquire()
    assert connection is not None
    pool.release(connection)
    assert pool.acquire() is not connection


async def test_two_borrowers(pool):
    first, second = pool.acquire(), pool.acquire()
    assert first is not second


async def test_close(pool):
    pool.open()
    pool.close()
