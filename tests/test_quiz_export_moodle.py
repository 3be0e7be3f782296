"""Moodle XML: what Moodle asks of a file, that it comes back, and what an import refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree
from quiz_exporting import NAMES, back, compared, made, nasty, own

from poolkit.errors import QuizFault
from poolkit.quiz.export import moodle
from poolkit.quiz.model import Multi, Numeric, Order, Quiz, Single, TrueFalse

# Moodle's list (question/engine/bank.php, fraction_options_full), in per cent; a grade that is not near one is refused.
FRACTIONS = {100, 90, 80, 75, 70, 60, 50, 40, 30, 25, 20, 10, 5, 0, 12.5} | {83.33333, 66.66667, 33.33333, 16.66667}
FRACTIONS |= {14.28571, 11.11111}


def tree(quiz: Quiz) -> etree._Element:
    """Return what lxml reads in an export."""
    return etree.fromstring(moodle.render(quiz).encode())


@pytest.mark.parametrize("name", [*NAMES, "nasty"])
def test_moodle_xml_comes_back(tmp_path: Path, name: str) -> None:
    """Every quiz: the same questions, keys, feedback and hints, orders too."""
    quiz = nasty() if name == "nasty" else own(name)
    found = back(tmp_path, "any.xml", moodle.render(quiz))
    assert (found.quiz.id, found.quiz.title, found.warnings) == (quiz.id, quiz.title, ())
    assert compared(found.quiz) == compared(quiz)
    assert [question.points for question in found.quiz.questions] == [question.points for question in quiz.questions]
    hints = [[hint.strip() for hint in question.hints] for question in quiz.questions]
    assert [question.hints for question in found.quiz.questions] == hints


@pytest.mark.parametrize("name", [*NAMES, "nasty"])
def test_every_file_is_as_moodle_wants_it(name: str) -> None:
    """Fractions of its list, unique id numbers, the literal texts true and false, one right answer where one is."""
    quiz = nasty() if name == "nasty" else own(name)
    category, *questions = tree(quiz)
    assert category.findtext("category/text", "").startswith("$course$/top/")
    ids = [each.findtext("idnumber") for each in questions]
    assert ids == [question.id for question in quiz.questions]
    assert len(set(ids)) == len(ids)
    for element, question in zip(questions, quiz.questions, strict=True):
        shares = [float(answer.get("fraction", "")) for answer in element.iterfind("answer")]
        match question:
            case Single() | TrueFalse():
                assert sorted(shares)[-2:] == [0, 100]
            case Multi():
                assert {abs(share) for share in shares} <= FRACTIONS
                assert sum(share for share in shares if share > 0) == pytest.approx(100, abs=0.001)
            case Order():
                assert shares == [1 + index for index in range(len(question.items))]
            case Numeric():
                assert shares[0] == 100
        if isinstance(question, TrueFalse):
            assert [answer.findtext("text") for answer in element.iterfind("answer")] == ["true", "false"]
        for place in element.iter("questiontext", "generalfeedback", "feedback", "hint"):
            assert place.get("format") == "html"
            etree.fromstring(f"<div>{place.findtext('text')}</div>")


@pytest.mark.parametrize("correct", range(1, 9))
def test_ticking_is_worth_what_it_is_worth_here(correct: int) -> None:
    """A right choice earns its share, a wrong one takes as much off: `net_correct`, with fractions of the list."""
    right, wrong = (float(moodle.fraction(correct, right=value)) for value in (True, False))
    assert right in FRACTIONS
    assert wrong == -right
    assert right == pytest.approx(100 / correct, abs=0.00001)


def test_code_and_what_else_stands_in_a_question() -> None:
    """Code keeps its lines, what is between backticks is code, the unit is asked for; nothing is markup by chance."""
    texts = [element.findtext("questiontext/text", "") for element in tree(nasty())[1:]]
    assert '<pre><code class="language-python">if a == {}:\n    b = "\\n" # &lt;x&gt; &amp; ~\n\n\tc' in texts[0]
    assert texts[3].startswith("<p><code>dict = {'a': 1}</code> and <code>x\\n</code>, `` and an odd `</p>")
    assert texts[3].endswith("<p>Answer in: ms</p>")
    assert "&lt;b&gt;" in tree(nasty())[2].findtext("generalfeedback/text", "")


def test_what_changes_is_told() -> None:
    """Another credit, a fixed place, several right orders."""
    choices = [{"id": "a", "text": "one", "correct": True}, {"id": "b", "text": "all of the above", "pin": "last"}]
    quiz = made(
        [
            {"id": "x.multi", "type": "multi", "prompt": "?", "credit": "coverage", "choices": choices},
            {
                "id": "x.order",
                "type": "order",
                "prompt": "?",
                "items": [{"id": name, "text": name} for name in "abc"],
                "before": [["b", "a"]],
            },
        ]
    )
    said = moodle.warnings(quiz)
    assert "nasty: partly right answers are scored as net_correct there (x.multi)" in said
    assert "nasty: choices are not shuffled there, as one has a fixed place (x.multi)" in said
    assert "nasty: several orders are right, and only one of them there (x.order)" in said
    _, multi, order = tree(quiz)
    assert multi.findtext("shuffleanswers") == "false"
    assert [answer.findtext("text") for answer in order.iterfind("answer")] == ["b", "a", "c"]
    assert order.findtext("gradingtype") == "RELATIVE_ALL_PREVIOUS_AND_NEXT"


def test_a_bank_from_moodle_is_read(tmp_path: Path) -> None:
    """As its editor writes one: HTML of all kinds, other types, grades of its own, no id numbers."""
    text = """\
