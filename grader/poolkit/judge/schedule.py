"""Runs a suite's checks ahead of pytest's own pace, some at a time, each after the checks that it needs.

A check spends most of its time waiting for its lab, on another core. So while pytest awaits one check, the next
one that can run already does; pytest then finds its result there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from poolkit.judge.checks import CheckInfo


class Schedule:
    """Runs checks and keeps their results.

    Args:
        checks: every check, in the suite's order.
        run: judges one check to its end, and tells whether it passed.
        at_once: how many run at the same time.
    """

    def __init__(
        self, checks: Sequence[CheckInfo], run: Callable[[CheckInfo], Awaitable[bool]], *, at_once: int
    ) -> None:
        self._run = run
        self._free = asyncio.Semaphore(at_once)
        self._tasks: dict[str, asyncio.Task[bool]] = {}
        for info in checks:
            self._tasks[info.id] = asyncio.get_running_loop().create_task(self._in_turn(info, dict(self._tasks)))

    async def done(self, check_id: str) -> None:
        """Wait until a check is judged, or is not going to be."""
        await asyncio.wait((self._tasks[check_id],))
        # An error that is not the check's own outcome belongs to whoever asked for the check.
        self._tasks[check_id].result()

    async def close(self) -> None:
        """Stop what still runs."""
        for task in self._tasks.values():
            task.cancel()
        for task in self._tasks.values():
            with suppress(asyncio.CancelledError, Exception):  # told to whoever asked for the check
                await task

    async def _in_turn(self, info: CheckInfo, before: Mapping[str, asyncio.Task[bool]]) -> bool:
        for need in info.needs:
            if need in before:
                await asyncio.wait((before[need],))
                if before[need].cancelled() or before[need].exception() or not before[need].result():
                    return False
        async with self._free:
            return await self._run(info)
