"""Keeps the next lab forked, shut in and imported while the present check still runs."""

from __future__ import annotations

import asyncio
from typing import Any

from poolkit.judge.host import Host
from poolkit.judge.process import LabPlan, LabProcess


class LabSupply:
    """Hands out fresh labs, each to one check.

    Args:
        wanted: how many labs the run will ask for at most; none is made ahead beyond that.
    """

    def __init__(self, host: Host, plan: LabPlan, wanted: int) -> None:
        self._host = host
        self._plan = plan
        self._wanted = wanted
        self._next: asyncio.Task[LabProcess] | None = None
        self._retiring: set[asyncio.Task[Any]] = set()

    def prepare(self) -> None:
        """Begin to make the next lab, if one is still wanted."""
        if self._next is None and self._wanted > 0:
            self._wanted -= 1
            self._next = asyncio.get_running_loop().create_task(self._launch())

    async def take(self) -> LabProcess:
        """Return a lab, and begin to make the one after it."""
        self._wanted = max(self._wanted, 1) if self._next is None else self._wanted
        self.prepare()
        assert self._next is not None
        task, self._next = self._next, None
        process = await task
        self.prepare()
        return process

    def retire(self, work: Any) -> None:  # noqa: ANN401  (a coroutine)
        """Let a lab's end go on beside the next check; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """End every lab that is left."""
        if self._next is not None:
            self.retire((await self._next).dispose())
            self._next = None
        if self._retiring:
            await asyncio.gather(*self._retiring)

    async def _launch(self) -> LabProcess:
        process = LabProcess(self._host, self._plan)
        try:
            await process.launch()
        except BaseException:
            await process.dispose()
            raise
        return process
