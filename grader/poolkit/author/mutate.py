"""Tries whether a course's checks see small mistakes: grades mutants of right solutions, and shows those that pass.

A mutant that keeps every promise of its exercise all the same is written down, once, with the reason:
`solutions/<id>/equivalent.yaml` is a list of

    - file: app.py
      mutant: "statements swapped in lifespan: one() <-> two()"
      reason: Neither needs the other, and the README leaves their order free.

`kind: unreachable` beside a mutant says that no run of the exercise comes to that line. What was found is kept in a
file of the user's cache, so that a long run can be stopped and goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from libcst import ParserSyntaxError
from platformdirs import user_cache_path

import poolkit
from poolkit import yamlfile
from poolkit.author.mutants import Mutant, mutants
from poolkit.author.runs import grade_all
from poolkit.author.solutions import Kind, Solution, solutions
from poolkit.course import Course, Exercise
from poolkit.errors import CourseFault
from poolkit.report import Status
from poolkit.text import plain

RECORDS = "equivalent.yaml"
_KINDS = ("equivalent", "unreachable")


@dataclass(frozen=True)
class Survivor:
    """A mutant of a right solution, by its name below the exercise's folder of solutions, that passes every check."""

    file: str
    mutant: Mutant


@dataclass
class Score:
    """What came of an exercise's mutants.

    `survivors` are those that pass and that nobody has written down. `problems` are lines on what is wrong with what
    was written down, and on mutants that the grader could not grade.
    """

    id: str
    mutants: int = 0
    killed: int = 0
    equivalent: int = 0
    unreachable: int = 0
    survivors: list[Survivor] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Case:
    exercise: Exercise
    file: str
    mutant: Mutant
    key: str


def mutate(
    course: Course,
    names: Sequence[str],
    *,
    reference_only: bool = False,
    sample: int | None = None,
    seed: int = 7,
    workers: int | None = None,
    fresh: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Score]:
    """Grade the mutants of exercises' right solutions.

    Args:
        names: the exercises.
        reference_only: leave the other right solutions out.
        sample: grade so many mutants of each exercise, drawn by `seed`, and leave the rest out.
        seed: of every run, and of the sample.
        workers: how many runs at once; see `grade_all`.
        fresh: grade also what was graded before, by the same kit and with the same checks.
        progress: told how many mutants are graded, of how many.

    Raises:
        PoolkitError: an exercise or the machine is broken.
    """
    exercises = [course.exercise(name) for name in names]
    scores = {exercise.id: Score(exercise.id) for exercise in exercises}
    records = {exercise.id: _records(exercise) for exercise in exercises}  # a broken one is said before the long run
    cases = [case for exercise in exercises for case in _cases(exercise, reference_only, sample, seed)]
    kept = {} if fresh else _kept()
    left = [case for case in cases if case.key not in kept]
    for done, (case, passed) in enumerate(_graded(course, left, seed, workers, scores), len(cases) - len(left) + 1):
        kept[case.key] = passed
        progress(done, len(cases))
    for exercise in exercises:
        own = [case for case in cases if case.exercise.id == exercise.id and case.key in kept]
        _count(scores[exercise.id], exercise, own, kept, records[exercise.id], whole=sample is None)
    return list(scores.values())


def _cases(exercise: Exercise, reference_only: bool, sample: int | None, seed: int) -> list[_Case]:
    kinds = (Kind.REFERENCE,) if reference_only else (Kind.REFERENCE, Kind.RIGHT)
    judged_by = _judged_by(exercise)
    cases = []
    for solution in solutions(exercise):
        if solution.kind in kinds and solution.path.is_file():
            file = solution.path.relative_to(exercise.solutions).as_posix()
            for mutant in _mutants(solution.path):
                key = hashlib.sha256(f"{judged_by} {seed} {file} {mutant.code}".encode()).hexdigest()
                cases.append(_Case(exercise, file, mutant, key))
    if sample is not None and sample < len(cases):
        cases = random.Random(f"{seed} {exercise.id}").sample(cases, sample)
    return cases


def _mutants(path: Path) -> list[Mutant]:
    try:
        return mutants(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ParserSyntaxError) as error:
        raise CourseFault(f"{path}: no Python that can be changed: {plain(str(error), 200)}") from None


