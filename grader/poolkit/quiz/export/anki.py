"""Decks for Anki (https://docs.ankiweb.net/exporting.html#packaged-decks): a note and a card for each question.

Anki knows a note by its GUID, which is made of the question's id, so that a later export changes the notes that are
there and keeps when they are due. The ids of the note type and of each quiz's deck are fixed for the same reason.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import sqlite3
import time
import zipfile
from collections.abc import Iterable
from typing import Any

from poolkit.quiz.export import _parts
from poolkit.quiz.model import AnyQuestion, Multi, Numeric, Order, Quiz, Single, TrueFalse

MODEL_ID = 1_730_418_263
"""Of the note type; drawn once at random, never to change. A change of the fields needs another."""

FIELDS = ("Id", "Question", "Choices", "Hints", "Answer", "Feedback", "Explanation")

_FRONT = """\
{{Question}}
{{Choices}}
{{#Hints}}<details><summary>Hints</summary>{{Hints}}</details>{{/Hints}}
"""
_BACK = """\
{{FrontSide}}<hr id="answer">
{{Answer}}
{{#Feedback}}{{Feedback}}{{/Feedback}}
{{#Explanation}}{{Explanation}}{{/Explanation}}
"""
_STYLE = ".card {font-family: sans-serif; text-align: left;} pre {overflow-x: auto;}"


def render(quiz: Quiz, now: float | None = None) -> bytes:
    """Return a quiz as a packaged deck (.apkg).

    Args:
        now: seconds since 1970, at which the notes count as changed; Anki keeps the newer ones.
    """
    import genanki

    when = time.time() if now is None else now
    model = genanki.Model(
        MODEL_ID,
        "Poolkit question",
        fields=[{"name": name} for name in FIELDS],
        templates=[{"name": "Question", "qfmt": _FRONT, "afmt": _BACK}],
        css=_STYLE,
    )
    deck = genanki.Deck(deck_id(quiz), f"Poolkit::{' '.join(_parts.printable(quiz.title).split())}")
    for question in quiz.questions:
        tags = [label.replace(":", "::") for label in [f"poolkit:{quiz.id}", *_parts.labels(question)]]
        fields = [_safe(field) for field in _fields(question)]
        deck.add_note(genanki.Note(model, fields, guid=guid(question), tags=tags))
    return _package(genanki.Package(deck), when)


def warnings(quiz: Quiz) -> list[str]:
    """Return what a deck does not carry."""
    return [
        f"{quiz.id}: Anki does not score: no points, no partial credit, choices always in one order",
        *_parts.unprintable(quiz),
        *_parts.of_the_kit(quiz, "Anki"),
    ]


def deck_id(quiz: Quiz) -> int:
    """Return the id of a quiz's deck, the same for ever, in the range that genanki asks for."""
    digest = hashlib.sha256(f"poolkit deck {quiz.id}".encode()).digest()
    return (1 << 30) + int.from_bytes(digest[:8], "big") % (1 << 30)


def guid(question: AnyQuestion) -> str:
    """Return the GUID of a question's note, which depends on its id alone."""
    import genanki

    found: str = genanki.guid_for("poolkit", question.id)
    return found


def _package(package: Any, when: float) -> bytes:  # noqa: ANN401  (genanki has no types)
    # As Package.write_to_file does, which leaves its temporary file behind.
    connection = sqlite3.connect(":memory:")
    try:
        package.write_to_db(connection.cursor(), when, itertools.count(int(when * 1000)))
        connection.commit()
        database = connection.serialize()
    finally:
        connection.close()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("collection.anki2", database)
        made.writestr("media", json.dumps({}))
    return stream.getvalue()


def _safe(content: str) -> str:
    # `[sound:...]` and `[latex]` do something in Anki.
    return content.replace("[", "&#91;")


def _fields(question: AnyQuestion) -> tuple[str, ...]:
    hints = _list(_parts.inline(hint) for hint in question.hints)
    shown, answer, feedback = _answered(question)
    explanation = _parts.block(question.explanation)
    return question.id, _parts.asked(question), shown, hints, answer, feedback, explanation


def _answered(question: AnyQuestion) -> tuple[str, str, str]:
    """Return what there is to choose, what is right, and the feedback."""
    match question:
        case Single() | Multi():
            choices = _parts.placed(question)
            right = _list(_parts.inline(choice.text) for choice in choices if choice.correct)
            said = ((choice.text, choice.feedback) for choice in choices if choice.feedback.strip())
            return _list(_parts.inline(choice.text) for choice in choices), right, _about(said)
        case TrueFalse():
            return "", _parts.block("true" if question.answer else "false"), _parts.block(question.feedback)
        case Order():
            # By their names: the author's order is often the right one.
            items = sorted(question.items, key=lambda item: item.text)
            right = _list((_parts.inline(item.text) for item in _parts.in_order(question)), "ol")
            return _list(_parts.inline(item.text) for item in items), right, _parts.block(question.feedback)
        case Numeric():
            within = f", give or take {_parts.number(question.tolerance)}" if question.tolerance else ""
            answer = _parts.block(f"{_parts.number(question.answer)} {question.unit}".rstrip() + within)
            said = ((_parts.number(wrong.answer), wrong.feedback) for wrong in question.wrong)
            return "", answer, _about(said) + _parts.block(question.feedback)


def _list(entries: Iterable[str], kind: str = "ul") -> str:
    made = "".join(f"<li>{entry}</li>" for entry in entries)
    return f"<{kind}>{made}</{kind}>" if made else ""


def _about(said: Iterable[tuple[str, str]]) -> str:
    return _list(f"<b>{_parts.inline(text)}</b>: {_parts.inline(feedback)}" for text, feedback in said)
