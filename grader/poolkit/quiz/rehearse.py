"""Runs the scenarios of quizzes in labs, and keeps what was recorded.

A scenario is `quizzes/scenarios/<name>.py`, a whole small app whose comments say how it is run:

    # schema: exercise-3
    # requests: GET /items/1, kill 1, GET /items/2

The exercise lends its schema and its databases. Besides requests there are `advance SECONDS` (the app's clock),
`kill N` (the database cuts connection N) and `refuse N` (the N-th connect from then on fails; at the beginning of the
list, of the startup). A long list goes on in another such line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poolkit.course import Course
from poolkit.errors import CourseFault, QuizFault, UnknownExercise
from poolkit.files import write_atomically
from poolkit.judge.checks import NeverRan
from poolkit.judge.fixture import Lab
from poolkit.judge.host import Host
from poolkit.judge.runner import prepare, start_host
from poolkit.judge.submission import Submission
from poolkit.judge.tracer import play, serve, shut_down
from poolkit.quiz import load
from poolkit.quiz.facts import Run
from poolkit.text import plain
from poolkit.trace import as_dicts, build, settled

_HEADER = re.compile(r"^# (schema|requests): +(.*\S)", re.MULTILINE)
_ACTION = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)|(advance|kill|refuse) ([0-9]{1,6})")


@dataclass(frozen=True)
class Scenario:
    """A scenario's file, and how it is run: `actions` are pairs such as ("GET", "/items/1") or ("kill", "1")."""

    name: str
    path: Path
    schema: str
    actions: tuple[tuple[str, str], ...]


def scenarios(course: Course) -> list[str]:
    """Return the names of a course's scenarios."""
    return sorted(path.stem for path in (load.folder(course) / "scenarios").glob("*.py"))


def scenario(course: Course, name: str) -> Scenario:
    """Read how a scenario is run.

    Raises:
        QuizFault: it does not say, or there is no such file.
    """
    path = load.folder(course) / "scenarios" / f"{name}.py"
    if not path.is_file():
        raise QuizFault(f"{path}: no such file; a run that keys are proved by needs its app")
    text = path.read_text(encoding="utf-8")
    said: dict[str, str] = {}
    for key, rest in _HEADER.findall(text):
        said[key] = f"{said[key]}, {rest}" if key in said else rest
    for need, example in (("schema", "exercise-3"), ("requests", "GET /items/1, GET /items/2")):
        if need not in said:
            raise QuizFault(f"{path}: no `# {need}:` line; add one such as `# {need}: {example}`")
    actions = []
    for each in re.split(r", *", said["requests"]):
        found = _ACTION.fullmatch(each)
        if not found:
            wanted = "write GET /path, advance SECONDS, kill N or refuse N"
            raise QuizFault(f"{path}: {plain(each, 60)!r} is nothing that a run can do; {wanted}")
        actions.append((found[1] or found[3], found[2] or found[4]))
    return Scenario(name, path, said["schema"], tuple(actions))


def run(host: Host, course: Course, found: Scenario) -> Run:
    """Run a scenario once: startup, what it lists one after the other, shutdown.

    Raises:
        PoolkitError: it cannot be run.
    """
    try:
        lender = course.exercise(found.schema)
    except (CourseFault, UnknownExercise) as fault:
        raise QuizFault(f"{found.path}: {fault}") from None
    plan, refused = prepare(host, lender.with_an_app(), Submission(found.path, found.path.name))

    async def script(lab: Lab) -> None:
        before = next((i for i, (word, _) in enumerate(found.actions) if word != "refuse"), len(found.actions))
        for word, rest in found.actions[:before]:
            await _do(lab, word, rest)
        await lab.start()
        for word, rest in found.actions[before:]:
            await _do(lab, word, rest)
        await shut_down(lab)

    try:
        if refused is not None:
            raise NeverRan(refused)
        recorded = play(host, plan, script)
    except NeverRan as failure:
        raise QuizFault(f"{found.path}: it did not run: {plain(str(failure.error), 300)}; mend it") from None
    return Run(build(lender.id, found.path.name, recorded.events, recorded.note), recorded.events)


async def _do(lab: Lab, word: str, rest: str) -> None:
    match word:
        case "advance":
            lab.advance(int(rest))
        case "kill":
            lab.faults.kill(int(rest))
            # The row of the cut comes before whatever the scenario does next, on a busy machine too.
            await lab.until(lambda ledger: bool(ledger.of("lost", "close", connection=int(rest))))
        case "refuse":
            lab.faults.refuse_connection(int(rest))
        case _:
            await serve(lab, word, rest)


def recording(name: str, found: Run) -> str:
    """Return what is kept of a run beside its scenario, for questions to show: a step a line."""
    steps = ",\n    ".join(json.dumps(step) for step in as_dicts(found.trace.steps))
    return f'{{\n  "poolkit_trace": 1,\n  "scenario": {json.dumps(name)},\n  "steps": [\n    {steps}\n  ]\n}}\n'


def record(course: Course, names: Sequence[str] = ()) -> Iterator[Path]:
    """Run scenarios, all when none is named, and write their recordings where they differ; give those written."""
    host = start_host(course)
    try:
        for name in names or scenarios(course):
            found = scenario(course, name)
            result = run(host, course, found)
            if is_stale(found, result):
                path = found.path.with_suffix(".json")
                write_atomically(path, recording(name, result))
                yield path
    finally:
        host.close()


def is_stale(found: Scenario, result: Run) -> bool:
    """Tell whether a scenario has no recording, or one of another run."""
    path = found.path.with_suffix(".json")
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["steps"]
        return [_settled(step) for step in kept] != [_settled(step) for step in as_dicts(result.trace.steps)]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return True


def _settled(step: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what differs between two runs of one app: which of the tasks of a moment had its turn first."""
    return {**step, "action": settled(step["action"])}
