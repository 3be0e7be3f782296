"""A QTI 1.2 package as Canvas takes it, laid out as text2qti writes it (https://github.com/gpoore/text2qti).

The manifest names ID/ID.xml, which depends on ID/assessment_meta.xml. In resprocessing the feedback comes first, each
condition with continue="Yes", and the score last: Canvas stops at the first condition that says "No".
"""

from __future__ import annotations

from lxml import etree
from lxml.builder import ElementMaker

from poolkit.quiz.export import _parts
from poolkit.quiz.export._qti12_meta import assessment_id, canvas_manifest, canvas_meta, shuffles_all
from poolkit.quiz.model import AnyQuestion, Credit, Multi, Numeric, Quiz, Single, TrueFalse

_NAMESPACE = "http://www.imsglobal.org/xsd/ims_qtiasiv1p2"

E = ElementMaker(namespace=_NAMESPACE, nsmap={None: _NAMESPACE})

_KINDS = {
    "single": "multiple_choice_question",
    "multi": "multiple_answers_question",
    "true_false": "true_false_question",
    "numeric": "numerical_question",
}


def render(quiz: Quiz) -> bytes:
    """Return a quiz as a zip for Canvas's import of QTI packages."""
    name, asked = assessment_id(quiz), held(quiz)
    points = sum(question.points for question in asked)
    return _parts.archive(
        [
            ("imsmanifest.xml", _xml(canvas_manifest(quiz))),
            (f"{name}/assessment_meta.xml", _xml(canvas_meta(quiz, points))),
            (f"{name}/{name}.xml", _xml(_assessment(quiz, asked))),
        ]
    )


def warnings(quiz: Quiz) -> list[str]:
    """Return what Canvas does not take."""
    return [
        *_parts.said(quiz, "Canvas has no questions that ask for an order; left out", _parts.is_order),
        *_parts.said(
            quiz,
            "Canvas has one feedback for all wrong numbers; that of each is left out",
            lambda question: isinstance(question, Numeric) and bool(question.wrong),
        ),
        *_parts.other_credit(quiz, frozenset({Credit.NET_CORRECT})),
        *_parts.said(
            quiz,
            "Canvas shuffles the choices of all questions or of none; they stay in order",
            lambda question: (
                isinstance(question, Single | Multi) and not shuffles_all(quiz) and quiz.shuffles(question)
            ),
        ),
        *_parts.said(quiz, "QTI 1.2 has no hints in Canvas; left out", _parts.has_hints),
        *_parts.said(quiz, "QTI 1.2 has no tags, objective or difficulty in Canvas; left out", _parts.has_labels),
        *_parts.unprintable(quiz),
        *_parts.of_the_kit(quiz, "QTI 1.2"),
    ]


def held(quiz: Quiz) -> list[AnyQuestion]:
    """Return the questions that Canvas has a type for."""
    return [question for question in quiz.questions if question.type in _KINDS]


def _xml(root: etree._Element) -> bytes:
    written: bytes = etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="UTF-8")
    return written


def _assessment(quiz: Quiz, asked: list[AnyQuestion]) -> etree._Element:
    attempts = E.qtimetadata(_field("cc_maxattempts", "1"))
    section = E.section(*map(_item, asked), ident="root_section")
    title = _parts.printable(quiz.title)
    return E.questestinterop(E.assessment(attempts, section, ident=assessment_id(quiz), title=title))


def _field(label: str, entry: str) -> etree._Element:
    return E.qtimetadatafield(E.fieldlabel(label), E.fieldentry(entry))


def _name(question: AnyQuestion) -> str:
    return question.id.replace(".", "_")


def _choices(question: AnyQuestion) -> list[tuple[str, str, str, bool]]:
    """Return the ident, text, feedback and rightness of each choice."""
    match question:
        case Single() | Multi():
            return [
                (f"poolkit_choice_{_name(question)}_{choice.id}", choice.text, choice.feedback, choice.correct)
                for choice in _parts.placed(question)
            ]
        case TrueFalse():
            return [
                (
                    f"poolkit_choice_{_name(question)}_{str(value).lower()}",
                    str(value),
                    "" if value is question.answer else question.feedback,
                    value is question.answer,
                )
                for value in (True, False)
            ]
        case _:
            return []


