"""`poolkit.judge.whatif` and `poolkit what-if`: an app at another size, under another load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Poolkit

from poolkit.course import Course
from poolkit.events import Queue
from poolkit.judge.host import Host
from poolkit.judge.submission import locate
from poolkit.judge.whatif import Load, _waits, measure
from poolkit.report import AppError

DELAY = 0.02

SLOW_TO_ANSWER = """
from contextlib import asynccontextmanager
from fastapi import FastAPI, HTTPException
import databases

database = databases.Database("sqlite+pool:///shop.db", min_size=3)

@asynccontextmanager
async def lifespan(app):
    await database.connect()
    yield

app = FastAPI(lifespan=lifespan)

@app.get("/items/{item_id}")
async def item(item_id: int):
    async with database.connection() as connection:
        await connection.fetch_one("SELECT 1")
    if item_id == 2:
        raise RuntimeError("no second item")
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app with a pool of three, whose second request fails."""
    path = tmp_path / "app.py"
    path.write_text(SLOW_TO_ANSWER)
    return path


def measured(host: Host, course: Course, path: Path, *sizes: int | None, requests: int = 6) -> list[Load]:
    """Send requests to an app; each statement takes a fiftieth of a second longer."""
    exercise = course.exercise("3")
    found = measure(host, exercise, locate(path, exercise.file_name), sizes, requests, DELAY)
    assert not isinstance(found, AppError), found
    return found


def test_a_smaller_pool_makes_visitors_wait(host: Host, course: Course, app: Path) -> None:
    """With one connection the statements come one after the other, and all but one visitor wait."""
    own, one = measured(host, course, app, None, 1)
    assert (own.forced, own.pools, own.most_borrowed) == (None, (3,), 3)
    assert (one.forced, one.pools, one.most_borrowed) == (1, (1,), 1)
    assert (own.waited, one.waited) == (3, 5)
    assert one.longest_wait >= 4 * DELAY
    assert one.duration >= 6 * DELAY
    assert one.per_second < 1 / DELAY


def test_answers_are_counted_by_what_they_are(host: Host, course: Course, app: Path) -> None:
    """Every second request fails in the app, and has its answer all the same."""
    (own,) = measured(host, course, app, None)
    assert (own.requests, len(own.answers), own.failed, own.unanswered, own.stuck) == (6, 6, 3, 0, 0)
    assert 0 < own.median_answer <= own.slowest_answer <= own.duration


def test_visitors_who_wait_for_each_other_are_not_waited_for(host: Host, course: Course, app: Path) -> None:
    """When nothing moves any more, what has no answer is counted."""
    another = "asyncio.create_task(database.fetch_one('SELECT 1'))"
    app.write_text("import asyncio\n" + SLOW_TO_ANSWER.replace('connection.fetch_one("SELECT 1")', another))
    (one,) = measured(host, course, app, 1, requests=3)
    assert (one.unanswered, len(one.answers), one.stuck, one.most_borrowed) == (3, 0, 3, 1)
    assert (one.per_second, one.median_answer, one.slowest_answer, one.duration) == (0, 0, 0, 0)


def test_an_app_that_does_not_start_says_why(host: Host, course: Course, app: Path) -> None:
    """There is nothing to measure then."""
    app.write_text(SLOW_TO_ANSWER.replace("    yield", "    raise RuntimeError('no')\n    yield"))
    (own,) = measured(host, course, app, None)
    assert own.note.startswith("The startup raised RuntimeError: no")
    assert own.answers == ()


def test_a_file_that_cannot_be_imported_is_told(host: Host, course: Course, app: Path) -> None:
    """As for a trace."""
    app.write_text("import nothing_of_that_name")
    exercise = course.exercise("3")
    found = measure(host, exercise, locate(app, exercise.file_name), [None], 1, 0)
    assert isinstance(found, AppError)
    assert found.type == "ModuleNotFoundError"


@pytest.mark.parametrize(
    ("queue", "waits", "stuck"),
    [
        ([], (), 0),
        ([(1.0, 1), (3.0, 0)], (2.0,), 0),
        ([(1.0, 1), (2.0, 2), (4.0, 1), (7.0, 0)], (3.0, 5.0), 0),
        ([(1.0, 3), (2.0, 1)], (1.0, 1.0), 1),
    ],
)
def test_who_comes_first_is_served_first(queue: list[tuple[float, int]], waits: tuple[float, ...], stuck: int) -> None:
    """That is how long each waited is read from how many did."""
    assert _waits([Queue(*change) for change in queue]) == (waits, stuck)


def test_the_command_shows_a_table(poolkit: Poolkit, app: Path) -> None:
    """A column for the app as it is and one for each size, in 80 columns."""
    ran = poolkit("what-if", "3", "--path", str(app), "--max-size", "1", "--max-size", "2", "--requests", "4")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = {line[1:26].strip(): line[26:].split() for line in ran.stdout.splitlines()}
    assert lines["connections"] == ["3", "1", "2"]
    assert lines["most borrowed at once"] == ["3", "1", "2"]
    assert lines["answered"] == ["4", "4", "4"]
    assert "as written   max_size 1   max_size 2" in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_the_command_writes_json(poolkit: Poolkit, app: Path) -> None:
    """Version 1; one connection when no size is given."""
    ran = poolkit("what-if", "3", "--path", str(app), "--requests", "2", "--delay", "0", "--format", "json")
    found = json.loads(ran.stdout)
    assert (found["poolkit_what_if"], found["exercise"], found["delay_ms"]) == (1, "exercise-3", 0)
    assert [(run["max_size"], run["pools"], run["answered"]) for run in found["runs"]] == [(None, [3], 2), (1, [1], 2)]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["3", "--max-size", "0"], 2, "0 is not in the range"),
        (["3", "--requests", "0"], 2, "0 is not in the range"),
        (["3", *["--max-size", "1"] * 5], 2, "--max-size may be given four times"),
        (["12", "--solution"], 2, "exercise-12 is not an app with a pool, but a part of one"),
    ],
)
def test_what_cannot_be_asked_is_told(poolkit: Poolkit, arguments: list[str], code: int, told: str) -> None:
    """In a line, without a traceback."""
    ran = poolkit("what-if", *arguments)
    assert ran.returncode == code
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_app_without_a_pool_has_no_size(poolkit: Poolkit, app: Path) -> None:
    """That is for the learner to mend."""
    app.write_text(SLOW_TO_ANSWER.replace("    await database.connect()\n", ""))
    ran = poolkit("what-if", "3", "--path", str(app), "--requests", "1")
    assert ran.returncode == 1
    assert "opens no pool at its startup" in ran.stderr
