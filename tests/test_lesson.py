"""`poolkit.lesson`: a lesson's parts are read, and what is missing is said. Every lesson's sample really runs."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from poolkit import lesson
from poolkit.course import Course, find_course
from poolkit.errors import CourseFault
from poolkit.judge.host import Host
from poolkit.judge.submission import locate
from poolkit.judge.tracer import record
from poolkit.trace import Trace

WHOLE = """\
# Lesson: Bells

## Concept flow

1. A bell rings.

## Sample

```python
app = None  # not a whole app
## not a heading
```

Requests: `GET /bell`, `POST /bell {"times": 2}`

## Insights

### Who rings (and why)?

Somebody.

## Snapshot

- Ring.

## Transcript

**A:** Who?
"""


def loaded(path: Path, text: str) -> lesson.Lesson:
    """Return the lesson that a text is."""
    (path / "lesson.md").write_text(text, encoding="utf-8")
    return lesson.load(path / "lesson.md")


def test_a_lesson_is_read(tmp_path: Path) -> None:
    """Its title, parts, sample, requests and the anchors of its headings; a fence hides what looks like a heading."""
    found = loaded(tmp_path, WHOLE)
    assert found.title == "Lesson: Bells"
    assert tuple(found.parts) == lesson.PARTS
    assert found.sample == "app = None  # not a whole app\n## not a heading\n"
    assert found.requests == ("GET /bell", 'POST /bell {"times": 2}')
    assert found.anchors >= {"concept-flow", "who-rings-and-why"}
    assert found.parts["Snapshot"] == "- Ring."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## Snapshot\n", "## Snap\n", "the part `## Snapshot` is missing or empty"),
        ("- Ring.\n", "\n", "the part `## Snapshot` is missing or empty"),
        ("```python\n", "```text\n", "holds 0 blocks of Python"),
        ("Requests:", "```python\n```\nRequests:", "holds 2 blocks of Python"),
        ("Requests:", "Ask", "names no requests"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    """With the file's name and what to add."""
    with pytest.raises(CourseFault, match=said) as caught:
        loaded(tmp_path, WHOLE.replace(old, new))
    assert str(caught.value).startswith(str(tmp_path / "lesson.md"))


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    """One that is not there, and one that is no text."""
    with pytest.raises(CourseFault, match="No such file"):
        lesson.load(tmp_path / "lesson.md")
    (tmp_path / "lesson.md").write_bytes(b"\xff\xfe")
    with pytest.raises(CourseFault, match="a lesson is Markdown in UTF-8"):
        lesson.load(tmp_path / "lesson.md")


@pytest.mark.parametrize("name", find_course().ids)
def test_a_sample_runs_and_has_the_steps_that_the_lesson_names(
    course: Course, host: Host, tmp_path: Path, name: str
) -> None:
    """It starts, answers without a failure, shuts down with no connection left, and each `(step N)` is one of its."""
    exercise = course.exercise(name)
    found = lesson.load(exercise.folder / "lesson.md")
    (tmp_path / "app.py").write_text(found.sample, encoding="utf-8")
    # A sample is a whole app, also where the learner's own file is another.
    about = exercise.about.model_copy(update={"entry": "app:app", "file": "", "given": [], "preload": []})
    sample = dataclasses.replace(exercise, about=about)
    trace = record(host, sample, locate(tmp_path, "app.py"), found.requests)
    assert isinstance(trace, Trace), trace
    assert trace.note == ""
    text = "\n".join(found.parts.values())
    failed = {result for step in trace.steps for result in re.findall(r"answered 5\d\d", step.result)}
    assert all(result in text for result in failed), f"the lesson says nothing of {failed}"
    assert trace.steps[-1].event == "Shutdown"
    assert trace.steps[-1].pool.total == 0
    named = {
        int(number) for group in re.findall(r"\bsteps? ([\d, and]+)", text) for number in re.findall(r"\d+", group)
    }
    assert named, "a lesson points to the steps of its sample"
    assert named <= {step.number for step in trace.steps}
