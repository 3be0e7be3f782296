"""Folders of answers: what `quiz stats` says of a class, and what `check --quizzes` adds to a report."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from conftest import Poolkit
from quizzing import QUIZ, RIGHT, make_course, replaced

from poolkit.course import Course
from poolkit.errors import QuizFault, UsageFault
from poolkit.quiz import collect, learner, load, tables
from poolkit.quiz.analysis import Analysis, Item
from poolkit.quiz.result import Folder
from poolkit.report import Status

ROOT = Path(__file__).resolve().parents[1]

WRONG = """\
poolkit_answers: 1
quiz: small
answers:
  small.single: {choice: greedy}
  small.multi: {choices: [bb, dd]}
  small.truth: {answer: true}
  small.order: {order: [c, b, a]}
  small.number: {answer: 3}
"""
NONE = "poolkit_answers: 1\nquiz: small\nanswers: {}\n"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course with the small quiz."""
    return make_course(tmp_path / "course")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for answers."""
    (tmp_path / "answers").mkdir()
    return tmp_path / "answers"


def put(folder: Path, **files: str) -> None:
    """Put files of answers into a folder; `__` in a name stands for a folder."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def only(course: Course, folder: Path) -> Analysis:
    """Return the analysis of the small quiz, when all files are fine."""
    [found], problems = collect.analysed(course, folder)
    assert problems == []
    return found


def items(analysis: Analysis) -> dict[str, Item]:
    """Return the questions by what comes after `small.`."""
    return {item.id.removeprefix("small."): item for item in analysis.items}


# --- a class ---


def test_a_class_by_hand(course: Course, folder: Path) -> None:
    """Three learners: all right (6 points), one choice of two ticked besides (1 + 1 + 3), nothing at all."""
    half = replaced(RIGHT, "choices: [aa, cc]", "choices: [aa]")
    put(folder, anna=RIGHT, ben=half, carl=NONE)
    found = only(course, folder)
    assert (found.learners, found.max_points) == (3, 6)
    assert found.mean == pytest.approx(11 / 3)
    multi = items(found)["multi"]
    assert [multi.difficulty, multi.skipped] == pytest.approx([0.5, 1 / 3])
    # 2, 1, 0 with 4, 4, 0: 4 / sqrt(2 * 32 / 3)
    assert multi.discrimination == pytest.approx(4 / (2 * 32 / 3) ** 0.5)
    shares = {each.id: [each.share, each.top, each.bottom] for each in multi.picked}
    assert shares["aa"] == pytest.approx([2 / 3, 1, 0])
    assert shares["cc"] == pytest.approx([1 / 3, 1, 0])
    assert shares["bb"] == [0, 0, 0]


@pytest.mark.parametrize(
    ("question", "answer", "text"),
    [
        ("single", "{choice: greedy}", "Gets a brand new one"),
        ("truth", "{answer: true}", "true"),
        ("truth", "{answer: false}", "false"),
        ("order", "{order: [a, b, c]}", "an order that is right"),
        ("order", "{order: [b, a, c]}", "another order"),
        ("number", "{answer: 1.6}", "1.5 s"),
        ("number", "{answer: 3}", "3 s"),
        ("number", "{answer: -7}", "another number"),
        ("number", "{skipped: true}", None),
    ],
)
def test_each_kind_of_answer_is_counted(
    course: Course, folder: Path, question: str, answer: str, text: str | None
) -> None:
    """Under its choice, or what stands for one; and skipping under nothing."""
    put(folder, anna=replaced(NONE, "{}", f"{{small.{question}: {answer}}}"))
    found = items(only(course, folder))[question]
    assert [each.text for each in found.picked if each.share] == ([text] if text else [])
    assert found.skipped == (text is None)


def test_a_learner_s_first_answers_count(course: Course, folder: Path) -> None:
    """A folder is one learner's; beside folders it is the name without quiz and date."""
    put(folder, anna__b=RIGHT, anna__a=WRONG)
    put(folder, **{"ben-small-2026-01-02T03-04-05": WRONG, "ben-small-2026-01-02T03-04-05-2": RIGHT})
    put(folder, **{"carl": WRONG, "carl-2027-01-01T00-00-00": RIGHT})
    found = only(course, folder)
    assert (found.learners, found.mean) == (3, 0)


def test_files_named_by_their_quiz_are_of_many(course: Course, folder: Path) -> None:
    """As `quiz take` names them for everybody."""
    put(folder, **{"small-2026-01-02T03-04-05": WRONG, "small-2026-01-02T03-04-06": RIGHT, "small": NONE})
    assert only(course, folder).learners == 3


