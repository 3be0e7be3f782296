"""The difference between two versions of a learner's file, as lines that are safe to show."""

from __future__ import annotations

import difflib
from pathlib import Path

from poolkit.errors import UsageFault
from poolkit.text import plain

MAX_BYTES = 256 << 10


def unified(old: Path, new: Path, old_name: str, new_name: str) -> list[str]:
    """Return a unified diff of two files, without lines when they are the same.

    Raises:
        UsageFault: one of them is missing or far too large for an exercise.
    """
    before, after = _lines(old), _lines(new)
    return [
        line[0] + plain(line[1:].expandtabs(4), 500)
        for line in difflib.unified_diff(before, after, old_name, new_name, lineterm="")
        if line
    ]


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageFault(f"{path}: over {MAX_BYTES >> 10} KiB; that is no file for an exercise")
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UsageFault(f"{path}: {error.strerror}; `poolkit reset` puts a file back") from None
