"""`poolkit watch` in a real terminal, as a learner sees it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Poolkit
from watching import FOOTER, Session, colours, folder_of, state

from poolkit.course import Course
from poolkit.workspace import Workspace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

HANGS = "import time\ntime.sleep(3600)\n"
Open = Callable[..., Session]


@pytest.fixture
def practice(tmp_path: Path, poolkit: Poolkit) -> Path:
    """A fresh workspace."""
    assert poolkit("init", "practice").returncode == 0
    return tmp_path / "practice"


@pytest.fixture
def watch(practice: Path, tmp_path: Path) -> Iterator[Open]:
    """Open `poolkit watch` in a terminal; all that it leaves behind would be in `tmp_path / "tmp"`."""
    opened: list[Session] = []
    (tmp_path / "tmp").mkdir()

    def start(*arguments: str, rows: int = 60, **extra: str) -> Session:
        own = {"TMPDIR": str(tmp_path / "tmp"), "XDG_DATA_HOME": str(tmp_path / "data")}
        opened.append(Session(practice, *arguments, rows=rows, **own, **extra))
        return opened[-1]

    yield start
    for session in opened:
        session.close()


@pytest.fixture
def app(practice: Path) -> Path:
    """The learner's file of exercise-1."""
    return folder_of(practice) / "app.py"


@pytest.fixture
def right(course: Course) -> str:
    """A file that passes exercise-1."""
    return course.exercise("1").reference.read_text(encoding="utf-8")


# --- what is shown ---


def test_the_first_screen_is_the_report_with_the_keys_below(watch: Open) -> None:
    """Without a word said, the first exercise is checked; `q` gives the terminal back as it was."""
    session = watch()
    text = session.verdict("exercise-1  Startup fills the pool", "exercises/exercise-1/README.md")
    assert "Expected" in text
    assert "poolkit hint exercise-1" in text
    keys = ("n next", "h hint", "t trace", "l list", "r reset", "z quiz", "e edit", "c check", "q quit")
    assert all(key in text.splitlines()[-1] for key in keys)
    assert not session.waits_for_lines()
    session.press("q")
    assert session.ended() == 0
    assert session.waits_for_lines()
    assert session.raw.count("\x1b[?25l") == session.raw.count("\x1b[?25h")


def test_a_save_is_checked_and_next_is_a_key(watch: Open, app: Path, right: str) -> None:
    """A pass is remembered, and the exercise stays until the learner goes on; the next session begins there."""
    session = watch()
    session.verdict("exercise-1")
    app.write_text(right)
    text = session.verdict("Passed. Press n for exercise-2")
    assert text.startswith("exercise-1")
    assert Workspace(app.parents[2]).has_passed("exercise-1")
    session.press("n")
    session.verdict("exercise-2  Shutdown empties it")
    session.press("q")
    assert session.ended() == 0
    again = watch()
    again.verdict("exercise-2  Shutdown empties it")


def test_a_syntax_error_names_its_line(watch: Open, app: Path) -> None:
    """Half a line that was saved while typing is a fault of that line, not of the checks."""
    session = watch()
    session.verdict("exercise-1")
    app.write_text("import fastapi\n\nasync def lifespan(\n")
    session.verdict("Your file did not run", "app.py:3: SyntaxError")


def test_a_deleted_file_is_missed_and_checked_when_it_is_back(watch: Open, app: Path, right: str) -> None:
    """Its absence is told, and ends nothing; neither does that of the whole folder."""
    session = watch()
    session.verdict("exercise-1")
    app.unlink()
    session.verdict("app.py cannot be read")
    app.write_text(right)
    session.verdict("Passed.")
    shutil.rmtree(app.parent)
    session.verdict("app.py cannot be read")
    app.parent.mkdir()
    app.write_text(right)
    session.verdict("Passed.")
    app.unlink()
    session.verdict("app.py cannot be read")
    session.press("ry")
    session.verdict("The file is back")
    assert "TODO" in app.read_text()


def test_an_editor_that_writes_by_rename(watch: Open, app: Path, right: str) -> None:
    """A new file in the old one's place is a save, the second time too."""
    session = watch()
    session.verdict("exercise-1")
    for text, wanted in ((right, "Passed."), ("import nothing_of_the_kind\n", "ModuleNotFoundError")):
        written = app.with_name(".app.py.swp")
        written.write_text(text)
        os.replace(written, app)
        session.verdict(wanted)


