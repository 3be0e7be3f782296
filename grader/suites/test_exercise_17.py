"""Exercise 17: test a pool.

The learner's tests run in a lab against one pool after the other, each in a lab of its own: the correct ones of
`exercise_17/correct`, on which all tests must pass, and the broken ones of `exercise_17/broken`, on each of which one
must fail. What a lab answers is a claim; but it cannot know which pool it was sent, so a lie costs as much as it earns.
"""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from poolkit.judge.checks import CheckFailed, check, expect
from poolkit.judge.fixture import Answer, Lab

POOLS = Path(__file__).with_name("exercise_17")

PATIENCE = 8.0
"""Seconds that a run of the learner's tests may take, as README.md says."""

SLOW = 0.2
"""Seconds that it takes to try a connection out on the slow database, as README.md says."""

TRYING_OUT = "SELECT 1 AS fit"
"""How `inspected` tries a connection out, when it is new or goes from one borrower to the next in line."""

THE_FILE = "the file itself"
"""What the app calls a failure that is not of one test."""

CORRECT = {
    "permits": "a pool that hands out permits",
    "line": "a pool that keeps a line of borrowers",
    "tickets": "a pool whose `close` waits for its borrowers",
    "inspected": "a pool that tries a connection out before it hands it on",
}

CAN_IT_FAIL = "can-this-test-fail"
MOMENT = "how-does-a-test-get-two-visitors-into-the-same-moment"
AFTERWARDS = "what-does-a-test-look-at-afterwards"
DESIGNS = "why-does-a-good-test-pass-on-more-than-one-version"
WAITING = "when-does-a-test-wait-and-for-what"

BROKEN = {
    "opens_at_the_first_borrow": (CAN_IT_FAIL, "testing-pools.async-test"),
    "opens_anew_each_time": (CAN_IT_FAIL, "testing-pools.async-test"),
    "opens_one_too_many": (CAN_IT_FAIL, "testing-pools.async-test"),
    "grows_in_a_crowd": (MOMENT, "own-pool.five"),
    "lends_what_is_out": (CAN_IT_FAIL, "testing-pools.returns"),
    "does_not_wake": (MOMENT, "testing-pools.sleep"),
    "serves_the_last_first": (MOMENT, "testing-pools.small-pool"),
    "waits_for_ever": (WAITING, "testing-pools.timed-out"),
    "serves_who_gave_up": (AFTERWARDS, "testing-pools.timed-out"),
    "waits_for_the_cancelled": (AFTERWARDS, "testing-pools.timed-out"),
    "loses_it_to_the_cancelled": (MOMENT, "testing-pools.small-pool"),
    "keeps_it_when_the_block_raises": (AFTERWARDS, "testing-pools.small-pool"),
    "counts_a_second_return": (AFTERWARDS, "testing-pools.returns"),
    "takes_it_from_the_next": (AFTERWARDS, "testing-pools.returns"),
    "accepts_a_stranger": (CAN_IT_FAIL, "testing-pools.async-test"),
    "leaves_the_transaction": (AFTERWARDS, "own-pool.without-commit"),
    "commits_at_the_return": (AFTERWARDS, "own-pool.without-commit"),
    "lends_what_is_closed": (AFTERWARDS, "testing-pools.small-pool"),
    "leaves_some_open": (AFTERWARDS, "testing-pools.inside"),
    "lends_after_close": (CAN_IT_FAIL, "testing-pools.async-test"),
    "forgets_who_waits": (MOMENT, "testing-pools.sleep"),
}
"""The broken pools, in the order in which a learner reads of them.

Each has the heading of the lesson to read, and the id of a quiz question.
"""


# --- running the tests ---


@dataclass(frozen=True)
class Run:
    """One run of the learner's tests: how many passed, what failed first, what Python warned of.

    `cut_off` says why there was no answer, where there was none.
    """

    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    cut_off: str = ""

    @property
    def accepts(self) -> bool:
        """Whether there are tests, and the pool passed them all."""
        return self.passed > 0 and not self.failed and not self.cut_off

    @property
    def complaint(self) -> str:
        """The message of the test that failed."""
        return next(iter(self.failed.values()), "")

    def __str__(self) -> str:
        if self.cut_off:
            return self.cut_off
        for name, message in self.failed.items():
            if name == THE_FILE:
                return f"`test_pool.py` could not be imported: {message.rstrip('.')}."
            return f"`{name}` failed: {message.rstrip('.') or 'no message'}."
        return f"All {self.passed} passed." if self.passed else "pytest found no test to run: no `def test_...`."


async def _run(lab: Lab, pool: str, patience: float = PATIENCE) -> Run:
    """Run the learner's tests against the pool in a file."""
    await lab.start()
    lab.patience = patience
    try:
        # The limits that tests set are seconds too, and a busy machine should not make them short.
        async with lab.in_step():
            answer = await lab.request("POST", "/run", body={"source": _source(pool), "seconds": patience})
    except CheckFailed as failure:
        # A process that ended hangs up first, and is known to have ended a moment later.
        if "no answer" not in failure.happened and await lab.exits(within=2.0):
            return Run(cut_off="Their process ended before they were done.")
        slow = "a test waits without a limit, or all of them together take too long"
        return Run(cut_off=f"They were not done after {patience:g} seconds: {slow}.")
    return _read(answer)


