"""`poolkit.lab.leap`: a clock leaps over a wait in which nothing can happen, and over no other.

Each script runs in a process of its own: a thread that is not aiosqlite's, as pytest-xdist has, lets nothing leap.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

_BEGIN = """
import asyncio, json, sys, threading, time
from contextlib import asynccontextmanager
import aiosqlite
from poolkit.lab.clock import Clock
from poolkit.lab.leap import Leaps

real, clock = time.monotonic, Clock()
clock.install()
Leaps(clock, 100.0).install()

def told(**found):
    print(json.dumps(found))

@asynccontextmanager
async def slow_database(seconds):
    def slow():
        time.sleep(seconds)
        return 1

    async with aiosqlite.connect(":memory:") as connection:
        await connection.create_function("slow", 0, slow)
        yield connection
"""


def run(script: str, timeout: float = 60.0) -> dict[str, Any]:
    """Run a script with a clock that leaps, and return what it told."""
    source = _BEGIN + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_a_timeout_takes_no_time() -> None:
    """Half a minute passes by the clock, and next to nothing of it in truth; connections that rest are no hindrance."""
    found = run("""
    async def main():
        async with aiosqlite.connect(":memory:") as connection:
            await connection.execute("SELECT 1")
            begin, truly = time.monotonic(), real()
            try:
                await asyncio.wait_for(asyncio.Event().wait(), 30.0)
            except TimeoutError:
                told(passed=time.monotonic() - begin, truly=real() - truly)

    asyncio.run(main())
    """)
    assert found["passed"] >= 30.0
    assert found["truly"] < 10.0


def test_timers_come_in_their_order() -> None:
    """A leap goes to the next timer, not further."""
    found = run("""
    order = []

    async def at(seconds):
        await asyncio.sleep(seconds)
        order.append(seconds)

    async def main():
        await asyncio.gather(*(at(seconds) for seconds in (9.0, 0.5, 20.0, 3.0)))

    asyncio.run(main())
    told(order=order)
    """)
    assert found["order"] == [0.5, 3.0, 9.0, 20.0]


def test_no_leap_while_a_statement_is_under_way() -> None:
    """Its answer comes before a timer that is due later; the database has the time that it takes."""
    found = run("""
    async def main():
        order = []
        async with slow_database(0.3) as connection:

            async def ask():
                await connection.execute_fetchall("SELECT slow()")
                order.append("answer")

            asked = asyncio.create_task(ask())
            await asyncio.sleep(60.0)
            order.append("timer")
            await asked
        told(order=order)

    asyncio.run(main())
    """)
    assert found["order"] == ["answer", "timer"]


def test_a_timer_that_is_due_first_comes_first() -> None:
    """Who gives a slow statement too little time is told so, in that time and not at once."""
    found = run("""
    async def main():
        async with slow_database(1.0) as connection:
            begin = real()
            try:
                await asyncio.wait_for(connection.execute_fetchall("SELECT slow()"), 0.1)
            except TimeoutError:
                told(truly=real() - begin)

    asyncio.run(main())
    """)
    assert found["truly"] >= 0.1


def test_waits_for_the_database_are_never_leapt_over() -> None:
    """However many there are, and however they fall: all of the time that passes is the real one."""
    found = run("""
    async def visit(connection, number):
        for _ in range(50):
            await asyncio.wait_for(connection.execute_fetchall("SELECT ?", (number,)), 30.0)

    async def main():
        connections = [await aiosqlite.connect(":memory:") for _ in range(4)]
        shift = time.monotonic() - real()
        await asyncio.gather(*(visit(connection, n) for n, connection in enumerate(connections)))
        leapt = time.monotonic() - real() - shift
        for connection in connections:
            await asyncio.wait_for(connection.close(), 30.0)
        told(leapt=leapt)

    asyncio.run(main())
    """)
    assert found["leapt"] < 1.0  # the two clocks are not read in the same moment


def test_no_leap_while_another_thread_lives() -> None:
    """Nobody knows what it is about to do."""
    found = run("""
    end = threading.Event()
    threading.Thread(target=end.wait).start()
    begin = real()
    asyncio.run(asyncio.sleep(0.2))
    end.set()
    told(truly=real() - begin)
    """)
    assert found["truly"] >= 0.2


def test_a_closed_connection_is_no_hindrance() -> None:
    """Its thread has ended, or is about to."""
    found = run("""
    async def main():
        for _ in range(3):
            connection = await aiosqlite.connect(":memory:")
            await connection.close()
        await (await aiosqlite.connect(":memory:")).stop()
        begin = real()
        await asyncio.sleep(40.0)
        told(truly=real() - begin)

    asyncio.run(main())
    """)
    assert found["truly"] < 10.0


def test_a_wait_past_the_end_has_none() -> None:
    """Whoever set the limit ends it."""
    found = run("""
    from poolkit.lab import leap

    def hang():
        told(at=time.monotonic() - begin)
        sys.stdout.flush()
        import os
        os._exit(0)

    leap.hang = hang
    begin = time.monotonic()

    async def main():
        for _ in range(30):
            await asyncio.sleep(7.0)

    asyncio.run(main())
    """)
    assert 98.0 <= found["at"] < 100.0
