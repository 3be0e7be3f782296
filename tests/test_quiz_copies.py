"""Copies of quizzes in a workspace: they hold no key, and are used where the course has no such quiz."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import yaml
from conftest import Poolkit
from quizzing import QUIZ, Terminal, make_course, replaced
from test_quiz_learner import FORBIDDEN, fields, scalars, secrets

from poolkit.cli import _target
from poolkit.course import Course, find_course
from poolkit.errors import CourseFault, UsageFault
from poolkit.quiz import copies, load
from poolkit.quiz.answers import MARK as ANSWERS
from poolkit.workspace import Workspace, create


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of the kit's own course."""
    course = find_course()
    return create(tmp_path_factory.mktemp("home") / "practice", course, copies.of_course(course)).root


@pytest.fixture
def small(tmp_path: Path) -> tuple[Course, Workspace]:
    """A course with the small quiz, and a workspace of it."""
    course = make_course(tmp_path / "course")
    return course, create(tmp_path / "practice", course, copies.of_course(course))


def without_quizzes(course: Course) -> None:
    """Take the quizzes away from a course, as for a class."""
    for path in load.paths(course):
        path.unlink()


def test_a_workspace_holds_a_copy_of_every_quiz(practice: Path, course: Course) -> None:
    """Under its name."""
    names = [path.name for path in load.paths(course)]
    assert len(names) > 10
    assert sorted(path.name for path in (practice / "quizzes").iterdir()) == names


def test_no_file_of_a_workspace_holds_a_secret(practice: Path, course: Course) -> None:
    """No feedback, explanation, misconception's feedback or proof of any quiz, in any file, as text or as a digest."""
    held = b"\0".join(path.read_bytes() for path in sorted(practice.rglob("*")) if path.is_file())
    quizzes = [load.load(path, course) for path in load.paths(course)]
    values = [each for path in (practice / "quizzes").iterdir() for each in scalars(yaml.safe_load(path.read_text()))]
    # As it stands in the files, and as YAML reads what it has quoted and broken into lines.
    text = " ".join([*held.decode(errors="replace").split(), *" ".join(values).split()])
    # Shorter ones, such as ids of choices, are words that lessons use, too; the test below looks for those.
    found = {secret for quiz in quizzes for secret in secrets(quiz) if len(secret) > 20 and " " in secret}
    assert len(found) > 400
    assert [secret for secret in found if " ".join(secret.split()) in text] == []
    digests = {hashlib.new(name, each.encode()).hexdigest() for each in found for name in ("sha256", "sha1", "md5")}
    assert not digests & set(re.findall(r"\b[0-9a-f]{32,64}\b", text))


def test_no_copy_has_a_field_or_a_value_that_tells(practice: Path, course: Course) -> None:
    """Neither the ids that the author chose, which may tell, nor a field that could hold an answer."""
    for path in load.paths(course):
        data = yaml.safe_load((practice / "quizzes" / path.name).read_text(encoding="utf-8"))
        assert not set(fields(data)) & set(FORBIDDEN)
        options = [
            each for question in data["questions"] for each in question.get("choices", question.get("items", ()))
        ]
        # An id may be the same as the text of what it names, which is shown; a number the answer to one question and
        # the points of another.
        texts = {option["text"] for option in options}
        told = {each for each in secrets(load.load(path, course)) if not re.fullmatch(r"[0-9.]*", each)} - texts
        assert len(told) > 10
        assert not told & set(scalars(data))
        assert not {"true", "True", "false"} & set(scalars({**data, "questions": []}))


def test_a_broken_quiz_is_the_course_s_fault(tmp_path: Path) -> None:
    """It is told before anything is made."""
    course = make_course(tmp_path / "course")
    (load.folder(course) / "small.yaml").write_text(replaced(QUIZ, "difficulty: 2", "difficulty: 7"))
    with pytest.raises(CourseFault, match=r"small\.yaml:10: question"):
        copies.of_course(course)