def _read(answer: Answer) -> Run:
    body = answer.json()
    if not isinstance(body, dict):
        return Run(cut_off=f"The app answered {answer.status} instead of telling how the tests went.")
    passed, failed, warnings = body.get("passed"), body.get("failed"), body.get("warnings")
    code = body.get("code")
    found = {str(name)[:100]: str(text)[:300] for name, text in failed.items()} if isinstance(failed, dict) else {}
    if code not in (0, 5) and not found:
        found = {"pytest": f"it ended with exit code {str(code)[:20]}"}
    return Run(
        passed=passed if isinstance(passed, int) and code == 0 else 0,
        failed=found,
        warnings=tuple(str(text)[:300] for text in warnings[:20]) if isinstance(warnings, list) else (),
    )


def _source(pool: str) -> str:
    """Return a pool's source without anything that is only there to be read."""
    tree = ast.parse((POOLS / f"{pool}.py").read_text(encoding="utf-8"))
    return ast.unparse(tree)  # without the comments; docstrings there are none


def _symptom(name: str) -> str:
    """Return what a broken pool does, as the first line of its file says it."""
    first = (POOLS / "broken" / f"{name}.py").read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# Broken: ").removesuffix(".")


# --- judging ---


def _accepts(name: str, what: str) -> Callable[[Lab], Awaitable[None]]:
    async def test(lab: Lab) -> None:
        run = await _run(lab, f"correct/{name}")
        expect(
            run.accepts,
            expected=f"All of your tests pass on {what}: it keeps every promise of README.md.",
            happened=str(run),
            misconception=_why_refused(run),
        )

    test.__name__ = f"test_accepts_{name}"
    return check(f"Your tests pass on {what}", lesson=DESIGNS, quiz="testing-pools.inside")(test)


def _notices(name: str, lesson: str, quiz: str, needs: list[str]) -> Callable[[Lab], Awaitable[None]]:
    symptom = _symptom(name)

    async def test(lab: Lab) -> None:
        run = await _run(lab, f"broken/{name}")
        expect(
            not run.accepts,
            expected=f"At least one of your tests fails on a pool that {symptom}.",
            happened=f"On such a pool, {'the only test' if run.passed == 1 else f'all {run.passed} tests'} passed.",
            misconception=_why_missed(lab, run) or f"misses-{name.replace('_', '-')}",
        )

    test.__name__ = f"test_notices_{name}"
    return check(f"Your tests notice a pool that {symptom}", needs=needs, lesson=lesson, quiz=quiz)(test)


def _why_refused(run: Run) -> str | None:
    """Return the mistake that made a test fail on a correct pool, as far as its message tells."""
    message = run.complaint
    if run.cut_off:
        return "waits-without-a-limit" if "limit" in run.cut_off else None
    # pytest before 8.4 warns of an `async def` that no plugin runs, and skips it.
    if any("async def functions are not" in text or "an async fixture" in text for text in (message, *run.warnings)):
        return "not-marked"
    if not run.failed:
        return "finds-no-tests"
    if "'Pool' object has no attribute" in message:
        return "looks-inside"
    if any(f"has no attribute '{name}'" in message for name in ("execute_fetchall", "in_transaction", "rollback")):
        return "fakes-the-driver"
    if "the pool is not open" in message:
        return "demands-one-error"
    if "a closed pool stays closed" in message:
        return "demands-a-reopening"
    if not message.startswith(("AssertionError", "assert ", "Failed: DID NOT RAISE")):
        return None
    return "demands-the-same-object" if " is <" in message else "demands-more"


def _why_missed(lab: Lab, run: Run) -> str | None:
    """Return what kept the tests from failing, where something in the run shows that they could not."""
    if any("was never awaited" in warning for warning in run.warnings):
        return "forgets-await"
    return None if lab.ledger.of("open") else "never-uses-the-pool"


for _name, _what in CORRECT.items():
    globals()[f"test_accepts_{_name}"] = _accepts(_name, _what)
_ACCEPTED = [f"accepts-{name}" for name in CORRECT]


@check(
    "Your tests pass on a correct pool when the database is slow",
    needs=_ACCEPTED,
    lesson=WAITING,
    quiz="testing-pools.sleep",
)
async def test_accepts_a_slow_database(lab: Lab) -> None:
    lab.faults.delay_statement(TRYING_OUT, SLOW, times=1_000)
    run = await _run(lab, "correct/inspected", patience=2 * PATIENCE)
    expect(
        run.accepts,
        expected=f"All of your tests pass, also when the next in line gets a connection {SLOW:g} seconds later.",
        happened=str(run),
        misconception="sleeps-and-hopes",
    )


for _name, (_lesson, _quiz) in BROKEN.items():
    globals()[f"test_notices_{_name}"] = _notices(_name, _lesson, _quiz, [*_ACCEPTED, "accepts-a-slow-database"])
