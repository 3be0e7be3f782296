"""`poolkit run`: somebody's app on a port of this machine, its connections a line each, and the end of it told."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import Poolkit

from poolkit.judge.relay import bind

DEADLINE = 60.0  # seconds; only a failing test waits that long
ROOT = Path(__file__).resolve().parents[1]
LEAK = ROOT / "solutions" / "exercise-3" / "wrong" / "never_returns.py"
APP = """
import asyncio
import os
from contextlib import asynccontextmanager
from databases import Database
from fastapi import FastAPI
database = Database("sqlite:///shop.db", min_size=2, max_size=2)

@asynccontextmanager
async def lifespan(app):
    await database.connect()
    yield
    await database.disconnect()

app = FastAPI(lifespan=lifespan)

@app.get("/wait")
async def wait():
    async with database.connection():
        await asyncio.Event().wait()

@app.get("/fail")
async def fail():
    raise ValueError("no \\x1b[31mred")

@app.get("/print")
async def say(lines: int):
    for number in range(lines):
        print("line", number)

@app.get("/work")
async def work():
    for _ in range(40):
        await database.fetch_val("SELECT count(*) FROM items a, items b, items c, items d, items e, items f")

@app.get("/end")
async def end():
    os._exit(3)
"""


class Session:
    """A `poolkit run` that a test talks to."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        unwanted = ("PYTEST", "PYTHONDONTWRITEBYTECODE", "NO_COLOR")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "poolkit", "run", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: list[str] = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._more:
                self._lines.append(line)
                self._more.notify_all()
        with self._more:
            self._lines.append("")
            self._more.notify_all()

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return "".join(self._lines)

    def told(self, pattern: str) -> re.Match[str]:
        """Wait until it has printed something."""

        def found() -> re.Match[str] | None:
            return re.search(pattern, self.output)

        with self._more:
            self._more.wait_for(lambda: found() or self._lines[-1:] == [""], DEADLINE)
        match = found()
        assert match, f"never said {pattern}: {self.output}"
        return match

    @property
    def url(self) -> str:
        """Where the app is, once it is there."""
        return self.told(r"http://127\.0\.0\.1:\d+").group()

    def get(self, path: str) -> int:
        """Ask the app; return the status."""
        try:
            # Read to the end: who hangs up before is told of as one who did.
            with urllib.request.urlopen(self.url + path, timeout=DEADLINE) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                error.read()
                return error.code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, number: signal.Signals | None = signal.SIGINT) -> int:
        """End it, or wait for its end; return the exit code."""
        if number is not None:
            self.send(number)
        code = self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


Running = Callable[..., Session]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Run an app, by its source or by its path: `running(source, ...)`; at any free port."""
    sessions: list[Session] = []

    def start(app: str | Path, *arguments: str) -> Session:
        path = app if isinstance(app, Path) else tmp_path / "app.py"
        if isinstance(app, str):
            path.write_text(app)
        sessions.append(Session(tmp_path, "3", "--path", str(path), "--port", "0", *arguments))
        return sessions[-1]

    yield start
    for session in sessions:
        session.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_app_is_served_and_shut_down(running: Running, number: signal.Signals) -> None:
    """Rows come while it is used; Ctrl-C or SIGTERM runs its shutdown, and the table shows its life."""
    session = running(ROOT / "solutions" / "exercise-3" / "app.py")
    assert session.get("/items/1") == 200
    session.told(r"return +1 +4 of 4")
    assert session.get("/items/99") == 404
    session.told("request 2: 404")
    assert session.end(number) == 0
    assert "✓ every connection came back" in session.output
    assert "2 requests: 1 × 200, 1 × 404" in session.output
    assert re.search(r"\d +Request 1 queries +3 of 4 free +used 1 +rows", session.output)
    assert re.search(r"\d +Shutdown +empty +closed .* pool gone", session.output)
    assert "\x1b" not in session.output
    assert max(map(len, session.output.splitlines())) <= 100


def test_leaks_come_first(running: Running) -> None:
    """At once when the request is over, and before the table: which connection, which request, which line."""
    session = running(LEAK)
    session.get("/items/1")
    line = next(number for number, text in enumerate(LEAK.read_text().splitlines(), 1) if "__aenter__" in text)
    session.told(f"! connection 1 is not back from request 1 \\(never_returns.py:{line}\\)")
    assert session.end() == 1
    summary = session.output.partition("exercise-3")[2]
    assert "✗ connection 1 was borrowed and never returned" in summary
    assert "by request 1: GET /items/1" in summary
    assert f"never_returns.py:{line}" in summary
    assert summary.index("never returned") < summary.index("App starts")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("app = FastAPI(\n", r"did not start: SyntaxError: '\(' was never closed \(app.py:1\)\n +1 \| app = FastAPI\("),
        ("x = 1\n", "did not start: app.py has no app"),
        (
            APP.replace("await database.connect()", "raise OSError('down')"),
            r"did not start: OSError: down \(app.py:11\)",
        ),
    ],
)
def test_an_app_that_does_not_start(running: Running, source: str, told: str) -> None:
    """The error with its line, and nothing of ours."""
    session = running(source)
    assert session.end(None) == 1
    assert re.search(told, session.output), session.output
    assert "site-packages" not in session.output
    assert "Step" not in session.output


def test_a_port_in_use_is_wrong_usage(tmp_path: Path, poolkit: Poolkit) -> None:
    """One clear line that says what to do, before anything is run."""
    with closing(bind(0)) as taken:
        port = taken.getsockname()[1]
        ran = poolkit("run", "3", "--solution", "--port", str(port), cwd=tmp_path)
    assert ran.returncode == 2
    assert (
        ran.stderr == f"poolkit: port {port} is in use; choose another with --port N, or any free one with --port 0\n"
    )
    assert ran.stdout == ""


def test_what_the_app_raises_and_prints_is_shown(running: Running) -> None:
    """The learner's own lines of a traceback, and no way to colour the terminal."""
    session = running(APP)
    assert session.get("/fail") == 500
    session.told(r"✗ request 1 raised ValueError: no red \(app.py:\d+\)")
    session.told(r"printed: +raise ValueError")
    assert session.get("/print?lines=2") == 200
    session.told("printed: line 1")
    session.end()
    assert "site-packages" not in session.output
    assert "\x1b" not in session.output
    assert "/tmp/" not in session.output.partition("exercise-3")[0]


