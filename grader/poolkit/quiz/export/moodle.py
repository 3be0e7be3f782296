"""Moodle XML, for the import into a question bank (https://docs.moodle.org/en/Moodle_XML_format).

Fractions are those of Moodle's fixed list (`question_bank::fraction_options_full`), which a number that is off it
would fail to import. `net_correct` is what Moodle does with them: a right choice earns its share, a wrong one takes
as much off, and no question is worth less than nothing. Orders need Moodle 4.4, or its plugin `qtype_ordering`.
"""

from __future__ import annotations

from lxml import etree
from lxml.builder import E

from poolkit.quiz.export import _parts
from poolkit.quiz.model import AnyQuestion, Credit, Multi, Numeric, Order, Quiz, Single, TrueFalse

_PENALTY = "0.3333333"
"""Moodle's own, for a further try; it counts only where a quiz allows one."""

# https://github.com/moodle/moodle, question/type/ordering: ALL_PREVIOUS_AND_NEXT is the share of pairs in order.
_GRADING = {Credit.ALL_OR_NOTHING: "ALL_OR_NOTHING"}
_PAIRS = "RELATIVE_ALL_PREVIOUS_AND_NEXT"


def render(quiz: Quiz) -> str:
    """Return a quiz as Moodle XML: a category named for it, and its questions."""
    root = E.quiz(_category(quiz), *(_question(quiz, question) for question in quiz.questions))
    text: bytes = etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="UTF-8")
    return text.decode()


def warnings(quiz: Quiz) -> list[str]:
    """Return what Moodle XML does not carry."""
    return [
        *_parts.said(
            quiz, "orders need Moodle 4.4 or its plugin for ordering; older ones leave them out", _parts.is_order
        ),
        *_parts.said(
            quiz,
            "several orders are right, and only one of them there",
            lambda question: isinstance(question, Order) and not _parts.is_only_order(question),
        ),
        *_parts.said(
            quiz,
            "a partly right order earns more there, its share of pairs in order",
            lambda question: isinstance(question, Order) and quiz.credit(question) is Credit.NET_CORRECT,
        ),
        *_parts.other_credit(quiz, frozenset({Credit.NET_CORRECT})),
        *_parts.said(quiz, "choices are not shuffled there, as one has a fixed place", _parts.has_pins),
        *_parts.unprintable(quiz),
        *_parts.of_the_kit(quiz, "Moodle XML"),
    ]


def fraction(correct: int, *, right: bool) -> str:
    """Return a choice's share in per cent, with the digits of Moodle's list.

    Args:
        correct: how many choices are right, at most 8.
        right: whether this one is.
    """
    share = f"{100 / correct:.5f}".rstrip("0").rstrip(".")
    return share if right else f"-{share}"


def _category(quiz: Quiz) -> etree._Element:
    path = "$course$/top/" + " ".join(_parts.printable(quiz.title).split()).replace("/", "//")
    return E.question(E.category(E.text(path)), E.idnumber(quiz.id), type="category")


def _question(quiz: Quiz, question: AnyQuestion) -> etree._Element:
    kinds = {"single": "multichoice", "multi": "multichoice", "true_false": "truefalse", "order": "ordering"}
    made = E.question(
        E.name(E.text(question.id)),
        _html("questiontext", _parts.asked(question)),
        _html("generalfeedback", _parts.block(question.explanation)),
        E.defaultgrade(str(question.points)),
        E.penalty("1" if isinstance(question, TrueFalse) else _PENALTY),
        E.hidden("0"),
        E.idnumber(question.id),
        type=kinds.get(question.type, "numerical"),
    )
    match question:
        case Single() | Multi():
            _add_choices(made, quiz, question)
        case TrueFalse():
            for said in (True, False):
                text = "" if said is question.answer else question.feedback
                share = "100" if said is question.answer else "0"
                made.append(_answer(share, str(said).lower(), text, style="moodle_auto_format"))
        case Order():
            _add_order(made, quiz, question)
        case Numeric():
            _add_numbers(made, question)
    made.extend([_html("hint", _parts.block(hint)) for hint in question.hints])
    if labels := _parts.labels(question):
        made.append(E.tags(*(E.tag(E.text(label)) for label in labels)))
    return made


def _add_choices(made: etree._Element, quiz: Quiz, question: Single | Multi) -> None:
    shuffled = quiz.shuffles(question) and not _parts.has_pins(question)
    made.append(E.single("true" if isinstance(question, Single) else "false"))
    made.append(E.shuffleanswers("true" if shuffled else "false"))
    made.append(E.answernumbering("abc"))
    correct = sum(choice.correct for choice in question.choices)
    for choice in _parts.placed(question):
        # A single choice that is wrong earns nothing, and takes nothing off.
        wrong = "0" if isinstance(question, Single) else fraction(correct, right=False)
        share = fraction(correct, right=True) if choice.correct else wrong
        made.append(_answer(share, _parts.inline(choice.text), choice.feedback))


def _add_order(made: etree._Element, quiz: Quiz, question: Order) -> None:
    made.append(E.layouttype("VERTICAL"))
    made.append(E.selecttype("ALL"))
    made.append(E.selectcount("0"))
    made.append(E.gradingtype(_GRADING.get(quiz.credit(question), _PAIRS)))
    made.append(E.showgrading("SHOW"))
    made.append(E.numberingstyle("none"))
    for name in ("partiallycorrectfeedback", "incorrectfeedback"):
        made.append(_html(name, _parts.block(question.feedback)))
    for place, item in enumerate(_parts.in_order(question), 1):
        made.append(E.answer(E.text(_parts.inline(item.text)), fraction=str(place), format="html"))


def _add_numbers(made: etree._Element, question: Numeric) -> None:
    tolerance = E.tolerance(_parts.number(question.tolerance))
    right = _answer("100", _parts.number(question.answer), "", style="moodle_auto_format")
    right.append(tolerance)
    made.append(right)
    for wrong in question.wrong:
        answer = _answer("0", _parts.number(wrong.answer), wrong.feedback, style="moodle_auto_format")
        answer.append(E.tolerance(tolerance.text or "0"))
        made.append(answer)
    if question.feedback:
        rest = _answer("0", "*", question.feedback, style="moodle_auto_format")
        rest.append(E.tolerance("0"))
        made.append(rest)
    # 3: no place for a unit; the question's text names it.
    made.append(E.unitgradingtype("0"))
    made.append(E.showunits("3"))


def _answer(share: str, text: str, feedback: str, style: str = "html") -> etree._Element:
    return E.answer(E.text(text), _html("feedback", _parts.block(feedback)), fraction=share, format=style)


def _html(name: str, content: str) -> etree._Element:
    return E(name, E.text(content), format="html")
