"""What the learner's code printed, as a person wants to read it: of a traceback, the frames of their own files.

The frames of libraries are most of a traceback's lines, differ from release to release, and push the exception itself
out of sight.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

LEFT_OUT = "  … library code …"
"""Stands for a run of frames that are not the learner's."""

# Of an exception group, each line begins with bars and pluses.
_BEGIN = re.compile(r"[ |+]*(?:Exception Group )?Traceback \(most recent call last\):$")
_FRAME = re.compile(r"[ |+]*  File \"(?P<file>.+)\", line [0-9]+")
_BELOW_A_FRAME = re.compile(r"[ |+]*    |[ |+]*  \[Previous line repeated")
# Which part of a line raised: each Python draws it in its own way.
_MARKS = re.compile(r"[ |]*[~^]+[ ~^]*")


class Fold:
    """Goes through a text line by line.

    Args:
        code: the folder of the learner's files, as their frames name it.
        names: what the learner calls those that have another name there.
    """

    def __init__(self, code: str, names: Mapping[str, str]) -> None:
        self._code = code.rstrip("/") + "/"
        self._names = names
        self._inside = False
        self._in_library = False

    def line(self, line: str) -> str | None:
        """Return what to show of a line, None when it goes."""
        if _BEGIN.match(line):
            self._inside, self._in_library = True, False
        elif self._inside:
            return self._of_traceback(line)
        return line

    def _of_traceback(self, line: str) -> str | None:
        if frame := _FRAME.match(line):
            name = frame["file"].removeprefix(self._code)
            before, self._in_library = self._in_library, name == frame["file"]
            if self._in_library:
                return None if before else LEFT_OUT
            return line.replace(frame["file"], self._names.get(name, name))
        if not _BELOW_A_FRAME.match(line):
            self._inside = self._in_library = False  # the exception itself, which comes last
            return line
        return None if self._in_library or _MARKS.fullmatch(line) else line


def folded(text: str, code: str, names: Mapping[str, str]) -> str:
    """Return a whole text without what its tracebacks say of libraries; the arguments are those of `Fold`."""
    fold = Fold(code, names)
    return "".join(_shown(fold, text))


def _shown(fold: Fold, text: str) -> Iterator[str]:
    for whole in text.splitlines(keepends=True):
        line = whole.rstrip("\r\n")
        if (shown := fold.line(line)) is not None:
            yield shown + whole[len(line) :]
