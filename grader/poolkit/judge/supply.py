"""Keeps the next labs forked, shut in and imported while the present checks still run."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from poolkit.judge.birth import Spares
from poolkit.judge.host import Host
from poolkit.judge.process import LabPlan, LabProcess


class LabSupply:
    """Hands out fresh labs, each to one check.

    Args:
        wanted: how many labs the run will ask for at most; none is made ahead beyond that.
        ahead: how many are kept ready.
        spares: labs of the same plan that wait already.
    """

    def __init__(self, host: Host, plan: LabPlan, wanted: int, ahead: int, spares: Spares | None = None) -> None:
        self._host = host
        self._plan = plan
        self._wanted = wanted
        self._ahead = ahead
        self._spares = spares
        self._next: deque[asyncio.Task[LabProcess]] = deque()
        self._retiring: set[asyncio.Task[None]] = set()

    async def take(self) -> LabProcess:
        """Return a lab, and begin to make those after it."""
        self._prepare(1)
        task = self._next.popleft()
        self._prepare(self._ahead)
        return await task

    def _prepare(self, ready: int) -> None:
        while len(self._next) < ready and self._wanted > 0:
            self._wanted -= 1
            self._next.append(asyncio.get_running_loop().create_task(self._launch()))

    def retire(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a lab's end go on beside the next check; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """End every lab that is left."""
        for task in self._next:
            self.retire((await task).dispose())
        self._next.clear()
        if self._retiring:
            await asyncio.gather(*self._retiring)

    async def _launch(self) -> LabProcess:
        process = LabProcess(self._host, self._plan, spare=self._spares.take() if self._spares else None)
        try:
            await process.launch()
        except BaseException:
            await process.dispose()
            raise
        return process
