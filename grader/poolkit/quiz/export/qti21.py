"""A QTI 2.1 package: a test, and a file for each item
(https://www.imsglobal.org/question/qtiv2p1/imsqti_infov2p1.html).

Scores follow the credit: `net_correct` is a mapping with the share of each choice, none below 0 in all, and
`all_or_nothing` a match. Feedback is shown because responseProcessing puts its identifiers into FEEDBACK; without that
a file is as valid, and silent.
"""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree
from lxml.builder import ElementMaker

from poolkit.quiz.export import _parts
from poolkit.quiz.export._qti import ITEM, ITEM_SCHEMA, SCHEMA_LOCATION, manifest, xml
from poolkit.quiz.model import AnyQuestion, Credit, Multi, Numeric, Order, Quiz, Single, TrueFalse

E = ElementMaker(namespace=ITEM, nsmap={None: ITEM, "xsi": "http://www.w3.org/2001/XMLSchema-instance"})


def render(quiz: Quiz) -> bytes:
    """Return a quiz as a zip: imsmanifest.xml, test.xml, and items/<question>.xml."""
    items = [(f"items/{name(question)}.xml", xml(_item(quiz, question))) for question in quiz.questions]
    return _parts.archive([("imsmanifest.xml", xml(manifest(quiz))), ("test.xml", xml(_test(quiz))), *items])


def warnings(quiz: Quiz) -> list[str]:
    """Return what QTI 2.1 does not carry."""
    return [
        *_parts.said(
            quiz,
            "several orders are right, and only one of them there",
            lambda question: isinstance(question, Order) and not _parts.is_only_order(question),
        ),
        *_parts.said(
            quiz,
            "an order that is partly right earns nothing there",
            lambda question: isinstance(question, Order) and quiz.credit(question) is not Credit.ALL_OR_NOTHING,
        ),
        *_parts.other_credit(quiz, frozenset({Credit.NET_CORRECT, Credit.ALL_OR_NOTHING})),
        *_parts.said(quiz, "QTI 2.1 has no hints; left out", _parts.has_hints),
        *_parts.unprintable(quiz),
        *_parts.of_the_kit(quiz, "QTI 2.1"),
    ]


def name(question: AnyQuestion) -> str:
    """Return a question's id as an identifier, which holds no full stop where a test refers to an item."""
    return question.id.replace(".", "_")


def _test(quiz: Quiz) -> etree._Element:
    references = [
        E.assessmentItemRef(identifier=name(question), href=f"items/{name(question)}.xml")
        for question in quiz.questions
    ]
    title = _parts.printable(quiz.title)
    section = E.assessmentSection(*references, identifier="questions", title=title, visible="true")
    part = E.testPart(section, identifier="part", navigationMode="nonlinear", submissionMode="individual")
    return E.assessmentTest({SCHEMA_LOCATION: ITEM_SCHEMA}, part, identifier=quiz.id, title=title)


def _item(quiz: Quiz, question: AnyQuestion) -> etree._Element:
    said = _feedback(question)
    return E.assessmentItem(
        {SCHEMA_LOCATION: ITEM_SCHEMA},
        _response(question),
        E.outcomeDeclaration(E.defaultValue(E.value("0")), identifier="SCORE", cardinality="single", baseType="float"),
        E.outcomeDeclaration(
            E.defaultValue(E.value(str(question.points))), identifier="MAXSCORE", cardinality="single", baseType="float"
        ),
        E.outcomeDeclaration(identifier="FEEDBACK", cardinality="multiple", baseType="identifier"),
        E.itemBody(E.div(*_fragment(_parts.asked(question))), _interaction(quiz, question)),
        E.responseProcessing(*_processing(quiz, question)),
        *(
            E.modalFeedback(
                E.div(*_fragment(_parts.block(text))), outcomeIdentifier="FEEDBACK", identifier=shown, showHide="show"
            )
            for shown, text in said
        ),
        identifier=name(question),
        title=question.id,
        adaptive="false",
        timeDependent="false",
    )


def _fragment(content: str) -> list[etree._Element]:
    return list(etree.fromstring(f'<div xmlns="{ITEM}">{content}</div>'))


def _inline(text: str) -> etree._Element:
    return etree.fromstring(f'<span xmlns="{ITEM}">{_parts.inline(text)}</span>')


def _feedback(question: AnyQuestion) -> list[tuple[str, str]]:
    """Return the identifier of each feedback, and its text. Those in capitals are no choice's."""
    said: list[tuple[str, str]] = []
    match question:
        case Single() | Multi():
            said += [(choice.id, choice.feedback) for choice in question.choices]
        case TrueFalse():
            said.append((str(not question.answer).lower(), question.feedback))
        case Order():
            said.append(("INCORRECT", question.feedback))
        case Numeric():
            said += [(f"WRONG_{index}", wrong.feedback) for index, wrong in enumerate(question.wrong, 1)]
            said.append(("INCORRECT", question.feedback))
    return [(shown, text) for shown, text in [*said, ("EXPLANATION", question.explanation)] if text.strip()]


