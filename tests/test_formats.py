"""`poolkit.formats`: each format says what the report says, and untrusted text is only text in it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolkit import formats
from poolkit.advice import advice
from poolkit.course import find_course
from poolkit.events import Event, Location, PoolState
from poolkit.formats import github
from poolkit.formats.text import WIDTH
from poolkit.quiz.result import Feedback, Folder, HandedIn, Outcome, QuestionResult, Result
from poolkit.report import AppError, Assurance, CheckReport, Report, Status

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NASTY = (
    "\x1b[31mred\x1b[0m \x00\x07\x08\x0b \x7f\x9b ]]> <b>&amp;\"' 100% a:b,c ::error::x\r\n::set-output name=x::y\n"
    "| `code` [a](javascript:b) \u202e\u2028 \ud800 \ufffe 𝄞"
)
FORMATS = ("github", "json", "junit", "text")

LEDGER = tuple(
    Event(seq, seq / 100, kind, connection, request, detail, state, where)
    for seq, kind, connection, request, detail, state, where in [
        (4, "borrow", 1, 1, "", PoolState(2, 1, 1, 0), Location("app.py", 12, "async with database:")),
        (7, "request", None, 1, "GET /items/1", PoolState(2, 1, 1, 3), None),
        (8, "statement", 1, 1, "SELECT name FROM items WHERE id = ?", PoolState(2, 1, 1, 0), None),
        (9, "response", None, 1, "200", PoolState(2, 1, 1, 0), None),
    ]
)
FAILED = CheckReport(
    id="returns-it",
    title="Gives the connection back",
    status=Status.FAIL,
    points=0,
    max_points=3,
    expected="After a request every connection is free.",
    happened="After the answer 1 of 2 connections was still borrowed.",
    why="After as many requests as the pool has connections, every page hangs.",
    misconception="never-returned",
    ledger=LEDGER,
    deciding=9,
    borrowed_at=(Location("app.py", 12, "async with database:"),),
    output="debug: 1\ndebug: 2\n",
    needs=("starts",),
    duration_s=0.0421,
)
PASSED = CheckReport("starts", "Starts", Status.PASS, 1, 1, duration_s=0.02)
BEYOND = CheckReport("ends", "Ends", Status.NOT_REACHED, 0, 2, needs=("returns-it",))
TAMPERED = CheckReport("odd", "Keeps to the protocol", Status.TAMPERING, 0, 1, "E.", "A message was malformed.")
BROKEN = CheckReport("broke", "Cannot be judged", Status.GRADER_FAULT, 0, 5)


def report(*checks: CheckReport, **changes: Any) -> Report:  # noqa: ANN401  (fields of Report)
    made = Report("exercise-3", "Borrow, use, return", "work/app.py", 7, checks, Assurance(("session",)), 0.53218)
    return dataclasses.replace(made, **changes)


def spoiled(check: CheckReport, text: str) -> CheckReport:
    """Put a text wherever a learner's code has a say."""
    where = Location(text, 3, text)
    return dataclasses.replace(
        check,
        happened=text,
        output=text,
        ledger=tuple(dataclasses.replace(row, detail=text, where=where) for row in check.ledger),
        borrowed_at=(where,),
        error=AppError(text, text, where),
    )


ERROR = AppError("SyntaxError", "invalid syntax", Location("app.py", 3, "def x(:"))
REPORTS = {
    "passed": [report(PASSED)],
    "failed": [report(PASSED, FAILED, BEYOND)],
    "tampered": [report(TAMPERED, PASSED)],
    "never ran": [report(BEYOND, error=ERROR, output="printed\n")],
    "grader's fault": [report(PASSED, BROKEN, fault="the suite broke: KeyError")],
    "fault of the run": [report(PASSED, BEYOND, fault="the host died")],
    "nothing judged": [report(BEYOND)],
    "several": [report(PASSED), report(FAILED, exercise="exercise-4")],
    "spoiled": [
        report(spoiled(FAILED, NASTY), path=NASTY, error=AppError(NASTY, NASTY, Location(NASTY, 1, NASTY))),
        report(spoiled(FAILED, NASTY), spoiled(TAMPERED, NASTY), path=NASTY, fault=NASTY, output=NASTY),
    ],
}


def test_there_are_these_formats() -> None:
    """A format is a module here, found by its name."""
    assert tuple(formats.names()) == FORMATS


