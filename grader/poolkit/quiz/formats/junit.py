"""JUnit XML as pytest writes it (xunit2): the quiz is a test suite, each question a test case.

A quiz's texts hold no character that XML cannot: YAML cannot hold it either.
"""

from __future__ import annotations

from xml.etree import ElementTree

from poolkit.quiz.result import Outcome, QuestionResult, Result, number


def render(result: Result) -> str:
    """Return a `testsuites` document. A skipped question is a skipped test; points stand in properties."""
    root = ElementTree.Element("testsuites")
    add_suite(root, result)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def add_suite(root: ElementTree.Element, result: Result) -> ElementTree.Element:
    """Add a quiz to a `testsuites` element, and return its `testsuite`."""
    suite = _element(
        root,
        "testsuite",
        name=result.quiz,
        tests=len(result.questions),
        failures=result.count(Outcome.WRONG) + result.count(Outcome.PARTLY),
        errors=0,
        skipped=result.count(Outcome.SKIPPED),
        time="0.000",
    )
    _properties(
        suite,
        points=number(result.points),
        max_points=result.max_points,
        score=f"{float(result.score):.4f}",
        pass_mark=f"{float(result.pass_mark):.4f}",
        passed=str(result.passed).lower(),
    )
    for question in result.questions:
        _case(suite, result, question)
    return suite


def _case(suite: ElementTree.Element, result: Result, question: QuestionResult) -> None:
    case = _element(suite, "testcase", classname=result.quiz, name=question.id, time="0.000")
    _properties(case, points=number(question.points), max_points=question.max_points)
    if question.outcome is Outcome.SKIPPED:
        _element(case, "skipped", message="not answered")
    elif question.outcome is not Outcome.RIGHT:
        said = f"answered {'; '.join(question.given) or 'nothing'}; right is {'; '.join(question.key)}"
        kind = question.misconceptions[0] if question.misconceptions else question.outcome.value
        failure = _element(case, "failure", message=said, type=kind)
        parts = [question.prompt, *(each.text for each in question.feedback), question.explanation]
        failure.text = "\n".join(part for part in parts if part)


def _properties(parent: ElementTree.Element, **values: object) -> None:
    properties = _element(parent, "properties")
    for name, value in values.items():
        _element(properties, "property", name=name, value=value)


def _element(parent: ElementTree.Element, tag: str, /, **attributes: object) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {name: str(value) for name, value in attributes.items()})
