"""Serves the learner's app in a lab: imports their file, runs uvicorn on it, obeys the judge."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn
import uvicorn.lifespan.on

from poolkit.lab.blame import Blame
from poolkit.lab.clock import Clock
from poolkit.lab.control import Control
from poolkit.lab.pool import LabSetup, current_request
from poolkit.wire import Message

REQUEST_HEADER = b"x-poolkit-request"
LOOK_EVERY = 2.0
"""Seconds between two looks at an import that goes on."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Watched:
    """The learner's app, with claims sent about each request's end and each exception."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], control: Control, blame: Blame) -> None:
        self._app = app
        self._control = control
        self._blame = blame

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = None
        if scope["type"] == "http":
            values = [value for name, value in scope["headers"] if name == REQUEST_HEADER]
            number = int(values[0]) if values and values[0].isdigit() else None
            scope["headers"] = [header for header in scope["headers"] if header[0] != REQUEST_HEADER]
        token = current_request.set(number)
        try:
            await self._app(scope, receive, send)
        except BaseException as error:
            self._control.say("raised", during=scope["type"], request=number, error=self._blame.error(error))
            raise
        finally:
            current_request.reset(token)
            if number is not None:
                self._control.say("done", request=number)


class _Server(uvicorn.Server):
    """uvicorn, without the tenth of a second that it sleeps now and then: it stops when told to."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.stop = asyncio.Event()
        self._ready = ready

    async def main_loop(self) -> None:
        self._ready()
        await self.stop.wait()

    async def shutdown(self, sockets: Any = None) -> None:  # noqa: ANN401  (as in the base)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks))
        await self.lifespan.shutdown()


class _Listener(list[socket.socket]):
    """The socket to serve on, for uvicorn to go through when the startup is over.

    Only then is it asked for, so that the judge need not be told when the app is ready: nobody serves without it.
    """

    def __init__(self, gate: socket.socket) -> None:
        super().__init__()
        self._gate = gate

    def __iter__(self) -> Iterator[socket.socket]:
        self._gate.sendall(b"?")
        _, descriptors, _, _ = socket.recv_fds(self._gate, 1, 1)
        for descriptor in descriptors:
            yield socket.socket(fileno=descriptor)


class Lab:
    """One run of the learner's app.

    Args:
        control: the line to the judge.
        folder: the learner's files.
        entry: `module:attribute` of the app.
        gate: where the judge gives the socket to serve on.
    """

    def __init__(self, control: Control, blame: Blame, folder: str, entry: str, gate: socket.socket) -> None:
        self._control = control
        self._blame = blame
        self._folder = folder
        self._entry = entry
        self._gate = gate
        self._clock = Clock()
        self._setup = LabSetup(control, blame)

    def run(self) -> None:
        """Import the app, serve it when told to, until told to stop."""
        self._clock.install()
        self._setup.install()
        asyncio.run(self._main())

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        started: asyncio.Future[bool] = loop.create_future()
        server: _Server | None = None

        def obey(command: Message) -> None:
            match command:
                case {"command": "start"}:
                    sizes = command.get("sizes")
                    self._setup.sizes = (sizes[0], sizes[1]) if sizes else None
                    started.set_result(True)
                case {"command": "advance", "seconds": seconds}:
                    self._clock.advance(seconds)
                case {"command": "interrupt"}:
                    _cancel_lifespan()
                case {"command": "printed", "number": number}:
                    # In a turn of its own: what a request's end makes uvicorn log has been written by now.
                    self._control.say("printed", number=number)
                case _:
                    if not started.done():
                        started.set_result(False)
                    if server is not None:
                        server.stop.set()

        # Inside the running loop, as uvicorn itself imports an app.
        app = self._import()
        if app is None:
            return
        self._control.listen(loop, obey)
        self._control.say("imported")
        if not await started:
            return
        config = uvicorn.Config(
            _Watched(app, self._control, self._blame),
            log_config=None,
            access_log=False,
            loop="asyncio",
            http="h11",
            ws="none",
            interface="asgi3",
        )
        server = _Server(config, lambda: self._control.say("ready"))
        try:
            await server.serve(sockets=_Listener(self._gate))
        except SystemExit:
            self._control.say("startup_failed")
        else:
            self._control.say("stopped")

    @contextlib.contextmanager
    def _lookout(self) -> Iterator[None]:
        """Tell now and then which line of the learner's runs, for as long as the block takes: it may never end."""
        over = threading.Event()
        importing = threading.get_ident()

        def look() -> None:
            while not over.wait(LOOK_EVERY):
                self._control.say("importing", at=self._blame.of(sys._current_frames().get(importing)))

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()

    def _import(self) -> Any:  # noqa: ANN401  (whatever the learner's file has there)
        module, _, attribute = self._entry.partition(":")
        sys.path.insert(0, self._folder)
        sys.dont_write_bytecode = True
        try:
            with self._lookout():
                found = getattr(importlib.import_module(module), attribute, None)
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: whatever ends an import is shown
            self._control.say("failed", error=self._blame.error(error))
            return None
        if not callable(found):
            what = f"{module}.py has no {attribute}" if found is None else f"{attribute} is no ASGI application"
            message = f"{what}; the kit looks for `{attribute} = FastAPI(...)` in it"
            at = [f"{module}.py", 1, ""] if Path(self._folder, f"{module}.py").exists() else None
            self._control.say("failed", error={"type": "", "message": message, "at": at})
            return None
        return found


def _cancel_lifespan() -> None:
    """Cancel the task in which uvicorn runs the app's lifespan, as a server does that is stopped the hard way."""
    for task in asyncio.all_tasks():
        if getattr(task.get_coro(), "__qualname__", "") == uvicorn.lifespan.on.LifespanOn.main.__qualname__:
            task.cancel()
