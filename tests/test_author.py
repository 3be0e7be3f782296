"""`poolkit author`: a course that is right is called so, and each way of being wrong has its line."""

from __future__ import annotations

import errno
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Poolkit
from watching import runs

from poolkit.author.metadata import course_problems, exercise_problems, mistakes, not_covered
from poolkit.author.repeats import Circumstances, busy, circumstances
from poolkit.author.scaffold import begin
from poolkit.author.solutions import Kind, solutions
from poolkit.author.verify import Proof, verify
from poolkit.course import Course, open_course
from poolkit.errors import CourseFault, UsageFault

LIMITER = Path(__file__).with_name("courses") / "limiter"
"""A course on another subject, two exercises long."""


@pytest.fixture
def limiter(tmp_path: Path) -> Course:
    """A copy of the other course, to break."""
    shutil.copytree(LIMITER, tmp_path / "limiter", ignore=shutil.ignore_patterns("__pycache__"))
    return open_course(tmp_path / "limiter")


def problems(course: Course, name: str = "limit-1") -> list[str]:
    """Return what is said of an exercise's files."""
    exercise = course.exercise(name)
    return list(exercise_problems(course, exercise, solutions(exercise)))


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that stands in a file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- someone else's course ---


def test_another_course_is_proved(poolkit: Poolkit) -> None:
    """The command knows none of the kit's own exercises by name, and prints what it counted."""
    ended = poolkit("author", "verify", "--course", str(LIMITER))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 exercises, 4 right and 4 wrong files; 4 checks, 4 of them with a wrong file" in ended.stdout
    assert "named for 100.0%" in ended.stdout
    assert ended.stdout.endswith("Everything holds.\n")
    assert ended.stderr == ""


def test_another_course_is_worked_on(poolkit: Poolkit, tmp_path: Path) -> None:
    """`list`, `init`, `check` and `trace` take it, too."""
    course = ("--course", str(LIMITER))
    assert "So many in a minute" in poolkit("list", *course).stdout
    assert poolkit("init", str(tmp_path / "work"), *course).returncode == 0
    ended = poolkit("check", str(tmp_path / "work/exercises/limit-1"), *course)
    assert ended.returncode == 1
    assert "0 of 3 points" in ended.stdout
    assert "limit-2" in poolkit("trace", "limit-2", "--solution", *course).stdout


def test_a_folder_without_a_course_is_a_usage_fault(poolkit: Poolkit, tmp_path: Path) -> None:
    """One line says what a course is."""
    ended = poolkit("author", "verify", "--course", str(tmp_path))
    assert ended.returncode == 2
    assert ended.stderr == f"poolkit: {tmp_path}: no course; a course is a folder with exercises/course.yaml in it\n"


# --- what is wrong with files ---


def _stray(course: Course) -> None:
    (course.root / "exercises/limit-1/notes.txt").write_text("later")


def _no_lesson(course: Course) -> None:
    (course.root / "exercises/limit-1/lesson.md").unlink()


def _empty_part(course: Course) -> None:
    edit(course.root / "exercises/limit-1/lesson.md", "- A limit is a number and a length of time.", "")


def _no_readme(course: Course) -> None:
    (course.root / "exercises/limit-1/README.md").unlink()


def _no_to_do(course: Course) -> None:
    edit(course.root / "exercises/limit-1/app.py", "# TODO: answer", "# Answer")


def _empty_hint(course: Course) -> None:
    edit(course.root / "exercises/limit-1/exercise.yaml", "  - Remember when the minute began", '  - " "\n  - Remember')


def _repeated_hint(course: Course) -> None:
    hint = "  - When 60 seconds have gone by since then, both start afresh.\n"
    edit(course.root / "exercises/limit-1/exercise.yaml", hint, hint + hint)


def _another_title(course: Course) -> None:
    edit(course.root / "exercises/course.yaml", "So many in a minute", "So many")


def _unknown_misconception(course: Course) -> None:
    edit(course.root / "solutions/limit-1/wrong/one_too_many.py", "off-by-one", "off-by-two")


