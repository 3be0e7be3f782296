"""Decks for Anki: what Anki's own package imports, and what a second import changes."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from quiz_exporting import NAMES, nasty, own
from tools import missing

from poolkit.quiz.export import _parts, anki
from poolkit.quiz.model import AnyQuestion, Quiz

# In a process of its own: the package brings warnings of its own, and keeps threads.
_READ = """\
import json, sys
from anki.collection import Collection, ImportAnkiPackageOptions, ImportAnkiPackageRequest
collection = Collection(sys.argv[1])
for package in sys.argv[2:]:
    options = ImportAnkiPackageOptions(with_scheduling=False, merge_notetypes=False)
    log = collection.import_anki_package(ImportAnkiPackageRequest(package_path=package, options=options)).log
    card = collection.get_card(min(collection.find_cards("")))
    if package == sys.argv[2]:
        card.ivl, card.type, card.queue, card.due = 30, 2, 2, 300
        collection.update_card(card)
notes = []
for number in sorted(collection.find_notes("")):
    note = collection.get_note(number)
    [card] = note.cards()
    notes.append({
        "guid": note.guid, "fields": note.fields, "tags": note.tags, "model": note.mid,
        "interval": card.ivl, "front": card.question(), "back": card.answer(), "named": collection.decks.name(card.did),
    })
print(json.dumps({"notes": notes, "new": len(log.new), "updated": len(log.updated), "duplicate": len(log.duplicate)}))
collection.close()
"""


def imported(tmp_path: Path, *packages: bytes) -> dict[str, Any]:
    """Return what a collection holds after it has imported packages; skip the test when Anki is not here."""
    if find_spec("anki") is None:
        missing("anki", "it is among the dev dependencies")
    paths = []
    for index, content in enumerate(packages):
        paths.append(tmp_path / f"{index}.apkg")
        paths[-1].write_bytes(content)
    command = [sys.executable, "-W", "ignore", "-c", _READ, str(tmp_path / "collection.anki2"), *map(str, paths)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_anki_imports_every_question(tmp_path: Path) -> None:
    """Of every quiz, a note and a card each: the fixed ids, the texts as they were written, the tags."""
    quizzes = [nasty(), *map(own, NAMES)]
    found = imported(tmp_path, *(anki.render(quiz, 1_700_000_000) for quiz in quizzes))
    notes = {note["fields"][0]: note for note in found["notes"]}
    assert len(notes) == len(found["notes"])
    assert sorted(notes) == sorted(question.id for quiz in quizzes for question in quiz.questions)
    for quiz in quizzes:
        for question in quiz.questions:
            _is_written(notes[question.id], quiz, question)


def _is_written(note: dict[str, Any], quiz: Quiz, question: AnyQuestion) -> None:
    # Anki gives a deck an id of its own, and knows it again by its name.
    assert (note["model"], note["named"]) == (anki.MODEL_ID, f"Poolkit::{quiz.title}")
    assert note["guid"] == anki.guid(question)
    assert note["fields"][1] == _parts.asked(question).replace("[", "&#91;")
    assert f"poolkit::{quiz.id}" in note["tags"]
    assert len(note["tags"]) == 1 + len(_parts.labels(question))
    answer = note["back"].partition('<hr id="answer">')[2]
    assert answer.strip()
    assert _parts.block(question.explanation).replace("[", "&#91;") in answer
    for choice in getattr(question, "choices", ()):
        assert _parts.inline(choice.text).replace("[", "&#91;") in note["front"]
        assert _parts.inline(choice.feedback).replace("[", "&#91;") in answer


def test_a_later_export_changes_notes_and_keeps_their_days(tmp_path: Path) -> None:
    """No note twice, the new text, and the interval that a learner has earned."""
    quiz = own("pool-lifecycle")
    first = quiz.questions[0]
    questions = [first.model_copy(update={"prompt": "A better prompt."}), *quiz.questions[1:]]
    later = quiz.model_copy(update={"questions": questions, "title": "Another title"})
    found = imported(tmp_path, anki.render(quiz, 1_700_000_000), anki.render(later, 1_700_000_100))
    assert len(found["notes"]) == len(quiz.questions)
    assert found["new"] == 0
    assert found["notes"][0]["fields"][1].startswith("<p>A better prompt.</p>")
    assert [note["interval"] for note in found["notes"]] == [30] + [0] * (len(quiz.questions) - 1)


def test_ids_are_for_ever() -> None:
    """The numbers that learners' collections know; another one would make every card twice."""
    quiz = own("pool-lifecycle")
    with zipfile.ZipFile(io.BytesIO(anki.render(quiz, 1_700_000_000))) as package:
        database = sqlite3.connect(":memory:")
        database.deserialize(package.read("collection.anki2"))
    [decks, models] = map(json.loads, database.execute("select decks, models from col").fetchone())
    database.close()
    assert str(anki.deck_id(quiz)) in decks
    assert str(anki.MODEL_ID) in models
    assert anki.MODEL_ID == 1_730_418_263
    assert anki.deck_id(quiz) == 1_598_494_794
    assert anki.guid(quiz.question("pool-lifecycle.order")) == "gkuk@!`gf9"
    changed = quiz.questions[0].model_copy(update={"prompt": "Another."})
    assert anki.guid(changed) == anki.guid(quiz.questions[0])


def test_nothing_in_a_text_does_something_in_anki() -> None:
    """`[sound:...]` and markup are text."""
    fields = "".join("".join(anki._safe(field) for field in anki._fields(question)) for question in nasty().questions)
    assert "[sound" not in fields
    assert "<b>no markup" not in fields
    assert "&lt;b&gt;no markup" in fields


def test_two_exports_are_the_same() -> None:
    """At the same time, byte for byte."""
    assert anki.render(nasty(), 1_700_000_000) == anki.render(nasty(), 1_700_000_000)