def _item(question: AnyQuestion) -> etree._Element:
    choices = _choices(question)
    answers = [ident for ident, *_ in choices] or [f"poolkit_numerical_{_name(question)}"]
    return E.item(
        E.itemmetadata(
            E.qtimetadata(
                _field("question_type", _KINDS[question.type]),
                _field("points_possible", str(question.points)),
                _field("original_answer_ids", ",".join(answers)),
                _field("assessment_question_identifierref", f"poolkit_question_ref_{_name(question)}"),
            )
        ),
        _presentation(question, choices),
        _processing(question, choices),
        *_feedback(question, choices),
        ident=f"poolkit_question_{_name(question)}",
        title=question.id,
    )


def _material(content: str) -> etree._Element:
    return E.material(E.mattext(content, texttype="text/html"))


def _presentation(question: AnyQuestion, choices: list[tuple[str, str, str, bool]]) -> etree._Element:
    if isinstance(question, Numeric):
        place = E.render_fib(E.response_label(ident="answer1"), fibtype="Decimal")
        answer = E.response_str(place, ident="response1", rcardinality="Single")
    else:
        labels = [E.response_label(_material(_parts.inline(text)), ident=ident) for ident, text, _, _ in choices]
        cardinality = "Multiple" if isinstance(question, Multi) else "Single"
        answer = E.response_lid(E.render_choice(*labels), ident="response1", rcardinality=cardinality)
    return E.presentation(_material(_parts.asked(question)), answer)


def _processing(question: AnyQuestion, choices: list[tuple[str, str, str, bool]]) -> etree._Element:
    shown = []
    if question.explanation.strip():
        shown.append(_shows(E.other(), "general_fb"))
    shown += [_shows(_equal(ident), f"{ident}_fb") for ident, _, said, _ in choices if said.strip()]
    score = E.setvar("100", action="Set", varname="SCORE")
    scored = E.respcondition(E.conditionvar(*_key(question, choices)), score, {"continue": "No"})
    # Reached by what did not score.
    if isinstance(question, Numeric) and question.feedback.strip():
        rest = [_shows(E.other(), "general_incorrect_fb")]
    else:
        rest = []
    limits = E.decvar(maxvalue="100", minvalue="0", varname="SCORE", vartype="Decimal")
    return E.resprocessing(E.outcomes(limits), *shown, scored, *rest)


def _shows(condition: etree._Element, ident: str) -> etree._Element:
    display = E.displayfeedback(feedbacktype="Response", linkrefid=ident)
    return E.respcondition(E.conditionvar(condition), display, {"continue": "Yes"})


def _equal(value: str) -> etree._Element:
    return E.varequal(value, respident="response1")


def _key(question: AnyQuestion, choices: list[tuple[str, str, str, bool]]) -> list[etree._Element]:
    match question:
        case Numeric():
            return [_key_of_number(question)]
        case Multi():
            ticks = [_equal(ident) if right else E("not", _equal(ident)) for ident, _, _, right in choices]
            return [E("and", *ticks)]
        case _:
            return [_equal(ident) for ident, _, _, right in choices if right]


def _key_of_number(question: Numeric) -> etree._Element:
    exact = _parts.number(question.answer)
    least, most = _parts.bounds(question, question.answer)
    between = E("and", E.vargte(least, respident="response1"), E.varlte(most, respident="response1"))
    return E("or", _equal(exact), between)


def _feedback(question: AnyQuestion, choices: list[tuple[str, str, str, bool]]) -> list[etree._Element]:
    said = [("general_fb", question.explanation)]
    if isinstance(question, Numeric):
        said.append(("general_incorrect_fb", question.feedback))
    said += [(f"{ident}_fb", text) for ident, _, text, _ in choices]
    return [
        E.itemfeedback(E.flow_mat(_material(_parts.block(text))), ident=ident) for ident, text in said if text.strip()
    ]