def _too_few(course: Course) -> None:
    (course.root / "solutions/limit-1/right/a_list_of_times.py").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_stray, ["notes.txt: a stray file in exercises/limit-1; remove it"]),
        (_no_lesson, [f"lesson.md: [Errno {errno.ENOENT}]"]),
        (_empty_part, ["lesson.md: the part `## Snapshot` is missing or empty; add it"]),
        (_no_readme, ["README.md: missing;"]),
        (_no_to_do, ["app.py: has no TODO that says where to write"]),
        (_empty_hint, ["exercise.yaml: hint 2 is still to be written"]),
        (_repeated_hint, ["exercise.yaml: hint 4 repeats an earlier one"]),
        (_another_title, ["exercise.yaml: the title is 'So many in a minute', and 'So many' in course.yaml"]),
        (
            _unknown_misconception,
            [
                "wrong/one_too_many.py: the misconception 'off-by-two' is not in exercise.yaml; add it there",
            ],
        ),
        (_too_few, ["solutions/limit-1/right: 0 files; write at least 1"]),
    ],
)
def test_each_fault_of_a_file_is_said(limiter: Course, spoil: Callable[[Course], None], said: list[str]) -> None:
    """In a line that names the file and what to do; without the fault there is none."""
    assert problems(limiter) == []
    spoil(limiter)
    found = problems(open_course(limiter.root))
    assert len(found) == len(said), found
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True)), found


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("# caught by: answers\n", "its header lacks `# misconception: ...`"),
        ("# misconception: off-by-one\n", "its header lacks `# caught by: ...`"),
        ("# misconception: off-by-one\n# caught by: a\n# why: b\n", "`# why: ` is no field"),
        ("# misconception: off-by-one\n# caught by: a\n# mistake: one\n", "holds more than numbers"),
    ],
)
def test_a_malformed_header_is_a_fault(limiter: Course, header: str, said: str) -> None:
    """The message names the file."""
    path = limiter.root / "solutions/limit-1/wrong/odd.py"
    path.write_text(header)
    with pytest.raises(CourseFault, match=said) as caught:
        solutions(limiter.exercise("limit-1"))
    assert str(caught.value).startswith(f"{path}: ")


def test_what_belongs_to_no_exercise_is_said(limiter: Course) -> None:
    """Folders and suites alike."""
    assert list(course_problems(limiter)) == []
    (limiter.root / "solutions/limit-9").mkdir()
    (limiter.root / "grader/suites/test_limit_9.py").touch()
    first, second = course_problems(limiter)
    assert first.startswith("solutions/limit-9: not in exercises/course.yaml")
    assert second.startswith("grader/suites/test_limit_9.py: the suite of no exercise")


def test_mistakes_are_numbered(limiter: Course) -> None:
    """A list of them is read strictly, and so is that of those left out."""
    assert mistakes(limiter) == {}
    assert not_covered(limiter) == {}
    folder = limiter.root / "solutions"
    (folder / "mistakes.yaml").write_text("1: forgets\n2: repeats\n")
    (folder / "NOT_COVERED.md").write_text("# Not covered\n\n- **2** Cannot be seen.\n")
    assert mistakes(limiter) == {1: "forgets", 2: "repeats"}
    assert not_covered(limiter) == {2: "Cannot be seen."}
    (folder / "mistakes.yaml").write_text("first: forgets\n")
    with pytest.raises(CourseFault, match="a line for each mistake"):
        mistakes(limiter)


# --- what is wrong with runs ---


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    """The proof of a course with several faults that only show when it runs."""
    root = tmp_path_factory.mktemp("spoiled") / "limiter"
    shutil.copytree(LIMITER, root, ignore=shutil.ignore_patterns("__pycache__"))
    one, two = root / "solutions/limit-1", root / "solutions/limit-2"
    edit(one / "right/a_list_of_times.py", ">= WINDOW", ">= WINDOW * 2")
    edit(one / "wrong/one_too_many.py", "# caught by: refuses-the-fourth", "# caught by: lets-in-after-a-minute")
    edit(one / "wrong/never_starts_afresh.py", "# misconception: never-again", "# misconception: off-by-one")
    shutil.copyfile(two / "app.py", root / "exercises/limit-2/app.py")
    (two / "wrong/one_count_for_all.py").unlink()
    (two / "wrong/broken.py").write_text("# misconception: too-few\n# caught by: sings\nimport nothing_of_the_kind\n")
    (two / "wrong/wrong_name.py").write_text(
        (two / "wrong/each_only_once.py").read_text().replace("lets-each-in-twice", "sings")
    )
    (root / "solutions/mistakes.yaml").write_text("1: forgets\n2: repeats\n")
    edit(one / "wrong/one_too_many.py", "# caught by", "# mistake: 7\n# caught by")
    suite = root / "grader/suites/test_limit_2.py"
    edit(suite, 'lesson="concept-flow"', 'lesson="no-such-heading"')
    edit(suite, 'lesson="who-remembers-the-count"', 'lesson=""')
    return verify(open_course(root))