def test_a_save_during_a_check_is_what_the_verdict_is_about(watch: Open, app: Path, right: str) -> None:
    """The check that runs is thrown away at once: what it would have said is never seen."""
    session = watch()
    session.verdict("exercise-1")
    app.write_text(HANGS)
    session.until("Checking app.py")
    app.write_text(right)
    session.verdict("Passed.")
    assert "did not finish" not in session.raw


def test_the_last_of_many_saves_counts(watch: Open, app: Path, right: str) -> None:
    """Whatever the order in which saves and checks overlap."""
    session = watch()
    session.verdict("exercise-1")
    for number in range(20):
        app.write_text(f"raise ValueError('save {number}')\n")
    session.verdict("ValueError: save 19")
    for number in range(20):
        app.write_text(f"raise ValueError('again {number}')\n")
    app.write_text(right)
    session.verdict("Passed.")


def test_where_the_system_tells_nothing_it_looks_itself(watch: Open, app: Path, right: str) -> None:
    """It says so, and sees two saves within a second, which a look at a file's time in whole seconds does not."""
    session = watch(WATCHFILES_FORCE_POLLING="1")
    session.verdict("Saves are looked for 10 times a second: WATCHFILES_FORCE_POLLING is set.")
    for number in range(3):
        app.write_text(f"raise ValueError({number})\n")
        session.verdict(f"ValueError: {number}")
    app.write_text(right)
    session.verdict("Passed.")


def test_no_colours_when_they_are_not_wanted(watch: Open, app: Path, right: str) -> None:
    """NO_COLOR is obeyed; without it there are some."""
    for wanted, extra in ((False, {"NO_COLOR": "1"}), (True, {})):
        session = watch(**extra)
        session.verdict("exercise-1")
        session.press("l")
        session.until("Type a number")
        assert bool(colours(session.raw)) is wanted
        session.close()


def test_a_window_of_another_size_is_drawn_anew(watch: Open) -> None:
    """The keys stay in one line, cut where the window is too narrow for them."""
    session = watch()
    session.verdict("exercise-1")
    session.resize(60, 40)
    session.until_that(lambda text: text.splitlines()[-1].startswith("n next") and "q quit" not in text, "cut footer")
    session.resize(60, 100)
    session.until("q quit")


def test_the_end_of_a_long_report_is_seen_in_a_small_window(watch: Open) -> None:
    """The keys and the next step stand at the bottom of 24 lines."""
    session = watch(rows=24)
    text = session.verdict("points  in")
    assert "poolkit hint exercise-1" in text


# --- keys ---


def test_hints_come_one_after_the_other(watch: Open) -> None:
    """`h` shows one, `h` again the next; Esc goes back to the report."""
    session = watch()
    session.verdict("exercise-1")
    session.press("h")
    session.until("Hint 1 of")
    session.press("h")
    session.until("Hint 2 of")
    session.press("\x1b")
    session.until("points  in")
    session.press("h")
    session.until("Hint 2 of")


def test_a_save_leads_from_anywhere_to_its_verdict(watch: Open, app: Path, right: str) -> None:
    """Who saves wants to know, also when a hint is on the screen."""
    session = watch()
    session.verdict("exercise-1")
    session.press("h")
    session.until("Hint 1 of")
    app.write_text(right)
    session.verdict("Passed.")


def test_the_trace_is_of_the_learners_file(watch: Open, app: Path, right: str) -> None:
    """`t` runs it and shows the steps."""
    app.write_text(right)
    session = watch()
    session.verdict("Passed.")
    session.press("t")
    session.until("Startup", "Shutdown", FOOTER, without="points  in")


def test_the_list_takes_a_number(watch: Open) -> None:
    """Typing ahead, correcting, and going back without choosing."""
    session = watch()
    session.verdict("exercise-1")
    session.press("l")
    session.until("> ", "17  · exercise-17", "Type a number")
    session.press("99\x7f\x7f\x7f5\r")
    session.verdict("exercise-5  A dependency with yield")
    session.press("l")
    session.until("Type a number")
    session.press("\x1b")
    session.verdict("exercise-5  A dependency with yield")


