"""Remembers which misconceptions failed checks have shown, so that the questions about them come due.

Each has an empty file, named like it and as old as the last check that showed it. Noting one needs no reading, no
lock and no wait for the disk: it happens in a check, which must stay quick and must not fail over it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from poolkit.practice.place import place
from poolkit.report import Report, Status

FOLDER = "missed"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST = 80


def note(reports: Iterable[Report], when: datetime, folder: Path | None = None) -> None:
    """Note the misconceptions of checks that failed. Where that cannot be written, nothing is noted.

    Args:
        when: the time of the check, aware.
        folder: that of practice, when it is not the user's.
    """
    found = {
        check.misconception
        for report in reports
        for check in report.checks
        if check.status is Status.FAIL and check.misconception is not None
    }
    names = [name for name in found if len(name) <= _LONGEST and _NAME.fullmatch(name)]
    # A check's verdict must not depend on whether a home can be written.
    with contextlib.suppress(OSError):
        below = (folder or place()) / FOLDER
        if names:
            below.mkdir(parents=True, exist_ok=True)
        for name in names:
            (below / name).touch()
            os.utime(below / name, (when.timestamp(), when.timestamp()))


def read(folder: Path) -> Mapping[str, datetime]:
    """Return the misconceptions that checks have shown, and when each was shown last."""
    found: dict[str, datetime] = {}
    with contextlib.suppress(OSError, ValueError, OverflowError):
        for entry in os.scandir(folder / FOLDER):
            if _NAME.fullmatch(entry.name):
                found[entry.name] = datetime.fromtimestamp(entry.stat().st_mtime, UTC)
    return found
