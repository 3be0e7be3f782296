"""`poolkit.lesson`: a lesson's parts are read, and what is missing is said. Every lesson's sample really runs."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from claims import wrong_claims

from poolkit import lesson
from poolkit.course import Course, find_course
from poolkit.errors import CourseFault
from poolkit.events import PoolState
from poolkit.judge.host import Host
from poolkit.judge.sample import record_sample
from poolkit.trace import Step, Trace

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


def test_what_stands_in_other_blocks_is_no_sample(tmp_path: Path) -> None:
    """Such as the terminal that shows the sample at work."""
    text = WHOLE.replace("Requests:", "```console\n$ uvicorn app:app\n```\n\nRequests:")
    assert loaded(tmp_path, text).sample == loaded(tmp_path, WHOLE).sample


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
    with pytest.raises(CourseFault, match=os.strerror(errno.ENOENT)):
        lesson.load(tmp_path / "lesson.md")
    (tmp_path / "lesson.md").write_bytes(b"\xff\xfe")
    with pytest.raises(CourseFault, match="a lesson is Markdown in UTF-8"):
        lesson.load(tmp_path / "lesson.md")


@pytest.mark.parametrize("name", find_course().ids)
def test_a_sample_runs_and_has_the_steps_that_the_lesson_names(course: Course, host: Host, name: str) -> None:
    """It starts, answers without a failure, shuts down with no connection left, and each `(step N)` is one of its.

    What a sentence says of steps is what the run shows at them.
    """
    exercise = course.exercise(name)
    found = lesson.load(exercise.folder / "lesson.md")
    trace = record_sample(host, exercise, found)
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
    assert list(wrong_claims(found, trace)) == []


STEPS = [
    Step(1, "Startup", PoolState(2, 2, 0), "opened 1, 2", "pool ready", (), 4),
    Step(2, "Request 1 arrives", PoolState(2, 1, 1), "borrowed 1", "the request has it", (1,), 6),
    Step(3, "Request 1 ends", PoolState(2, 2, 0), "returned 1", "answered 404", (), 8),
]


@pytest.mark.parametrize(
    ("sentence", "right"),
    [
        ("At step 2 there is 1 of 2 free.", True),
        ("At step 2 one of two is free.", True),
        ("At step 3 there is 1 of 2 free.", False),
        ("At step 3 one of two is free.", False),
        ("Step 2 leaves 1 of 2 free, and step 3 both.", True),
        ("It is answered 404 (step 3).", True),
        ("It is answered 200 (step 3).", False),
        ("At steps 2 and 3 the answer is 404.", True),
        ("In step 2 connection 1 is borrowed.", True),
        ("In step 2 connection 2 is borrowed.", False),
        ("In step 2 connection 1 is returned.", False),
        ("In step 1 two connections are opened.", True),
        ("In step 1 three connections are opened.", False),
        ("Request 1 ends at step 3.", True),
        ("Request 2 ends at step 3.", False),
        ("If it were lost, step 3 would say 1 of 2 free.", True),
        ("The clock of step 2 moves by 3600.", True),
        ("The clock of step 2 moves by 3500.", False),
    ],
)
def test_what_a_sentence_says_of_steps_is_compared_with_them(sentence: str, right: bool) -> None:
    """States, answers, numbers of connections and requests, what was done, and to how many; not what would be."""
    taught = lesson.Lesson("Bells", {"Insights": f"### Why?\n\n{sentence}\n"}, (), "sleep(3600)", ("GET /bell",))
    assert (list(wrong_claims(taught, Trace("x", "app.py", tuple(STEPS)))) == []) is right
