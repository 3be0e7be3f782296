"""The judge's end of the warm process that labs are forked from (`poolkit.lab.host`)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolkit.errors import HostFault

if TYPE_CHECKING:
    import asyncio  # costs 60 ms, and the host is started before anything else

START_LIMIT = 60.0
"""Seconds for the host to import its libraries; the first start after an installation also compiles them."""
END_LIMIT = 10.0

_COMMAND = "import sys; from poolkit.lab.host import main; main(int(sys.argv[1]))"


class Host:
    """Starts the warm process and asks it for labs.

    Starting returns at once; the process warms up beside whatever its caller does next. `forbid` has to be
    called before the first lab.
    """

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._buffer = b""
        self._folder: Path | None = None
        self._warm = False
        self._hung_up = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._labs: dict[int, Callable[[int | None, str], None]] = {}
        self._lab_count = 0
        with theirs:
            self._process = subprocess.Popen(
                # Nothing in the environment's PYTHON variables or the current folder may reach the host's imports.
                [
                    sys.executable,
                    "-E",
                    "-P",
                    *(["-s"] if sys.flags.no_user_site else []),
                    "-c",
                    _COMMAND,
                    str(theirs.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={
                    **{name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ},
                    # Each connection has a thread; glibc would reserve 64 MiB for each of them, out of the limit
                    # that a lab's memory has.
                    "MALLOC_ARENA_MAX": "2",
                },
            )

    def forbid(self, folders: Sequence[Path]) -> None:
        """Name the folders that no lab may read.

        Raises:
            HostFault: the host has died.
        """
        self._tell({"command": "forbid", "folders": [str(folder) for folder in folders]})

    def preload(self, modules: Sequence[str]) -> None:
        """Import modules before the next lab is forked, and call the `warm_up` of those that have one, once.

        Raises:
            HostFault: the host has died.
        """
        self._tell({"command": "preload", "modules": list(modules)})

    @property
    def folder(self) -> Path:
        """The run's private directory; the host made it and will remove it."""
        while self._folder is None:
            self._wait(START_LIMIT)
        return self._folder

    @property
    def pid(self) -> int:
        """The number of its process, whose children the labs are."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process still runs; one that has hung up is about to end, or has."""
        return not self._hung_up and self._process.poll() is None

    def wait_until_warm(self) -> None:
        """Block until labs can be forked.

        Raises:
            HostFault: the host died, or took too long.
        """
        end = time.monotonic() + START_LIMIT
        while not self._warm:
            self._wait(end - time.monotonic())

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let an event loop take the host's messages from now on."""
        self._loop = loop
        loop.add_reader(self._socket, self._take)

    def detach(self) -> None:
        """Stop taking messages by the event loop that was attached."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._loop = None

    def fork(
        self, command: dict[str, Any], descriptors: Sequence[int], ended: Callable[[int | None, str], None]
    ) -> int:
        """Ask for a lab, and return its number.

        Args:
            command: what `poolkit.lab.host.run_lab` takes.
            descriptors: the lab's ends of its control socket, its output pipe, the witness's door, and the gate
                where it gets the socket to serve on.
            ended: called when the lab's process ends, with its exit code, or None when the host died, and with
                the reason where the host ended it.
        """
        self._lab_count += 1
        self._labs[self._lab_count] = ended
        self._tell({"command": "fork", "lab": self._lab_count, **command}, descriptors)
        return self._lab_count

    def follow(self, lab: int, ended: Callable[[int | None, str], None]) -> None:
        """Let somebody else be told when a lab's process ends."""
        if lab in self._labs:
            self._labs[lab] = ended

    def wake(self, lab: int) -> None:
        """Watch over a lab that was forked to wait and now goes on.

        Raises:
            HostFault: the host has died.
        """
        self._tell({"command": "wake", "lab": lab})

    def catch_up(self) -> None:
        """Take the messages that came while no event loop did.

        Raises:
            HostFault: the host has died.
        """
        while select.select([self._socket], [], [], 0)[0]:
            self._take()

    def kill(self, lab: int) -> None:
        """End a lab's process, if it has not ended."""
        if lab in self._labs:
            with contextlib.suppress(HostFault):  # a host that is gone has ended its labs
                self._tell({"command": "kill", "lab": lab})

    def close(self) -> None:
        """End the host, with every lab and the run's directory, and wait until they are gone."""
        self.detach()
        self._socket.close()
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _tell(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        line = json.dumps(message).encode() + b"\n"
        try:
            socket.send_fds(self._socket, [line], list(descriptors))
        except OSError as error:
            raise self._died() from error

    def _wait(self, seconds: float) -> None:
        if not select.select([self._socket], [], [], max(seconds, 0))[0]:
            raise HostFault(f"the lab host was not ready within {START_LIMIT:g} s; is the machine overloaded?")
        self._take()

    def _take(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionError:  # killed before it had read all that it was told
            data = b""
        if not data:
            self._host_ended()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            match message["event"]:
                case "hello":
                    self._folder = Path(message["folder"])
                case "warm":
                    self._warm = True
                case "exited":
                    if ended := self._labs.pop(message["lab"], None):
                        ended(message["code"], message["why"])

    def _host_ended(self) -> None:
        self._hung_up = True
        if self._loop is None:
            raise self._died()
        self.detach()
        for ended in list(self._labs.values()):
            ended(None, "")
        self._labs.clear()

    def _died(self) -> HostFault:
        self._hung_up = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_LIMIT)  # it hangs up a moment before it has ended
        told = ""
        if self._process.poll() is not None and self._process.stderr is not None:
            lines = self._process.stderr.read().decode(errors="replace").strip().splitlines()
            told = f": {lines[-1][:300]}" if lines else ""
        return HostFault(f"the lab host ended (exit code {self._process.returncode}){told}")
