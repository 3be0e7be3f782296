"""JUnit XML as pytest writes it (xunit2): a test suite for each exercise, a test case for each check.

A file of answers that counts is a test suite, too, with a test case for each question; a broken one is an error in a
suite of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from poolkit.quiz.formats import junit as quiz_junit
from poolkit.quiz.result import Folder, HandedIn
from poolkit.report import CheckReport, Report, Status

# What XML 1.0 cannot hold, and what it discourages (https://www.w3.org/TR/xml/#charsets).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(reports: Sequence[Report], quizzes: Folder | None = None) -> str:
    """Return a `testsuites` document. Points stand in properties."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        _suite(root, report)
    for file in quizzes.files if quizzes else ():
        if file.counts:
            _answers(root, file)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, report: Report) -> None:
    found = [check.status for check in report.checks]
    # Of what concerns no check, or every check.
    errors = {"import": str(report.error)} if report.error else {}
    if report.grader_fault and Status.GRADER_FAULT not in found:
        errors["grader"] = report.grader_fault
    suite = _element(
        root,
        "testsuite",
        name=report.exercise,
        tests=len(found) + len(errors),
        failures=sum(status in (Status.FAIL, Status.TAMPERING) for status in found),
        errors=found.count(Status.GRADER_FAULT) + len(errors),
        skipped=found.count(Status.NOT_REACHED),
        time=f"{report.duration_s:.3f}",
    )
    _properties(
        suite,
        points=report.points,
        max_points=report.max_points,
        seed=report.seed,
        assurance=report.assurance.level,
    )
    for name, message in errors.items():
        case = _element(suite, "testcase", classname=report.exercise, name=name, time="0.000")
        _element(case, "error", message=message)
    for check in report.checks:
        _case(suite, report, check)


def _answers(root: ElementTree.Element, file: HandedIn) -> None:
    if file.result is not None:
        suite = quiz_junit.add_suite(root, file.result)
        properties = suite.find("properties")
        assert properties is not None
        _element(properties, "property", name="path", value=file.path)
        return
    suite = _element(root, "testsuite", name=file.path, tests=1, failures=0, errors=1, skipped=0, time="0.000")
    case = _element(suite, "testcase", classname="quizzes", name=file.path, time="0.000")
    _element(case, "error", message=file.problem)


def _case(suite: ElementTree.Element, report: Report, check: CheckReport) -> None:
    case = _element(suite, "testcase", classname=report.exercise, name=check.id, time=f"{check.duration_s:.3f}")
    _properties(case, title=check.title, points=check.points, max_points=check.max_points)
    if check.status is Status.NOT_REACHED:
        _element(case, "skipped", message="not reached: " + (", ".join(check.needs) or "the run ended before it"))
    elif check.status is Status.GRADER_FAULT:
        _element(case, "error", message=report.grader_fault)
    elif not check.passed:
        failure = _element(case, "failure", message=check.happened, type=check.misconception or check.status)
        failure.text = _clean("\n".join(part for part in (check.expected, check.happened, check.why) if part))
    if check.output:
        _element(case, "system-out").text = _clean(check.output)


def _properties(parent: ElementTree.Element, **values: object) -> None:
    properties = _element(parent, "properties")
    for name, value in values.items():
        _element(properties, "property", name=name, value=value)


def _element(parent: ElementTree.Element, tag: str, /, **attributes: object) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {name: _clean(str(value)) for name, value in attributes.items()})


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("�", text)