def test_a_workspace_is_one_learner_s(course: Course, folder: Path) -> None:
    """Of it what was taken to the end; not what was begun, nor the copies without keys."""
    put(folder, anna__quizzes__small="poolkit_quiz_learner: 1\n", **{"anna__.poolkit__quizzes__small": NONE})
    put(folder, **{f"anna__.poolkit__quizzes__small-2026-01-0{day}T03-04-05": WRONG for day in (1, 2)})
    assert only(course, folder).learners == 1
    for below in ("anna", "anna/.poolkit/quizzes"):
        assert len(collect.scored(course, folder / below).files) == 2


def test_a_broken_file_is_a_line_and_the_others_count(course: Course, folder: Path) -> None:
    """Each with its place and what to do."""
    put(
        folder,
        anna=RIGHT,
        broken="a: b",
        odd=replaced(NONE, "small", "../small"),
        other=replaced(NONE, "small", "tiny"),
    )
    put(folder, nothing=replaced(NONE, "quiz: small\n", ""), copy="poolkit_quiz_learner: 1\n")
    [found], problems = collect.analysed(course, folder)
    assert found.learners == 1
    assert len(problems) == 5
    said = "\n".join(problems).replace(f"{folder}/", "")
    assert "broken.yaml:1: " in said
    assert "odd.yaml:2: the course has no quiz '../small'; mend its name (`poolkit quiz list`), or remove" in said
    assert "other.yaml:2: the course has no quiz 'tiny'" in said
    assert "nothing.yaml:1: `quiz` is missing; add the id of the quiz" in said
    assert "copy.yaml:1: this is a learner's copy of a quiz" in said


def test_a_key_may_be_held_elsewhere(course: Course, folder: Path, tmp_path: Path) -> None:
    """And ids of the learner's copy are understood."""
    path = load.folder(course) / "small.yaml"
    quiz = load.load(path, course)
    [mine] = [mine for mine, own in learner.opaque_ids(quiz)["small.single"].items() if own == "rightmost"]
    path.rename(tmp_path / "key.yaml")
    put(folder, anna=replaced(RIGHT, "choice: rightmost", f"choice: {mine}"))
    assert collect.analysed(course, folder)[0] == []
    [found], problems = collect.analysed(course, folder, tmp_path / "key.yaml")
    assert (found.mean, problems) == (6, [])
    (tmp_path / "key.yaml").write_text("poolkit_quiz: 1\n")
    with pytest.raises(QuizFault, match=r"key\.yaml:1: `id` is missing"):
        collect.analysed(course, folder, tmp_path / "key.yaml")


def test_there_must_be_a_folder_with_answers(course: Course, folder: Path) -> None:
    """What is none, or has none, is a wrong use of the command."""
    (folder / "notes.txt").write_text("")
    with pytest.raises(UsageFault, match="answers: no answers there; they are files that end with .yaml"):
        collect.analysed(course, folder)
    with pytest.raises(UsageFault, match="gone: no such folder"):
        collect.scored(course, folder / "gone")
    with pytest.raises(UsageFault, match="no folder; give one"):
        collect.scored(course, folder / "notes.txt")


# --- how it is shown ---


def test_few_learners_are_told(course: Course, folder: Path) -> None:
    """Up to 29 of them, and no longer with 30."""
    put(folder, **{f"learner{number}": RIGHT for number in range(29)})
    assert tables.warning(only(course, folder)) == (
        "small: 29 learners, fewer than 30; in another class these numbers may differ a lot"
    )
    put(folder, another=RIGHT)
    found = only(course, folder)
    assert tables.warning(found) is None
    assert "fewer than 30" not in tables.text([found])


def test_the_tables_fit_a_terminal_and_explain_themselves(poolkit: Poolkit, course: Course, folder: Path) -> None:
    """In 80 columns; what is not defined is a dash, with a line on why."""
    put(folder, anna=RIGHT)
    ran = poolkit("quiz", "stats", str(folder), "--course", str(course.root))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert max(map(len, ran.stdout.splitlines())) <= 80
    assert "alpha -, standard error -\n" in ran.stdout
    assert "nan" not in ran.stdout.lower()
    assert "-: not defined" in ran.stdout
    assert "1 learner, fewer than 30" in ran.stdout
    row = next(line for line in ran.stdout.splitlines() if line.startswith("  small.multi"))
    assert row.split() == ["small.multi", "1.00", "-", "0", "%"]


def test_an_inverted_key_stands_out(course: Course, folder: Path) -> None:
    """When those who have all else wrong have it right."""
    turned = replaced(WRONG, "answer: true", "answer: false")
    put(folder, anna=replaced(RIGHT, "answer: false", "answer: true"), ben=turned, carl=turned)
    found = only(course, folder)
    assert items(found)["truth"].discrimination == pytest.approx(-1)
    assert tables.text([found]).count("more often here: look at the key") == 1


