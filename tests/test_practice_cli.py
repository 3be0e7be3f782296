"""`poolkit practice` as its users run it: in a terminal, without one, and after a check that failed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import Poolkit
from quizzing import Terminal, make_course

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A course with the small quiz."""
    return str(make_course(tmp_path / "course").root)


def terminal(tmp_path: Path, folder: str, *arguments: str, **environment: str) -> Terminal:
    """Practise in a terminal; state is kept below the test's folder."""
    variables = {"XDG_DATA_HOME": str(tmp_path / ".data"), "HOME": str(tmp_path)} | environment
    return Terminal("practice", "--course", folder, *arguments, cwd=tmp_path, environment=variables)


def deck_file(tmp_path: Path) -> Path:
    """Return the file of the deck, wherever this system keeps data."""
    [found] = tmp_path.glob("**/poolkit/practice/deck.json")
    return found


def test_it_asks_in_a_terminal_and_says_what_comes_next(tmp_path: Path, folder: str, poolkit: Poolkit) -> None:
    """In 80 columns and without colours where they are unwanted; `--list` and `--stats` then know of it."""
    asked = terminal(tmp_path, folder, "--new", "3", NO_COLOR="1", TERM="dumb")
    asked.until("3 questions: 3 new.")
    asked.until("Question 1 of 3")
    asked.until("> ")
    asked.type("s\r")
    asked.until("Question 2 of 3")
    asked.until("> ")
    asked.type("?\r")
    asked.until("q to stop")
    asked.until("> ")
    asked.type("1234\r")
    asked.until("Question 3 of 3")
    asked.until("> ")
    asked.type("f\r")
    assert asked.end() == 0
    assert "2 answers: 1 right, 1 not right." in asked.shown
    assert "1 question still due." in asked.shown
    assert "\x1b" not in asked.shown
    assert max(len(line.rstrip()) for line in asked.shown.split("\r\n")) <= 80
    listed = poolkit("practice", "--list", "--new", "9", "--course", folder)
    assert listed.returncode == 0
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [
        ["new", "small.single"],
        ["new", "small.order"],
        ["new", "small.number"],
    ]
    figures = poolkit("practice", "--stats", "--course", folder)
    assert figures.returncode == 0
    assert "2 of 5 met, 3 new" in figures.stdout
    assert "1 of 2 (50 %) right" in figures.stdout


def test_a_killed_process_loses_the_question_at_hand_alone(tmp_path: Path, folder: str) -> None:
    """What was answered before is there."""
    asked = terminal(tmp_path, folder)
    asked.until("Question 1 of 5")
    asked.type("1\r")
    asked.until("Question 2 of 5")
    asked.kill()
    asked.end()
    assert [each["question"] for each in json.loads(deck_file(tmp_path).read_text())["reviews"]] == ["small.single"]


def test_with_nothing_due_it_says_when_to_come_again(tmp_path: Path, folder: str, poolkit: Poolkit) -> None:
    """And how to meet more questions."""
    asked = terminal(tmp_path, folder, "--new", "0", NO_COLOR="1")
    assert asked.end() == 0
    assert "Nothing is due." in asked.shown
    assert "5 questions you have not met yet; --new N asks more of them." in " ".join(asked.shown.split())
    ran = poolkit("practice", "--list", "--new", "0", "--course", folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "Nothing is due.\n")


def test_without_a_terminal_it_says_what_works_there(poolkit: Poolkit, folder: str) -> None:
    """And does not take two wishes for one."""
    ran = poolkit("practice", "--course", folder)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--list prints what is due" in ran.stderr
    ran = poolkit("practice", "--list", "--stats", "--course", folder)
    assert ran.returncode == 2
    assert "one of the two" in ran.stderr


def test_what_cannot_be_read_is_told_and_kept(tmp_path: Path, poolkit: Poolkit, folder: str) -> None:
    """A line each for a deck of another version and for a broken quiz; the rest goes on."""
    Path(folder, "quizzes", "broken.yaml").write_text("poolkit_quiz: 1\n")
    asked = terminal(tmp_path, folder)
    asked.until("Question 1 of 5")
    asked.type("1\r")
    asked.until("Question 2 of 5")
    asked.type("q\r")
    assert asked.end() == 0
    path = deck_file(tmp_path)
    path.write_text(path.read_text().replace('"poolkit_practice":1', '"poolkit_practice":2'))
    ran = poolkit("practice", "--list", "--course", folder)
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) == 5
    first, second = ran.stderr.splitlines()
    assert "the quiz broken cannot be used; `poolkit quiz check broken` says why" in first
    assert re.search(r"poolkit_practice is 2, .* kept as deck-unreadable-\S+\.json", second)
    assert poolkit("practice", "--list", "--course", folder).stderr == first + "\n"


def test_a_failed_check_makes_its_questions_due(tmp_path: Path, poolkit: Poolkit) -> None:
    """Those of the misconception that it found, before all others; a solution elsewhere is not the learner's."""
    wrong = ROOT / "solutions" / "exercise-3" / "wrong" / "never_returns.py"
    assert poolkit("init", "work").returncode == 0
    assert poolkit("check", "3", "--path", str(wrong), cwd=tmp_path / "work").returncode == 1
    assert "failed check" not in poolkit("practice", "--list").stdout
    shutil.copy(wrong, tmp_path / "work" / "exercises" / "exercise-3" / "app.py")
    assert poolkit("check", "3", cwd=tmp_path / "work").returncode == 1
    listed = poolkit("practice", "--list", "--new", "0").stdout.splitlines()
    assert any("borrow-and-return.third-visitor" in line for line in listed)
    assert all(line.startswith("failed check") for line in listed)
