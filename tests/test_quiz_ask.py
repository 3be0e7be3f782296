"""`poolkit quiz take` in a terminal: what is typed, what is shown, and what outlasts a sitting."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import yaml
from conftest import Poolkit
from quizzing import RIGHT, Terminal, make_course, small
from rich.console import Console

from poolkit.course import Course
from poolkit.errors import UsageFault
from poolkit.quiz import answers, learner
from poolkit.quiz.answers import Answer, Answers
from poolkit.quiz.ask import Asking, Typed, understand
from poolkit.quiz.learner import Option, SheetQuestion
from poolkit.quiz.screen import Screen, arranged
from poolkit.quiz.state import Kept, place
from poolkit.workspace import Workspace

Take = Callable[..., Terminal]


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course with the small quiz."""
    return make_course(tmp_path / "course")


@pytest.fixture
def take(tmp_path: Path, course: Course) -> Take:
    """Take the small quiz in a terminal, outside a workspace: `take("--seed", "1", NO_COLOR="1")`."""

    def started(*arguments: str, name: str = "small", **environment: str) -> Terminal:
        (tmp_path / "here").mkdir(exist_ok=True)
        variables = {"XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)} | environment
        command = ("quiz", "take", name, "--course", str(course.root), *arguments)
        return Terminal(*command, cwd=tmp_path / "here", environment=variables)

    return started


def kept_in(tmp_path: Path) -> list[Path]:
    """Return the files of answers that were kept for somebody without a workspace."""
    return sorted(tmp_path.glob("**/poolkit/quizzes/*"))


def number_of(terminal: Terminal, text: str) -> str:
    """Return the number that a choice was shown under last."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.shown)
    numbers: list[str] = re.findall(rf"^  (\d)  {re.escape(text)}", plain, re.MULTILINE)
    return numbers[-1]


def answer_all(terminal: Terminal) -> None:
    """Answer the small quiz, all of it right but for the number."""
    terminal.until("> ")
    terminal.type(number_of(terminal, "Waits, then fails") + "!\r")
    terminal.until("> ")
    terminal.type(f"{number_of(terminal, 'two')} {number_of(terminal, 'four')}\r")
    terminal.until("> ")
    terminal.type("f\r")
    terminal.until("> ")
    terminal.type("".join(number_of(terminal, text) for text in ("borrow", "execute", "hand back")) + "\r")
    terminal.until("> ")
    terminal.type("3\r")


# --- what is typed ---

OPTIONS = [Option(id=name, text=name) for name in ("a", "b", "c")]


def question(kind: str) -> SheetQuestion:
    """Return a question of a type."""
    return SheetQuestion.model_validate({"id": "q", "type": kind, "prompt": "p"})


@pytest.mark.parametrize(
    ("kind", "typed", "meant"),
    [
        ("single", "2", Typed(("b",), False)),
        ("single", " 2 ! ", Typed(("b",), True)),
        ("multi", "3 1", Typed(("c", "a"), False)),
        ("multi", "3,1!", Typed(("c", "a"), True)),
        ("multi", "31", Typed(("c", "a"), False)),
        ("order", "231", Typed(("b", "c", "a"), False)),
        ("true_false", "T", Typed(True, False)),
        ("true_false", "false!", Typed(False, True)),
        ("numeric", "-1.5", Typed(-1.5, False)),
        ("numeric", "0,25!", Typed(0.25, True)),
        ("single", "h", "hint"),
        ("multi", "S", "skip"),
        ("numeric", "q", "stop"),
        ("order", "b", "back"),
        ("single", "?", "help"),
        ("single", "", "keep"),
        ("single", "4", "There are 3 to choose from: type numbers from 1 to 3."),
        ("single", "0", "There are 3 to choose from: type numbers from 1 to 3."),
        ("single", "1 2", "One of them is right: type one number."),
        ("multi", "1 1", "One number stands there twice. Name each once."),
        ("order", "1 2", "Put all 3 in order: type each number once."),
        ("single", "a", "Type numbers from 1 to 3, or ? for what else you can type."),
        ("single", "!", "Type numbers from 1 to 3, or ? for what else you can type."),
        ("single", "²", "Type numbers from 1 to 3, or ? for what else you can type."),
        ("true_false", "1", "Type t for true or f for false."),
        ("numeric", "1e5", "That is no number. Type one such as 4 or 0.5."),
        ("numeric", "nan", "That is no number. Type one such as 4 or 0.5."),
        ("numeric", "0.00001", "That is no number. Type one such as 4 or 0.5."),
    ],
)
def test_what_is_typed(kind: str, typed: str, meant: object) -> None:
    """An answer, a command, or a sentence that says what to type."""
    assert understand(typed, question(kind), OPTIONS) == meant


def test_a_seed_gives_the_same_order_again(tmp_path: Path) -> None:
    """Other seeds give other orders; pinned choices stay; an order to find is never shown as the author wrote it."""
    single, multi, *_ = learner.sheet(small(tmp_path / "course")[1]).questions
    orders = {tuple(option.id for option in arranged(multi, seed)) for seed in range(40)}
    assert len(orders) > 10
    assert arranged(multi, 7) == arranged(multi, 7)
    assert all(arranged(single, seed)[-1].id == "pinned" for seed in range(20))
    fixed = multi.model_copy(update={"shuffle": False})
    assert arranged(fixed, 3) == multi.choices


# --- in a terminal ---


def test_a_quiz_is_taken_and_its_answers_score_the_same(take: Take, tmp_path: Path, poolkit: Poolkit) -> None:
    """With feedback after each answer; then the score, and the file that gives it again."""
    terminal = take("--seed", "5")
    terminal.until("Type ? for help")
    answer_all(terminal)
    assert terminal.end() == 0
    assert "✓ Right." in terminal.shown
    assert "✗ Not right." in terminal.shown
    assert "That is both of them." in terminal.shown
    assert "step 2: Startup" in terminal.shown
    assert "5 of 6 points" in terminal.shown
    [path] = kept_in(tmp_path)
    written = yaml.safe_load(path.read_text())
    assert written["seed"] == 5
    assert written["answers"]["small.single"] == {"choice": "rightmost", "confidence": "sure"}
    ran = poolkit("quiz", "score", "small", "--answers", str(path), "--course", str(tmp_path / "course"))
    assert ran.returncode == 0
    assert ran.stdout.startswith("5 of 6 points, passed")


def test_it_is_gone_on_with(take: Take, tmp_path: Path) -> None:
    """After a stop, and after a window that was closed; hints that were read are noted."""
    terminal = take("--seed", "5")
    terminal.until("> ")
    terminal.type("h\r")
    terminal.until("Hint 1 of 2")
    terminal.type("s\r")
    terminal.until("Question 2 of 5")
    terminal.type("q\r")
    assert terminal.end() == 1
    assert "Run the same command to go on" in terminal.shown
    [path] = kept_in(tmp_path)
    assert yaml.safe_load(path.read_text())["answers"] == {"small.single": {"skipped": True, "hints": 1}}
    again = take()
    again.until("You have answered 1 before")
    again.until("> ")
    again.type(f"{number_of(again, 'two')}\r")
    again.until("Question 3 of 5")
    again.type("\x03")
    assert again.end() == 130
    last = take()
    last.until("You have answered 2 before")
    last.type("\x04")
    assert last.end() == 1
    fresh = take("--restart")
    fresh.until("Question 1 of 5")
    assert "before" not in fresh.shown
    fresh.type("q\r")
    assert fresh.end() == 1


def test_hints_that_were_read_are_kept_without_an_answer(take: Take, tmp_path: Path) -> None:
    """Stopping after a hint, or going back to an answer for one, does not make it unread."""
    terminal = take("--feedback", "final", "--seed", "5")
    terminal.until("> ")
    terminal.type("h\r")
    terminal.until("Hint 1 of 2")
    terminal.type("q\r")
    assert terminal.end() == 1
    [path] = kept_in(tmp_path)
    assert yaml.safe_load(path.read_text())["hints"] == {"small.single": 1}
    again = take("--feedback", "final")
    again.until("> ")
    assert "have answered" not in again.shown
    again.type("1\r")
    again.until("Question 2 of 5")
    again.type("b\r")
    again.until("Enter keeps your answer")
    again.type("h\r")
    again.until("Hint 2 of 2")
    again.type("q\r")
    assert again.end() == 1
    written = yaml.safe_load(path.read_text())
    assert written["answers"]["small.single"]["hints"] == 2
    assert "hints" not in written


def test_final_feedback_lets_go_back(take: Take) -> None:
    """Nothing is told before the end, and an answer can be changed until then."""
    terminal = take("--feedback", "final", "--seed", "1")
    terminal.until("> ")
    terminal.type(number_of(terminal, "Gets a brand new one") + "\r")
    terminal.until("Question 2 of 5")
    terminal.type("b\r")
    terminal.until("Enter keeps your answer")
    answer_all(terminal)
    assert terminal.end() == 0
    before, _, after = terminal.shown.partition("5 of 6 points")
    assert "Right" not in before
    assert "exceeds" not in before
    assert "That is both of them." in after


def test_it_works_without_colours_in_80_columns(take: Take) -> None:
    """No escape sequence with NO_COLOR, and no line that the window would break."""
    terminal = take("--seed", "1", NO_COLOR="1", TERM="dumb")
    answer_all(terminal)
    assert terminal.end() == 0
    lines = terminal.shown.split("\r\n")
    assert max(len(line.rstrip()) for line in lines if "--answers" not in line) <= 80
    assert "async def first" in terminal.shown
    assert "\x1b" not in terminal.shown


def test_code_has_colours(take: Take) -> None:
    """Where the terminal has them."""
    terminal = take("--seed", "1")
    terminal.until("> ")
    assert re.search(r"\x1b\[[0-9;]*masync\x1b", terminal.shown)
    terminal.type("q\r")
    assert terminal.end() == 1


def test_a_learner_s_copy_is_taken_without_a_result(take: Take, tmp_path: Path, poolkit: Poolkit) -> None:
    """The answers are scored by whoever has the key."""
    folder = str(tmp_path / "course")
    exported = poolkit("quiz", "export", "small", "--for", "learner", "--output", "copy.yaml", "--course", folder)
    assert exported.returncode == 0, exported.stderr
    terminal = take(name=str(tmp_path / "copy.yaml"))
    answer_all(terminal)
    assert terminal.end() == 0
    assert "Hand that file in." in terminal.shown
    assert "Right" not in terminal.shown
    [path] = kept_in(tmp_path)
    ran = poolkit("quiz", "score", "small", "--answers", str(path), "--course", folder)
    assert ran.stdout.startswith("5 of 6 points, passed")


def test_without_a_terminal_answers_come_from_a_file(poolkit: Poolkit, course: Course, tmp_path: Path) -> None:
    """It says so at once, and takes them."""
    ran = poolkit("quiz", "take", "small", "--course", str(course.root))
    assert ran.returncode == 2
    assert "give your answers with --answers FILE" in ran.stderr
    (tmp_path / "mine.yaml").write_text(RIGHT)
    ran = poolkit("quiz", "take", "small", "--answers", "mine.yaml", "--course", str(course.root))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("6 of 6 points, passed")


# --- what is kept ---


def test_answers_are_kept_in_the_workspace(tmp_path: Path) -> None:
    """Beside what else is remembered there."""
    assert place(Workspace(tmp_path)) == tmp_path / ".poolkit" / "quizzes"
    assert place(None).parts[-2:] == ("poolkit", "quizzes")


def test_answers_that_no_longer_fit_are_moved_aside(take: Take, tmp_path: Path) -> None:
    """After a quiz has changed, it begins anew, and nothing is lost."""
    terminal = take()
    terminal.until("> ")
    terminal.type("s\r")
    terminal.until("> ")
    terminal.type("q\r")
    assert terminal.end() == 1
    [path] = kept_in(tmp_path)
    path.write_text(path.read_text().replace("small.single", "small.gone"))
    again = take()
    again.until("> ")
    assert "This begins anew" in again.shown
    assert "Question 1 of 5" in again.shown
    again.type("q\r")
    assert again.end() == 1
    [aside] = kept_in(tmp_path)
    assert aside.name == "small.unreadable"
    assert "small.gone" in aside.read_text()


def test_each_time_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Two that end in the same second, too; an unfinished one is gone when it is done."""
    from datetime import datetime

    kept = Kept(tmp_path / "kept", learner.sheet(small(tmp_path / "course")[1]))
    given = Answers("small", {"small.truth": Answer(False)}, 3)
    kept.keep(given)
    assert kept.begun() == given
    when = datetime(2026, 11, 22, 8, 0, 0)
    first, second = kept.finish(given, when), kept.finish(given, when)
    assert [first.name, second.name] == ["small-2026-11-22T08-00-00.yaml", "small-2026-11-22T08-00-00-2.yaml"]
    assert kept.begun() is None
    assert answers.load(second, kept.sheet) == given


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With the way around it."""
    (tmp_path / "kept").write_text("a file")
    kept = Kept(tmp_path / "kept" / "quizzes", learner.sheet(small(tmp_path / "course")[1]))
    with pytest.raises(UsageFault, match="cannot be written .*; mend that, or use --answers"):
        kept.keep(Answers("small", {}, 1))


def test_what_an_author_wrote_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """Neither markup of ours nor characters that turn the direction of writing have an effect."""
    sheet = learner.sheet(small(tmp_path / "course")[1])
    odd = sheet.questions[2].model_copy(update={"prompt": "[bold]x[/bold] \u202eabc `code` :smile:"})
    written = StringIO()
    console = Console(file=written, width=80, highlight=False, force_terminal=False)
    Screen(console).question(odd, [], "Question 1 of 1")
    assert "[bold]x[/bold] \\u202eabc `code` :smile:" in written.getvalue()


def test_asking_knows_the_sheet_alone(tmp_path: Path) -> None:
    """Nothing that asks can tell an answer: what it is given has no field for one."""
    sheet = learner.sheet(small(tmp_path / "course")[1])
    asking = Asking(sheet, Answers("small", {}, 1), Screen(Console(file=StringIO())), lambda _: None, None)
    assert "exceeds" not in repr(vars(asking))
    assert "rehearsed" not in repr(vars(asking))
