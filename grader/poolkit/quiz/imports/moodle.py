"""Reads Moodle XML (https://docs.moodle.org/en/Moodle_XML_format). No entity is expanded, nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lxml import etree

from poolkit.errors import QuizFault
from poolkit.quiz.imports._bank import Answer, Bank, Draft, category, number
from poolkit.quiz.imports._html import Prose, prose
from poolkit.quiz.model import QUIZ_ID
from poolkit.quiz.problems import Problem
from poolkit.text import plain

_KINDS = {"truefalse": "true_false", "numerical": "numeric", "ordering": "order"}
_STYLES = {"html": "html", "moodle_auto_format": "moodle", "plain_text": "plain", "markdown": "markdown"}


def read(path: Path, text: str) -> Bank:
    """Read a file of Moodle XML.

    Raises:
        QuizFault: it is no XML, or breaks a rule of the format.
    """
    root = _root(path, text)
    title, quiz_id, drafts, skipped = "", None, list[Draft](), list[Problem]()
    for element in root.iterchildren("question"):
        kind = element.get("type") or ""
        if kind == "category":
            title = title or category(_text(element, "category/text"))
            found = _text(element, "idnumber")
            quiz_id = quiz_id or (found if re.fullmatch(QUIZ_ID, found) and len(found) <= 60 else None)
        elif kind in _KINDS or kind == "multichoice":
            draft, lost = _Question(path, element).read()
            drafts.append(draft)
            skipped += lost
        else:
            said = f"the type {plain(kind, 40)!r} is none of a quiz's; left out"
            skipped.append(Problem(path, element.sourceline or 1, said))
    return Bank(title, quiz_id, drafts, skipped)


def _root(path: Path, text: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    # The text is decoded already: an encoding that it declares no longer holds.
    body = re.sub(r"\A\s*<\?xml[^>]*\?>", lambda found: "\n" * found[0].count("\n"), text)
    if declared := re.search(r"<!DOCTYPE", body):
        line = body.count("\n", 0, declared.start()) + 1
        raise QuizFault(f"{path}:{line}: a DOCTYPE; delete it, Moodle writes none")
    try:
        root = etree.fromstring(body.encode(), parser)
    except etree.XMLSyntaxError as error:
        line, problem = error.lineno or 1, plain(error.msg or "not XML", 120)
        raise QuizFault(f"{path}:{line}: no XML: {problem}; export the questions again") from None
    if root.tag != "quiz":
        raise QuizFault(f"{path}:{root.sourceline}: begins with <{plain(str(root.tag), 40)}>; Moodle XML has <quiz>")
    return root


def _text(element: etree._Element, place: str) -> str:
    return (element.findtext(place) or "").strip()


class _Question:
    def __init__(self, path: Path, element: etree._Element) -> None:
        self._path, self._element = path, element
        self._line = element.sourceline or 1
        self._lost: list[Problem] = []

    def read(self) -> tuple[Draft, list[Problem]]:
        """Return the question, and what of it was left out."""
        element = self._element
        name = _text(element, "idnumber") or _text(element, "name/text")
        prompt = self._prose(element.find("questiontext"))
        if not prompt.text:
            raise self._fault(element, "no text in <questiontext>; write what is asked")
        kind = self._kind()
        fields = {
            "explanation": self._said(element, "generalfeedback"),
            "hints": [text for hint in element.iterchildren("hint") if (text := _joined(self._prose(hint)))],
            "points": self._points(),
        }
        if kind in ("single", "multi") and _text(element, "shuffleanswers").lower() in ("false", "0"):
            fields["shuffle"] = False
        if kind == "order":
            fields["feedback"] = self._said(element, "incorrectfeedback")
            fields |= {"credit": "all_or_nothing"} if _text(element, "gradingtype") == "ALL_OR_NOTHING" else {}
        labels = [(tag.text or "").strip() for tag in element.iterfind("tags/tag/text")]
        return Draft(self._line, kind, name, prompt, self._answers(kind), labels, fields), self._lost

    def _kind(self) -> str:
        if self._element.get("type") == "multichoice":
            return "single" if _text(self._element, "single").lower() in ("true", "1", "") else "multi"
        return _KINDS[self._element.get("type") or ""]

    def _points(self) -> int:
        text = _text(self._element, "defaultgrade") or "1"
        grade = self._number(self._element, text)
        points = max(1, min(100, round(grade)))
        if points != grade:
            said = f"{text} points became {points}; a quiz has whole points, 1 to 100"
            self._lost.append(Problem(self._path, self._line, said))
        return points

    def _answers(self, kind: str) -> Sequence[Answer]:
        found = [self._answer(kind, answer) for answer in self._element.iterchildren("answer")]
        if kind == "order":
            return sorted(found, key=lambda answer: answer.share)
        if kind == "true_false" and sorted(answer.text for answer in found) != ["false", "true"]:
            raise self._fault(self._element, "the answers are not the texts true and false; write those")
        right = sum(answer.share == 1 for answer in found)
        if kind in ("numeric", "true_false") and right != 1:
            raise self._fault(self._element, f'{right} answers are right; give one of them fraction="100"')
        if kind == "numeric" and any(answer.text == "*" and answer.share == 1 for answer in found):
            raise self._fault(self._element, "the right answer is no number but *, which any is; write a number")
        if kind != "multi" and any(0 < answer.share < 1 for answer in found):
            said = "an answer that is partly right counts as wrong"
            self._lost.append(Problem(self._path, self._line, said))
        return found

    def _answer(self, kind: str, answer: etree._Element) -> Answer:
        share = self._number(answer, answer.get("fraction") or "0") / (1 if kind == "order" else 100)
        feedback = self._said(answer, "feedback")
        if kind == "true_false":
            return Answer(_text(answer, "text").lower(), share, feedback)
        if kind != "numeric":
            return Answer(_joined(self._prose(answer)), share, feedback)
        text = _text(answer, "text")
        if text != "*":
            self._number(answer, text)
        return Answer(text, share, feedback, self._number(answer, _text(answer, "tolerance") or "0"))

    def _number(self, element: etree._Element, text: str) -> float:
        value = number(text)
        if value is None:
            raise self._fault(element, f"{plain(text, 40)!r} is no number; write one such as 100 or 33.33333")
        return value

    def _said(self, element: etree._Element, place: str) -> str:
        return _joined(self._prose(element.find(place)))

    def _prose(self, element: etree._Element | None) -> Prose:
        if element is None:
            return Prose("")
        # Without a format, Moodle takes its own.
        return prose(element.findtext("text") or "", _STYLES.get(element.get("format") or "", "moodle"))

    def _fault(self, element: etree._Element, problem: str) -> QuizFault:
        return QuizFault(f"{self._path}:{element.sourceline}: {problem}")


def _joined(found: Prose) -> str:
    """Return prose whose code has no block of its own in a quiz."""
    return "\n".join(filter(None, (found.text, found.code)))
