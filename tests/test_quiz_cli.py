"""`poolkit quiz` as its users run it, the formats of a result, and the kit's own quizzes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Poolkit
from quizzing import QUIZ, RIGHT, Terminal, make_course, replaced

from poolkit.course import Course
from poolkit.quiz import formats, load
from poolkit.quiz.model import Multi, Numeric, Order, Single, schema
from poolkit.quiz.session import score_file

ROOT = Path(__file__).resolve().parents[1]

MIXED = """\
poolkit_answers: 1
quiz: small
seed: 42
answers:
  small.single: {choice: greedy, hints: 1}
  small.multi: {choices: [aa]}
  small.truth: {answer: false, confidence: sure}
  small.order: {skipped: true}
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A course with the small quiz; answers to it lie beside it."""
    course = make_course(tmp_path / "course")
    (tmp_path / "right.yaml").write_text(RIGHT)
    (tmp_path / "mixed.yaml").write_text(MIXED)
    return str(course.root)


def test_quizzes_are_listed_and_checked(poolkit: Poolkit, folder: str) -> None:
    """With what is wrong with one, every line of it, and an exit code for CI."""
    ran = poolkit("quiz", "list", "--course", folder)
    assert (ran.returncode, ran.stdout) == (0, "small   5 questions  A small quiz\n")
    assert poolkit("quiz", "check", "--course", folder).stdout == "1 file, fine.\n"
    broken = replaced(replaced(QUIZ, "id: small\n", "id: tiny\n"), "difficulty: 2", "difficulty: 7")
    Path(folder, "quizzes", "tiny.yaml").write_text(broken)
    ran = poolkit("quiz", "list", "--course", folder)
    assert ran.returncode == 2
    assert "tiny   cannot be used; `poolkit quiz check tiny` says why" in ran.stdout
    ran = poolkit("quiz", "check", "tiny", "--course", folder)
    assert ran.returncode == 2
    assert "tiny.yaml:10: question" in ran.stdout
    assert ran.stdout.endswith("1 file, 1 cannot be used.\n")


@pytest.mark.parametrize(("answers", "code"), [("right.yaml", 0), ("mixed.yaml", 1), ("gone.yaml", 2)])
def test_the_exit_code_says_how_it_went(poolkit: Poolkit, folder: str, answers: str, code: int) -> None:
    """0 at or above the pass mark, 1 below it, 2 for a file that is none."""
    for style in ("text", "json", "junit"):
        ran = poolkit("quiz", "score", "small", "--answers", answers, "--format", style, "--course", folder)
        assert ran.returncode == code
        assert bool(ran.stderr) == (code == 2)
        assert "Traceback" not in ran.stderr


def test_a_score_has_colours_in_a_terminal_unless_they_are_unwanted(tmp_path: Path, folder: str) -> None:
    """As https://no-color.org has it; an empty variable says nothing."""
    command = ("quiz", "score", "small", "--answers", "mixed.yaml", "--course", folder)
    for value, colours in (("1", False), ("", True)):
        terminal = Terminal(*command, cwd=tmp_path, environment={"NO_COLOR": value})
        assert terminal.end() == 1
        assert "not passed" in terminal.shown
        assert ("\x1b[" in terminal.shown) is colours


def test_the_text_begins_with_the_score(poolkit: Poolkit, folder: str) -> None:
    """A line for each question, then what was wrong and why."""
    ran = poolkit("quiz", "score", "small", "--answers", "mixed.yaml", "--course", folder)
    lines = ran.stdout.splitlines()
    assert lines[0] == "2 of 6 points, not passed  (33.3 %, and 70 % passes)"
    signs = [line.split()[0] for line in lines[3:8]]
    assert signs == ["✗", "~", "✓", "·", "·"]
    assert "(skipped)" in lines[6]
    text = " ".join(ran.stdout.split())
    assert "Answered Gets a brand new one Right Waits, then fails Feedback The total stays at one." in text
    assert "Recorded step 2: Startup" in text
    assert "In order, please." not in text.partition("✗ `max_size=1`")[2].partition("✗ `max_size=1`")[2]
    assert max(map(len, lines)) <= 80


def test_json_has_the_documented_fields(poolkit: Poolkit, folder: str) -> None:
    """Version 1 of what quizzes/README.md describes."""
    ran = poolkit("quiz", "score", "small", "--answers", "mixed.yaml", "--format", "json", "--course", folder)
    found = json.loads(ran.stdout)
    assert (found["poolkit_quiz_result"], found["quiz"], found["seed"]) == (1, "small", 42)
    assert (found["points"], found["max_points"], found["score"], found["passed"]) == (2, 6, 0.333333, False)
    first = found["questions"][0]
    assert (first["outcome"], first["hints"], first["misconceptions"]) == ("wrong", 1, ["off-by-one"])
    assert found["questions"][3]["outcome"] == "skipped"
    documented = (ROOT / "quizzes" / "README.md").read_text(encoding="utf-8")
    fields = {*found, *first, *first["feedback"][0]}
    assert [field for field in sorted(fields) if f"`{field}`" not in documented] == []


