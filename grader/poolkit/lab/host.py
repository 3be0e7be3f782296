"""The warm process: imports what every lab needs once, and forks a lab when the judge asks for one.

It holds no secret and listens nowhere: the judge speaks to it over a socket that it inherited, which no lab
keeps. (multiprocessing's forkserver listens at a path that its children know, and runs what it is sent: a lab
could ask it for a process without a sandbox.) It owns the run's directory: when the judge ends, however it
ends, the socket closes, and the host kills what is left and removes the directory.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_CRASHED = 70
"""A lab's exit code when the kit's own code in it failed (EX_SOFTWARE of sysexits.h)."""
_WATCH_EVERY = 0.02  # seconds
_MAX_THREADS = 1_000
"""No limit of the system's bounds how many threads a process of root's starts."""
MAX_PATH = 60
"""The longest folder, in bytes, that leaves room for a socket's name in the 104 of macOS's sun_path."""


def main(descriptor: int) -> None:
    """Serve the judge at the socket `descriptor` until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    judge = socket.socket(fileno=descriptor)
    folder = _make_folder()
    try:
        _tell(judge, {"event": "hello", "folder": folder})
        _warm_up()
        _Host(judge).serve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    # Nothing is left to finalize, and the judge waits for this process to be gone.
    os._exit(0)


def _make_folder() -> str:
    base = tempfile.gettempdir()
    if len(os.fsencode(base)) > MAX_PATH:
        base = "/tmp"
    return os.path.realpath(tempfile.mkdtemp(prefix="poolkit-", dir=base))


def _warm_up() -> None:
    """Import all that a lab needs, what FastAPI and others import at the first use included.

    Nothing is collected meanwhile, and what is there then never will be: forks share its memory.
    """
    gc.disable()
    import databases.backends.sqlite  # noqa: F401
    import fastapi.responses  # noqa: F401
    import pydantic.v1  # noqa: F401
    import uvicorn.lifespan.on  # noqa: F401
    import uvicorn.protocols.http.h11_impl  # noqa: F401

    import poolkit.lab.app
    import poolkit.lab.driver  # noqa: F401
    import poolkit.lab.sandbox  # noqa: F401

    if sys.platform == "linux":
        import landlockpy

        landlockpy.abi_version()  # its first call takes 3 ms
    from poolkit.lab.warmup import warm_up

    warm_up()
    gc.freeze()
    gc.enable()


