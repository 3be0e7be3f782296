"""`poolkit.quiz.answers`: what fits a quiz is read and written back as it was; what does not is told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quizzing import RIGHT, replaced, small

from poolkit.errors import QuizFault
from poolkit.quiz import answers, learner
from poolkit.quiz.answers import Answer, Answers
from poolkit.quiz.learner import Sheet


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    """The small quiz, as it is asked."""
    return learner.sheet(small(tmp_path / "course")[1])


def fault(sheet: Sheet, path: Path, content: str | bytes) -> str:
    """Return what is said of a file of answers."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(QuizFault) as caught:
        answers.load(path, sheet)
    said = str(caught.value)
    assert said.startswith(f"{path}:"), said
    assert "\n" not in said
    assert caught.value.exit_code == 2
    return said.removeprefix(str(path))


def test_answers_of_every_type_are_read(sheet: Sheet, tmp_path: Path) -> None:
    """By ids; what is not named is not there."""
    path = tmp_path / "answers.yaml"
    path.write_text(replaced(RIGHT, "{answer: false}", "{skipped: true, hints: 2}"))
    found = answers.load(path, sheet)
    assert (found.quiz, found.seed) == ("small", 42)
    assert found.answers == {
        "small.single": Answer(("rightmost",), "sure"),
        "small.multi": Answer(("aa", "cc")),
        "small.truth": Answer(None, None, 2),
        "small.order": Answer(("a", "b", "c")),
        "small.number": Answer(1.6),
    }


def test_the_order_of_lines_means_nothing(sheet: Sheet, tmp_path: Path) -> None:
    """Answers are found by their ids, never by their places."""
    path = tmp_path / "answers.yaml"
    head, lines = RIGHT.splitlines()[:4], RIGHT.splitlines()[4:]
    path.write_text(RIGHT)
    first = answers.load(path, sheet)
    path.write_text("\n".join([*head, *reversed(lines)]))
    assert answers.load(path, sheet) == first


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("quiz: small", "quiz: other", 2, "answers to the quiz 'other', not to 'small'; give those to it"),
        ("quiz: small\n", "", 1, "`quiz` is missing; add it"),
        ("poolkit_answers: 1", "poolkit_answers: 7", 1, "poolkit_answers is 7; this poolkit knows version 1"),
        ("poolkit_answers: 1", "poolkit_quiz: 1", 1, "this is a quiz with its key; give a file of answers"),
        ("seed: 42", "seed: -1", 3, "`seed` is -1; at least 0"),
        ("seed: 42", "sed: 42", 3, "`sed` is not a field here; did you mean `seed`?"),
        (
            "small.single:",
            "small.singel:",
            5,
            'the quiz \'small\' has no question "small.singel"; did you mean "small.',
        ),
        ("small.single:", "zzz:", 5, "the quiz 'small' has no question \"zzz\"; remove it"),
        ("small.truth:", "small.multi:", 7, "'small.multi' stands here twice; remove one of the two"),
        (
            "choice: rightmost",
            "choice: wrongmost",
            5,
            "answer to \"small.single\": there is no choice 'wrongmost'; it has",
        ),
        ("choice: rightmost", "choice: 1", 5, "`choice` is 1, which is no text; put it in quotes"),
        (
            "choice: rightmost",
            "choices: [rightmost]",
            5,
            "`choices` is no answer to a single question; write choice: ID",
        ),
        ("choice: rightmost, ", "", 5, 'answer to "small.single": says nothing; write choice: ID, or skipped: true'),
        ("choice: rightmost", "choice: rightmost, skipped: true", 5, "skipped, and answered all the same; remove one"),
        (
            "choice: rightmost",
            "choise: rightmost",
            5,
            'answer to "small.single": `choise` is not a field here; did you',
        ),
        ("confidence: sure", "confidence: very", 5, "`confidence` is 'very'; use sure or unsure"),
        ("hints: 0", "hints: -1", 5, "`hints` is -1; at least 0"),
        (
            "answers:\n",
            "hints: {small.singel: 1}\nanswers:\n",
            4,
            'no question "small.singel"; did you mean "small.single"',
        ),
        ("choices: [aa, cc]", "choices: [aa, aa]", 6, "'aa' stands there 2 times; name each once"),
        ("choices: [aa, cc]", "choices: [aa, zz]", 6, "there is no choice 'zz'; it has aa, bb, cc, dd"),
        ("choices: [aa, cc]", "choices: aa", 6, "`choices` is 'aa'; write a list such as [a, b] there"),
        ("choices: [aa, cc]", "order: [aa, cc]", 6, "`order` is no answer to a multi question; write choices: [ID"),
        ("answer: false", "answer: no", 7, "'no' is no answer to a true_false question; write true or false"),
        ("answer: false", "answer: 0", 7, "0 is no answer to a true_false question; write true or false"),
        ("order: [a, b, c]", "order: [a, b]", 8, "names 2 of 3 items; put all of them in order: a, b, c"),
        ("order: [a, b, c]", "order: [a, b, b]", 8, "'b' stands there 2 times; name each once"),
        ("answer: 1.6", 'answer: "1.6"', 9, "'1.6' is no answer to a numeric question; write a number, without quotes"),
        ("answer: 1.6", "answer: true", 9, "True is no answer to a numeric question; write a number, without quotes"),
        ("answer: 1.6", "answer: 1e3", 9, "'1e3' is no answer to a numeric question; write a number, without quotes"),
        ("{answer: 1.6}", "[1.6]", 9, 'answer to "small.number": `answers.small.number` is [1.6]; write named fields'),
    ],
)
def test_each_fault_is_told(sheet: Sheet, tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    """In one line: the file, the line, what is wrong and what to do."""
    told = fault(sheet, tmp_path / "answers.yaml", replaced(RIGHT, old, new))
    assert told.startswith(f":{line}: "), told
    assert said in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (RIGHT + "  small.x: !!python/object/apply:os.system [touch owned]\n", "is not allowed; write plain values"),
        (RIGHT + "  small.x: &a [*a]\n", "anchors and aliases are not allowed"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        ("", "no `poolkit_answers`; begin the file with `poolkit_answers: 1`"),
        ("poolkit_answers: 1\nquiz: small\nanswers: []\n", "`answers` is []; write named fields such as {a: 1} there"),
        (RIGHT.replace("small.single:", "'\\e[31m':"), "has no question"),
    ],
)
def test_hostile_files_are_refused(sheet: Sheet, tmp_path: Path, content: str | bytes, said: str) -> None:
    """Learners hand these in: nothing is executed, nothing grows."""
    assert said in fault(sheet, tmp_path / "answers.yaml", content)