@pytest.mark.parametrize(
    ("exercise", "said"),
    [
        (0, "right/a_list_of_times.py: fails lets-in-after-a-minute: They were answered 429."),
        (0, "wrong/one_too_many.py: does not fail lets-in-after-a-minute"),
        (0, "wrong/one_too_many.py: fails refuses-the-fourth too; name it after `# fails too:`, or mend the check"),
        (0, "check refuses-the-fourth: no wrong file is there to fail it; write one, or drop the check"),
        (1, "exercise.yaml: no run shows the misconception 'one-for-all'; show it, or remove it"),
        (1, "stub: passes; there is nothing left to do in it"),
        (
            1,
            "wrong/broken.py: it did not run: ModuleNotFoundError: ",
        ),
        (1, "wrong/wrong_name.py: names sings, which is no check of the suite"),
        (1, "check keeps-visitors-apart: no wrong file is there to fail it; write one, or drop the check"),
        (1, "check lets-each-in-twice: lesson.md has no heading 'no-such-heading'; it has "),
        (1, 'check keeps-visitors-apart: names no heading of lesson.md; give it lesson="..."'),
    ],
)
def test_each_fault_of_a_run_is_said(spoiled: Proof, exercise: int, said: str) -> None:
    """Of the stub, of right files, of wrong files, of checks and of their links."""
    assert any(line.startswith(said) for line in spoiled.exercises[exercise].problems), spoiled.exercises[exercise]
    assert not spoiled.holds


def test_faults_of_the_whole_course_are_said(spoiled: Proof) -> None:
    """Mistakes that no file shows, numbers that the list does not have, misconceptions that are not recognised."""
    told = "\n".join(spoiled.problems)
    assert "mistake 1, forgets: no wrong file shows it" in told
    assert "mistake 7: not in solutions/mistakes.yaml" in told
    assert spoiled.confusion["off-by-one", "never-again"] == 1
    assert spoiled.accuracy < 0.95
    assert "the right misconception was named for" in told


# --- the same verdict each time ---


def test_a_verdict_that_changes_is_said(limiter: Course) -> None:
    """With both seeds, and with what each of them gave; the files whose verdict stays have no such line."""
    suite = limiter.root / "grader/suites/test_limit_1.py"
    edit(
        suite,
        "        found == [200, 200, 200, 429],",
        "        found == [200, 200, 200, 429] and lab.random.random() < 0.5,",
    )
    [proof] = verify(limiter, ["limit-1"], seed=8, seeds=4).exercises
    changes = [line for line in proof.problems if "its verdict changes" in line]
    assert any(
        re.fullmatch(
            r"reference: its verdict changes: (passes|fails refuses-the-fourth) with seed 8, "
            r"and (?!\1)(passes|fails refuses-the-fourth) with seed (9|10|11); [123] of 4 runs differ from the first",
            line,
        )
        for line in changes
    ), proof.problems
    assert not any(line.startswith("wrong/one_too_many.py") for line in changes)


def test_a_load_lasts_as_long_as_the_runs(poolkit: Poolkit) -> None:
    """Each file runs once more beside processes that keep the cores busy."""
    ended = poolkit("author", "verify", "--course", str(LIMITER), "--load", "2", "limit-1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert circumstances(7, 2, 3) == [
        Circumstances(7),
        Circumstances(8),
        Circumstances(7, load=3),
        Circumstances(8, load=3),
    ]
    with busy(2) as loads:
        assert [load.poll() for load in loads] == [None, None]
    assert [load.poll() for load in loads] == [-signal.SIGKILL, -signal.SIGKILL]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_load_ends_with_whoever_began_it() -> None:
    """Also when that process is killed, and so has no chance to end it."""
    program = "from poolkit.author.repeats import busy\nwith busy(1) as [load]: print(load.pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as begun:
        assert begun.stdout is not None
        number = int(begun.stdout.readline())
        begun.kill()
    end = time.monotonic() + 30
    while runs(number) and time.monotonic() < end:
        time.sleep(0.05)  # no event tells of the end of another's child
    assert not runs(number)


# --- a new exercise ---


def test_a_new_exercise_says_what_is_left_to_do(limiter: Course) -> None:
    """It runs from the start, and every part that is still to be written has its line."""
    made = begin(limiter, "limit-3", "Whole hours")
    assert all(path.is_file() for path in made)
    course = open_course(limiter.root)
    assert course.ids == ["limit-1", "limit-2", "limit-3"]
    [proof] = verify(course, ["limit-3"]).exercises
    told = "\n".join(proof.problems)
    assert "README.md: is to begin with a title, and to be finished" in told
    assert "hint 1 is still to be written" in told
    assert "lesson.md: the part `## Concept flow` is missing or empty" in told
    assert "solutions/limit-3/wrong: 1 files; write at least 2" in told
    assert "fails answers; if that is what it is meant to fail first, say so: `stub_fails: answers`" in told
    assert "the misconception 'todo' does not say yet why it hurts" in told
    assert "did not run" not in told
    assert {solution.kind for solution in solutions(course.exercise("limit-3"))} == set(Kind)


@pytest.mark.parametrize(
    ("name", "title"), [("limit-1", "x"), ("Limit 4", "x"), ("../evil", "x"), ("limit-4", "a: b"), ("limit-4", "\x1b")]
)
def test_a_name_that_cannot_be_is_refused(limiter: Course, name: str, title: str) -> None:
    """Nothing is made."""
    with pytest.raises(UsageFault):
        begin(limiter, name, title)
    assert open_course(limiter.root).ids == ["limit-1", "limit-2"]
