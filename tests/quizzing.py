"""What the tests of quizzes share: a course to put them in, and a small quiz of every type of question."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

from poolkit.course import Course, open_course
from poolkit.quiz import load
from poolkit.quiz.model import Quiz

LIMITER = Path(__file__).with_name("courses") / "limiter"

QUIZ = """\
poolkit_quiz: 1
id: small
title: A small quiz
exercise: limit-1
defaults: {credit: net_correct, shuffle: true, pass: 0.7}
questions:
  - id: small.single
    type: single
    objective: lo.one
    difficulty: 2
    tags: [first]
    prompt: "`max_size=1`. What does the second task do?"
    code: {lang: python, file: scenarios/pair.py, lines: [2, 3]}
    hints: ["Who holds the only connection?", "Nobody else can have it."]
    choices:
      - {id: rightmost, text: "Waits, then fails", correct: true, feedback: "As rehearsed."}
      - {id: greedy, text: "Gets a brand new one", misconception: off-by-one, feedback: "The total stays at one."}
      - {id: pinned, text: "None of the above", pin: last}
    explanation: "The total never exceeds the size."
    trace: {scenario: pair, step: 2}
    verify: "free_after(step=2) == 0"
  - id: small.multi
    type: multi
    points: 2
    prompt: "Which are even?"
    choices:
      - {id: aa, text: "two", correct: true, feedback: "Half is one."}
      - {id: bb, text: "three", feedback: "It is odd."}
      - {id: cc, text: "four", correct: true}
      - {id: dd, text: "five"}
  - {id: small.truth, type: true_false, prompt: "True or false: one is two.", answer: false, feedback: "One is one."}
  - id: small.order
    type: order
    prompt: "In order, please."
    items: [{id: a, text: borrow}, {id: b, text: execute}, {id: c, text: hand back}]
    before: [[a, b], [b, c]]
    feedback: "Nobody uses what they have not."
  - id: small.number
    type: numeric
    prompt: "How long does it wait?"
    answer: 1.5
    tolerance: 0.1
    unit: s
    wrong: [{answer: 3, feedback: "That is both of them.", misconception: off-by-one}]
    feedback: "Look at the clock."
"""

RUN = """\
{"poolkit_trace": 1, "steps": [
  {"step": 1, "event": "App starts", "pool": {"total": 0, "free": 0}, "action": "none", "result": "ready"},
  {"step": 2, "event": "Startup", "pool": {"total": 4, "free": 4}, "action": "opened 1 to 4", "result": "pool ready"}
]}
"""

RIGHT = """\
poolkit_answers: 1
quiz: small
seed: 42
answers:
  small.single: {choice: rightmost, confidence: sure, hints: 0}
  small.multi: {choices: [aa, cc]}
  small.truth: {answer: false}
  small.order: {order: [a, b, c]}
  small.number: {answer: 1.6}
"""


def make_course(root: Path) -> Course:
    """Make a course on another subject with a folder of quizzes, which holds the small one."""
    (root / "exercises").parent.mkdir(parents=True, exist_ok=True)
    for name in ("exercises", "solutions"):
        (root / name).symlink_to(LIMITER / name)
    scenarios = root / "quizzes" / "scenarios"
    scenarios.mkdir(parents=True)
    (scenarios / "pair.py").write_text("import pool\nasync def first(): ...\nasync def second(): ...\n")
    (scenarios / "pair.json").write_text(RUN)
    (root / "quizzes" / "small.yaml").write_text(QUIZ)
    return open_course(root)


def small(root: Path) -> tuple[Course, Quiz]:
    """Return a course, and the small quiz that it holds."""
    course = make_course(root)
    return course, load.load(load.find(course, "small"), course)


def replaced(text: str, old: str, new: str) -> str:
    """Return a text with a part of it replaced, which must be there."""
    assert old in text, old
    return text.replace(old, new, 1)


# So that Ctrl-C in it becomes a signal. (Not pty.fork, which a process with threads must not use.)
_TAKE_THE_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A command that runs in a terminal 80 columns wide.

    Args:
        arguments: of `poolkit`.
        cwd: where it runs.
        environment: variables besides the present ones.
    """

    def __init__(self, *arguments: str, cwd: Path, environment: dict[str, str]) -> None:
        self.shown = ""
        self._place = 0
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        variables |= {"TERM": "xterm-256color"} | environment
        for name in ("COLUMNS", "LINES"):
            variables.pop(name, None)
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, 80))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_THE_TERMINAL, sys.executable, "-m", "poolkit", *arguments],
            cwd=cwd,
            env=variables,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def until(self, text: str, deadline_s: float = 30.0) -> str:
        """Read until a text is shown after what the last call waited for; return what was shown since then."""
        begin, end = self._place, time.monotonic() + deadline_s
        while text not in self.shown[begin:]:
            assert time.monotonic() < end, f"{text!r} was not shown: {self.shown}"
            if not self._read():
                break
        assert text in self.shown[begin:], f"{text!r} was not shown: {self.shown}"
        # What came in the same breath is left for the next call.
        self._place = self.shown.index(text, begin) + len(text)
        return self.shown[begin:]

    def type(self, keys: str) -> None:
        """Type keys; a line ends with Enter, `\\r`."""
        os.write(self._master, keys.encode())

    def kill(self) -> None:
        """End the command without any chance to tidy up."""
        self._process.kill()

    def end(self, deadline_s: float = 30.0) -> int:
        """Read to the end; return the exit code."""
        end = time.monotonic() + deadline_s
        while self._read():
            assert time.monotonic() < end, self.shown
        os.close(self._master)
        return self._process.wait(deadline_s)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], 30)
        try:
            found = os.read(self._master, 65536) if ready else b""
        except OSError:  # Linux says EIO where others say end of file
            return False
        self.shown += found.decode(errors="replace")
        return bool(found)