def test_reset_asks_first_and_keeps_the_learners_version(watch: Open, app: Path) -> None:
    """Any key but `y` leaves the file alone."""
    app.write_text("raise ValueError('mine')\n")
    session = watch()
    session.verdict("ValueError: mine")
    session.press("r")
    session.until("Put app.py back as it was at first?")
    session.press("n")
    session.until("ValueError: mine", FOOTER, without="Put app.py back")
    assert "mine" in app.read_text()
    session.press("ry")
    session.verdict("Your version is kept", "Expected")
    assert "TODO" in app.read_text()
    assert "mine" in next(app.parents[2].glob(".poolkit/kept/exercise-1/*.py")).read_text()


def test_the_quiz_takes_the_terminal_and_gives_it_back(watch: Open) -> None:
    """Ctrl-C in the quiz ends the quiz and not the watch."""
    session = watch()
    session.verdict("exercise-1")
    session.press("z")
    session.until("1 of")
    assert session.waits_for_lines()
    session.press("\x03")
    session.until("Press Enter to go back.")
    session.press("\r")
    session.verdict("exercise-1  Startup fills the pool")
    assert not session.waits_for_lines()


def test_the_editor_is_the_learners_own(watch: Open, app: Path, tmp_path: Path, right: str) -> None:
    """`e` opens $EDITOR on the file; what it saves is checked, and shown when it is done."""
    (tmp_path / "right.py").write_text(right)
    editor = tmp_path / "my editor"
    editor.write_text(f"#!/bin/sh\necho the editor has $1\ncp {tmp_path}/right.py $2\nread line\n")
    editor.chmod(0o755)
    session = watch(EDITOR=f"'{editor}' --wait")
    session.verdict("exercise-1")
    session.press("e")
    session.until("the editor has --wait")
    session.press("\r")
    session.verdict("Passed.")


def test_without_an_editor_it_says_how_to_name_one(watch: Open) -> None:
    """And with one that is not there, which."""
    session = watch()
    session.verdict("exercise-1")
    session.press("e")
    session.until("export EDITOR=nano")
    session.close()
    other = watch(EDITOR="no-such-editor")
    other.verdict("exercise-1")
    other.press("e")
    other.until("no-such-editor: cannot be started")


def test_arrows_and_unknown_keys_do_nothing(watch: Open) -> None:
    """The letters in an arrow's sequence are no keys."""
    session = watch()
    before = session.verdict("What to do is in")
    session.press("\x1b[A\x1bOH\x1b[1;5Cx7é")
    # What came before it has been obeyed when this key is.
    session.press("l")
    session.until("Type a number")
    session.press("l")
    after = session.verdict("points  in")
    assert after == before.replace("What to do is in exercises/exercise-1/README.md.\n\n", "")
    assert "7" not in after.splitlines()[-1]


# --- ends ---


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_cleanly(watch: Open, tmp_path: Path, number: int, code: int) -> None:
    """The terminal is given back, no process and no folder is left."""
    session = watch()
    session.verdict("exercise-1")
    host = session.children()
    assert host
    session.process.kill(number)
    assert session.ended() == code
    assert session.waits_for_lines()
    assert not [pid for pid in host if Path(f"/proc/{pid}").exists()]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_ctrl_c_ends_it_during_a_check(watch: Open, app: Path, tmp_path: Path) -> None:
    """A file that hangs keeps nobody."""
    session = watch()
    session.verdict("exercise-1")
    app.write_text(HANGS)
    session.until("Checking app.py")
    session.press("\x03")
    assert session.ended() == 130
    assert session.waits_for_lines()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(watch: Open) -> None:
    """A shell that gets the terminal in between finds it as it was."""
    session = watch()
    session.verdict("exercise-1")
    session.press("\x1a")
    _until(lambda: state(session.pid) == "T")
    assert session.waits_for_lines()
    session.screen.reset()
    session.process.kill(signal.SIGCONT)
    session.verdict("exercise-1  Startup fills the pool")
    assert not session.waits_for_lines()
    session.press("q")
    assert session.ended() == 0


def test_a_warm_process_that_died_is_replaced(watch: Open, app: Path, right: str) -> None:
    """Somebody ended it, or the machine had no memory: the next save is checked all the same."""
    session = watch()
    session.verdict("exercise-1")
    (host,) = session.children()
    os.kill(host, signal.SIGKILL)
    app.write_text(right)
    session.verdict("Passed.")


def _until(condition: Callable[[], bool], within: float = 30.0) -> None:
    """Wait for what no event tells of."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