@pytest.mark.parametrize("reports", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize("name", FORMATS)
def test_every_report_can_be_written(name: str, reports: Sequence[Report]) -> None:
    """As UTF-8, ending with one line end."""
    text = formats.render(name, reports)
    assert text.encode("utf-8")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


# --- text ---


def shown(reports: Sequence[Report], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the text format without the kit's own colours."""
    monkeypatch.setattr(click, "style", lambda text, **_: text)
    return formats.render("text", reports)


def flowing(text: str) -> str:
    """Return text as it reads, without its line ends."""
    return " ".join(text.split())


def test_text_obeys_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a learner's reaches the terminal but printed characters."""
    text = shown(REPORTS["spoiled"], monkeypatch)
    assert "red" in text
    assert not [character for character in text if character != "\n" and not character.isprintable()]


def test_text_explains_the_first_failure_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expected, happened, rows with the deciding one marked, where borrowed, why it hurts, what next."""
    text = shown(REPORTS["failed"], monkeypatch)
    parts = [
        *("✓   1/1  Starts", "✗   0/3  Gives", "·   0/2  Ends"),
        *("Expected     After a request", "Happened     After the answer", "      4    40.0  borrow        1  1 of 2"),
        *("…", ">    9    90.0  response", "Borrowed at  app.py:12   async with database:"),
        *("Why it hurts After as many", "debug: 2", "poolkit hint exercise-3", "1 of 6 points"),
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places, dict(zip(parts, places, strict=True))
    assert places == sorted(places)


def test_text_begins_with_the_learners_own_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """Type, message and line stand above what was expected; what its words leave open is said below them."""
    where = Location("app.py", 19, 'await database.execute("PRAGMA journal_mode=WAL")')
    check = dataclasses.replace(FAILED, error=AppError("DatabaseError", "not authorized", where))
    lines = [line.strip() for line in shown([report(check)], monkeypatch).splitlines()]
    at = lines.index("Raised       DatabaseError: not authorized")
    assert lines[at + 1] == 'app.py:19   await database.execute("PRAGMA journal_mode=WAL")'
    assert lines[at + 2].startswith("The lab's database refuses this statement")
    assert at < next(number for number, line in enumerate(lines) if line.startswith("Expected"))
    own_loop = AppError("RuntimeError", "asyncio.run() cannot be called from a running event loop", None)
    assert "This runs at import" in shown([report(BEYOND, error=own_loop)], monkeypatch)
    assert advice(AppError("RuntimeError", "something else", None)) == ""


def test_text_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long sentences and long statements are wrapped or cut."""
    check = dataclasses.replace(
        FAILED,
        happened="word " * 100,
        ledger=tuple(dataclasses.replace(row, detail="SELECT " * 100) for row in LEDGER),
    )
    lines = shown([report(check)], monkeypatch).splitlines()
    assert max(map(len, lines)) <= WIDTH + 2


@pytest.mark.parametrize("name", ["grader's fault", "fault of the run", "nothing judged"])
def test_text_says_when_it_was_not_the_learner(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The grader's fault is called that, and no hint is offered for it."""
    text = flowing(shown(REPORTS[name], monkeypatch))
    assert "The grader failed, not your code; no points are lost." in text
    assert "poolkit hint" not in text


def test_text_accuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken protocol is for a person to look at."""
    assert "It does not say that anybody did it on purpose." in flowing(shown(REPORTS["tampered"], monkeypatch))


def test_text_sums_several_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each exercise, and the total."""
    assert "1 of 2 exercises passed, 1 of 4 points" in shown(REPORTS["several"], monkeypatch)


# --- junit ---


def cases(suite: ElementTree.Element) -> Counter[str]:
    """Count the outcomes of a suite's cases."""
    return Counter(
        next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        for case in suite.iter("testcase")
    )


@pytest.mark.parametrize("reports", REPORTS.values(), ids=REPORTS)
def test_junit_counts_what_it_holds(reports: Sequence[Report]) -> None:
    """The numbers of a suite are those of its cases, and a run that did not pass has a failure or an error."""
    root = ElementTree.fromstring(formats.render("junit", reports).encode())
    assert root.tag == "testsuites"
    for suite, made in zip(root, reports, strict=True):
        found = cases(suite)
        assert {name: int(suite.get(name, "-1")) for name in ("tests", "failures", "errors", "skipped")} == {
            "tests": found.total(),
            "failures": found["failure"],
            "errors": found["error"],
            "skipped": found["skipped"],
        }
        assert (found["failure"] + found["error"] == 0) is (made.status is Status.PASS)
        assert (suite.get("name"), suite.get("time")) == (made.exercise, "0.532")
        names = [case.get("name") for case in suite.iter("testcase")]
        assert len(set(names)) == len(names)


def test_junit_tells_status_and_points() -> None:
    """Failures are failures, what was not reached is skipped, and points stand in properties."""
    [suite] = ElementTree.fromstring(formats.render("junit", REPORTS["failed"]).encode())
    assert cases(suite) == {"passed": 1, "failure": 1, "skipped": 1}
    values = {item.get("name"): item.get("value") for item in suite.findall("properties/property")}
    assert values == {"points": "1", "max_points": "6", "seed": "7", "assurance": "full"}
    failure = suite.find("testcase[@name='returns-it']/failure")
    assert failure is not None
    assert (failure.get("message"), failure.get("type")) == (FAILED.happened, "never-returned")
    assert failure.text == f"{FAILED.expected}\n{FAILED.happened}\n{FAILED.why}"
    skipped = suite.find("testcase[@name='ends']/skipped")
    assert skipped is not None
    assert skipped.get("message") == "not reached: returns-it"


@PATIENT
@given(st.text(st.characters()))
def test_junit_is_xml_whatever_is_in_it(text: str) -> None:
    """A strict parser reads it, and gets back every character that XML can hold and does not discourage."""
    document = formats.render("junit", [report(spoiled(FAILED, text), error=AppError("", text))])
    assert document.startswith("<?xml version='1.0' encoding='utf-8'?>\n")
    root = ElementTree.fromstring(document.encode())
    message = root.find(".//failure[@message]")
    assert message is not None
    kept = re.sub("[^\t\n\r\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    assert message.get("message") == kept


# --- github ---

COMMAND = re.compile(r"::(error|notice) ([a-z]+=[^,:\r\n]*(?:,[a-z]+=[^,:\r\n]*)*)::([^\r\n]*)")


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Read workflow commands as the runner does: level, properties, message."""
    found = []
    for line in text.splitlines():
        match = COMMAND.fullmatch(line)
        assert match, line
        pairs = (pair.split("=", 1) for pair in match[2].split(","))
        found.append((match[1], {name: unescaped(value) for name, value in pairs}, unescaped(match[3])))
    return found


def unescaped(text: str) -> str:
    assert not re.search("%(?!25|0D|0A|3A|2C)", text)
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_github_marks_the_line() -> None:
    """An annotation has the file, the line of the borrow, and a title; a notice the points."""
    assert commands(formats.render("github", REPORTS["failed"])) == [
        (
            "error",
            {"file": "work/app.py", "line": "12", "title": "exercise-3: Gives the connection back"},
            f"{FAILED.happened} Expected: {FAILED.expected}",
        ),
        (
            "notice",
            {"file": "work/app.py", "line": "1", "title": "exercise-3: Borrow, use, return"},
            "1 of 6 points (fail)",
        ),
    ]


@pytest.mark.parametrize("reports", REPORTS.values(), ids=REPORTS)
def test_github_commands_are_well_formed(reports: Sequence[Report]) -> None:
    """Each is one line with its own level, whatever a learner's text tries; a run that did not pass has an error."""
    found = commands(formats.render("github", reports))
    assert any(level == "error" for level, _, _ in found) is not all(r.status is Status.PASS for r in reports)
    assert [level for level, _, _ in found].count("notice") == len(reports)


@PATIENT
@given(st.text(st.characters()))
def test_github_escapes_everything(text: str) -> None:
    """No text ends its message or its property, or begins a command of its own."""
    [error, notice] = commands(formats.render("github", [report(spoiled(FAILED, text), path=text or "app.py")]))
    assert (error[0], notice[0]) == ("error", "notice")
    if text.isprintable() and text and "%" not in text and len(text) < 1000:
        assert error[1]["file"] == text
        assert error[2] == f"{text} Expected: {FAILED.expected}"


@pytest.mark.parametrize(("number", "errors", "last"), [(10, 10, "After the"), (11, 10, "2 more"), (40, 10, "31 more")])
def test_github_shows_at_most_ten(number: int, errors: int, last: str) -> None:
    """The runner drops what is over ten of a level, so the tenth says how many are left."""
    checks = [dataclasses.replace(FAILED, id=f"check-{n}") for n in range(number)]
    found = [message for level, _, message in commands(formats.render("github", [report(*checks)])) if level == "error"]
    assert len(found) == errors
    assert last in found[-1]
    several = commands(formats.render("github", [report(PASSED)] * 15))
    assert len(several) == 10


def test_github_summary_is_one_table() -> None:
    """No text breaks out of its cell, and the whole stays within what GitHub takes."""
    text = github.summary(REPORTS["spoiled"] * 2)
    for line in text.splitlines():
        assert len(re.findall(r"(?<!\\)\|", line)) == 5, line
        assert "<" not in line
    big = report(*[spoiled(FAILED, "é" * 2000)] * 400)
    assert len(github.summary([big]).encode()) <= 1 << 20


# --- json ---


def documented(heading: str) -> set[str]:
    """Return the fields that docs/report.md lists in a section."""
    text = (find_course().root / "docs" / "report.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {heading}\n(.*?)(?=^#|\Z)", text, re.DOTALL | re.MULTILINE)
    assert section
    return {
        name for row in re.findall(r"^\| (`.*?) \|", section[1], re.MULTILINE) for name in re.findall("`(.*?)`", row)
    }


def loaded(reports: Sequence[Report]) -> Any:  # noqa: ANN401  (any JSON)
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(formats.render("json", reports), parse_constant=refuse)


def test_json_has_the_documented_fields_and_no_others() -> None:
    """The documentation is what programs are written by."""
    made = loaded(REPORTS["failed"])
    assert made.keys() == documented("An exercise")
    assert all(check.keys() == documented("A check") for check in made["checks"])
    assert all(row.keys() == documented("A row of the ledger") for row in made["checks"][1]["ledger"])


def test_json_says_what_the_report_says() -> None:
    """Every value is found again."""
    made = loaded(REPORTS["failed"])
    assert (made["poolkit_report"], made["status"], made["points"], made["max_points"]) == (1, "fail", 1, 6)
    assert made["assurance"] == {"level": "full", "layers": ["session"], "missing": []}
    assert (made["error"], made["fault"], made["seed"], made["duration_s"]) == (None, None, 7, 0.5322)
    passed, failed, beyond = made["checks"]
    assert (passed["expected"], passed["why"], passed["ledger"], passed["deciding"]) == (None, None, [], None)
    assert (failed["expected"], failed["happened"], failed["why"]) == (FAILED.expected, FAILED.happened, FAILED.why)
    assert failed["borrowed_at"] == [{"file": "app.py", "line": 12, "text": "async with database:"}]
    assert (beyond["status"], beyond["needs"], beyond["output"]) == ("not_reached", ["returns-it"], None)
    assert failed["ledger"][0] == {
        **{"seq": 4, "at_s": 0.04, "kind": "borrow", "connection": 1, "request": 1, "detail": ""},
        **{"total": 2, "free": 1, "borrowed": 1, "waiting": 0, "file": "app.py", "line": 12},
    }
    never = loaded(REPORTS["never ran"])
    assert never["error"] == {"type": "SyntaxError", "message": "invalid syntax", "file": "app.py", "line": 3}


def test_json_of_several_has_their_sum() -> None:
    """One object, so that a program need not guess where the next begins."""
    made = loaded(REPORTS["several"])
    assert made.keys() == {"poolkit_report", "exit_code", "points", "max_points", "exercises"}
    assert (made["exit_code"], made["points"], made["max_points"], len(made["exercises"])) == (1, 1, 4, 2)
    assert loaded([])["exercises"] == []


def test_json_keeps_every_character(tmp_path: Path) -> None:
    """In ASCII, so that no terminal and no log on the way changes it or obeys it."""
    text = formats.render("json", REPORTS["spoiled"])
    assert text.isascii()
    assert not re.search(r"[^\n\x20-\x7e]", text)
    assert loaded(REPORTS["spoiled"])["exercises"][0]["checks"][0]["happened"] == NASTY


# --- quizzes ---


def taken(outcome: Outcome, quiz: str = "small") -> Result:
    """Return the result of a quiz of one question."""
    fraction = Fraction(outcome is Outcome.RIGHT)
    given = ("two",) if outcome is Outcome.RIGHT else ("three",)
    said = (Feedback("three", "It is odd.", "off-by-one"),)
    return Result(
        quiz,
        "A small quiz",
        (QuestionResult("small.q", "Even?", outcome, fraction, 2, given, ("two",), said),),
        Fraction(7, 10),
    )


QUIZZES = Folder(
    (
        HandedIn("answers/a.yaml", taken(Outcome.WRONG), counts=False),
        HandedIn("answers/b.yaml", taken(Outcome.RIGHT)),
        HandedIn("answers/c.yaml", taken(Outcome.WRONG, "other")),
        HandedIn("answers/d.yaml", problem="answers/d.yaml:3: no `poolkit_answers`; begin the file with that"),
        HandedIn("answers/e.yaml", problem="quizzes/e.yaml:7: broken; mend it", at_fault=True),
    )
)
SPOILED = Folder((HandedIn(NASTY, problem=NASTY), HandedIn(NASTY, taken(Outcome.WRONG))))


@pytest.mark.parametrize("quizzes", [QUIZZES, SPOILED, Folder(())], ids=["quizzes", "spoiled", "none"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_folder_of_answers_can_be_written(name: str, quizzes: Folder) -> None:
    """After the reports, as UTF-8, ending with one line end."""
    text = formats.render(name, REPORTS["failed"], quizzes)
    assert text.encode("utf-8")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_text_counts_quizzes_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each file, what to do where it did not pass, and a sum of its own."""
    monkeypatch.setattr(click, "style", lambda text, **_: text)
    report, _, quizzes = formats.render("text", REPORTS["failed"], QUIZZES).partition("  Quizzes\n")
    assert "1 of 6 points" in report
    lines = quizzes.splitlines()
    assert [line.split()[0] for line in lines[:-1] if re.match(r"  \S ", line)] == ["·", "✓", "✗", "✗", "?"]
    assert "    poolkit quiz score other --answers answers/c.yaml" in lines
    assert "answers/a.yaml: does not count, as another file did as well or better" in flowing(quizzes)
    assert "The quiz is broken, not your file: quizzes/e.yaml:7: broken" in flowing(quizzes)
    assert lines[-1] == "  1 of 2 quizzes passed, 2 of 4 points, apart from those of the exercises"
    assert max(map(len, lines)) <= WIDTH


def test_text_of_answers_obeys_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of files and what is said of them are text."""
    monkeypatch.setattr(click, "style", lambda text, **_: text)
    text = formats.render("text", [], SPOILED)
    assert not [character for character in text if character != "\n" and not character.isprintable()]


def test_json_counts_quizzes_apart() -> None:
    """One report is several then; the exit code is the gravest of both."""
    found = json.loads(formats.render("json", [report(PASSED)], QUIZZES))
    assert (found["points"], found["max_points"], found["exit_code"]) == (1, 1, 3)
    assert (found["quizzes"]["points"], found["quizzes"]["max_points"]) == (2, 4)
    assert [(each["status"], each["counts"]) for each in found["quizzes"]["answers"]] == [
        *(("fail", False), ("pass", True), ("fail", True), ("error", True), ("grader_fault", True))
    ]
    assert "quizzes" not in json.loads(formats.render("json", REPORTS["several"]))


def test_junit_has_a_suite_for_each_file_that_counts() -> None:
    """A try that another one has bettered fails nobody's build."""
    root = ElementTree.fromstring(formats.render("junit", [report(PASSED)], QUIZZES).encode())
    found = [(suite.get("name"), suite.get("failures"), suite.get("errors")) for suite in root]
    assert found == [
        *(("exercise-3", "0", "0"), ("small", "0", "0"), ("other", "1", "0")),
        *(("answers/d.yaml", "0", "1"), ("answers/e.yaml", "0", "1")),
    ]
    paths = [each.get("value") for each in root.findall("./testsuite/properties/property[@name='path']")]
    assert paths == ["answers/b.yaml", "answers/c.yaml"]


def test_github_marks_what_did_not_pass() -> None:
    """Each counting file below its pass mark and each broken one; points in a notice, lines in the summary."""
    lines = formats.render("github", [report(PASSED)], QUIZZES).splitlines()
    errors = [line for line in lines if line.startswith("::error")]
    assert len(errors) == 3
    assert errors[0] == (
        "::error file=answers/c.yaml,line=1,title=quiz other%3A A small quiz::0 of 2 points; 70 %25 of them pass"
    )
    assert lines[-1] == "::notice title=quizzes::2 of 4 points"
    many = [report(PASSED, exercise=f"exercise-{number}") for number in range(20)]
    assert formats.render("github", many, QUIZZES).count("::notice") == 10
    table = github.summary([report(PASSED)], QUIZZES).partition("| quiz |")[2].splitlines()
    assert table[2] == "| ❌ A small quiz | 0/2, does not count | answers/a.yaml |"
    assert len(table) == 2 + len(QUIZZES.files)
