"""Proves the keys of quizzes: runs their scenarios in labs, and asks the runs what `verify` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from poolkit.course import Course
from poolkit.errors import QuizFault
from poolkit.judge.runner import start_host
from poolkit.quiz import expression, load, rehearse
from poolkit.quiz.expression import Refused, Value
from poolkit.quiz.facts import Run
from poolkit.quiz.model import AnyQuestion, Multi, Numeric, Quiz, Single, TrueFalse
from poolkit.quiz.problems import Place, Problem, read
from poolkit.quiz.rules import near


@dataclass(frozen=True)
class QuizProof:
    """What is known of a course's quizzes: how much there is, what does not hold, and what lets a learner guess."""

    quizzes: int = 0
    questions: int = 0
    proved: tuple[str, ...] = ()
    scenarios: int = 0
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def quiz_problems(course: Course) -> list[str]:
    """Say what is wrong with a course's quizzes, keys and recordings; see `prove`."""
    return list(prove(course).problems)


def prove(course: Course) -> QuizProof:
    """Read every quiz of a course, run every scenario once, and compare keys and recordings with the runs.

    Raises:
        PoolkitError: the machine is broken, or an exercise that quizzes are compared with.
    """
    names = rehearse.scenarios(course)
    examined = load.examine_all(course)
    problems = [str(problem) for each in examined for problem in each.problems]
    doubts = [str(doubt) for each in examined for doubt in each.doubts]
    quizzes = {each.path: each.quiz for each in examined if each.quiz is not None}
    runs: dict[str, Run] = {}
    if names:
        problems += _run_all(course, names, runs)
    proved: list[str] = []
    for path, quiz in quizzes.items():
        found = list(_quiz_problems(path, quiz, runs, frozenset(names)))
        problems += map(str, found)
        proved += (question.id for question in quiz.questions if _is_proved(question))
    count = sum(len(quiz.questions) for quiz in quizzes.values())
    return QuizProof(len(examined), count, tuple(proved), len(names), tuple(problems), tuple(doubts))


def _run_all(course: Course, names: Sequence[str], runs: dict[str, Run]) -> Iterator[str]:
    host = start_host(course)
    try:
        for name in names:
            try:
                found = rehearse.scenario(course, name)
                runs[name] = rehearse.run(host, course, found)
            except QuizFault as fault:
                yield str(fault)
                continue
            if found.path.with_suffix(".json").exists() and rehearse.is_stale(found, runs[name]):
                yield f"{found.path.with_suffix('.json')}: the run gives something else; run `poolkit author record`"
    finally:
        host.close()


def _expressions(question: AnyQuestion) -> list[tuple[Place, str]]:
    found: list[tuple[Place, str]] = [(("verify",), question.verify)] if question.verify else []
    if isinstance(question, Single | Multi):
        found += ((("choices", i, "verify"), c.verify) for i, c in enumerate(question.choices) if c.verify)
    return found


def _is_proved(question: AnyQuestion) -> bool:
    """Whether a run says that the key is right, and not only that some of the wrong choices are wrong."""
    keys = [choice for choice in question.choices if choice.correct] if isinstance(question, Single | Multi) else []
    return bool(question.verify or (keys and all(choice.verify for choice in keys)))


def _quiz_problems(path: Path, quiz: Quiz, runs: Mapping[str, Run], known: frozenset[str]) -> Iterator[Problem]:
    document = read(path, load.MARK)
    for index, question in enumerate(quiz.questions):
        for place, text in _expressions(question):
            if problem := _contradiction(question, place, text, runs, known):
                line = document.line(("questions", index, *place))
                yield Problem(path, line, f'question "{question.id}": {problem}')


def _contradiction(
    question: AnyQuestion, place: Place, text: str, runs: Mapping[str, Run], known: frozenset[str]
) -> str:
    """Say how a run and a key differ, or nothing."""
    if question.trace is None:
        return "`verify` needs the run that it asks; add `trace` with its scenario and step"
    name = question.trace.scenario
    if name not in runs:
        # The scenario's own line says why it has no run.
        return "" if name in known else f"`verify` needs the app of {name!r}; add scenarios/{name}.py"
    try:
        said = expression.value(text, runs[name])
        told = ", ".join(f"{call} is {answer!r}" for call, answer in expression.asked(text, runs[name])) or repr(said)
    except Refused as fault:
        return f"`{text}` cannot be asked of the run {name!r}: {fault}"
    if isinstance(question, Single | Multi) and place[0] == "choices":
        choice = question.choices[int(place[1])]
        if said is choice.correct:
            return ""
        what = "the key" if choice.correct else "the wrong choice"
        how = "is contradicted by" if choice.correct else "is proved true by"
        return f"{what} {choice.id!r} {how} the run {name!r}: {told} (`{text}`)"
    if _holds(question, said):
        return ""
    return f"the key {_key(question)} is contradicted by the run {name!r}: {told} (`{text}`)"


def _holds(question: AnyQuestion, said: Value) -> bool:
    match question:
        case TrueFalse():
            return said is question.answer
        case Numeric() if not isinstance(said, bool):
            return not isinstance(said, str) and near(float(said), question.answer, question.tolerance)
        case _:
            return said is True


def _key(question: AnyQuestion) -> str:
    match question:
        case Single() | Multi():
            return ", ".join(repr(choice.id) for choice in question.choices if choice.correct)
        case TrueFalse():
            return str(question.answer).lower()
        case Numeric():
            return f"{question.answer:g}"
    return " before ".join(question.before[0]) if question.before else ""
