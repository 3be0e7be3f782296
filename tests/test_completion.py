"""What a shell completes after Tab, as the README explains it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tools import missing

from poolkit.cli import COMMANDS

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """One in which `poolkit` is this one."""
    script = tmp_path / "poolkit"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m poolkit "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}


def shell(name: str, script: str, environment: dict[str, str]) -> list[str]:
    """Return what a script in a shell prints."""
    if shutil.which(name) is None:
        missing(name, f"`apt-get install {name}` brings it")
    ran = subprocess.run([name, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stderr == ""
    return ran.stdout.split("\n")[:-1]


def in_readme(line: str) -> str:
    """Return a line that the README tells to use."""
    assert line in README.read_text(encoding="utf-8")
    return line


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["poolkit", "l"], ["learn", "list"]),
        (["poolkit", "learn", "exercise-1", "--mode", "s"], ["sample", "snapshot"]),
        (["poolkit", "check", "exercise-17"], ["exercise-17"]),
        (["poolkit", "quiz", "ex"], ["export"]),
    ],
)
def test_bash(environment: dict[str, str], words: list[str], found: list[str]) -> None:
    """Commands, their commands and options, and the exercises' ids."""
    setup = in_readme('eval "$(_POOLKIT_COMPLETE=bash_source poolkit)"')
    script = f"""{setup}
        COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}
        _poolkit_completion poolkit
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert shell("bash", script, environment) == found


def test_fish(environment: dict[str, str]) -> None:
    """The same from the same program."""
    setup = in_readme("_POOLKIT_COMPLETE=fish_source poolkit | source")
    script = f"{setup}; complete -C 'poolkit learn exercise-1 --mode s'"
    assert shell("fish", script, environment) == ["sample", "snapshot"]


def test_zsh(environment: dict[str, str]) -> None:
    """What it evaluates defines the completion and nothing else; zsh completes in a terminal only."""
    setup = in_readme('eval "$(_POOLKIT_COMPLETE=zsh_source poolkit)"')
    script = f"autoload -U compinit && compinit -D -u; {setup}; print $_comps[poolkit]"
    assert shell("zsh", script, environment) == ["_poolkit_completion"]


def test_completing_a_command_imports_none() -> None:
    """A Tab is answered from the table."""
    code = (
        "import sys; from poolkit.cli import cli; import click;"
        "ctx = click.Context(cli); print(*[item.value for item in cli.shell_complete(ctx, '')]);"
        "sys.exit(str([name for name in sys.modules if name.startswith('poolkit.cli.') and '_lazy' not in name]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == sorted(COMMANDS)
    assert ran.stderr == "[]\n"