def test_all_faults_are_counted(sheet: Sheet, tmp_path: Path) -> None:
    """The first is told, with the number of the others; the fault has a line for each."""
    path = tmp_path / "answers.yaml"
    path.write_text(replaced(replaced(RIGHT, "rightmost", "x"), "[aa, cc]", "[aa, x]"))
    with pytest.raises(QuizFault, match=r":5: .*\(and 1 more\)$") as caught:
        answers.load(path, sheet)
    assert len(caught.value.problems) == 2


@st.composite
def some_answers(draw: st.DrawFn) -> Answers:
    """Answers to some of the small quiz's questions."""
    numbers = st.decimals(-(10**6), 10**6, places=4, allow_nan=False).map(float)
    kinds: dict[str, st.SearchStrategy[object]] = {
        "small.single": st.sampled_from([("rightmost",), ("greedy",), ("pinned",)]),
        "small.multi": st.lists(st.sampled_from(["aa", "bb", "cc", "dd"]), unique=True).map(tuple),
        "small.truth": st.booleans(),
        "small.order": st.permutations(["a", "b", "c"]).map(tuple),
        "small.number": numbers,
    }
    found = {}
    for name, values in kinds.items():
        if draw(st.booleans()):
            value = draw(st.none() | values)
            confidence = draw(st.sampled_from([None, "sure", "unsure"]))
            found[name] = Answer(value, confidence, draw(st.integers(0, 9)))  # type: ignore[arg-type]  # of its kind
    return Answers("small", found, draw(st.none() | st.integers(0, 10**6)))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sheet, Path]:
    """The sheet, and a file to write, for many examples."""
    root = tmp_path_factory.mktemp("answers")
    return learner.sheet(small(root / "course")[1]), root / "answers.yaml"


@settings(max_examples=60, deadline=None)
@given(found=some_answers())
def test_what_is_written_is_read_back(shared: tuple[Sheet, Path], found: Answers) -> None:
    """Answers outlast a sitting as they were given."""
    sheet, path = shared
    path.write_text(answers.dump(found, sheet))
    assert answers.load(path, sheet) == found
