"""`poolkit.quiz.learner`: the copy for learners tells no answer, and answers by its ids score the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from quizzing import RIGHT, replaced, small

from poolkit.course import Course
from poolkit.errors import QuizFault
from poolkit.quiz import answers, learner, load
from poolkit.quiz.model import Multi, Numeric, Order, Quiz, Single, TrueFalse
from poolkit.quiz.score import score


@pytest.fixture
def quiz(tmp_path: Path) -> Quiz:
    """The small quiz, whose secrets are words that stand nowhere else."""
    return small(tmp_path / "course")[1]


def secrets(quiz: Quiz) -> Iterator[str]:
    """Give every text of a quiz that tells an answer."""
    for question in quiz.questions:
        yield from (question.explanation, question.verify or "")
        if question.trace is not None:
            yield question.trace.scenario
        match question:
            case Single() | Multi():
                for choice in question.choices:
                    yield from (choice.id, choice.feedback, choice.misconception or "")
            case TrueFalse():
                yield from (question.feedback, question.misconception or "")
            case Order():
                yield from (question.feedback, *(item.id for item in question.items))
            case Numeric():
                yield from (question.feedback, str(question.answer), str(question.tolerance))
                yield from (text for wrong in question.wrong for text in (wrong.feedback, wrong.misconception or ""))


FORBIDDEN = (
    *("correct", "answer", "before", "feedback", "explanation", "verify", "trace", "misconception", "wrong"),
    *("tolerance", "key", "exercise", "tags", "scenario", "step"),
)


def fields(data: object) -> Iterator[str]:
    """Give the name of every field, however deep."""
    if isinstance(data, dict):
        yield from data
        for value in data.values():
            yield from fields(value)
    elif isinstance(data, list):
        for value in data:
            yield from fields(value)


def scalars(data: object) -> Iterator[str]:
    """Give every value, as text."""
    if isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from scalars(value)
    else:
        yield str(data)


def test_the_copy_holds_no_secret(quiz: Quiz) -> None:
    """No long secret anywhere in the file, no short one as a value, no field that could hold one."""
    copy = learner.learners_copy(quiz)
    data = yaml.safe_load(copy)
    assert not set(fields(data)) & set(FORBIDDEN)
    values = set(scalars(data))
    found = [secret for secret in secrets(quiz) if secret]
    assert len(found) > 20
    for secret in found:
        assert secret not in values
        if len(secret) > 3:
            assert secret not in copy, secret
    # Nor one that is only disguised.
    for secret in found:
        for digest in ("sha256", "sha1", "md5"):
            assert hashlib.new(digest, secret.encode()).hexdigest()[:8] not in copy
    for truth in ("true", "True", "false"):
        assert truth not in values


def test_the_kit_s_own_copies_hold_no_secret(course: Course) -> None:
    """Of every quiz of the course."""
    for path in load.paths(course):
        quiz = load.load(path, course)
        data = yaml.safe_load(learner.learners_copy(quiz))
        assert not set(fields(data)) & set(FORBIDDEN)
        copy = json.dumps(data, ensure_ascii=False)
        assert [secret for secret in secrets(quiz) if len(secret) > 12 and secret in copy] == []


def test_the_copy_shows_what_is_asked(quiz: Quiz, tmp_path: Path) -> None:
    """Prompts, code, hints, choices, points and units; it is read back strictly."""
    path = tmp_path / "copy.yaml"
    path.write_text(learner.learners_copy(quiz))
    sheet, own = learner.load(path), learner.sheet(quiz)
    assert [each.prompt for each in sheet.questions] == [each.prompt for each in quiz.questions]
    assert sheet.questions[0].code == own.questions[0].code
    assert sheet.questions[0].hints == own.questions[0].hints
    assert {each.text for each in sheet.questions[0].choices} == {each.text for each in own.questions[0].choices}
    assert {each.text: each.pin for each in sheet.questions[0].choices}["None of the above"] == "last"
    assert (sheet.questions[4].unit, sheet.questions[1].points) == ("s", 2)
    path.write_text(path.read_text() + "more: 1\n")
    with pytest.raises(QuizFault, match="`more` is not a field here"):
        learner.load(path)


def test_choices_stand_in_the_order_of_their_ids(quiz: Quiz) -> None:
    """Whatever order and ids the author chose, the copy is the same: neither tells anything."""
    turned = quiz.model_copy(
        update={
            "questions": [
                question.model_copy(
                    update={
                        "choices": [
                            choice.model_copy(update={"id": f"other{index}", "correct": not choice.correct})
                            for index, choice in enumerate(reversed(question.choices))
                        ]
                    }
                )
                if isinstance(question, Single | Multi)
                else question
                for question in quiz.questions
            ]
        }
    )
    copy = learner.learners_copy(quiz)
    assert learner.learners_copy(turned) == copy
    for question in yaml.safe_load(copy)["questions"]:
        found = [choice["id"] for choice in question.get("choices", ())]
        assert found == sorted(found)


def test_answers_by_the_copy_s_ids_score_the_same(quiz: Quiz, tmp_path: Path) -> None:
    """The key is found again for those who hold it; both kinds of ids may stand in a file."""
    opaque = {name: {mine: theirs for theirs, mine in each.items()} for name, each in learner.opaque_ids(quiz).items()}
    text = RIGHT
    single, multi, order = (opaque[f"small.{name}"] for name in ("single", "multi", "order"))
    text = replaced(text, "rightmost", single["rightmost"])
    text = replaced(text, "[aa, cc]", f"[{multi['cc']}, aa]")
    text = replaced(text, "[a, b, c]", f"[{order['a']}, {order['b']}, {order['c']}]")
    path = tmp_path / "answers.yaml"
    path.write_text(text)
    sheet = learner.sheet(quiz)
    assert score(quiz, answers.load(path, sheet, learner.opaque_ids(quiz))).score == 1
    path.write_text(replaced(text, "aa]", f"{multi['cc']}]"))
    with pytest.raises(QuizFault, match="'cc' stands there 2 times; name each once"):
        answers.load(path, sheet, learner.opaque_ids(quiz))
