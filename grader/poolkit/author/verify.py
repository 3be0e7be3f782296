"""Proves a course: its files are whole, its stubs fail, its right files pass, its wrong ones fail what they name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from poolkit import lesson, yamlfile
from poolkit.author.metadata import course_problems, exercise_problems, mistakes, not_covered
from poolkit.author.repeats import Circumstances, busy, circumstances, what_changed
from poolkit.author.runs import begin, grade_all
from poolkit.author.solutions import Kind, Solution, solutions
from poolkit.course import Course, Exercise
from poolkit.errors import CourseFault
from poolkit.quiz import prove
from poolkit.quiz.prove import QuizProof
from poolkit.report import CheckReport, Report, Status

ACCURACY_WANTED = 0.95
"""The share of wrong files for which a report has to name the header's misconception."""


@dataclass
class ExerciseProof:
    """What is known of one exercise: how much there is, and what does not hold, a line each."""

    id: str
    right: int = 0
    wrong: int = 0
    checks: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    """The checks that a wrong file is there to be caught by."""
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a misconception of a header, the first, was reported as another, or as itself."""
    seconds: float = 0.0
    """The time that its runs took, added up."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Proof:
    """A whole course's proof. `covered` and `excused` are numbers of the course's list of mistakes.

    `quizzes` is None when only some exercises were proved.
    """

    exercises: tuple[ExerciseProof, ...]
    mistakes: int
    covered: frozenset[int]
    excused: frozenset[int]
    problems: tuple[str, ...]
    quizzes: QuizProof | None = None

    @property
    def confusion(self) -> Counter[tuple[str, str]]:
        """The confusion of all exercises."""
        return sum((each.confusion for each in self.exercises), Counter())

    @property
    def accuracy(self) -> float:
        """The share of wrong files whose misconception was named; 1 when there are none."""
        total = self.confusion.total()
        return sum(n for (meant, named), n in self.confusion.items() if meant == named) / total if total else 1.0

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        quizzes = self.quizzes.problems if self.quizzes else ()
        return not self.problems and not quizzes and not any(each.problems for each in self.exercises)


def verify(
    course: Course,
    names: Sequence[str] = (),
    *,
    seed: int = 7,
    seeds: int = 1,
    load: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Proof:
    """Prove a course.

    Args:
        names: the exercises to prove; all, and the course as a whole, when none is given.
        seed: of every file's first run.
        seeds: how many runs each file has, each with a seed of its own from `seed` on. A verdict, or a set of failed
            checks, that is not the same in all of them is a problem.
        load: how many processes keep the cores busy while each file has as many runs again; 0 for no such runs.
        workers: how many runs at once; see `grade_all`.
        progress: told how many runs are done, of how many.

    Raises:
        PoolkitError: course.yaml is broken, or the machine is.
    """
    proofs: list[ExerciseProof] = []
    found: list[Solution] = []
    exercises: dict[str, Exercise] = {}
    for name in names or course.ids:
        proof = ExerciseProof(name)
        proofs.append(proof)
        try:
            exercise = course.exercise(name)
            proof.id = exercise.id
            files = solutions(exercise)
        except CourseFault as fault:
            proof.problems.append(str(fault))
            continue
        exercises[exercise.id] = exercise
        proof.problems += exercise_problems(course, exercise, files)
        if exercise.suite.exists():
            found += [solution for solution in files if solution.path.is_file()]
    results: dict[str, dict[Solution, list[tuple[Circumstances, Report]]]] = {}
    rounds = circumstances(seed, seeds, load) if found else []
    done = 0
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=begin) as beside:
        quizzes = None if names else beside.submit(_quizzes, course)
        for each in rounds:
            with busy(each.load):
                for solution, report in grade_all(course, found, seed=each.seed, workers=workers):
                    results.setdefault(solution.exercise, {}).setdefault(solution, []).append((each, report))
                    done += 1
                    progress(done, len(found) * len(rounds))
    questions = _questions(course)
    for proof in proofs:
        if proof.id in results:
            runs = results[proof.id]
            _judge(proof, exercises[proof.id], [(file, of[0][1]) for file, of in runs.items()], questions)
            proof.problems += _changes(runs)
    return _whole(course, proofs, found, quizzes.result() if quizzes else None)


def _whole(course: Course, proofs: list[ExerciseProof], found: list[Solution], quizzes: QuizProof | None) -> Proof:
    """Put the proof together; `quizzes` is None when only some of the exercises were proved."""
    listed, excused = mistakes(course), not_covered(course)
    covered = {number for solution in found for number in solution.mistakes}
    problems: list[str] = []
    for number in sorted(covered - listed.keys()):
        problems.append(f"mistake {number}: not in solutions/mistakes.yaml; add it there, or mend the header")
    if quizzes is not None:
        problems += course_problems(course)
        for number in sorted(listed.keys() - covered - excused.keys()):
            problems.append(
                f"mistake {number}, {listed[number]}: no wrong file shows it; write one, or say in "
                "solutions/NOT_COVERED.md why it cannot be graded"
            )
    known = frozenset(covered & listed.keys())
    proof = Proof(tuple(proofs), len(listed), known, frozenset(excused), tuple(problems), quizzes)
    if proof.accuracy < ACCURACY_WANTED:
        problems.append(f"the right misconception was named for {proof.accuracy:.1%}; {ACCURACY_WANTED:.0%} is wanted")
        proof = replace(proof, problems=tuple(problems))
    return proof


