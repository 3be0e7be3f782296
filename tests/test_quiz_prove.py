"""`poolkit.quiz.prove`: keys are compared with runs that really happen, and expressions can do nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from poolkit.course import Course, open_course
from poolkit.errors import QuizFault
from poolkit.events import Event, PoolState
from poolkit.quiz import expression, load, prove, rehearse
from poolkit.quiz.expression import PARAMETERS, Refused, Value
from poolkit.quiz.facts import _ANSWERS, Run
from poolkit.quiz.model import Multi, Numeric, Order, Single, TrueFalse
from poolkit.quiz.prove import QuizProof
from poolkit.trace import build

ROOT = Path(__file__).parents[1]

# --- expressions ---


class Table:
    """A run that knows two answers."""

    def ask(self, function: str, arguments: Mapping[str, Value]) -> Value:
        """Answer by the step."""
        answers: dict[str, Value] = {"free_after": 3, "result": "pool gone"}
        return answers[function] if arguments == {"step": 5} else 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("free_after(step=5)", 3),
        ("free_after(5) == 3", True),
        ("free_after(step=2 + 3) + 1 == 4", True),
        ("-free_after(step=5)", -3),
        ("1 < free_after(step=5) <= 3", True),
        ("3 < free_after(step=5) < 9", False),
        ("not free_after(step=5) == 3", False),
        ("free_after(step=5) == 1 or free_after(step=5) == 3", True),
        ("free_after(step=5) == 3 and free_after(step=4) != 0", False),
        ('result(step=5) == "pool gone"', True),
        ("7 // 2 * 2 + 7 % 2 - 1", 6),
        ("True != False", True),
        ("1.5", 1.5),
        ("  1 == 1  ", True),
    ],
)
def test_an_expression_is_worked_out(text: str, value: Value) -> None:
    """What is allowed means what it means in Python."""
    assert expression.checked(text) == text
    assert expression.value(text, Table()) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__import__('os').system('true')", "calls something that is no function"),
        ("__import__('os')", "no function `__import__`"),
        ("open('/etc/passwd')", "no function `open`"),
        ("().__class__.__bases__", "Attribute is not allowed"),
        ("free_after.__globals__", "Attribute is not allowed"),
        ("[x for x in (1, 2)]", "ListComp is not allowed"),
        ("{1: 2}", "Dict is not allowed"),
        ("(lambda: 1)()", "calls something that is no function"),
        ("free_after(*(1, 2))", "Starred is not allowed"),
        ("free_after(**{})", "free_after takes step"),
        ("9 ** 9 ** 9", "Pow is not allowed"),
        ("1 << 99999", "LShift is not allowed"),
        ("1 / 2", "Div is not allowed"),
        ("~1", "Invert is not allowed"),
        ("9999999999", "a number over 1000000"),
        ("1e999", "a number over 1000000"),
        ("1 if True else 2", "IfExp is not allowed"),
        ("f'{1}'", "JoinedStr is not allowed"),
        ("b'1'", "Constant is not allowed"),
        ("None", "Constant is not allowed"),
        ("(x := 1)", "NamedExpr is not allowed"),
        ("x", "`x` is no name here"),
        ("1 in (1, 2)", "a comparison that is not allowed"),
        ("1 is 1", "a comparison that is not allowed"),
        ("free_after(1, 2)", "free_after takes step, each once"),
        ("free_after(1, step=2)", "free_after takes step, each once"),
        ("free_after(when=2)", "free_after takes step, each once"),
        ("(" * 300 + ")" * 300, "over 500 characters"),
        ("(" * 240 + "1" + ")" * 240, "no expression"),
        ("not " * 40 + "True", "nested too deeply"),
        ("+".join(["1"] * 200), "too long an expression"),
        ("import os", "no expression"),
        ("", "no expression"),
        ("1\x00", "no expression"),
        ("'\\d' == 1", "compares a text with a number"),
        ("1 // 0", "divides by zero"),
        ("1 % (2 - 2)", "divides by zero"),
        ("'a' * 9", "`'a'` is no number"),
        ("'a' < 1", "`'a'` is no number"),
        ("1 and True", "`1` is neither true nor false"),
        ("not free_after(step=5)", "is neither true nor false"),
    ],
)
def test_what_is_not_allowed_is_refused(text: str, said: str) -> None:
    """In one line, and nothing is executed."""
    with pytest.raises(Refused) as caught:
        expression.value(text, Table())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_function_is_answered_and_documented() -> None:
    """What may be asked has an answer, and a place in the README."""
    documented = (ROOT / "quizzes" / "README.md").read_text(encoding="utf-8")
    assert set(PARAMETERS) == set(_ANSWERS)
    assert [name for name in PARAMETERS if f"{name}(" not in documented] == []


# --- what a run says ---


def event(seq: int, kind: str, free: int, total: int, **more: int) -> Event:
    """Return a row of a ledger."""
    state = PoolState(total=total, free=free, borrowed=total - free)
    return Event(seq=seq, at=float(seq), kind=kind, state=state, **more)  # type: ignore[arg-type]


@pytest.fixture
def short() -> Run:
    """A pool of one, one request that borrows, uses and returns, and a shutdown."""
    events = (
        event(1, "startup", 0, 0),
        event(2, "open", 1, 1, connection=1),
        event(3, "ready", 1, 1),
        event(4, "request", 1, 1, request=1),
        event(5, "borrow", 0, 1, request=1, connection=1),
        event(6, "statement", 0, 1, request=1, connection=1),
        event(7, "return", 1, 1, request=1, connection=1),
        event(8, "response", 1, 1, request=1, status=404),
        event(9, "shutdown", 1, 1),
        event(10, "close", 0, 0, connection=1),
        event(11, "stopped", 0, 0),
    )
    return Run(build("exercise-3", "app.py", events), events)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("free_after(step=2)", 1),
        ("free_after(step=3)", 0),
        ("total_after(step=6)", 0),
        ("borrowed_after(step=4)", 1),
        ("waiting_after(step=4)", 0),
        ("least_free(step=3)", 0),
        ("least_free(request=1)", 0),
        ("most_borrowed()", 1),
        ("most_total()", 1),
        ("opened()", 1),
        ("opened(step=3)", 0),
        ("closed(step=6)", 1),
        ('events("borrow")', 1),
        ('events("borrow", step=2)', 0),
        ('events("return", request=1, connection=1)', 1),
        ('events("return", connection=2)', 0),
        ('first("borrow")', 5),
        ('last("return", request=1)', 7),
        ('statements("select")', 0),
        ("status(request=1)", 404),
        ("connection_of(request=1)", 1),
        ("connections_of(request=1)", 1),
        ("closed_at(connection=1)", 6),
        ("closed_at(connection=2)", 0),
        ('step_of("Shutdown")', 6),
        ("result(step=6)", "pool gone"),
    ],
)
def test_a_run_answers(short: Run, text: str, value: Value) -> None:
    """Counted from its ledger, step by step as the table has it."""
    assert expression.value(text, short) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("free_after(step=7)", "the run has no step 7; it has 1 to 6"),
        ("free_after(step=0)", "the run has no step 0"),
        ("free_after()", "free_after needs a number for step"),
        ("free_after('2')", "free_after needs a number for step"),
        ("free_after(True)", "free_after needs a number for step"),
        ("status(request=2)", "the run has no request 2"),
        ("events('borrow', request=9)", "the run has no request 9"),
        ("events('burrow')", "there is no kind of event 'burrow'"),
        ("events(1)", "events needs a text for kind"),
        ("first('commit')", "the run has no such commit"),
        ("step_of('Lunch')", "the run has no step 'Lunch'"),
    ],
)
def test_a_run_says_what_it_does_not_have(short: Run, text: str, said: str) -> None:
    """A question about nothing proves nothing."""
    with pytest.raises(Refused, match=said):
        expression.value(text, short)


# --- a course whose keys are wrong ---

APP = '''\
"""An app without a pool."""
# schema: {schema}
# requests: {requests}

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def page() -> int:
    return 1
'''

QUIZ = """\
poolkit_quiz: 1
id: small
title: Small
questions:
  - id: small.right
    type: single
    prompt: "Which status?"
    choices:
      - {id: ok, text: "200", correct: true, verify: "status(request=1) == 200"}
      - {id: no, text: "404", verify: "status(request=1) == 404"}
    trace: {scenario: plain, step: 1}
  - id: small.number
    type: numeric
    prompt: "Which status has a page that is not there?"
    answer: 404
    trace: {scenario: plain, step: 1}
    verify: "status(request=2)"
  - id: small.truth
    type: true_false
    prompt: "True or false: a connection is opened."
    answer: false
    trace: {scenario: plain, step: 1}
    verify: "opened() > 0"
  - id: small.order
    type: order
    prompt: "In order, please."
    items: [{id: a, text: request}, {id: b, text: response}]
    before: [[a, b]]
    trace: {scenario: plain, step: 1}
    verify: 'first("request") < first("response")'