def _tell(judge: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the judge is gone; the loop will see that
        judge.sendall(json.dumps(message).encode() + b"\n")


class _Host:
    def __init__(self, judge: socket.socket) -> None:
        self._judge = judge
        self._readable: list[str] = []
        self._labs: dict[int, int] = {}
        self._waiting: set[int] = set()
        self._why: dict[int, str] = {}
        self._buffer = b""
        self._descriptors: list[int] = []
        self._preloaded: set[str] = set()

    def serve(self) -> None:
        """Answer the judge, and tell it of each lab that ends."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._close_in_child = [wake, woken]
        _tell(self._judge, {"event": "warm"})
        with selectors.DefaultSelector() as selector:
            selector.register(self._judge, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            self._selector = selector
            while True:
                watching = len(self._labs) > len(self._waiting)
                ready = {key.fileobj for key, _ in selector.select(_WATCH_EVERY if watching else None)}
                self._watch()
                if wake in ready:
                    wake.recv(4096)
                    self._reap()
                if self._judge in ready and not self._listen():
                    break
        self._end_all()

    def _listen(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._judge, 1 << 16, 16)
        self._descriptors += descriptors
        if not data:
            return False
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return True

    def _obey(self, command: dict[str, Any]) -> None:
        if command["command"] == "forbid":
            from poolkit.lab.sandbox import readable_paths

            self._readable = readable_paths([Path(folder) for folder in command["folders"]])
        elif command["command"] == "preload":
            for name in command["modules"]:
                self._preload(name)
        elif command["command"] == "fork":
            descriptors, self._descriptors = self._descriptors[:4], self._descriptors[4:]
            self._fork(command, descriptors)
        elif command["command"] == "wake":
            self._waiting -= {pid for pid, lab in self._labs.items() if lab == command["lab"]}
        elif command["command"] == "kill":
            for pid, lab in self._labs.items():
                if lab == command["lab"]:
                    _kill(pid)

    def _preload(self, name: str) -> None:
        if name not in self._preloaded:
            self._preloaded.add(name)
            module = importlib.import_module(name)
            if hasattr(module, "warm_up"):
                module.warm_up()
            gc.freeze()

    def _fork(self, command: dict[str, Any], descriptors: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            # Whatever happens, this process must never go on as the host.
            code = _CRASHED
            try:
                self._be_lab(command, descriptors)
                code = 0
            except BaseException:  # the boundary of a process: shown in the lab's output
                traceback.print_exc()
            finally:
                os._exit(code)
        for descriptor in descriptors:
            os.close(descriptor)
        self._labs[pid] = command["lab"]
        if command["waits"]:
            # Nothing of a learner's runs in it yet.
            self._waiting.add(pid)

    def _be_lab(self, command: dict[str, Any], descriptors: list[int]) -> None:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        control, output, door, gate = descriptors
        os.dup2(output, 1)
        os.dup2(output, 2)
        self._selector.close()
        for end in (*self._close_in_child, self._judge):
            end.close()
        os.close(output)
        _close_all_but({0, 1, 2, control, door, gate})
        run_lab(command, *(socket.socket(fileno=end) for end in (control, door, gate)), readable=self._readable)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            lab = self._labs.pop(pid, None)
            self._waiting.discard(pid)
            if lab is not None:
                # Where no filter forbids it, the lab may have left processes in its session.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                code = os.waitstatus_to_exitcode(status)
                _tell(self._judge, {"event": "exited", "lab": lab, "code": code, "why": self._why.pop(pid, "")})

    def _watch(self) -> None:
        """End a lab that starts threads without end, before the machine has no room for others'."""
        for pid in self._labs.keys() - self._waiting:
            if pid not in self._why and _threads(pid) > _MAX_THREADS:
                self._why[pid] = f"it had over {_MAX_THREADS} threads"
                _kill(pid)

    def _end_all(self) -> None:
        for pid in self._labs:
            _kill(pid)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


def _threads(pid: int) -> int:
    """Return how many threads a process has; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[17])
    except OSError:
        return 0


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _close_all_but(kept: set[int]) -> None:
    low = 0
    for descriptor in sorted(kept):
        if low < descriptor:  # an empty range that starts at 0 closes everything in Python 3.11
            os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


def end_with_parent() -> None:
    """Let this process be killed when the one that made it ends, where the system can do that."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def run_lab(
    command: dict[str, Any], line: socket.socket, door: socket.socket, gate: socket.socket, *, readable: list[str]
) -> None:
    """Be one lab: shut the process in, serve the learner's app, end.

    Args:
        line: the socket that the judge's commands come from.
        door: the socket that connections to the database come from.
        gate: the socket that the one to serve on comes from.
        readable: the paths that Python needs to read.
    """
    from poolkit.lab.app import Lab
    from poolkit.lab.blame import Blame
    from poolkit.lab.control import Control
    from poolkit.lab.driver import Driver
    from poolkit.lab.sandbox import Limits, apply

    end_with_parent()
    control, code = Control(line), command["code"]
    os.environ.clear()
    os.environ.update(PATH="/usr/bin:/bin", HOME=code, LANG="C.UTF-8")
    os.environ.update(command["environment"])
    tempfile.tempdir = None
    os.chdir(code)
    sys.argv = ["uvicorn", command["entry"]]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # somebody may be watching
    held = apply(readable, code, Limits(**command["limits"]))
    control.say("shut_in", layers=held)
    Driver(door, command["token"]).install()
    if command["waits"] and not line.recv(1):
        return  # the judge has hung up
    Lab(control, Blame(code, command["names"]), code, command["entry"], gate).run()
    sys.stdout.flush()
    sys.stderr.flush()
    # As an interpreter that ends does: a connection that was never closed keeps its thread, and so the process.
    threading._shutdown()  # type: ignore[attr-defined]  # what Py_FinalizeEx calls
