"""The code that a question shows: as it stands in the question, or lines of a file below the quizzes' folder."""

from __future__ import annotations

from pathlib import Path

from poolkit.errors import QuizFault
from poolkit.quiz.model import Code

MAX_BYTES = 1 << 18


def text(code: Code, folder: Path) -> str:
    """Return the code, without a line end at its end.

    Args:
        folder: the one that its file must be below.

    Raises:
        QuizFault: it gives neither or both of text and file, or there is no such file or line.
    """
    if (code.text is None) == (code.file is None):
        raise QuizFault("the code needs either `text` or `file`; give one of the two")
    if code.text is not None:
        if code.lines is not None:
            raise QuizFault("`lines` are those of a `file`; remove them beside `text`")
        return code.text.rstrip("\n")
    lines = _read(folder, code.file or "").splitlines()
    first, last = code.lines or (1, len(lines))
    if first > last:
        raise QuizFault(f"the lines {first} to {last} are none; write the first one first")
    if last > len(lines):
        raise QuizFault(f"{code.file} has no line {last}; it has {len(lines)}")
    return "\n".join(lines[first - 1 : last])


def _read(folder: Path, name: str) -> str:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise QuizFault(f"the file {name!r} is not below {folder}; put it there")
    if not path.is_file():
        raise QuizFault(f"there is no file {name!r} below {folder}; mend its name, or add it")
    if path.stat().st_size > MAX_BYTES:
        raise QuizFault(f"the file {name!r} is over {MAX_BYTES} bytes; show a smaller one")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise QuizFault(f"the file {name!r} cannot be read as UTF-8 text; save it as that") from None
