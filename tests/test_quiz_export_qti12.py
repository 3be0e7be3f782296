"""QTI 1.2: the files that Canvas takes, laid out as text2qti, a writer of others, lays them out."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from quiz_exporting import NAMES, every, files, made, nasty
from tools import missing

from poolkit.quiz.export import _parts, qti12
from poolkit.quiz.model import AnyQuestion, Numeric, Order, Quiz

_TWIN = """\
Quiz title: Twin
feedback is solution: false

1. One?
... Why.
a) first
... No.
*b) second
... Yes.

2. Many?
... Why.
[*] first
... Yes.
[ ] second
... No.
[*] third

3. Number?
... Why.
- No such luck.
=   1.5 +- 0.1

4. Truth?
... Why.
a) True
... It is not.
*b) False
"""

_TWIN_RUN = """\
import sys
from text2qti.config import Config
from text2qti.qti import QTI
from text2qti.quiz import Quiz
sys.stdout.buffer.write(QTI(Quiz(sys.stdin.read(), config=Config(), source_name="twin")).zip_bytes())
"""


def twin() -> Quiz:
    """Return the quiz that `_TWIN` says in text2qti's language."""
    about = {"explanation": "Why."}
    return made(
        [
            {
                **about,
                "id": "t.one",
                "type": "single",
                "prompt": "One?",
                "choices": [
                    {"id": "a", "text": "first", "feedback": "No."},
                    {"id": "b", "text": "second", "feedback": "Yes.", "correct": True},
                ],
            },
            {
                **about,
                "id": "t.many",
                "type": "multi",
                "prompt": "Many?",
                "choices": [
                    {"id": "a", "text": "first", "feedback": "Yes.", "correct": True},
                    {"id": "b", "text": "second", "feedback": "No."},
                    {"id": "c", "text": "third", "correct": True},
                ],
            },
            {
                **about,
                "id": "t.number",
                "type": "numeric",
                "prompt": "Number?",
                "answer": 1.5,
                "tolerance": 0.1,
                "feedback": "No such luck.",
            },
            {
                **about,
                "id": "t.truth",
                "type": "true_false",
                "prompt": "Truth?",
                "answer": False,
                "feedback": "It is not.",
            },
        ]
    )


def _shape(element: etree._Element, names: dict[str, str]) -> Any:  # noqa: ANN401  (a tree of lists)
    """Return an element without the words in it, and with identifiers numbered as they come."""
    kept = {}
    for key, value in sorted(element.attrib.items()):
        is_name = key in ("ident", "linkrefid") and not str(value).startswith(
            ("response", "answer", "root_", "general")
        )
        kept[str(key)] = names.setdefault(str(value), f"#{len(names)}") if is_name else str(value)
        if str(key) == "title":
            kept[str(key)] = "..."
    return [etree.QName(element).localname, kept, [_shape(child, names) for child in element]]


def test_an_assessment_has_the_shape_of_text2qti_s() -> None:
    """Element for element: the same questions, written by both."""
    if find_spec("text2qti") is None:
        missing("text2qti", "it is among the dev dependencies")
    command = [sys.executable, "-W", "ignore", "-c", _TWIN_RUN]
    ran = subprocess.run(command, input=_TWIN.encode(), capture_output=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    with zipfile.ZipFile(io.BytesIO(ran.stdout)) as package:
        theirs = {name: package.read(name) for name in package.namelist() if not name.endswith("/")}
    ours = files(qti12.render(twin()))
    for suffix in ("imsmanifest.xml", "/assessment_meta.xml"):
        [mine], [other] = ([each for each in some if each.endswith(suffix)] for some in (ours, theirs))
        tags = {etree.QName(each).localname for each in etree.fromstring(theirs[other]).iter("*")}
        assert {etree.QName(each).localname for each in ours[mine].iter("*")} <= tags
    [mine], [other] = (
        [each for each in some if not each.endswith(("manifest.xml", "meta.xml"))] for some in (ours, theirs)
    )
    them, us = etree.fromstring(theirs[other]), ours[mine]
    assert us.tag == them.tag
    pairs = list(zip(us.iter("{*}item"), them.iter("{*}item"), strict=True))
    assert len(pairs) == 4
    for one, two in pairs:
        assert _shape(one, {}) == _shape(two, {})


@pytest.mark.parametrize("name", [*NAMES, "nasty"])
def test_canvas_finds_all_that_it_needs(name: str) -> None:
    """The manifest's files, feedback before the score, each feedback that a condition names, every choice's."""
    quiz = every(name)
    found = files(qti12.render(quiz))
    ident = f"poolkit_assessment_{quiz.id}"
    assert list(found) == ["imsmanifest.xml", f"{ident}/assessment_meta.xml", f"{ident}/{ident}.xml"]
    first, second = found["imsmanifest.xml"].iter("{*}resource")
    assert (first.get("type"), first.find("{*}file").get("href")) == ("imsqti_xmlv1p2", f"{ident}/{ident}.xml")  # type: ignore[union-attr]
    assert first.find("{*}dependency").get("identifierref") == second.get("identifier")  # type: ignore[union-attr]
    items = list(found[f"{ident}/{ident}.xml"].iter("{*}item"))
    held = [question for question in quiz.questions if not isinstance(question, Order)]
    assert [item.get("title") for item in items] == [question.id for question in held]
    idents = [each.get("ident") for each in found[f"{ident}/{ident}.xml"].iter("{*}response_label", "{*}item")]
    named = [each for each in idents if each != "answer1"]
    assert len(set(named)) == len(named)
    points = sum(question.points for question in held)
    assert found[f"{ident}/assessment_meta.xml"].findtext("{*}points_possible") == f"{points:.1f}"
    for item, question in zip(items, held, strict=True):
        _is_processed(item, question)


def _is_processed(item: etree._Element, question: AnyQuestion) -> None:
    conditions = list(item.iter("{*}respcondition"))
    scores = [each for each in conditions if each.find("{*}setvar") is not None]
    assert [each.get("continue") for each in scores] == ["No"]
    at = conditions.index(scores[0])
    assert all(each.get("continue") == "Yes" for each in conditions[:at])
    shown = {str(each.get("linkrefid")) for each in item.iter("{*}displayfeedback")}
    assert shown == {str(each.get("ident")) for each in item.iter("{*}itemfeedback")}
    texts = [str(each.text) for each in item.iter("{*}mattext")]
    assert texts[0] == _parts.asked(question)
    for choice in getattr(question, "choices", ()):
        assert _parts.inline(choice.text) in texts
        assert not choice.feedback or _parts.block(choice.feedback) in texts
    if isinstance(question, Numeric):
        least, most = (Fraction(each.text or "") for each in item.iter("{*}vargte", "{*}varlte"))
        assert (least + most) / 2 == Fraction(str(question.answer))
        assert most - least == 2 * Fraction(str(question.tolerance))


def test_the_ids_do_not_change(tmp_path: Path) -> None:
    """Two exports are the same, byte for byte."""
    assert qti12.render(nasty()) == qti12.render(nasty())