def test_junit_is_what_ci_reads(poolkit: Poolkit, folder: str) -> None:
    """A test for each question: failed when it is not all right, skipped when it was."""
    ran = poolkit("quiz", "score", "small", "--answers", "mixed.yaml", "--format", "junit", "--course", folder)
    [suite] = ElementTree.fromstring(ran.stdout.encode())
    counted = [suite.get(name) for name in ("tests", "failures", "skipped", "errors")]
    assert counted == ["5", "2", "2", "0"]
    first = suite.findall("testcase")[0]
    failure = first.find("failure")
    assert failure is not None
    assert failure.get("type") == "off-by-one"
    assert failure.get("message") == "answered Gets a brand new one; right is Waits, then fails"


def test_every_format_is_offered() -> None:
    """A new file in the folder is a format that the command must take."""
    from poolkit.cli.quiz import _FORMATS

    assert list(_FORMATS) == formats.names()


def test_the_key_may_be_held_by_the_teacher(poolkit: Poolkit, folder: str, tmp_path: Path) -> None:
    """Then the course needs none; a key of another quiz, or a copy without one, is refused."""
    key = tmp_path / "key.yaml"
    Path(folder, "quizzes", "small.yaml").rename(key)
    common = ("quiz", "score", "small", "--course", folder, "--answers", "right.yaml")
    assert "no quiz 'small'" in poolkit(*common).stderr
    ran = poolkit(*common, "--key", "key.yaml")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("6 of 6 points")
    key.write_text(replaced(QUIZ, "id: small\n", "id: other\n"))
    assert "the key of the quiz 'other', not of 'small'" in poolkit(*common, "--key", "key.yaml").stderr
    key.write_text("poolkit_quiz_learner: 1\n")
    assert "this is a learner's copy" in poolkit(*common, "--key", "key.yaml").stderr


def test_a_copy_is_printed_or_written(poolkit: Poolkit, folder: str, tmp_path: Path) -> None:
    """The same text; a place that cannot be written is told."""
    printed = poolkit("quiz", "export", "small", "--for", "learner", "--course", folder)
    assert "poolkit_quiz_learner: 1" in printed.stdout
    assert "rehearsed" not in printed.stdout
    poolkit("quiz", "export", "small", "--for", "learner", "--output", "copy.yaml", "--course", folder)
    assert (tmp_path / "copy.yaml").read_text() == printed.stdout
    ran = poolkit("quiz", "export", "small", "--for", "learner", "--output", "no/copy.yaml", "--course", folder)
    assert ran.returncode == 2
    assert "no/copy.yaml: cannot be written" in ran.stderr


def test_the_published_schema_is_that_of_the_model(poolkit: Poolkit) -> None:
    """docs/quiz.schema.json is what `poolkit quiz schema` prints; write it again after a change of the model."""
    ran = poolkit("quiz", "schema")
    assert ran.returncode == 0
    assert json.loads(ran.stdout) == schema()
    assert (ROOT / "docs" / "quiz.schema.json").read_text(encoding="utf-8") == ran.stdout


def test_the_readme_for_authors_names_every_field() -> None:
    """What the schema has, quizzes/README.md explains."""
    documented = (ROOT / "quizzes" / "README.md").read_text(encoding="utf-8")
    found = schema()
    fields = {name for each in (found, *found["$defs"].values()) for name in each.get("properties", ())}
    assert [name for name in sorted(fields) if f"`{name}`" not in documented] == []


# --- the kit's own ---


def test_the_kit_s_quizzes_hold(course: Course) -> None:
    """No problem and no doubt, and none that is answered by the longest choice."""
    found = load.examine_all(course)
    assert [str(problem) for each in found for problem in (*each.problems, *each.doubts)] == []
    assert "pool-lifecycle" in [each.path.stem for each in found]


def test_the_lifecycle_has_four_types(course: Course) -> None:
    """One of each, at the least, of what it is to show; ids are those of the quiz."""
    quiz = load.load(load.find(course, "pool-lifecycle"), course)
    kinds = {type(question) for question in quiz.questions}
    assert {Single, Multi, Order, Numeric} <= kinds
    assert 4 <= len(quiz.questions) <= 8
    assert all(question.id.startswith("pool-lifecycle.") for question in quiz.questions)


def test_the_recorded_lifecycle_is_what_happens(course: Course, poolkit: Poolkit) -> None:
    """The run that questions point at, run again."""
    recorded = json.loads((load.folder(course) / "scenarios" / "lifecycle.json").read_text(encoding="utf-8"))
    found = json.loads(poolkit("trace", "exercise-3", "--solution", "--format", "json").stdout)
    for run in (recorded, found):
        run["steps"][-1]["action"] = ""  # connections close in any order
    assert found["steps"] == recorded["steps"]
    assert found["variables"] == recorded["variables"]


def test_scoring_twice_gives_the_same(folder: str, tmp_path: Path) -> None:
    """A result holds no time and no chance."""
    from poolkit.course import open_course

    course = open_course(Path(folder))
    results = [score_file(course, "small", tmp_path / "mixed.yaml") for _ in range(2)]
    assert results[0] == results[1]
    assert [formats.render(name, results[0]) for name in formats.names()] == [
        formats.render(name, results[1]) for name in formats.names()
    ]
