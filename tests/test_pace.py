"""`poolkit.judge.pace`: what threads lose to other work on the machine is not counted as time."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from poolkit.judge.fixture import Lab
from poolkit.judge.pace import MOST, SLOWEST, STEP, Pace
from poolkit.judge.process import LabProcess

HOST = 7


class Machine:
    """A clock, and what a system tells of the judge (`self`), the host and its labs."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.now = 1000.0
        self.labs: set[str] = set()
        self.thread("self", "1", 0.0)
        self._write(f"{HOST}/task/{HOST}/children", "")

    def monotonic(self) -> float:
        """Tell the clock's time."""
        return self.now

    def thread(self, process: str, thread: str, lost: float) -> None:
        """Let a thread have lost so many seconds since its birth."""
        self._write(f"{process}/task/{thread}/schedstat", f"123 {round(lost * 1e9)} 4\n")
        if process != "self":
            self.labs.add(process)
            self._write(f"{HOST}/task/{HOST}/children", " ".join(sorted(self.labs)) + " ")

    def _write(self, name: str, text: str) -> None:
        path = self.proc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine on which nothing has been lost yet."""
    machine = Machine(tmp_path)
    monkeypatch.setattr(time, "monotonic", machine.monotonic)
    return machine


def test_time_passes_as_it_does_on_a_machine_that_is_free(machine: Machine) -> None:
    """Nothing lost, nothing left out."""
    clock = Pace(HOST, machine.proc)
    machine.now += 3.0
    assert clock.time() == 1003.0


def test_what_judge_and_labs_have_lost_is_not_counted(machine: Machine) -> None:
    """Of all their threads, those that came later included; what was lost before the clock began does not matter."""
    machine.thread("self", "1", 50.0)
    clock = Pace(HOST, machine.proc)
    machine.now += 10.0
    machine.thread("self", "1", 51.0)
    machine.thread("self", "2", 0.5)
    machine.thread("31", "31", 2.0)
    assert clock.time() == pytest.approx(1006.5)
    machine.now += 10.0
    machine.thread("31", "32", 1.0)
    assert clock.time() == pytest.approx(1015.5)


def test_a_part_of_the_time_always_counts(machine: Machine) -> None:
    """Ten threads that wait together lose ten seconds in one."""
    clock = Pace(HOST, machine.proc)
    machine.now += 2.0
    for number in range(10):
        machine.thread("31", str(number), 2.0)
    assert clock.time() == pytest.approx(1000.0 + 2.0 * SLOWEST)


def test_no_run_goes_on_and_on(machine: Machine) -> None:
    """A machine that is too slow for good is given so much, and no more."""
    clock = Pace(HOST, machine.proc)
    for second in range(1, 400):
        machine.now += 1.0
        machine.thread("self", "1", float(second))
        clock.time()
    assert 400 - 1 - MOST - 1 <= clock.time() - 1000.0 <= 400 - 1 - MOST


def test_it_never_goes_back(machine: Machine) -> None:
    """Although what was lost is known only at the end of a step."""
    clock = Pace(HOST, machine.proc)
    told = []
    for step in range(40):
        machine.now += STEP / 4
        machine.thread("31", "31", step * STEP / 5)
        told.append(clock.time())
    assert told == sorted(told)
    assert told[-1] - 1000.0 < 40 * STEP / 4 * 0.5


def test_where_the_system_tells_nothing_all_time_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    machine = Machine(tmp_path / "fake")
    monkeypatch.setattr(time, "monotonic", machine.monotonic)
    clock = Pace(HOST, tmp_path / "nothing")
    machine.now += 5.0
    assert clock.time() == 1005.0


def test_a_loops_timeouts_are_longer_by_what_was_lost(machine: Machine) -> None:
    """And only as long as the loop goes by this clock."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with Pace(HOST, machine.proc).of(loop):
            begin = loop.time()
            machine.now += 4.0
            machine.thread("31", "31", 3.0)
            assert loop.time() - begin == pytest.approx(1.0)
        assert loop.time() == machine.now

    asyncio.run(main())


def test_a_labs_clock_can_be_kept_in_step() -> None:
    """It loses what the judge's loop loses."""
    told: list[float] = []

    class Process:
        def command(self, command: str, *, seconds: float) -> None:
            assert command == "advance"
            told.append(seconds)
            some.set()

    async def main() -> None:
        loop, begin = asyncio.get_running_loop(), time.monotonic()
        vars(loop)["time"] = lambda: begin + (time.monotonic() - begin) / 2
        lab = Lab(cast(LabProcess, Process()), random.Random(1), 5.0)
        async with lab.in_step():
            for _ in range(3):
                some.clear()
                await asyncio.wait_for(some.wait(), 20.0)
            truly = time.monotonic() - begin
        # Half of the time, but for what was lost since the last time that it was told.
        assert -truly / 2 - 0.01 <= sum(told) < -3 * STEP * SLOWEST * 0.9

    some = asyncio.Event()
    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a thread has lost")
def test_a_machine_that_is_busy_slows_it() -> None:
    """This process and others that want the same core: each loses what the others use."""
    core = min(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    everywhere = os.sched_getaffinity(0)
    try:
        for process in busy:
            os.sched_setaffinity(process.pid, {core})
        os.sched_setaffinity(0, {core})
        clock, end = Pace(os.getpid()), time.monotonic() + 1.0
        while time.monotonic() < end:
            clock.time()
    finally:
        os.sched_setaffinity(0, everywhere)
        for process in busy:
            process.kill()
            process.wait()
    assert clock.lost > 0.3