def test_csv_has_a_line_for_each_kind_of_answer(poolkit: Poolkit, course: Course, folder: Path, tmp_path: Path) -> None:
    """With points in its numbers, nothing where one is not defined, and no text that a spreadsheet works out."""
    path = load.folder(course) / "small.yaml"
    path.write_text(replaced(path.read_text(), "Gets a brand new one", "=1+1"))
    put(folder, anna=RIGHT, ben=WRONG, broken="a: b")
    command = ("quiz", "stats", str(folder), "--format", "csv", "--course", str(course.root))
    ran = poolkit(*command)
    assert ran.returncode == 2
    assert "broken.yaml:1: " in ran.stderr
    assert "small: 2 learners, fewer than 30" in ran.stderr
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    assert len(rows) == 3 + 4 + 2 + 2 + 3
    first = next(row for row in rows if row["choice"] == "greedy")
    assert (first["text"], first["right"], first["share"], first["share_top"]) == ("'=1+1", "0", "0.5", "")
    assert (first["learners"], first["difficulty"], first["discrimination"]) == ("2", "0.5", "1")
    poolkit(*command, "--output", "stats.csv")
    assert (tmp_path / "stats.csv").read_text() == ran.stdout


# --- in a report ---


def by_name(folder: Folder) -> dict[str, tuple[Status, bool]]:
    """Return how each file came out, and whether it counts."""
    return {Path(each.path).stem: (each.status, each.counts) for each in folder.files}


def test_the_best_answers_to_a_quiz_count(course: Course, folder: Path) -> None:
    """In whatever order they come; a worse try afterwards costs nothing."""
    put(folder, a=WRONG, b=RIGHT, c=NONE, d=RIGHT)
    found = collect.scored(course, folder)
    assert by_name(found) == {
        "a": (Status.FAIL, False),
        "b": (Status.PASS, True),
        "c": (Status.FAIL, False),
        "d": (Status.PASS, False),
    }
    assert found.points == 6
    assert (found.max_points, found.exit_code) == (6, 0)


def test_the_exit_code_is_that_of_the_gravest(course: Course, folder: Path) -> None:
    """1 below a pass mark, 2 for a broken file, 3 for a broken quiz, which is nobody's who answered it."""
    put(folder, a=WRONG)
    assert collect.scored(course, folder).exit_code == 1
    put(folder, b="a: b")
    assert collect.scored(course, folder).exit_code == 2
    (load.folder(course) / "tiny.yaml").write_text(replaced(QUIZ, "difficulty: 2", "difficulty: 7"))
    put(folder, c=replaced(NONE, "small", "tiny"))
    found = collect.scored(course, folder)
    assert found.exit_code == 3
    assert by_name(found)["c"] == (Status.GRADER_FAULT, True)
    assert "tiny.yaml:" in found.files[2].problem


def test_a_report_holds_the_quizzes(poolkit: Poolkit, folder: Path) -> None:
    """Their points apart from the exercises', and the gravest exit code of both."""
    quiz = "poolkit_answers: 1\nquiz: pool-lifecycle\nanswers: {pool-lifecycle.all-close: {answer: 9}}\n"
    put(folder, mine=quiz, broken="a: b")
    common = ("check", "exercise-3", "--solution", "--quizzes", str(folder))
    ran = poolkit(*common, "--format", "json")
    assert (ran.returncode, ran.stderr) == (2, "")
    report = json.loads(ran.stdout)
    assert (report["points"], report["max_points"], report["exit_code"]) == (18, 18, 2)
    assert (report["quizzes"]["points"], report["quizzes"]["max_points"]) == (1, 6)
    assert [each["status"] for each in report["quizzes"]["answers"]] == ["error", "fail"]
    assert report["quizzes"]["answers"][1]["result"]["questions"][1]["outcome"] == "right"
    documented = (ROOT / "docs" / "report.md").read_text(encoding="utf-8").partition("## Quizzes")[2]
    fields = {"quizzes", *report["quizzes"], *report["quizzes"]["answers"][0]}
    assert [name for name in sorted(fields) if f"`{name}`" not in documented] == []
    (folder / "broken.yaml").unlink()
    ran = poolkit(*common)
    assert ran.returncode == 1
    assert "18 of 18 points" in ran.stdout
    assert ran.stdout.endswith("0 of 1 quiz passed, 1 of 6 points, apart from those of the exercises\n")


def test_a_missing_folder_stops_before_anything_is_checked(poolkit: Poolkit) -> None:
    """With what to do, and no report."""
    ran = poolkit("check", "exercise-3", "--solution", "--quizzes", "gone")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "poolkit: gone: no such folder; give one with answers\n"