def _response(question: AnyQuestion) -> etree._Element:
    cardinality = {"multi": "multiple", "order": "ordered"}.get(question.type, "single")
    kind = "float" if isinstance(question, Numeric) else "identifier"
    right = E.correctResponse(*(E.value(value) for value in _right(question)))
    made = E.responseDeclaration(right, identifier="RESPONSE", cardinality=cardinality, baseType=kind)
    if isinstance(question, Multi):
        correct, points = len(_right(question)), question.points
        shares = [
            E.mapEntry(mapKey=choice.id, mappedValue=repr((1 if choice.correct else -1) * points / correct))
            for choice in question.choices
        ]
        made.append(E.mapping(*shares, lowerBound="0", upperBound=str(points), defaultValue="0"))
    return made


def _right(question: AnyQuestion) -> list[str]:
    match question:
        case Single() | Multi():
            return [choice.id for choice in question.choices if choice.correct]
        case TrueFalse():
            return [str(question.answer).lower()]
        case Order():
            return [item.id for item in _parts.in_order(question)]
        case Numeric():
            return [_parts.number(question.answer)]


def _interaction(quiz: Quiz, question: AnyQuestion) -> etree._Element:
    match question:
        case Single() | Multi():
            # What is not fixed is shuffled among itself, so that a pin keeps its place.
            choices = [
                E.simpleChoice(_inline(choice.text), identifier=choice.id, fixed=str(bool(choice.pin)).lower())
                for choice in _parts.placed(question)
            ]
            most = "1" if isinstance(question, Single) else "0"
            return _choices("choiceInteraction", choices, shuffle=quiz.shuffles(question), maxChoices=most)
        case TrueFalse():
            choices = [E.simpleChoice(text.capitalize(), identifier=text) for text in ("true", "false")]
            return _choices("choiceInteraction", choices, shuffle=False, maxChoices="1")
        case Order():
            choices = [E.simpleChoice(_inline(item.text), identifier=item.id) for item in question.items]
            return _choices("orderInteraction", choices, shuffle=True)
        case Numeric():
            place = E.textEntryInteraction(responseIdentifier="RESPONSE", expectedLength="12")
            place.tail = f" {question.unit}".rstrip()
            return E.p(place)


def _choices(kind: str, choices: Sequence[etree._Element], *, shuffle: bool, **most: str) -> etree._Element:
    return E(kind, *choices, responseIdentifier="RESPONSE", shuffle=str(shuffle).lower(), **most)


# --- responseProcessing ---


def _processing(quiz: Quiz, question: AnyQuestion) -> list[etree._Element]:
    points = E.baseValue(str(question.points), baseType="float")
    scored = E.setOutcomeValue(points, identifier="SCORE")
    matches = E.match(_answer(), E.correct(identifier="RESPONSE"))
    match question:
        case Multi() if quiz.credit(question) is not Credit.ALL_OR_NOTHING:
            mapped = E.setOutcomeValue(E.mapResponse(identifier="RESPONSE"), identifier="SCORE")
            return [mapped, _show(_answer())]
        case Single() | Multi() | TrueFalse():
            # A choice's feedback has the choice's own identifier.
            return [E.responseCondition(E.responseIf(matches, scored)), _show(_answer())]
        case Order():
            branches = [E.responseElseIf(matches, scored, _show())]
        case Numeric():
            branches = [E.responseElseIf(_near(question, question.answer), scored, _show())]
            for index, wrong in enumerate(question.wrong, 1):
                branches.append(E.responseElseIf(_near(question, wrong.answer), _show(_identifier(f"WRONG_{index}"))))
    skipped = E.responseIf(E.isNull(_answer()), _show())
    return [E.responseCondition(skipped, *branches, E.responseElse(_show(_identifier("INCORRECT"))))]


def _show(*identifiers: etree._Element) -> etree._Element:
    """Put identifiers into FEEDBACK, and that of the explanation, which everybody is shown."""
    return E.setOutcomeValue(E.multiple(*identifiers, _identifier("EXPLANATION")), identifier="FEEDBACK")


def _answer() -> etree._Element:
    return E.variable(identifier="RESPONSE")


def _identifier(text: str) -> etree._Element:
    return E.baseValue(text, baseType="identifier")


def _near(question: Numeric, value: float) -> etree._Element:
    # Bounds in decimal, not a tolerance: added as binary fractions, 0.3 and 0.1 are not always 0.4.
    least, most = (E.baseValue(bound, baseType="float") for bound in _parts.bounds(question, value))
    return E("and", E.gte(_answer(), least), E.lte(_answer(), most))
