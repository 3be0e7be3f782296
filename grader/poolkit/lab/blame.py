"""Which line of the learner's something is about, and what an exception of theirs says."""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Mapping
from types import FrameType
from typing import Any

MAX_TEXT = 500


class Blame:
    """Knows the folder of the learner's files.

    Args:
        folder: absolute, as it stands in the code's own file names.
        names: what to call a file of it whose name in the snapshot is not the learner's own.
    """

    def __init__(self, folder: str, names: Mapping[str, str]) -> None:
        self._prefix = folder.rstrip("/") + "/"
        self._names = names

    def here(self) -> list[Any] | None:
        """Return [file, line, text] of the learner's innermost frame that is running now, or None."""
        return self.of(sys._getframe(1))

    def of(self, frame: FrameType | None) -> list[Any] | None:
        """Return [file, line, text] of the learner's innermost frame from that one on, or None."""
        while frame is not None:
            if frame.f_code.co_filename.startswith(self._prefix):
                return self._at(frame.f_code.co_filename, frame.f_lineno)
            frame = frame.f_back
        return None

    def error(self, error: BaseException) -> dict[str, Any]:
        """Return the type, message and place of an exception; of a group, those of its first."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        place = None
        for frame, line in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename.startswith(self._prefix):
                place = self._at(frame.f_code.co_filename, line)
        if isinstance(error, SyntaxError) and str(error.filename).startswith(self._prefix):
            # Where the text is wrong, not where it was imported.
            place = self._at(str(error.filename), error.lineno or 1)
        return {"type": type(error).__name__, "message": _text(error)[:MAX_TEXT], "at": place}

    def _at(self, file: str, line: int) -> list[Any]:
        name = file.removeprefix(self._prefix)
        return [self._names.get(name, name), line, linecache.getline(file, line).strip()[:200]]


def _text(error: BaseException) -> str:
    try:
        return str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:  # the __str__ of a learner's own class may do anything
        return "<its str() failed>"
