"""GIFT: what gift-pegjs, a parser of others, reads in it; that it comes back; and what an import refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quiz_exporting import NAMES, back, compared, made, nasty, own
from tools import missing

from poolkit.errors import QuizFault
from poolkit.quiz import export, load, problems, rules
from poolkit.quiz.export import _parts, gift
from poolkit.quiz.imports import read
from poolkit.quiz.model import AnyQuestion, Multi, Numeric, Quiz, Single, TrueFalse

_PARSE = """\
const {parse} = require("gift-pegjs");
process.stdout.write(JSON.stringify(parse(require("fs").readFileSync(0, "utf8"))));
"""


@cache
def _has_gift_pegjs() -> bool:
    command = ["node", "-e", 'require("gift-pegjs")']
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def parsed(text: str) -> list[dict[str, Any]]:
    """Return what gift-pegjs reads, without the category; skip the test when it is not here."""
    if shutil.which("node") is None:
        missing("node", "Debian's package nodejs brings it")
    if not _has_gift_pegjs():
        missing("gift-pegjs", "npm install it, and set NODE_PATH to its folder")
    ran = subprocess.run(
        ["node", "-e", _PARSE], input=text, capture_output=True, check=False, text=True, timeout=60, env=os.environ
    )
    assert ran.returncode == 0, ran.stderr
    category, *found = json.loads(ran.stdout)
    assert category["type"] == "Category"
    questions: list[dict[str, Any]] = found
    return questions


def without_orders(quiz: Quiz) -> Quiz:
    """Return a quiz as far as GIFT holds it."""
    kept = [question for question in quiz.questions if not _parts.is_order(question)]
    return quiz.model_copy(update={"questions": kept})


def _said(found: dict[str, Any] | None) -> str:
    return found["text"] if found else ""


def _agrees(found: dict[str, Any], question: AnyQuestion) -> None:
    assert (found["id"], found["title"], found["hasEmbeddedAnswers"]) == (question.id, question.id, False)
    assert (found["tags"] or []) == _parts.labels(question)
    assert found["stem"] == {"format": "html", "text": _parts.asked(question)}
    assert _said(found["globalFeedback"]) == _parts.block(question.explanation)
    match question:
        case Single() | Multi():
            assert found["type"] == "MC"
            choices = _parts.placed(question)
            texts = [(_said(each["text"]), _said(each["feedback"])) for each in found["choices"]]
            assert texts == [(_parts.inline(choice.text).strip(), _parts.block(choice.feedback)) for choice in choices]
            right = [each["isCorrect"] or (each["weight"] or 0) > 0 for each in found["choices"]]
            assert right == [choice.correct for choice in choices]
        case TrueFalse():
            assert (found["type"], found["isTrue"]) == ("TF", question.answer)
            # GIFT's first feedback is that of the wrong answer, whatever gift-pegjs calls it.
            assert _said(found["trueFeedback"]) == _parts.block(question.feedback)
        case Numeric():
            assert found["type"] == "Numerical"
            first, *others = found["choices"]
            assert first["text"] == {"type": "range", "number": question.answer, "range": question.tolerance}
            numbers = [each["text"]["number"] for each in others[: len(question.wrong)]]
            assert numbers == [wrong.answer for wrong in question.wrong]
            assert all(each["weight"] == 0 for each in others[: len(question.wrong)])
            said = [wrong.feedback for wrong in question.wrong] + [question.feedback] * bool(question.feedback)
            assert [_said(each["feedback"]) for each in others] == [_parts.block(text) for text in said]


@pytest.mark.parametrize("name", [*NAMES, "nasty"])
def test_gift_pegjs_reads_the_same_questions(name: str) -> None:
    """Every quiz: ids, tags, texts with their code and line ends, which answer is right, and each feedback."""
    quiz = without_orders(nasty() if name == "nasty" else own(name))
    found = parsed(gift.render(quiz))
    assert len(found) == len(quiz.questions)
    for each, question in zip(found, quiz.questions, strict=True):
        _agrees(each, question)


@pytest.mark.parametrize("name", [*NAMES, "nasty"])
def test_gift_comes_back(tmp_path: Path, name: str) -> None:
    """Every quiz: the same questions, keys and feedback; only orders, which GIFT has not, are missing."""
    quiz = nasty() if name == "nasty" else own(name)
    found = back(tmp_path, f"{quiz.id}.gift", gift.render(quiz))
    assert (found.quiz.id, found.quiz.title, found.warnings) == (quiz.id, quiz.title, ())
    assert compared(found.quiz) == compared(without_orders(quiz))


def test_a_question_is_on_one_line_whatever_it_holds() -> None:
    """Moodle parts questions at blank lines and trims lines: none of ours is blank, or loses what it begins with."""
    for block in gift.render(nasty()).rstrip("\n").split("\n\n")[1:]:
        lines = block.split("\n")
        assert [line[:2] for line in lines[:2]] == ["//", "::"]
        assert all(line[:1] == "\t" for line in lines[2:-1])
        assert all(line.strip() for line in lines)


any_text = st.text(
    st.one_of(st.sampled_from("\\~=#{}:\"'`<>&%[]/-n\n "), st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"])),
    min_size=1,
    max_size=40,
).filter(lambda text: bool(text.strip()))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(prompt=any_text, code=any_text, said=st.lists(any_text, min_size=4, max_size=4), many=st.booleans())
@pytest.mark.parametrize("style", ["gift", "moodle"])
def test_any_text_comes_back(tmp_path: Path, style: str, prompt: str, code: str, said: list[str], many: bool) -> None:
    """Whatever is written in a prompt, a choice, code, feedback or explanation."""
    choices = [
        {"id": "a", "text": f"1 {said[0]}", "correct": True, "feedback": said[2]},
        {"id": "b", "text": f"2 {said[1]}", "feedback": said[3]},
    ]
    question = {"id": "any.text", "type": "multi" if many else "single", "prompt": prompt, "explanation": said[0]}
    quiz = made([{**question, "choices": choices, "code": {"lang": "sql", "text": f"--{code}"}}])
    content = export.render(style, quiz)
    found = back(tmp_path, "any.txt", content)
    assert compared(found.quiz) == compared(quiz)
    path = tmp_path / "any.yaml"
    path.write_text(found.text, encoding="utf-8")
    document = problems.read(path, load.MARK)
    again, found_problems = problems.parse(document, Quiz)
    assert (again, found_problems) == (found.quiz, [])


def test_what_moodle_users_write_is_read(tmp_path: Path) -> None:
    """By hand, without ids or HTML: choices, several right ones, truth, ranges, a gap, and code in Markdown."""
    text = """\
