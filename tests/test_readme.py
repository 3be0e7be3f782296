"""The README tells the truth: what it shows as output is what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Poolkit
from quizzing import Terminal

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"<!-- output of: poolkit (.*?) -->\n```text\n(.*?)```", README, re.DOTALL)
TYPED = re.findall(r"<!-- typed into: poolkit (.*?): (.*?) -->\n```text\n(.*?)```", README, re.DOTALL)


def _same_in_every_run(text: str) -> list[str]:
    """Return the lines that no clock and no order of arrival changes: all but the ledger's rows, without times."""
    lines = [line.rstrip() for line in text.splitlines() if not re.match(r"  [> ] +\d+ +\d+\.\d ", line)]
    return [re.sub(r"\d+\.\d+ s", "# s", line) for line in lines]


@pytest.mark.parametrize(("command", "shown"), SHOWN)
def test_the_output_in_the_readme_is_what_the_command_prints(poolkit: Poolkit, command: str, shown: str) -> None:
    """Each block of output in the README, run again."""
    assert _same_in_every_run(poolkit(*command.split(), cwd=ROOT).stdout) == _same_in_every_run(shown)


def test_the_readme_shows_the_leak_and_the_trace() -> None:
    """Both of the outputs that explain the kit are there, with the deciding row of the ledger."""
    assert len(SHOWN) == 2
    assert re.search(r"^  > +\d+ .* 3 of 4", SHOWN[0][1], re.MULTILINE)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder that is a workspace."""
    (tmp_path / ".poolkit").mkdir()
    (tmp_path / ".poolkit" / "workspace.json").write_text("{}")
    return tmp_path


def _without_time(text: str) -> str:
    """Return what a terminal showed: without colours, the spaces at the ends of lines, and the date of the answers."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n")
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d", "DATE", re.sub(r" +$", "", text, flags=re.MULTILINE))


def test_the_quiz_in_the_readme_is_what_happens_in_a_terminal(workspace: Path, poolkit: Poolkit) -> None:
    """Its parts, one after the other, of the same answers typed again; scored from their file these give the same."""
    [(command, typed, shown)] = TYPED
    terminal = Terminal(*command.split(), cwd=workspace, environment={"NO_COLOR": "1"})
    for answer in typed.split(", "):
        terminal.until("> ")
        terminal.type(f"{answer}\r")
    code = terminal.end()
    first, last = _without_time(shown).strip().split("\n\n[...]\n\n")
    happened = _without_time(terminal.shown).strip()
    assert happened.startswith(first)
    assert happened.endswith(last)
    scoring = re.findall(r"poolkit (quiz score .*)", terminal.shown.replace("\r\n", ""))
    scored = poolkit(*scoring[-1].split(), cwd=workspace)
    assert (scored.returncode, code) == (0, 0)
    assert scored.stdout.startswith(last.partition("\n\nThe same from")[0])