def _judged_by(exercise: Exercise) -> str:
    """Return what stands for everything that decides a verdict: the kit, the checks, the exercise and the Python."""
    digest = hashlib.sha256(sys.version.encode())
    for folder in (Path(poolkit.__file__).parent, exercise.suite.parent, exercise.folder):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _graded(
    course: Course, cases: Sequence[_Case], seed: int, workers: int | None, scores: Mapping[str, Score]
) -> Iterator[tuple[_Case, bool]]:
    """Grade cases; give each that could be graded, and whether it passed, and keep that."""
    if not cases:
        return
    with TemporaryDirectory(prefix="poolkit-mutants-") as folder, _keeping() as keep:
        by_path: dict[Path, _Case] = {}
        for number, case in enumerate(cases):
            path = Path(folder, str(number), Path(case.file).name)
            path.parent.mkdir()
            path.write_text(case.mutant.code, encoding="utf-8")
            by_path[path] = case
        files = [Solution(case.exercise.id, path, Kind.WRONG) for path, case in by_path.items()]
        for solution, report in grade_all(course, files, seed=seed, workers=workers):
            case = by_path[solution.path]
            if report.grader_fault:
                fault = f"{case.file}: {case.mutant.name}: the grader failed: {report.grader_fault}"
                scores[case.exercise.id].problems.append(fault)
                continue
            passed = report.status is Status.PASS
            keep(case.key, passed)
            yield case, passed


def _store() -> Path:
    return user_cache_path("poolkit") / "mutants.jsonl"


def _kept() -> dict[str, bool]:
    """Return whether each mutant that was graded before passed, by its key."""
    found = {}
    try:
        lines = _store().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}  # it only saves time
    for line in lines:
        try:
            row = json.loads(line)
            found[str(row["key"])] = bool(row["passed"])
        except (ValueError, KeyError, TypeError):
            continue  # a run was killed while it wrote this line
    return found


@contextmanager
def _keeping() -> Iterator[Callable[[str, bool], None]]:
    """Give a function that keeps a mutant's verdict at once, a line each."""
    _store().parent.mkdir(parents=True, exist_ok=True)
    with _store().open("a", encoding="utf-8") as file:

        def keep(key: str, passed: bool) -> None:
            file.write(json.dumps({"key": key, "passed": passed}) + "\n")
            file.flush()

        yield keep


def _count(
    score: Score,
    exercise: Exercise,
    cases: Sequence[_Case],
    kept: Mapping[str, bool],
    records: Mapping[tuple[str, str], str],
    *,
    whole: bool,
) -> None:
    unused = set(records)
    score.mutants = len(cases)
    for case in cases:
        name = (case.file, case.mutant.name)
        if not kept[case.key]:
            score.killed += 1
        elif name not in records:
            score.survivors.append(Survivor(case.file, case.mutant))
        else:
            unused.discard(name)
            if records[name] == "unreachable":
                score.unreachable += 1
            else:
                score.equivalent += 1
    files = {case.file for case in cases}
    for file, mutant in sorted(unused):
        if whole and (file in files or not (exercise.solutions / file).is_file()):
            score.problems.append(f"{RECORDS}: {file}: {mutant}: no such mutant passes any more; take it out")


def _records(exercise: Exercise) -> dict[tuple[str, str], str]:
    """Return the kind of each mutant that somebody has written down, by its file and name.

    Raises:
        CourseFault: the file is not as it should be.
    """
    path = exercise.solutions / RECORDS
    if not path.exists():
        return {}
    loaded = yamlfile.load(path)
    if not isinstance(loaded.data, list):
        raise CourseFault(f"{path}: not a list; write `- file: app.py`, `mutant:` and `reason:` for each")
    found: dict[tuple[str, str], str] = {}
    for number, entry in enumerate(loaded.data, 1):
        file, mutant, kind = _record(path, number, entry)
        found[file, mutant] = kind
    return found


def _record(path: Path, number: int, entry: object) -> tuple[str, str, str]:
    if not isinstance(entry, dict) or not {"file", "mutant", "reason"} <= entry.keys() <= {
        *("file", "mutant", "reason", "kind")
    }:
        raise CourseFault(f"{path}: entry {number} is to have `file`, `mutant` and `reason`, and may have `kind`")
    for key, value in entry.items():
        if not isinstance(value, str) or not value.strip():
            raise CourseFault(f"{path}: entry {number}: `{key}` is no text; write one")
    if entry.get("kind", _KINDS[0]) not in _KINDS:
        raise CourseFault(f"{path}: entry {number}: `kind` is one of {', '.join(_KINDS)}")
    return entry["file"], entry["mutant"], entry.get("kind", _KINDS[0])