<?xml version="1.0" encoding="UTF-8"?>
<quiz>
  <question type="category"><category><text>$course$/top/Über// Pools</text></category></question>
  <question type="multichoice">
    <name><text>Größe</text></name>
    <questiontext format="html"><text><![CDATA[<p dir="ltr">Which&nbsp;<b>size</b>?<br></p>
      <p>Look at <code>max_size</code>:</p><pre>Pool(
    max_size=1)
</pre>]]></text></questiontext>
    <generalfeedback format="html"><text></text></generalfeedback>
    <defaultgrade>2.5000000</defaultgrade>
    <single>true</single><shuffleanswers>0</shuffleanswers>
    <answer fraction="100" format="html"><text>&lt;p&gt;one&lt;/p&gt;</text>
      <feedback format="html"><text/></feedback></answer>
    <answer fraction="50"><text>List&lt;int></text></answer>
    <tags><tag><text>Größe X</text></tag></tags>
  </question>
  <question type="essay"><name><text>e</text></name></question>
  <question type="truefalse"><name><text>t</text></name>
    <questiontext format="plain_text"><text>a &lt;b&gt; c</text></questiontext>
    <answer fraction="0"><text>true</text></answer>
    <answer fraction="100"><text>false</text><feedback><text>Well done.</text></feedback></answer>
  </question>
</quiz>
"""
    found = back(tmp_path, "bank.xml", text)
    assert [warning.partition("bank.xml:")[2] for warning in found.warnings] == [
        "4: 2.5000000 points became 2; a quiz has whole points, 1 to 100",
        "4: an answer that is partly right counts as wrong",
        "18: the type 'essay' is none of a quiz's; left out",
    ]
    single, truth = found.quiz.questions
    assert found.quiz.title == "Über/ Pools"
    assert isinstance(single, Single)
    assert single.prompt == "Which\xa0size?\nLook at `max_size`:"
    assert single.code is not None
    assert single.code.text == "Pool(\n    max_size=1)"
    assert (single.id, single.points, single.shuffle, single.tags) == ("bank.grosse", 2, False, ["grosse-x"])
    assert [(choice.text, choice.correct) for choice in single.choices] == [("one", True), ("List<int>", False)]
    assert isinstance(truth, TrueFalse)
    assert (truth.prompt, truth.answer, truth.explanation) == ("a <b> c", False, "Well done.")


ONE = '<quiz>\n<question type="{}">\n<questiontext><text>?</text></questiontext>\n{}</question></quiz>'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("<quiz>\n<question></quiz>", 2, "no XML: Opening and ending tag mismatch"),
        ("<quiz/>", 1, "no question that a quiz can hold"),
        ("<?xml version='1.0'?>\n<html/>", 2, "begins with <html>; Moodle XML has <quiz>"),
        ('<!DOCTYPE q [<!ENTITY a "b">]>\n<quiz>&a;</quiz>', 1, "a DOCTYPE"),
        ("<quiz>\n&a;</quiz>", 2, "no XML"),
        ('<quiz>\n\n<question type="multichoice"></question></quiz>', 3, "no text in <questiontext>"),
        (ONE.format("multichoice", '<answer fraction="lots"><text>a</text></answer>'), 4, "'lots' is no number"),
        (ONE.format("truefalse", '<answer fraction="100"><text>yes</text></answer>'), 2, "the texts true and false"),
        (ONE.format("numerical", '<answer fraction="0"><text>1</text></answer>'), 2, "0 answers are right"),
        (ONE.format("numerical", '<answer fraction="100"><text>x</text></answer>'), 4, "'x' is no number"),
        (ONE.format("numerical", '<answer fraction="100"><text>*</text></answer>'), 2, "the right answer is no number"),
        (ONE.format("multichoice", ""), 2, "at least 2 items"),
        (ONE.format("ordering", '<answer fraction="1"><text>a</text></answer>'), 2, "at least 2 items"),
    ],
)
def test_a_fault_is_one_line_with_its_place(tmp_path: Path, text: str, line: int, message: str) -> None:
    """What is wrong, and in which line; no entity is expanded."""
    with pytest.raises(QuizFault) as caught:
        back(tmp_path, "bank.xml", text)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'bank.xml'}:{line}: "), said
    assert message in said
    assert "\n" not in said
