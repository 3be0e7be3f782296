"""Everything that poolkit raises on purpose.

    PoolkitError                 the base; its text is one line: what, where, what to do
    ├── UsageFault               the command was used wrongly (exit code 2)
    │   ├── UnknownExercise
    │   ├── WorkspaceFault       no workspace here, or it would be overwritten
    │   └── QuizFault            a quiz's file, or one with answers, is broken
    ├── GraderFault              our own failure; never costs a learner a point (exit code 3)
    │   ├── CourseFault          a file of the course is broken
    │   └── HostFault            the warm process that labs are forked from failed
    ├── WireFault                a message broke the protocol between lab and judge
    └── PoolError                raised by `poolkit.sqlite_pool`, the pool itself
        ├── PoolClosed           borrowing from a pool that is not open
        ├── PoolTimeout          no connection became free in time
        └── TooManyWaiters       the queue for a connection is at its limit

A learner's failing check is data (`poolkit.report.Status`), not an exception.
"""

from __future__ import annotations


class PoolkitError(Exception):
    """The base of poolkit's own errors.

    `exit_code` is what a command ends with when nothing catches the error.
    """

    exit_code = 3


class UsageFault(PoolkitError):
    """The command was used wrongly."""

    exit_code = 2


class UnknownExercise(UsageFault):
    """No exercise has that name."""


class WorkspaceFault(UsageFault):
    """There is no workspace here, or the command would overwrite one."""


class QuizFault(UsageFault):
    """A quiz's file, or one with answers, is broken; `problems` has a line for each thing that is wrong with it."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)


class GraderFault(PoolkitError):
    """The grader failed, not the learner."""


class CourseFault(GraderFault):
    """A file of the course is missing or broken."""


class HostFault(GraderFault):
    """The warm process that labs are forked from did not start, or died."""


class WireFault(PoolkitError):
    """A message broke the protocol between lab and judge."""


class PoolError(PoolkitError):
    """The base of what a connection pool raises."""


class PoolClosed(PoolError):
    """A connection was asked of a pool that is not open."""


class PoolTimeout(PoolError, TimeoutError):
    """No connection became free within the time allowed."""


class TooManyWaiters(PoolError):
    """The queue for a connection has reached `max_waiting`."""
