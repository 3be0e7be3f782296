"""The README tells the truth: what it shows as output is what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Poolkit

ROOT = Path(__file__).resolve().parents[1]
SHOWN = re.findall(
    r"<!-- output of: poolkit (.*?) -->\n```text\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
)


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
