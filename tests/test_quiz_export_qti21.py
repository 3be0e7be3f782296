"""QTI 2.1: pyslet, a reader of others, runs every item that we write."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from lxml import etree
from quiz_exporting import NAMES, every, files, made
from tools import missing

from poolkit.quiz import credit
from poolkit.quiz.export import _parts, qti21
from poolkit.quiz.model import AnyQuestion, Multi, Numeric, Order, Quiz, Single, TrueFalse

Q = "{http://www.imsglobal.org/xsd/imsqti_v2p1}"
P = "{http://www.imsglobal.org/xsd/imscp_v1p1}"


# In a process of its own: pyslet is of 2017, and Python warns of how it is written.
_RUN = """\
import io, json, sys
from pyslet.qtiv2 import variables, xml
out = []
for text, answers in json.load(sys.stdin):
    document = xml.QTIDocument()
    document.read(src=io.BytesIO(text.encode()))
    item, ran = document.root, []
    for answer in answers:
        state = variables.ItemSessionState(item)
        state.begin_session()
        if answer is not None:
            state["RESPONSE"].set_value(answer)
        item.ResponseProcessing.run(state)
        shown = state["FEEDBACK"].value or {}
        ran.append([state["SCORE"].value, sorted(shown)])
    out.append({"correct": item.ResponseDeclaration[0].get_correct_value().value, "ran": ran})
json.dump(out, sys.stdout)
"""


def run(items: list[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
    """Return what pyslet makes of items and of answers to each: scores, and which feedback is shown."""
    tried = [sys.executable, "-W", "ignore", "-c", "import pyslet.qtiv2.xml"]
    if subprocess.run(tried, capture_output=True, check=False, timeout=60).returncode != 0:
        missing("pyslet", "it is among the dev dependencies, and of 2017: this Python may be too new for it")
    command = [sys.executable, "-W", "ignore", "-c", _RUN]
    ran = subprocess.run(command, input=json.dumps(items), capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def _answers(quiz: Quiz, question: AnyQuestion) -> list[tuple[Any, float, list[str]]]:
    """Return answers as QTI has them, what each must score, and the feedback that must be shown."""
    always = ["EXPLANATION"]
    match question:
        case Single():
            return [(each.id, question.points * each.correct, [each.id, *always]) for each in question.choices]
        case Multi():
            ids = [each.id for each in question.choices]
            right = [each.id for each in question.choices if each.correct]
            sets = [list(some) for size in range(1, 4) for some in itertools.combinations(ids, size)] + [right, ids]
            shares = [credit.ticks(quiz.credit(question), right, some, len(ids)) for some in sets]
            return [
                (some, float(share * question.points), some + always) for some, share in zip(sets, shares, strict=True)
            ]
        case TrueFalse():
            return [
                (str(value).lower(), question.points * (value is question.answer), [str(value).lower(), *always])
                for value in (True, False)
            ]
        case Order():
            right = [item.id for item in _parts.in_order(question)]
            return [(right, question.points, always), (right[::-1], 0, ["INCORRECT", *always]), (None, 0, always)]
        case Numeric():
            wrong = [(each.answer, 0.0, [f"WRONG_{at}", *always]) for at, each in enumerate(question.wrong, 1)]
            far = question.answer + question.tolerance * 3 + 1e6
            right_ones: list[tuple[Any, float, list[str]]] = [(question.answer, question.points, always)]
            return [*right_ones, *wrong, (far, 0.0, ["INCORRECT", *always]), (None, 0.0, always)]


@cache
def _every_ran() -> dict[str, dict[str, Any]]:
    """Return what pyslet makes of every question of every quiz: it takes longest to begin."""
    ids, items = list[str](), list[tuple[str, list[Any]]]()
    for quiz in map(every, [*NAMES, "nasty"]):
        found = files(qti21.render(quiz))
        for question in quiz.questions:
            ids.append(question.id)
            text = etree.tostring(found[f"items/{qti21.name(question)}.xml"], encoding="unicode")
            items.append((text, [answer for answer, *_ in _answers(quiz, question)]))
    return dict(zip(ids, run(items), strict=True))


@pytest.mark.parametrize("name", [*NAMES, "nasty"])
def test_pyslet_scores_and_shows_feedback_as_poolkit_does(name: str) -> None:
    """It runs responseProcessing of each question: the score of each answer, and FEEDBACK, without which none shows."""
    quiz = every(name)
    found = files(qti21.render(quiz))
    ran = _every_ran()
    for question in quiz.questions:
        for (answer, points, shown), (score, feedback) in zip(
            _answers(quiz, question), ran[question.id]["ran"], strict=True
        ):
            assert (answer, feedback) == (answer, sorted(shown))
            assert score == pytest.approx(points), (question.id, answer)
        texts = {
            each.get("identifier"): "".join(map(str, each.itertext()))
            for each in found[f"items/{qti21.name(question)}.xml"].iter(f"{Q}modalFeedback")
        }
        for choice in getattr(question, "choices", ()):
            assert bool(choice.feedback) == (choice.id in texts)
        assert bool(question.explanation) == ("EXPLANATION" in texts)


def test_all_or_nothing_is_a_match() -> None:
    """And not a mapping."""
    choices = [{"id": name, "text": name, "correct": name < "c"} for name in "abcd"]
    quiz = made([{"id": "x.y", "type": "multi", "prompt": "?", "credit": "all_or_nothing", "choices": choices}])
    [item] = [root for name, root in files(qti21.render(quiz)).items() if name.startswith("items")]
    text = etree.tostring(item, encoding="unicode")
    [ran] = run([(text, [["a", "b"], ["a"], ["a", "b", "c"]])])
    assert [score for score, _ in ran["ran"]] == [1, 0, 0]
    assert not any("net_correct" in line for line in qti21.warnings(quiz))


@pytest.mark.parametrize("name", [*NAMES, "nasty"])
def test_a_package_holds_what_it_names(name: str) -> None:
    """Every file that the manifest and the test name is there; identifiers are unique; texts are as they were."""
    quiz = every(name)
    found = files(qti21.render(quiz))
    manifest = found["imsmanifest.xml"]
    named = [each.get("href") for each in manifest.iter(f"{P}file")]
    assert sorted(map(str, named)) == sorted(set(found) - {"imsmanifest.xml"})
    identifiers = [each.get("identifier") for each in manifest.iter(f"{P}resource")]
    assert len(set(identifiers)) == len(identifiers)
    references = [each.get("href") for each in found["test.xml"].iter(f"{Q}assessmentItemRef")]
    assert references == [f"items/{qti21.name(question)}.xml" for question in quiz.questions]
    for question in quiz.questions:
        item = found[f"items/{qti21.name(question)}.xml"]
        assert item.get("title") == question.id
        for code in item.iter(f"{Q}pre"):
            assert question.code is not None
            assert "".join(map(str, code.itertext())) == question.code.text
        shown = [each.get("identifier") for each in item.iter(f"{Q}simpleChoice")]
        if isinstance(question, Single | Multi):
            assert shown == [choice.id for choice in _parts.placed(question)]
    assert qti21.render(quiz) == qti21.render(quiz)
