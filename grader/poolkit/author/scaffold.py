"""Begins an exercise: files that are whole enough to be run, and that say what is left to write."""

from __future__ import annotations

import re
from pathlib import Path

from poolkit.course import Course
from poolkit.errors import UsageFault
from poolkit.workspace import write_atomically

_README = """\
# {title}

TODO: the situation, in two or three sentences.

## Your task

## What you are given

## Try it

## It counts as done when
"""
_YAML = """\
title: {title}
concepts: [TODO]
difficulty: 3
limits: {{check_s: 10, exercise_s: 60}}
stub_fails: ""
trace: [/, /]
hints:
  - "TODO: a nudge"
  - "TODO: where to look"
  - "TODO: nearly the solution"
misconceptions:
  todo: "TODO: why it hurts"
"""
_LESSON = """\
# Lesson: {title}

## Concept flow

## Sample

```python
```

Requests: `GET /`

## Insights

## Snapshot

## Transcript
"""
_APP = '''\
"""{what}. Run it with `uvicorn app:app`."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def read_root() -> dict[str, str]:
    """Return something that the learner's work makes true."""
{body}
'''
_SUITE = '''\
"""{title}."""

from __future__ import annotations

from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Lab


@check("The app answers", lesson="")
async def test_answers(lab: Lab) -> None:
    await lab.start()
    answer = await lab.get("/")
    expect(
        answer.json() == {{"hello": "pool"}},
        expected="GET / answers what the exercise asks for.",
        happened=f"It answered {{answer.status}}.",
    )
'''


def begin(course: Course, name: str, title: str) -> list[Path]:
    """Make an exercise's folders and files, put it at the end of course.yaml, and return what was made.

    Raises:
        UsageFault: the name is no id, or something of that name is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageFault(f"{name!r} is no id; use small letters, digits and hyphens, such as exercise-18")
    if name in course.ids:
        raise UsageFault(f"{name} is in the course already; choose another name")
    if not title.isprintable() or not title.strip() or re.search(r"[:#\"'{}\[\]]", title):
        raise UsageFault(f"{title!r} is no title; use plain words")
    exercise, solutions = course.root / "exercises" / name, course.root / "solutions" / name
    for folder in (exercise, solutions):
        if folder.exists():
            raise UsageFault(f"{folder}: already there; move it away, or choose another name")
    stub = _APP.format(what=title, body='    # TODO: what the learner is to write.\n    return {"hello": ""}')
    reference = _APP.format(what=title, body='    return {"hello": "pool"}')
    files = {
        exercise / "README.md": _README.format(title=title),
        exercise / "exercise.yaml": _YAML.format(title=title),
        exercise / "lesson.md": _LESSON.format(title=title),
        exercise / "app.py": stub,
        solutions / "app.py": reference,
        solutions / "right" / "another_way.py": f"# right: TODO say what this way is\n{reference}",
        solutions / "wrong" / "a_mistake.py": f"# misconception: todo\n# caught by: answers\n{stub}",
        course.root / "grader" / "suites" / f"test_{name.replace('-', '_')}.py": _SUITE.format(title=title),
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    listing = course.root / "exercises" / "course.yaml"
    text = listing.read_text(encoding="utf-8").rstrip("\n")
    write_atomically(listing, f"{text}\n  - id: {name}\n    title: {title}\n")
    return [*files, listing]