def test_the_course_s_quiz_comes_first(small: tuple[Course, Workspace]) -> None:
    """The copy is taken only where the course, or all of it, is missing; and nothing outside the folder ever."""
    course, workspace = small
    copy = str(workspace.root / "quizzes" / "small.yaml")
    assert copies.chosen("small", course, workspace) == "small"
    assert copies.besides(course, workspace) == []
    assert copies.chosen("small", None, workspace) == copy
    without_quizzes(course)
    assert copies.chosen("small", course, workspace) == copy
    [(path, sheet)] = copies.besides(course, workspace)
    assert str(path) == copy
    assert sheet is not None
    assert copies.chosen("mine.yaml", None, None) == "mine.yaml"
    for name in ("tiny", "../quizzes/small", "Small"):
        with pytest.raises(UsageFault, match="`poolkit quiz list` shows them"):
            copies.chosen(name, course, workspace)
    with pytest.raises(UsageFault, match="no quiz 'small'"):
        copies.chosen("small", course, None)


def test_a_checkout_s_quizzes_are_no_copies(tmp_path: Path) -> None:
    """Whoever writes a course lists the quizzes of another one without seeing their own as broken."""
    checkout, other = make_course(tmp_path / "checkout"), make_course(tmp_path / "other")
    without_quizzes(other)
    assert copies.besides(other, Workspace(checkout.root)) == []


def test_a_class_lists_and_takes_the_copies(small: tuple[Course, Workspace], poolkit: Poolkit, tmp_path: Path) -> None:
    """The answers go to whoever holds the key; here nothing says what is right."""
    course, workspace = small
    key = tmp_path / "key.yaml"
    key.write_text(QUIZ)
    without_quizzes(course)
    common = ("--course", str(course.root))
    assert poolkit("quiz", "list", *common, cwd=workspace.root).stdout == "small   5 questions  A small quiz\n"
    terminal = Terminal("quiz", "take", "small", *common, cwd=workspace.root, environment={"NO_COLOR": "1"})
    for answer in ("1", "1", "f", "123", "1.5"):
        terminal.until("> ")
        terminal.type(f"{answer}\r")
    assert terminal.end() == 0
    assert "Right" not in terminal.shown
    [answers] = (workspace.root / ".poolkit" / "quizzes").iterdir()
    assert f"Your answers are in .poolkit/quizzes/{answers.name}. Hand that file in." in terminal.shown
    assert answers.read_text().startswith(f"{ANSWERS}: 1\nquiz: small\n")
    ran = poolkit("quiz", "take", "small", "--answers", str(answers), *common, cwd=workspace.root)
    assert ran.returncode == 2
    assert "this copy has no key; hand " in ran.stderr
    ran = poolkit("quiz", "score", "small", "--answers", str(answers), "--key", str(key), *common)
    assert "of 6 points" in ran.stdout


def test_a_broken_copy_is_told(small: tuple[Course, Workspace], poolkit: Poolkit) -> None:
    """In the list, and with the reason when it is to be taken."""
    course, workspace = small
    without_quizzes(course)
    (workspace.root / "quizzes" / "small.yaml").write_text("poolkit_quiz_learner: 1\n")
    ran = poolkit("quiz", "list", "--course", str(course.root), cwd=workspace.root)
    assert (ran.returncode, ran.stdout) == (2, "small  cannot be used; `poolkit quiz take small` says why\n")


def test_without_any_course_the_copies_are_listed(
    small: tuple[Course, Workspace], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as when a class's kit was made without one."""
    from poolkit.cli.quiz import quiz_command

    def gone() -> Course:
        raise CourseFault("the course's files are missing")

    monkeypatch.setattr(_target, "find_course", gone)
    monkeypatch.delenv("POOLKIT_COURSE", raising=False)
    monkeypatch.chdir(small[1].root)
    assert quiz_command.main(["list"], standalone_mode=False) == 0
    assert capsys.readouterr().out == "small   5 questions  A small quiz\n"
