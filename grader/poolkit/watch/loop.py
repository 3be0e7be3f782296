"""The loop of `poolkit watch`: saves and keys come in, checks are begun and thrown away, screens go out."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from enum import StrEnum

from poolkit.course import Exercise
from poolkit.errors import PoolkitError
from poolkit.judge.host import Host
from poolkit.report import Report, Status
from poolkit.text import plain
from poolkit.trace import Trace
from poolkit.watch import keys, views
from poolkit.watch.checking import Checking, Verdict
from poolkit.watch.grading import Grader
from poolkit.watch.place import Place, quiz
from poolkit.watch.plain import Plain
from poolkit.watch.saves import Watcher
from poolkit.watch.terminal import Terminal, usable


class View(StrEnum):
    """What the screen shows, which decides what keys are for."""

    VERDICT = "verdict"
    HINT = "hint"
    TRACE = "trace"
    LIST = "list"
    RESET = "reset"


async def watch(place: Place, host: Host, exercise: Exercise | None) -> int:
    """Watch until the learner quits; return the command's exit code.

    Args:
        place: the course and the learner's folder.
        host: a warm process for labs.
        exercise: where to begin; where the learner stopped when not given.

    Raises:
        PoolkitError: the course or the workspace is broken.
    """
    return await Watch(place, host, exercise or place.course.exercise(place.first())).run()


class Watch:
    """One session, made in a running event loop; see `watch`."""

    def __init__(self, place: Place, host: Host, exercise: Exercise) -> None:
        self._place = place
        self._grader = Grader(host, place.course)
        self._verdict = Verdict("")
        self._view = View.VERDICT
        self._text = ""
        self._typed = ""
        self._line = ""
        self._over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._doing: asyncio.Task[None] | None = None
        self._screen: Terminal | Plain = Terminal(self._press, self._draw) if usable() else Plain(lambda: self._end(0))
        self._checking = Checking(
            place, self._grader, exercise, live=self._screen.live, begun=self._on_begun, settled=self._on_settled
        )
        self._watcher = Watcher(
            place.workspace.root / "exercises", self._checking.look, lambda why: self._say(views.polling(why))
        )

    @property
    def _exercise(self) -> Exercise:
        return self._checking.exercise

    async def run(self) -> int:
        """Watch until it is over."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)
        with self._screen.taken():
            tasks = [asyncio.create_task(work) for work in (self._watcher.run(), self._checking.run())]
            try:
                self._go_to(self._exercise)
                for task in tasks:
                    # Neither ends by itself, except by a fault of ours.
                    task.add_done_callback(self._on_fault)
                return await self._over
            finally:
                await self._stop([*tasks, *([self._doing] if self._doing else [])])

    async def _stop(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._grader.close()

    def _on_fault(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self._over.done() and (fault := task.exception()):
            self._over.set_exception(fault)

    def _end(self, code: int) -> None:
        if not self._over.done():
            self._over.set_result(code)

    def _on_signal(self, number: int) -> None:
        # While an editor or a quiz has the terminal, Ctrl-C is for that.
        if not (number == signal.SIGINT and self._screen.lent):
            self._end(128 + number)

    # --- verdicts ---

    def _go_to(self, exercise: Exercise) -> None:
        self._checking.exercise = exercise
        self._place.remember(exercise.id)
        self._verdict = Verdict(views.heading(exercise, self._place.shown(exercise)))
        self._view = View.VERDICT
        self._checking.again()
        self._line = views.beginning(self._place.shown(exercise, "README.md"), self._watcher.polled)
        self._screen.draw(self._body(), self._bottom() if self._screen.live else views.no_keys())
        if not self._screen.live:
            self._line = ""  # in a terminal it stays until a key or a save

    def _on_begun(self) -> None:
        if self._view is View.VERDICT and not self._line:
            self._screen.status(self._bottom())
        else:
            self._turn(View.VERDICT)

    def _on_settled(self, verdict: Verdict) -> None:
        """Show a verdict and remember it."""
        report, before = verdict.report, self._verdict.report
        if report is None:
            self._show_verdict(verdict)
            return
        passed, told = report.status is Status.PASS, ""
        # A pass that the learner has seen must not be lost, however this process ends. All else can wait: writing it
        # down may take longer than half of the check.
        first = passed and self._exercise.id not in self._place.passed()
        if first:
            told = self._place.note(report, verdict.source)
        self._show_verdict(replace(verdict, line=self._after_pass(report)) if passed else verdict)
        if not first:
            told = self._place.note(report, verdict.source)
        if not passed and (before is None or _first(before) != _first(report)):
            self._place.note_missed(report)
        if told:
            self._say(plain(told))

    def _after_pass(self, report: Report) -> str:
        praise = self._place.praise(self._exercise, report)
        return views.after_pass(praise, self._following(), live=self._screen.live)

    def _following(self) -> Exercise | None:
        name = self._place.after(self._exercise.id)
        return self._place.course.exercise(name) if name else None

    # --- the screen ---

    def _show_verdict(self, verdict: Verdict) -> None:
        """Show a new verdict, or in a terminal leave what the learner is looking at and show that it is there."""
        self._verdict = verdict
        if self._view in (View.VERDICT, View.RESET) or not self._screen.live:
            self._draw()
        else:
            self._screen.status(self._bottom())

    def _draw(self) -> None:
        self._screen.draw(self._body(), self._bottom())

    def _body(self) -> str:
        match self._view:
            case View.LIST:
                return views.exercises(self._place.course, self._place.passed(), self._exercise.id)
            case View.HINT | View.TRACE:
                return self._text
            case View.RESET:
                lines = [self._verdict.text, views.sure_to_reset(self._exercise)]
            case _:
                lines = [self._verdict.text, self._verdict.line, self._line]
        return "\n\n".join(line.rstrip("\n") for line in lines if line)

    def _bottom(self) -> str:
        if not self._screen.live:
            return ""
        if self._view is View.LIST:
            return views.choosing(self._typed)
        return views.checking(self._exercise) if self._checking.running else views.footer()

    def _turn(self, view: View, text: str = "") -> None:
        """Show something else."""
        self._view, self._text, self._line = view, text, ""
        self._draw() if self._screen.live else None

    def _say(self, line: str) -> None:
        """Show a line below the verdict."""
        self._view, self._line = View.VERDICT, line
        self._draw()

    # --- keys ---

    def _press(self, key: str) -> None:
        if self._doing is not None and not self._doing.done():
            if keys.KEYS.get(key) == "quit":
                self._end(0)
            return  # one thing at a time
        try:
            match self._view:
                case View.LIST:
                    self._choose(key)
                case View.RESET:
                    self._answer(key)
                case _:
                    self._obey(key)
        except (PoolkitError, OSError) as error:
            self._say(views.failed(str(error)))

    def _obey(self, key: str) -> None:
        match keys.KEYS.get(key, key):
            case "next":
                self._next()
            case "hint":
                self._show_hint()
            case "trace":
                self._begin(self._trace())
            case "list":
                self._typed = ""
                self._turn(View.LIST)
            case "reset":
                self._turn(View.RESET)
            case "quiz":
                self._begin(self._take_quiz())
            case "edit":
                self._begin(self._edit())
            case "check":
                self._checking.again()
            case "quit" | keys.END:
                self._end(0)
            case keys.ESCAPE | keys.ENTER:
                self._turn(View.VERDICT)

    def _next(self) -> None:
        following = self._following()
        if following is None:
            self._say("No other exercise is left to pass; press l to choose one.")
        else:
            self._go_to(following)

    def _show_hint(self) -> None:
        hint = self._place.hint(self._exercise, following=self._view is View.HINT)
        head = views.heading(self._exercise, self._place.shown(self._exercise))
        self._turn(View.HINT, f"{head}\n{views.hint(hint)}")

    def _choose(self, key: str) -> None:
        ids = self._place.course.ids
        if key == keys.ENTER and self._typed.isdecimal() and 1 <= int(self._typed) <= len(ids):
            self._go_to(self._place.course.exercise(ids[int(self._typed) - 1]))
        elif key in (keys.ESCAPE, keys.END, "l", "q") or (key == keys.ENTER and not self._typed):
            self._turn(View.VERDICT)
        else:
            self._typed = views.typed(self._typed, key, len(ids))
            self._screen.status(self._bottom())

    def _answer(self, key: str) -> None:
        self._turn(View.VERDICT)
        if key == "y":
            told = self._place.reset(self._exercise)
            self._checking.again()
            self._say(plain(told))

    # --- what takes a while ---

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._doing = asyncio.create_task(self._tell_faults(work))

    async def _tell_faults(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except (PoolkitError, OSError) as error:
            self._say(views.failed(str(error)))

    async def _trace(self) -> None:
        self._screen.status(views.tracing())
        found = await self._grader.trace(self._exercise, self._place.submission(self._exercise))
        if isinstance(found, Trace):
            self._turn(View.TRACE, views.trace(found))
        elif found is not None:
            self._say(f"Your file did not run: {plain(str(found))}")

    async def _take_quiz(self) -> None:
        name = quiz(self._verdict.report)
        if name is None:
            self._say("No quiz goes with what was checked so far.")
            return
        command = [sys.executable, "-P", "-m", "poolkit", "quiz", "take", name]
        told = await self._screen.lend([*command, "--course", str(self._place.course.root)], wait_for_key=True)
        self._say(told)

    async def _edit(self) -> None:
        try:
            command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
        except ValueError:
            command = []
        if not command:
            self._say(views.without_editor())
            return
        self._say(await self._screen.lend([*command, str(self._place.file(self._exercise))], wait_for_key=False))


def _first(report: Report) -> str:
    """Name the first check that failed."""
    return report.first_failure.id if report.first_failure else ""