def _quizzes(course: Course) -> QuizProof:
    try:
        return prove.prove(course)
    except CourseFault as fault:
        # Of an exercise whose misconceptions quizzes name; it may be one that was not looked at.
        return QuizProof(problems=(str(fault),))


def _judge(
    proof: ExerciseProof, exercise: Exercise, results: list[tuple[Solution, Report]], questions: frozenset[str] | None
) -> None:
    checks = max((report.checks for _, report in results), key=len)
    proof.checks = tuple(check.id for check in checks)
    proof.seconds = sum(report.duration_s for _, report in results)
    wrong = [solution for solution, _ in results if solution.kind is Kind.WRONG]
    proof.right = sum(solution.kind in (Kind.RIGHT, Kind.REFERENCE) for solution, _ in results)
    proof.wrong = len(wrong)
    proof.own = frozenset(solution.fails[0] for solution in wrong if solution.fails) & frozenset(proof.checks)
    proof.problems += _link_problems(exercise, checks, questions)
    for solution, report in sorted(results, key=lambda pair: str(pair[0].path)):
        proof.problems += (f"{solution.name}: {problem}" for problem in solution_problems(exercise, solution, report))
        if solution.kind is Kind.WRONG and solution.fails and report.status is Status.FAIL:
            named = next((check.misconception for check in report.checks if check.id == solution.fails[0]), None)
            proof.confusion[solution.misconception, named or "none"] += 1
    shown = {check.misconception for _, report in results for check in report.checks}
    for name in exercise.about.misconceptions:
        if name not in shown:
            proof.problems.append(f"exercise.yaml: no run shows the misconception {name!r}; show it, or remove it")
    failed = {name for solution in wrong for name in solution.fails}
    for check in checks:
        if check.id not in failed:
            proof.problems.append(f"check {check.id}: no wrong file is there to fail it; write one, or drop the check")


def _changes(runs: Mapping[Solution, Sequence[tuple[Circumstances, Report]]]) -> Iterator[str]:
    for solution in sorted(runs, key=lambda solution: str(solution.path)):
        if changed := what_changed(runs[solution]):
            yield f"{solution.name}: its verdict changes: {changed}"


def solution_problems(exercise: Exercise, solution: Solution, report: Report) -> Iterator[str]:
    """Say what of a run is not as its solution has to come out; which misconception was named is not looked at."""
    if report.grader_fault:
        yield f"the grader failed: {report.grader_fault}"
    elif report.error:
        yield f"it did not run: {report.error}"
    elif report.status is Status.TAMPERING:
        yield "it broke the protocol of lab and judge"
    elif solution.kind in (Kind.RIGHT, Kind.REFERENCE):
        for check in report.checks:
            if not check.passed:
                yield f"fails {check.id}: {check.happened}" if check.happened else f"does not reach {check.id}"
    elif solution.kind is Kind.STUB:
        yield from _stub_problems(exercise, report)
    else:
        failed = {check.id for check in report.checks if check.status is Status.FAIL}
        for name in solution.fails:
            if name not in failed:
                known = any(check.id == name for check in report.checks)
                yield f"does not fail {name}" if known else f"names {name}, which is no check of the suite"
        for name in sorted(failed - set(solution.fails)):
            yield f"fails {name} too; name it after `# fails too:`, or mend the check"


def _stub_problems(exercise: Exercise, report: Report) -> Iterator[str]:
    first = report.first_failure
    wanted = exercise.about.stub_fails
    if first is None:
        yield "passes; there is nothing left to do in it"
    elif not wanted:
        yield f"fails {first.id}; if that is what it is meant to fail first, say so: `stub_fails: {first.id}`"
    elif first.id != wanted:
        yield f"is meant to fail {wanted} first, and fails {first.id}: {first.happened}"


def _link_problems(
    exercise: Exercise, checks: Sequence[CheckReport], questions: frozenset[str] | None
) -> Iterator[str]:
    try:
        anchors = lesson.load(exercise.folder / "lesson.md").anchors
    except CourseFault:
        return  # said by exercise_problems
    for check in checks:
        if not check.lesson:
            yield f'check {check.id}: names no heading of lesson.md; give it lesson="..."'
        elif check.lesson not in anchors:
            yield f"check {check.id}: lesson.md has no heading {check.lesson!r}; it has {', '.join(sorted(anchors))}"
        if questions is not None and check.quiz not in questions:
            yield f"check {check.id}: no quiz has a question {check.quiz!r}; name one that goes with it, quiz=..."


def _questions(course: Course) -> frozenset[str] | None:
    """Return the ids of all quiz questions, or None when the course has no quiz."""
    paths = sorted((course.root / "quizzes").glob("*.yaml"))
    if not paths:
        return None
    return frozenset(_ids(paths))


def _ids(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        data = yamlfile.load(path).data
        for question in data.get("questions", ()) if isinstance(data, dict) else ():
            if isinstance(question, dict):
                yield str(question.get("id", ""))
