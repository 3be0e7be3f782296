"""docs/first-ten-minutes.md tells the truth: the session in it is gone through again."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import Poolkit

SESSION = Path(__file__).resolve().parents[1] / "docs" / "first-ten-minutes.md"
BLOCKS = re.findall(r"^```(console|diff)\n(.*?)^```", SESSION.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def _same_in_every_run(text: str) -> list[str]:
    """Return the lines without what a clock or chance decides: the ledger's rows, times, seeds and dates."""
    lines = [line.rstrip() for line in text.splitlines() if not re.match(r"  [> ] +\d+ +\d+\.\d ", line)]
    changing = r"\d+\.\d+ s, seed \d+|\d{4}-\d\d-\d\d|with \d+ of 16"
    return [re.sub(changing, "#", line) for line in lines]


def _edit(file: Path, change: str) -> None:
    removed = "".join(line[1:] + "\n" for line in change.splitlines() if line.startswith("-"))
    added = "".join(line[1:] + "\n" for line in change.splitlines() if line.startswith("+"))
    text = file.read_text(encoding="utf-8")
    assert text.count(removed) == 1
    file.write_text(text.replace(removed, added), encoding="utf-8")


def test_a_newcomer_sees_what_the_session_shows(tmp_path: Path, poolkit: Poolkit) -> None:
    """From `init` to the first pass: each command prints what stands there, each edit leads on to the next."""
    passed = []
    for kind, text in BLOCKS:
        if kind == "diff":
            _edit(tmp_path / "practice" / "exercises" / "exercise-1" / "app.py", text)
            continue
        command, _, shown = text.partition("\n")
        folder = tmp_path / "practice"
        result = poolkit(*command.removeprefix("$ poolkit ").split(), cwd=folder if folder.exists() else tmp_path)
        assert _same_in_every_run(result.stdout) == _same_in_every_run(shown), command
        passed += [result.returncode] if command == "$ poolkit check exercise-1" else []
    assert passed == [1, 1, 0]