"""


@pytest.fixture
def small(tmp_path: Path, course: Course) -> Course:
    """A course with exercises of the kit's, and one quiz whose keys hold."""
    for name in ("exercises", "solutions"):
        (tmp_path / name).symlink_to(course.root / name)
    folder = tmp_path / "quizzes" / "scenarios"
    folder.mkdir(parents=True)
    (folder / "plain.py").write_text(APP.format(schema="exercise-3", requests="GET /, GET /nothing"))
    (folder.parent / "small.yaml").write_text(QUIZ)
    found = open_course(tmp_path)
    assert [path.name for path in rehearse.record(found)] == ["plain.json"]
    return found


def spoilt(course: Course, old: str, new: str) -> list[str]:
    """Return the problems of the small quiz with a part of it replaced."""
    assert old in QUIZ
    (load.folder(course) / "small.yaml").write_text(QUIZ.replace(old, new, 1))
    return list(prove.quiz_problems(course))


def test_keys_that_hold_are_counted(small: Course) -> None:
    """Nothing is wrong, and each of the four is proved."""
    proof = prove.prove(small)
    assert proof == QuizProof(1, 4, ("small.right", "small.number", "small.truth", "small.order"), 1)
    assert rehearse.scenario(small, "plain").actions == (("GET", "/"), ("GET", "/nothing"))


