"""What must hold of a quiz beyond the shape of its file, and what is doubtful about it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from poolkit.errors import QuizFault
from poolkit.quiz import code, credit, scenario
from poolkit.quiz.model import AnyQuestion, Choice, Credit, Item, Multi, Numeric, Order, Quiz, Single, TrueFalse
from poolkit.quiz.problems import Place
from poolkit.text import plain

LONGEST_SHARE = 0.4
POSITION_SHARE = 0.5

# "All of the above" means what it says only where it stands below.
_ABOVE = re.compile(r"(all|none|both|neither|any|each)( of)? (the|these|them|those)\b.*|.*\b(above|below)")

Found = tuple[Place, str]


def normal(text: str) -> str:
    """Return what is left of a text when spelling that no reader tells apart is taken away."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("`", "")
    return " ".join(folded.split()).rstrip(".!")


def of_question(question: AnyQuestion, folder: Path, misconceptions: Callable[[str], bool]) -> Iterator[Found]:
    """Say what is wrong with one question: the place within it, and the problem with its remedy.

    Args:
        folder: the one that files of code and recorded runs are below.
        misconceptions: tells whether the course knows a misconception.
    """
    match question:
        case Single() | Multi():
            yield from _choices(question)
        case Order():
            yield from _order(question)
        case Numeric():
            yield from _numeric(question)
    for place, name in _named_misconceptions(question):
        if not misconceptions(name):
            yield place, f"the misconception {name!r} is in no exercise.yaml; use one from there, or leave it out"
    if question.code is not None:
        try:
            code.text(question.code, folder)
        except QuizFault as fault:
            yield ("code",), str(fault)
    yield from _trace(question, folder)


def _choices(question: Single | Multi) -> Iterator[Found]:
    yield from _texts("choices", question.choices)
    right = sum(choice.correct for choice in question.choices)
    if right == 0:
        yield (), "has no correct choice; mark one with correct: true"
    elif isinstance(question, Single) and right > 1:
        yield ("choices",), f"has {right} correct choices; leave correct: true at one, or make it type: multi"
    elif isinstance(question, Multi) and right == len(question.choices):
        yield ("choices",), "has only correct choices; add a wrong one"
    for index, choice in enumerate(question.choices):
        if _ABOVE.fullmatch(normal(choice.text)) and choice.pin is None:
            yield (
                ("choices", index),
                f'"{plain(choice.text, 60)}" needs a fixed place; add pin: last, or say what it means',
            )
        if choice.correct and choice.misconception:
            yield ("choices", index, "misconception"), "a correct choice is no misconception; remove one of the two"


def _texts(field: str, entries: Sequence[Choice | Item]) -> Iterator[Found]:
    ids: set[str] = set()
    texts: dict[str, str] = {}
    for index, entry in enumerate(entries):
        if entry.id in ids:
            yield (field, index, "id"), f"the id {entry.id!r} stands there twice; ids are unique"
        ids.add(entry.id)
        text = normal(entry.text)
        if not text:
            yield (field, index, "text"), f"the text of {entry.id!r} is empty; write what it offers"
        elif text in texts:
            yield (field, index, "text"), f"{entry.id!r} says the same as {texts[text]!r}; make them differ"
        texts.setdefault(text, entry.id)


def _order(question: Order) -> Iterator[Found]:
    yield from _texts("items", question.items)
    ids = {item.id for item in question.items}
    graph: dict[str, set[str]] = {}
    for index, (first, second) in enumerate(question.before):
        for name in (first, second):
            if name not in ids:
                yield ("before", index), f"{plain(name, 40)!r} is none of the items; use their ids"
        graph.setdefault(second, set()).add(first)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " before ".join(plain(name, 40) for name in error.args[1])
        yield ("before",), f"goes round in a circle ({circle}); remove one of the pairs"


def _numeric(question: Numeric) -> Iterator[Found]:
    for index, wrong in enumerate(question.wrong):
        if near(wrong.answer, question.answer, question.tolerance):
            yield ("wrong", index), f"{wrong.answer:g} is right within the tolerance; give another wrong answer"


def near(given: float, answer: float, tolerance: float) -> bool:
    """Whether two numbers differ by at most `tolerance`, in decimal: 0.4 is within 0.1 of 0.3."""
    return abs(Decimal(str(given)) - Decimal(str(answer))) <= Decimal(str(tolerance))


def _named_misconceptions(question: AnyQuestion) -> Iterator[tuple[Place, str]]:
    if isinstance(question, Single | Multi):
        for index, choice in enumerate(question.choices):
            if choice.misconception is not None:
                yield ("choices", index, "misconception"), choice.misconception
    elif isinstance(question, Numeric):
        for index, wrong in enumerate(question.wrong):
            if wrong.misconception is not None:
                yield ("wrong", index, "misconception"), wrong.misconception
    elif isinstance(question, TrueFalse) and question.misconception is not None:
        yield ("misconception",), question.misconception


def _trace(question: AnyQuestion, folder: Path) -> Iterator[Found]:
    at = question.trace
    if at is None:
        return
    if not scenario.exists(folder, at.scenario):
        yield ("trace", "scenario"), f"there is no scenario {at.scenario!r}; add scenarios/{at.scenario}.json or .py"
        return
    try:
        recorded = scenario.rows(folder, at.scenario)
    except QuizFault as fault:
        yield ("trace", "scenario"), str(fault)
        return
    if recorded and at.step not in {row.step for row in recorded}:
        yield ("trace", "step"), f"the run {at.scenario!r} has no step {at.step}; it has 1 to {recorded[-1].step}"


def doubts(quiz: Quiz) -> Iterator[Found]:
    """Say what lets a learner guess: the longest choice, the same place, or all of them, is too often right."""
    single = [question for question in quiz.questions if isinstance(question, Single)]
    longest = [question.id for question in single if _key_is_longest(question)]
    if single and len(longest) > LONGEST_SHARE * len(single):
        share = f"{len(longest)} of {len(single)}"
        yield (
            ("questions",),
            f"the longest choice is the right one in {share} questions ({', '.join(longest)}); even them out",
        )
    if len(single) >= 4:
        [(position, times)] = Counter(map(_key_position, single)).most_common(1)
        if times > POSITION_SHARE * len(single):
            where = f"choice {position} is the right one in {times} of {len(single)} questions"
            yield ("questions",), f"{where}; spread the right ones over the places"
    yield from _ticking_everything(quiz)


def _ticking_everything(quiz: Quiz) -> Iterator[Found]:
    for index, question in enumerate(quiz.questions):
        if isinstance(question, Multi) and quiz.credit(question) is Credit.NET_CORRECT:
            ids = [choice.id for choice in question.choices]
            right = [choice.id for choice in question.choices if choice.correct]
            if earned := credit.ticks(Credit.NET_CORRECT, right, ids, len(ids)):
                said = f"ticking everything earns {float(earned):.0%} of its points; add wrong choices"
                yield ("questions", index, "choices"), f'question "{question.id}": {said.replace("%", " %")}'


def _key_is_longest(question: Single) -> bool:
    key = max(len(choice.text) for choice in question.choices if choice.correct)
    return all(len(choice.text) < key for choice in question.choices if not choice.correct)


def _key_position(question: Single) -> int:
    return next(index for index, choice in enumerate(question.choices, 1) if choice.correct)
