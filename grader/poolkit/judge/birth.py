"""Brings labs into the world: at once, or ahead of the file that they are to run."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from poolkit.judge.host import Host

if TYPE_CHECKING:
    from poolkit.judge.process import LabPlan

MOST_SPARES = 12
"""How many labs wait at most; each takes 3 or 4 MiB of memory of its own."""


@dataclass
class Ends:
    """The judge's ends of a lab's lines, and the lab's number: its control line, the witness's door, the gate where it
    asks for the socket to serve on, and what it prints. `awake` says whether it may import the learner's file.
    """

    token: str
    control: socket.socket
    door: socket.socket
    gate: socket.socket
    output: int
    lab: int = 0
    awake: bool = True

    def close(self) -> None:
        """Close them all, for a lab that nobody is going to follow."""
        for end in (self.control, self.door, self.gate):
            end.close()
        os.close(self.output)


def fork(
    host: Host, plan: LabPlan, token: str, ended: Callable[[int | None, str], None], *, waits: bool = False
) -> Ends:
    """Fork a lab: it shuts itself in, imports the learner's file and waits for a command.

    Args:
        token: what its driver shows to the witness.
        ended: as for `Host.fork`.
        waits: let it wait before the import, until `wake`.

    Raises:
        HostFault: the host has died.
    """
    pairs = [socket.socketpair() for _ in range(3)]
    read_end, write_end = os.pipe()
    (control, line), (door, outside), (gate, asking) = pairs
    ends = Ends(token, control, door, gate, read_end, awake=not waits)
    command = {
        "code": str(plan.code),
        "entry": plan.entry,
        "names": dict(plan.names),
        "token": token,
        "limits": {"memory": plan.memory, "cpu": plan.cpu},
        "environment": dict(plan.environment),
        "waits": waits,
    }
    try:
        ends.lab = host.fork(command, [line.fileno(), write_end, outside.fileno(), asking.fileno()], ended)
    except BaseException:
        ends.close()
        raise
    finally:
        for given in (line, outside, asking):
            given.close()
        os.close(write_end)
    return ends


class Spares:
    """Labs that wait, shut in, for a file that is not written yet. Only its folder is there.

    Args:
        host: the warm process, which ends them with itself.
        plan: what they are made from; its `code` may be filled later, and again and again.
    """

    def __init__(self, host: Host, plan: LabPlan) -> None:
        self._host = host
        self._plan = plan
        self._waiting: deque[Ends] = deque()
        self._gone: set[str] = set()
        """The tokens of those that have ended."""

    def fill(self, wanted: int) -> None:
        """See to it that so many wait, at most `MOST_SPARES`.

        Raises:
            HostFault: the host has died.
        """
        self._host.catch_up()
        self._discard(lambda ends: ends.awake or ends.token in self._gone)
        while len(self._waiting) < min(wanted, MOST_SPARES):
            token = secrets.token_hex(16)
            ended = partial(self._on_end, token)
            self._waiting.append(fork(self._host, self._plan, token, ended, waits=True))

    def wake(self, number: int) -> None:
        """Let the first of them import the file, which is there now.

        Raises:
            HostFault: the host has died.
        """
        self._host.catch_up()
        self._discard(lambda ends: ends.token in self._gone)
        for ends in list(self._waiting)[:number]:
            wake(self._host, ends)

    def take(self) -> Ends | None:
        """Return a lab, to be followed by `Host.follow` and woken by `wake`; None when none is left."""
        self._discard(lambda ends: ends.token in self._gone)
        return self._waiting.popleft() if self._waiting else None

    def forget_awake(self) -> None:
        """End those that have imported a file and were not taken, before another file takes its place."""
        self._discard(lambda ends: ends.awake)

    def close(self) -> None:
        """End all that are left."""
        self._discard(lambda ends: True)

    def _on_end(self, token: str, code: int | None, why: str) -> None:
        self._gone.add(token)

    def _discard(self, unwanted: Callable[[Ends], bool]) -> None:
        for ends in [each for each in self._waiting if unwanted(each)]:
            self._waiting.remove(ends)
            self._host.kill(ends.lab)
            ends.close()


def wake(host: Host, ends: Ends) -> None:
    """Let a lab that waits import the learner's file, if it does not already.

    Raises:
        HostFault: the host has died.
    """
    if not ends.awake:
        ends.awake = True
        host.wake(ends.lab)
        with contextlib.suppress(OSError):  # it has ended, which its follower is told
            ends.control.sendall(b"+")


__all__ = ["Ends", "Spares", "fork", "wake"]
