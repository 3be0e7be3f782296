"""One lab's process as the judge holds it: its control line, its output, its witness, its end."""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from poolkit import wire
from poolkit.errors import WireFault
from poolkit.judge.birth import Ends, fork, wake
from poolkit.judge.controls import Faults
from poolkit.judge.database import DatabaseFiles
from poolkit.judge.host import Host
from poolkit.judge.ledger import Ledger, LedgerFull
from poolkit.judge.printed import folded
from poolkit.judge.witness import Witness, location
from poolkit.report import AppError
from poolkit.wire import Message

MAX_OUTPUT = 64 << 10
"""How many bytes of a lab's prints are kept."""
_BACKLOG = 2048
MAX_CLAIMS = 20_000
MAX_CLAIMED = 4 << 20
"""How many bytes all the claims of a lab may have."""


@dataclass(frozen=True)
class LabPlan:
    """What every lab of one run is made from.

    `code` is the snapshot of the learner's files; `databases` their names in the exercise, the first being the
    default; `memory` in bytes, `cpu` in seconds; `names` what the learner calls files of the snapshot
    that have another name there; `environment` the variables that the app finds.
    """

    code: Path
    entry: str
    databases: tuple[str, ...]
    template: Path | None
    memory: int
    cpu: int
    names: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


class LabProcess:
    """Forks a lab and follows it to its end.

    Make it with `launch`; end it with `dispose`, always.

    Args:
        host: the warm process.
        plan: what it is made from.
        first: the lab whose database this one shares, as workers of one app do; that one is disposed of last.
        ledger: where everything is recorded; a new one when not given.
        spare: a lab of the same plan that waits; a new one when not given.
    """

    def __init__(
        self,
        host: Host,
        plan: LabPlan,
        first: LabProcess | None = None,
        ledger: Ledger | None = None,
        spare: Ends | None = None,
    ) -> None:
        self.ledger: Ledger = first.ledger if first else Ledger() if ledger is None else ledger
        self.faults: Faults = first.faults if first else Faults()
        self.output: bytearray = first.output if first else bytearray()
        self.layers: tuple[str, ...] | None = None
        self.claims: list[Message] = []
        """What the lab said, the oldest first; claims, all of it."""
        self.exit_code: int | None = None
        self.ended = False
        self.tampering: list[str] = first.tampering if first else []
        self._host = host
        self._plan = plan
        self._lab = 0
        self._claimed = 0
        name = secrets.token_hex(4)
        self._folder = host.folder / f"lab-{name}"
        self._first = first
        self._spare = spare
        self._token: str = first._token if first else spare.token if spare else secrets.token_hex(16)
        self.witness: Witness = first.witness if first else self._make_witness(name)
        self._door: socket.socket | None = None
        self._changed: list[asyncio.Future[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._follower: asyncio.Task[None] | None = None
        self._output_end: asyncio.Future[None] | None = None
        self._gate: socket.socket | None = None
        self._serves = False
        self._writer: asyncio.StreamWriter | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._printing: Output | None = None
        self._pipe = -1
        # How often the lab was asked for a mark in its output, and which answer is the last.
        self._marks = self._marked = 0

    @property
    def http_path(self) -> Path:
        """The Unix socket that the learner's app is served on."""
        return self._folder / "http.sock"

    def _make_witness(self, name: str) -> Witness:
        files = DatabaseFiles(self._host.folder / f"judge-{name}", self._plan.template, self._plan.databases)
        return Witness(self.ledger, files, self.faults, self._token)

    def another(self, environment: Mapping[str, str]) -> LabProcess:
        """Return a lab, not launched yet, that shares this one's database: another worker of the same app."""
        return LabProcess(self._host, replace(self._plan, environment=environment), self._first or self)

    async def launch(self) -> None:
        """Fork the lab: it shuts itself in, imports the learner's file and waits for a command."""
        self._folder.mkdir(mode=0o700)
        ends = self._spare or fork(self._host, self._plan, self._token, self._on_end)
        self._lab, self._door, self._gate = ends.lab, ends.door, ends.gate
        if self._spare is not None:
            self._host.follow(self._lab, self._on_end)
        self.witness.start(self._door)
        asyncio.get_running_loop().add_reader(self._gate, self._let_serve, self._gate)
        wake(self._host, ends)
        ends.control.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=ends.control, limit=wire.MAX_MESSAGE)
        self._follower = asyncio.create_task(self._follow(reader))
        loop = asyncio.get_running_loop()
        self._pipe = ends.output
        pipe = os.fdopen(self._pipe, "rb", buffering=0)
        self._output_end = loop.create_future()
        end = self._output_end
        self._transport, self._printing = await loop.connect_read_pipe(lambda: self._output_to(end), pipe)

    def command(self, command: str, **arguments: object) -> None:
        """Tell the lab to do something; nothing happens when it has ended."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(wire.encode({"command": command, **arguments}))

    def kill(self) -> None:
        """End the lab's process."""
        self._host.kill(self._lab)

    def claimed(self, event: str) -> Message | None:
        """Return the first claim of a kind, or None."""
        return next((claim for claim in self.claims if claim["event"] == event), None)

    async def until(self, *events: str, within: float) -> bool:
        """Wait until the lab claims one of `events` or its process ends; False when the time is up."""
        return await self._until(lambda: any(self.claimed(event) for event in events), within)

    async def until_ready(self, within: float, *, believe: bool = False) -> bool:
        """Wait until the app is served or its process ends; tell whether it is served.

        Args:
            believe: also end the wait when the lab claims that its startup failed; only for whom a false claim is of
                no use.
        """

        def over() -> bool:
            # Its claim, though it proves nothing, says that everything claimed before has arrived.
            served = self._serves and self.claimed("ready") is not None
            return served or (believe and self.claimed("startup_failed") is not None)

        await self._until(over, within)
        return self._serves

    async def _until(self, condition: Callable[[], bool], within: float) -> bool:
        end = asyncio.get_running_loop().time() + within
        while not (self.ended or condition()):
            if not await self._change(end - asyncio.get_running_loop().time()):
                return False
        return True

    async def until_ended(self, within: float) -> bool:
        """Wait until the lab's process has ended; False when the time is up."""
        return await self.until(within=within)

    async def printed(self, within: float) -> str:
        """Return what the lab has printed until now, up to `MAX_OUTPUT` bytes, its tracebacks as in `Fold`.

        A request's end is claimed before uvicorn logs the exception that it ended with, and a pipe is read when the
        event loop comes to it. So the lab is asked for a mark, and what lies in the pipe then is taken in.

        Args:
            within: seconds that it may take; a lab that blocks its event loop, or that has ended, gives no mark.
        """
        if self._writer is not None and not self.ended and self.claimed("imported") and not self.claimed("stopped"):
            self._marks += 1
            self.command("printed", number=self._marks)
            await self._until(lambda: self._marked == self._marks or self.claimed("stopped") is not None, within)
        self._drain()
        return folded(self.output.decode(errors="replace"), str(self._plan.code), self._plan.names)

    def _drain(self) -> None:
        """Take in what lies in the pipe of the lab's output now."""
        if self._printing is not None and self._transport is not None and not self._transport.is_closing():
            waiting = array.array("i", [0])
            fcntl.ioctl(self._pipe, termios.FIONREAD, waiting)
            with contextlib.suppress(BlockingIOError):
                self._printing.data_received(os.read(self._pipe, waiting[0]))

    async def dispose(self) -> None:
        """Kill the lab if it still runs, and give back everything that it used."""
        self.kill()
        await self.until_ended(5.0)
        if self._first is None:
            await self.witness.close()
        self._shut_gate()
        shutil.rmtree(self._folder, ignore_errors=True)
        tasks = [*self._tasks, *([self._follower] if self._follower else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._writer is not None:
            self._writer.close()
        if self._transport is not None:
            self._transport.close()

    # --- what arrives ---

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._claimed += len(line)
                self._bound_claims()
                self._take(wire.decode(line))
        except (WireFault, ValueError) as fault:
            self.tampering.append(f"the lab's control line broke the protocol: {fault}")
            self.kill()
        except LedgerFull:
            self.witness.flooded = True
            self.kill()
        except ConnectionError:
            # The process ended with the line half read; its exit says the rest.
            pass

    def _bound_claims(self) -> None:
        if self._claimed > MAX_CLAIMED:
            raise WireFault(f"more than {MAX_CLAIMED >> 20} MiB of claims")
        if len(self.claims) >= MAX_CLAIMS:
            raise WireFault(f"more than {MAX_CLAIMS} claims")

    def _output_to(self, end: asyncio.Future[None]) -> Output:
        return Output(self.output, end)

    def _take(self, message: Message) -> None:
        if not isinstance(event := message.get("event"), str):
            raise WireFault("a claim without a name")
        self.claims.append(message)
        match event:
            case "shut_in" if self.layers is None and isinstance(layers := message.get("layers"), list):
                # The first claim of all, made before any line of the learner's ran.
                self.layers = tuple(layer for layer in layers if isinstance(layer, str))
            case "waiting" if isinstance(tasks := message.get("tasks"), int):
                self.ledger.waits(max(0, min(tasks, 1_000_000)), self)
            case "done" if isinstance(request := message.get("request"), int):
                self.ledger.record("done", request=request)
            case "printed" if isinstance(number := message.get("number"), int):
                self._marked = number
            case "stopped":
                self.ledger.record("stopped")
        self._wake()

    def _let_serve(self, gate: socket.socket) -> None:
        """Give the lab the socket to serve on, once; from then on, and not before, is the app ready."""
        try:
            if gate.recv(1):
                with socket.socket(socket.AF_UNIX) as listener:
                    listener.bind(str(self.http_path))
                    listener.listen(_BACKLOG)
                    self._serves = True
                    self.ledger.record("ready")
                    socket.send_fds(gate, [b"+"], [listener.fileno()])
        except LedgerFull:
            self.witness.flooded = True
            self.kill()
        except ConnectionError:
            # The process ended while it asked; its exit says the rest.
            pass
        self._shut_gate()
        self._wake()

    def _shut_gate(self) -> None:
        if self._gate is not None:
            asyncio.get_running_loop().remove_reader(self._gate)
            self._gate.close()
            self._gate = None

    def _on_end(self, code: int | None, why: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self._settle(code, why)))

    async def _settle(self, code: int | None, why: str) -> None:
        """Take in what the lab said before it ended, then call it ended."""
        ends = [end for end in (self._follower, self._output_end) if end is not None]
        if ends:
            await asyncio.wait(ends, timeout=1.0)
        if self._door is not None:
            await self.witness.end_sessions(self._door)
        self.exit_code = code
        self.ended = True
        self.ledger.waits(0, self)
        if code is None:
            self.tampering.append("the lab host died while this lab ran")
        try:
            self.ledger.record("exited", detail=why or describe_exit(code))
        except LedgerFull:
            self.witness.flooded = True
        self._wake()

    async def _change(self, within: float) -> bool:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed.append(future)
        await asyncio.wait((future,), timeout=max(within, 0))
        if future in self._changed:
            self._changed.remove(future)
        return future.done()

    def _wake(self) -> None:
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_result(None)


class Output(asyncio.Protocol):
    """Keeps the first of what a lab prints and lets the rest go by."""

    def __init__(self, kept: bytearray, end: asyncio.Future[None]) -> None:
        self._kept = kept
        self._end = end

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._end.done():
            self._end.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._kept += data[: MAX_OUTPUT - len(self._kept)]


def describe_exit(code: int | None) -> str:
    """Say in words how a process ended."""
    if code is None:
        return "ended with its host"
    if code < 0:
        import signal

        names = {number.value: number.name for number in signal.Signals}  # real-time signals have none
        return f"killed by {names.get(-code, f'signal {-code}')}"
    return f"exit code {code}"


def app_error(claim: Message | None) -> AppError | None:
    """Return the exception that a claim tells of."""
    error = claim.get("error") if claim else None
    if not isinstance(error, dict):
        return None
    # Only what is text: even to spell out a deep or huge value could fail.
    kind, text = (told if isinstance(told := error.get(name), str) else "" for name in ("type", "message"))
    return AppError(kind[:100], text[:500], location(error.get("at")))


__all__ = ["LabPlan", "LabProcess", "Output", "app_error", "describe_exit"]