$CATEGORY: $course$/top/My bank

// one question
::Grant's tomb::Who is buried
  in Grant's tomb? {
  =Grant # Yes.
  ~no one
  ~%0%Napoleon # Not \\= him.
}

Two are {~%50%even\\: 2 ~%50%even\\: 4 ~%-50%odd ####Halve them.} right.

The sun rises in the East.{T#Look again.#Yes.}

::n::[markdown]When was `x` born?{#1822:5 #Right. ~ #Look.}

What is 1 to 5?{#
  =1..5#Yes.
  =%0%7:1#Too many.
}

Pick one.{=One ~Two ~All of the above}
"""
    found = back(tmp_path, "Für Mich 2.gift", text)
    quiz = found.quiz
    assert (quiz.id, quiz.title, found.warnings) == ("fur-mich-2", "My bank", ())
    single, multi, truth, born, between, above = quiz.questions
    assert (single.id, single.prompt) == ("fur-mich-2.grant-s-tomb", "Who is buried\nin Grant's tomb?")
    assert isinstance(single, Single)
    assert [(each.text, each.correct, each.feedback) for each in single.choices] == [
        ("Grant", True, "Yes."),
        ("no one", False, ""),
        ("Napoleon", False, "Not = him."),
    ]
    assert isinstance(multi, Multi)
    assert (multi.prompt, multi.explanation) == ("Two are  _____ right.", "Halve them.")
    assert [each.correct for each in multi.choices] == [True, True, False]
    assert isinstance(truth, TrueFalse)
    assert (truth.answer, truth.feedback, truth.explanation) == (True, "Look again.", "Yes.")
    assert isinstance(born, Numeric)
    assert (born.prompt, born.answer, born.tolerance, born.feedback) == ("When was `x` born?", 1822, 5, "Look.")
    assert isinstance(between, Numeric)
    assert (between.answer, between.tolerance, between.wrong[0].answer) == (3, 2, 7)
    assert isinstance(above, Single)
    assert [each.pin for each in above.choices] == [None, None, "last"]
    assert all(not list(rules.of_question(each, tmp_path, lambda name: True)) for each in quiz.questions)


def test_what_a_quiz_cannot_hold_is_told(tmp_path: Path) -> None:
    """With its line; the rest comes in."""
    text = "A talk.\n\nWrite.{}\n\nMatch.{=a -> 1 =b -> 2}\n\nWho?{=me =I}\n\nYes?{F}\n"
    found = back(tmp_path, "bank.gift", text)
    assert [warning.partition("bank.gift:")[2] for warning in found.warnings] == [
        "1: a description asks nothing; left out",
        "3: an essay has no key; left out",
        "5: a matching question is none of a quiz's types; left out",
        "7: a short answer is none of a quiz's types; left out",
    ]
    assert [question.type for question in found.quiz.questions] == ["true_false"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "no question that a quiz can hold"),
        ("\n\nTalk.\n", 3, "no question that a quiz can hold"),
        ("Yes?{T}\n\nWhat? {=a ~b\n\n~c}", 3, "{ without a } after it"),
        ("Yes?{T}\n\nWhat? =a}", 3, "} without a { before it"),
        ("What {=a ~{b}}?", 1, "a second { or }"),
        ("{=a ~b}", 1, "no text before {"),
        ("What?{\nwell =a ~b}", 1, "'well' before the first = or ~"),
        ("What?{#=many}", 1, "'many' is no number"),
        ("What?{#=1e99}", 1, "'1e99' is no number"),
        ("What?{#=1 =2}", 1, "2 numbers are right"),
        ("Yes?{T}\n\nWhat?{=a =b ~c}", 3, "has 2 correct choices"),
        ("What?{~a ~b}", 1, "has no correct choice"),
        ("What?{=a ~A.}", 1, "says the same as"),
        ("What?{=a ~}", 1, "is empty"),
        ("What?{=0" + "".join(f" ~{number}" for number in range(1, 12)) + "}", 1, "at most 9"),
        ("Yes?{T}\n\nWhat \ue000?{T}", 3, "private part"),
    ],
)
def test_a_fault_is_one_line_with_its_place(tmp_path: Path, text: str, line: int, message: str) -> None:
    """What is wrong, and in which line."""
    with pytest.raises(QuizFault) as caught:
        back(tmp_path, "bank.gift", text)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'bank.gift'}:{line}: ")
    assert message in said
    assert "\n" not in said


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """Missing, a folder, not UTF-8, too long."""
    for content, message in ((b"a\n\xff", ":2: not UTF-8"), (b" " * (1 << 20) + b"a", "over 1048576 bytes")):
        with pytest.raises(QuizFault, match=message):
            back(tmp_path, "bank.gift", content)
    (tmp_path / "folder").mkdir()
    for name, message in (("gone", "no such file"), ("folder", "not a plain file")):
        with pytest.raises(QuizFault, match=message):
            read(tmp_path / name)
