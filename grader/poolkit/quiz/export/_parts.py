"""What the formats share: text as HTML, the order of choices, archives, and what to say about things left out."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal

from poolkit.quiz.model import AnyQuestion, Choice, Code, Credit, Item, Multi, Numeric, Order, Quiz, Single, TrueFalse

UNIT_LINE = "Answer in: "
"""Begins the line that tells a numeric question's unit; `poolkit.quiz.imports` takes it from there."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BACKTICKS = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def printable(text: str) -> str:
    """Return text that XML can hold (https://www.w3.org/TR/xml/#charsets), with one kind of line end."""
    return _NO_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def inline(text: str) -> str:
    """Return text as HTML that is also XML, for a place within a line; what stands between backticks is code."""
    parts = _BACKTICKS.split(printable(text))
    # Every second part stood between backticks.
    return "".join(
        f"<code>{_escaped(part)}</code>" if index % 2 else _escaped(part) for index, part in enumerate(parts)
    )


def block(text: str) -> str:
    """Return text as a paragraph of HTML, and no text as none."""
    return f"<p>{inline(text.strip())}</p>" if text.strip() else ""


def code_block(code: Code) -> str:
    """Return code as HTML, its language named as https://html.spec.whatwg.org/#the-code-element suggests."""
    return (
        f'<pre><code class="language-{code.lang}">{html.escape(printable(code.text or ""), quote=False)}</code></pre>'
    )


def asked(question: AnyQuestion) -> str:
    """Return all that stands above the place for the answer, as HTML: the prompt, the code, the unit."""
    unit = question.unit if isinstance(question, Numeric) else ""
    return (
        block(question.prompt)
        + (code_block(question.code) if question.code else "")
        + (f"<p>{UNIT_LINE}{inline(unit)}</p>" if unit else "")
    )


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br/>")


def placed(question: Single | Multi) -> list[Choice]:
    """Return the choices in the author's order, but those with a fixed place there."""
    place = {"first": 0, None: 1, "last": 2}
    return sorted(question.choices, key=lambda choice: place[choice.pin])


def has_pins(question: AnyQuestion) -> bool:
    """Whether a choice has a fixed place."""
    return isinstance(question, Single | Multi) and any(choice.pin for choice in question.choices)


def in_order(question: Order) -> list[Item]:
    """Return the items in an order that is allowed, the one nearest to the author's."""
    before = {item.id: {first for first, second in question.before if second == item.id} for item in question.items}
    left, found = list(question.items), list[Item]()
    while left:
        done = {item.id for item in found}
        found.append(next(item for item in left if before[item.id] <= done))
        left.remove(found[-1])
    return found


def is_only_order(question: Order) -> bool:
    """Whether one order alone is allowed: each item is to stand right before the next one of it."""
    pairs = {(first, second) for first, second in question.before}
    items = in_order(question)
    return all((one.id, other.id) in pairs for one, other in zip(items, items[1:], strict=False))


def number(value: float) -> str:
    """Return a number without an exponent, which not every format reads."""
    return _decimal(Decimal(str(value)))


def _decimal(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def bounds(question: Numeric, value: float) -> tuple[str, str]:
    """Return the least and the greatest number that counts as a value, in decimal: 0.3 give or take 0.1 ends at 0.4."""
    middle, tolerance = Decimal(str(value)), Decimal(str(question.tolerance))
    return _decimal(middle - tolerance), _decimal(middle + tolerance)


def labels(question: AnyQuestion) -> list[str]:
    """Return the tags of a question, with its objective and difficulty as `objective:...` and `difficulty:...`."""
    own = list(question.tags)
    if question.objective:
        own.append(f"objective:{question.objective}")
    if question.difficulty is not None:
        own.append(f"difficulty:{question.difficulty}")
    return own


def archive(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip archive that is the same each time: it holds no date of today."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            made.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


# --- what is left out ---


def _misconceptions(question: AnyQuestion) -> bool:
    match question:
        case Single() | Multi():
            return any(choice.misconception for choice in question.choices)
        case Numeric():
            return any(wrong.misconception for wrong in question.wrong)
        case TrueFalse():
            return question.misconception is not None
        case Order():
            return False


def has_hints(question: AnyQuestion) -> bool:
    """Whether a question has hints."""
    return bool(question.hints)


def has_labels(question: AnyQuestion) -> bool:
    """Whether a question has tags, an objective or a difficulty."""
    return bool(labels(question))


def has_points(question: AnyQuestion) -> bool:
    """Whether a question is worth more than most."""
    return question.points != 1


def is_order(question: AnyQuestion) -> bool:
    """Whether a question asks for an order."""
    return isinstance(question, Order)


def said(quiz: Quiz, problem: str, which: Callable[[AnyQuestion], bool]) -> Iterator[str]:
    """Give one line about the questions that a format does not hold in full, if there are any."""
    ids = [question.id for question in quiz.questions if which(question)]
    if ids:
        yield f"{quiz.id}: {problem} ({', '.join(ids)})"


def of_the_kit(quiz: Quiz, program: str) -> Iterator[str]:
    """Give one line about what no other program has a place for."""
    kinds: Sequence[tuple[str, bool]] = (
        ("misconceptions", any(map(_misconceptions, quiz.questions))),
        ("steps of a recorded run", any(question.trace for question in quiz.questions)),
        ("proofs by code", any(question.verify for question in quiz.questions)),
    )
    names = [name for name, there in kinds if there] + ["the pass mark"]
    yield f"{quiz.id}: {program} has no place for {', '.join(names)}; left out"


def unprintable(quiz: Quiz) -> Iterator[str]:
    """Give one line about control characters, which become U+FFFD."""
    yield from said(
        quiz,
        "a control character is shown as \ufffd",
        lambda question: any(map(_NO_XML.search, _strings(question.model_dump(exclude={"verify"})))),
    )


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from _strings(each)


def other_credit(quiz: Quiz, held: frozenset[Credit]) -> Iterator[str]:
    """Give one line about multi questions that are scored as `net_correct` there, and not here."""
    yield from said(
        quiz,
        "partly right answers are scored as net_correct there",
        lambda question: isinstance(question, Multi) and quiz.credit(question) not in held,
    )