def test_a_flood_is_cut_and_said(running: Running) -> None:
    """As many lines as somebody can look at; the session goes on, and its rows with it."""
    session = running(APP)
    session.get("/print?lines=20000")
    session.told(r"[\d,]+ lines are not shown")
    assert session.get("/fail") == 500
    session.told("request 2: 500")
    assert session.end() == 0
    assert session.output.count("printed: line") < 20_000


def test_a_process_that_ends_ends_the_session(running: Running) -> None:
    """With how it ended, and exit code 1."""
    session = running(APP)
    assert session.get("/end") == 502
    assert session.end(None) == 1
    assert "The app's process ended by itself (exit code 3)." in session.output


def test_a_request_under_way_is_no_leak(running: Running) -> None:
    """It is given a moment, then hung up on; what it has then is not called lost."""
    session = running(APP)
    asked = threading.Thread(target=lambda: pytest.raises(OSError, session.get, "/wait"))
    asked.start()
    session.told(r"borrow +1")
    session.send(signal.SIGINT)
    session.told("shutdown")  # which waits for the request for longer than the test does
    session.end()
    asked.join(DEADLINE)
    assert "never returned" not in session.output
    assert "1 × hung up" in session.output


def test_a_second_interrupt_ends_a_shutdown_that_hangs(running: Running) -> None:
    """Nobody has to look for the process and kill it."""
    session = running(APP.replace("await database.disconnect()", "await asyncio.Event().wait()"))
    assert session.url
    session.send(signal.SIGINT)
    session.told(r"\d shutdown|shutdown")
    assert session.end() == 1
    assert "Its shutdown was cut short." in session.output
    assert "✗ never closed, not even by the shutdown: connection 1, 2" in session.output


def test_a_startup_that_hangs_can_be_ended(running: Running) -> None:
    """By one Ctrl-C."""
    session = running(APP.replace("await database.connect()", "await asyncio.Event().wait()"))
    session.told("startup")
    assert session.end() == 1
    assert "It was stopped before it was ready." in session.output


def test_a_reader_that_goes_away_ends_it(tmp_path: Path) -> None:
    """`poolkit run 3 | head -1` leaves no process behind."""
    command = f"{shlex.quote(sys.executable)} -m poolkit run 3 --solution --port 0 | head -1"
    ran = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert ran.stdout.split() == ["row", "s", "event", "conn", "free"]
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_no_session_is_too_long(running: Running) -> None:
    """Some 30,000 rows, and more work for the database than a check may cause."""
    session = running(APP)
    for _ in range(250):
        assert session.get("/work") == 200
    assert session.end() == 0
    assert "250 requests: 250 × 200" in session.output
    assert re.search(r"Of \d+ requests after step \d+ the table has nothing", session.output)