def test_a_contradicted_key_and_a_true_distractor_are_told(small: Course) -> None:
    """By question, choice and what the run said, with file and line."""
    said = spoilt(small, '"404", verify', '"404", correct: true, verify')
    assert any("has 2 correct choices" in each for each in said)
    wrong = QUIZ.replace("correct: true, ", "").replace('"404", verify', '"404", correct: true, verify')
    (load.folder(small) / "small.yaml").write_text(wrong)
    path = load.folder(small) / "small.yaml"
    assert prove.quiz_problems(small) == [
        f"{path}:9: question \"small.right\": the wrong choice 'ok' is proved true by the run 'plain': "
        "status(request=1) is 200 (`status(request=1) == 200`)",
        f"{path}:10: question \"small.right\": the key 'no' is contradicted by the run 'plain': "
        "status(request=1) is 200 (`status(request=1) == 404`)",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("answer: 404", "answer: 500", "the key 500 is contradicted by the run 'plain': status(request=2) is 404"),
        ("answer: false", "answer: true", "the key true is contradicted by the run 'plain': opened() is 0"),
        ('first("request") <', 'first("request") >', "the key a before b is contradicted by the run 'plain'"),
        ("status(request=2)", "status(request=3)", "cannot be asked of the run 'plain': the run has no request 3"),
        ("status(request=2)", "__import__('os')", "value error, there is no function `__import__`"),
        (
            '    trace: {scenario: plain, step: 1}\n    verify: "opened() > 0"',
            '    verify: "opened() > 0"',
            "add `trace`",
        ),
    ],
)
def test_each_kind_of_key_is_compared(small: Course, old: str, new: str, said: str) -> None:
    """One line for each, naming the question."""
    [problem] = spoilt(small, old, new)
    assert said in problem
    assert 'question "small.' in problem
    assert "\n" not in problem


def test_a_recording_that_is_not_the_run_is_told(small: Course) -> None:
    """`poolkit author record` mends it, and then has nothing left to write."""
    path = load.folder(small) / "scenarios" / "plain.json"
    kept = json.loads(path.read_text())
    kept["steps"][-1]["result"] = "something else"
    path.write_text(json.dumps(kept))
    assert prove.quiz_problems(small) == [f"{path}: the run gives something else; run `poolkit author record`"]
    assert list(rehearse.record(small)) == [path]
    assert prove.quiz_problems(small) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "no `# schema:` line"),
        ("# schema: exercise-3\n", "no `# requests:` line"),
        (APP.format(schema="exercise-3", requests="LOOK /"), "'LOOK /' is nothing that a run can do"),
        (APP.format(schema="exercise-99", requests="GET /"), "exercise-99"),
        ("# schema: exercise-3\n# requests: GET /\n1 / 0\n", "it did not run: "),
    ],
)
def test_a_scenario_that_cannot_be_run_is_told(small: Course, text: str, said: str) -> None:
    """Once, for itself, and not for each question that points at it."""
    path = load.folder(small) / "scenarios" / "plain.py"
    path.write_text(text)
    [problem] = prove.quiz_problems(small)
    assert problem.startswith(f"{path}: ")
    assert said in problem


def test_a_missing_scenario_is_a_fault(small: Course) -> None:
    """A recording alone can be shown, and proves nothing."""
    (load.folder(small) / "scenarios" / "plain.py").unlink()
    assert all("`verify` needs the app of 'plain'" in each for each in prove.quiz_problems(small))
    with pytest.raises(QuizFault, match="no such file"):
        rehearse.scenario(small, "plain")


# --- the kit's own ---


@pytest.mark.slow  # runs every scenario, as `poolkit author verify` does
def test_the_keys_of_the_kit_are_what_its_runs_say(course: Course) -> None:
    """Nothing is wrong or doubtful, and half of the questions are proved."""
    proof = prove.prove(course)
    assert proof.problems == ()
    assert proof.doubts == ()
    assert len(proof.proved) * 2 >= proof.questions >= 97


def test_each_exercise_has_a_quiz(course: Course) -> None:
    """Of 4 to 8 questions, each with an objective, a difficulty and an explanation, each wrong choice with feedback."""
    quizzes = [load.load(path, course) for path in load.paths(course)]
    assert {quiz.exercise for quiz in quizzes} == set(course.ids)
    for quiz in quizzes:
        assert 4 <= len(quiz.questions) <= 8, quiz.id
        for question in quiz.questions:
            assert question.id.startswith(f"{quiz.id}."), question.id
            assert question.objective.startswith("lo."), question.id
            assert question.difficulty, question.id
            assert question.explanation, question.id
            if isinstance(question, Single | Multi):
                assert all(choice.feedback for choice in question.choices), question.id
    kinds = {type(question) for quiz in quizzes for question in quiz.questions}
    assert kinds == {Single, Multi, TrueFalse, Order, Numeric}
