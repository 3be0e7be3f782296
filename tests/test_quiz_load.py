"""`poolkit.quiz.load`: a quiz that may be is read; each way of being wrong has a line with file, line and remedy."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from quizzing import QUIZ, make_course, replaced, small

from poolkit.course import Course
from poolkit.errors import QuizFault, UsageFault
from poolkit.quiz import load
from poolkit.quiz.model import Credit, Multi, Numeric, Order, Single, TrueFalse


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course with the small quiz, to break."""
    return make_course(tmp_path / "course")


def fault(course: Course, content: str | bytes) -> str:
    """Return what is said of a quiz's file."""
    path = load.folder(course) / "small.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(QuizFault) as caught:
        load.load(path, course)
    said = str(caught.value)
    assert said.startswith(f"{path}:"), said
    assert "\n" not in said
    return said.removeprefix(str(path))


def test_a_quiz_of_every_type_is_read(tmp_path: Path) -> None:
    """Into types, with the code that a question shows as text."""
    _, quiz = small(tmp_path / "course")
    assert [type(question) for question in quiz.questions] == [Single, Multi, TrueFalse, Order, Numeric]
    first = quiz.question("small.single")
    assert first.code is not None
    assert first.code.text == "async def first(): ...\nasync def second(): ..."
    assert quiz.credit(quiz.question("small.multi")) is Credit.NET_CORRECT
    assert quiz.defaults.pass_mark == 0.7
    assert quiz.exercise == "limit-1"
    with pytest.raises(KeyError):
        quiz.question("small.none")


def test_the_small_quiz_leaves_no_doubt(course: Course) -> None:
    """What the other tests break is right to begin with."""
    [found] = load.examine_all(course)
    assert (found.problems, found.doubts) == ((), ())


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        # the file
        ("title: A small quiz\n", "", 1, "`title` is missing; add it"),
        ("title: A small quiz", "titel: A small quiz", 1, "`title` is missing; add it (and 1 more)"),
        ("exercise: limit-1", "exercize: limit-1", 4, "`exercize` is not a field here; did you mean `exercise`?"),
        ("exercise: limit-1", "zzz: 1", 4, "`zzz` is not a field here; remove it, or mend its spelling"),
        ("exercise: limit-1", "exercise: limit-9", 4, "the exercise 'limit-9' is not in course.yaml; use an id from"),
        ("id: small\n", "id: Small\n", 2, "`id` is 'Small', a malformed name; use small letters and digits, joined"),
        ("id: small\n", "id: other\n", 2, "the id is 'other' and the file small.yaml; name the file other.yaml"),
        ("credit: net_correct", "credit: generous", 5, "`defaults.credit` is 'generous'; use net_correct,"),
        ("pass: 0.7", "pass: 70", 5, "`defaults.pass` is 70; at most 1"),
        ("shuffle: true", "shuffle: yes", 5, "`defaults.shuffle` is 'yes'; write true or false there"),
        ("poolkit_quiz: 1", "poolkit_quiz: 2", 1, "poolkit_quiz is 2; this poolkit knows version 1"),
        ("poolkit_quiz: 1", "poolkit_quiz: true", 1, "poolkit_quiz is True; this poolkit knows version 1"),
        ("poolkit_quiz: 1", "quiz: 1", 1, "no `poolkit_quiz`; begin the file with `poolkit_quiz: 1`"),
        ("id: small\n", "id: small\nid: small\n", 3, "'id' stands here twice; remove one of the two"),
        ("title: A", "tags: []\ntitle: A", 3, "`tags` is not a field here; it belongs somewhere else; remove it"),
        # a question
        ("type: single", "type: radio", 7, "'radio' is no type of question; use single, multi, true_false"),
        ("    type: single\n", "", 7, "`type` is missing; add single, multi"),
        ("id: small.single", "id: small..single", 7, "`id` is 'small..single', a malformed name; use small letters"),
        ("difficulty: 2", "difficulty: 6", 10, 'question "small.single": `difficulty` is 6; at most 5'),
        ("difficulty: 2", 'difficulty: "2"', 10, "`difficulty` is '2'; write a whole number there"),
        ("hints: [", "hint: [", 14, 'question "small.single": `hint` is not a field here; did you mean `hints`?'),
        ("points: 2", "points: 0", 24, "`points` is 0; at least 1"),
        ('    prompt: "Which are even?"\n', "", 22, 'question "small.multi": `prompt` is missing; add it'),
        ('prompt: "Which are even?"', 'prompt: ""', 25, "`prompt` is empty; write something there"),
        ("id: small.multi", "id: small.single", 22, "2 questions have this id; ids are unique"),
        # choices
        (', correct: true, feedback: "As', ', feedback: "As', 7, 'question "small.single" has no correct choice; mark'),
        (
            'misconception: off-by-one, feedback: "The',
            'correct: true, feedback: "The',
            16,
            "has 2 correct choices; lea",
        ),
        ('text: "three"', 'text: " TWO. "', 28, "'bb' says the same as 'aa'; make them differ"),
        ('text: "three"', 'text: " . "', 28, "the text of 'bb' is empty; write what it offers"),
        ('text: "three"', 'text: ""', 28, "the text of 'bb' is empty; write what it offers"),
        ('text: "three"', "text: 3", 28, "`choices.2.text` is 3, which is no text; put it in quotes"),
        ('text: "three"', "text: true", 28, "`choices.2.text` is True, which is no text; put it in quotes"),
        ("{id: bb", "{id: aa", 28, "the id 'aa' stands there twice; ids are unique"),
        ("{id: bb", "{id: B_b", 28, "`choices.2.id` is 'B_b', a malformed name; use small letters and digits, joined"),
        (", pin: last", "", 18, '"None of the above" needs a fixed place; add pin: last, or say what it means'),
        ('None of the above", pin: last', 'All of these"', 18, '"All of these" needs a fixed place'),
        ("pin: last", "pin: end", 18, "`choices.3.pin` is 'end'; use first or last"),
        (
            "misconception: off-by-one, feedback",
            "misconception: grows, feedback",
            17,
            "the misconception 'grows' is in no",
        ),
        ('correct: true, feedback: "As', 'correct: true, misconception: off-by-one, feedback: "As', 16, "a correct ch"),
        # code and recorded run
        ("file: scenarios/pair.py", "file: scenarios/three.py", 13, "there is no file 'scenarios/three.py' below"),
        ("file: scenarios/pair.py", "file: ../../secret.py", 13, "the file '../../secret.py' is not below"),
        ("file: scenarios/pair.py", "file: /etc/passwd", 13, "the file '/etc/passwd' is not below"),
        ("lines: [2, 3]", "lines: [2, 4]", 13, "scenarios/pair.py has no line 4; it has 3"),
        ("lines: [2, 3]", "lines: [3, 2]", 13, "the lines 3 to 2 are none; write the first one first"),
        ("lines: [2, 3]", "lines: [2]", 13, "`code.lines` has 1 of them; at least 2"),
        ("lines: [2, 3]", "text: x", 13, "the code needs either `text` or `file`; give one of the two"),
        ("file: scenarios/pair.py", "text: x", 13, "`lines` are those of a `file`; remove them beside `text`"),
        ("file: scenarios/pair.py, lines: [2, 3]", "", 13, "the code needs either `text` or `file`"),
        ("scenario: pair", "scenario: three", 20, "there is no scenario 'three'; add scenarios/three.json or .py"),
        ("step: 2}", "step: 3}", 20, "the run 'pair' has no step 3; it has 1 to 2"),
        ("step: 2}", "step: 0}", 20, "`trace.step` is 0; at least 1"),
        # order
        ("[b, c]]", "[b, c], [c, a]]", 36, "goes round in a circle ("),
        ("[b, c]]", "[b, b]]", 36, "goes round in a circle (b before b); remove one of the pairs"),
        ("[b, c]]", "[b, z]]", 36, "'z' is none of the items; use their ids"),
        ("[b, c]]", "[b]]", 36, "`before.2` has 1 of them; at least 2"),
        ("[[a, b], [b, c]]", "[]", 36, "`before` has 0 of them; at least 1"),
        ("text: execute", "text: Borrow", 35, "'b' says the same as 'a'; make them differ"),
        # numbers and truths
        ("answer: 1.5", 'answer: "1.5"', 41, "`answer` is '1.5'; write a number, without quotes there"),
        ("answer: 1.5", "answer: .nan", 41, "`answer` is '.nan'; write a number, without quotes there"),
        ("tolerance: 0.1", "tolerance: -1", 42, "`tolerance` is -1; at least 0"),
        ("wrong: [{answer: 3,", "wrong: [{answer: 1.4,", 44, "1.4 is right within the tolerance; give another"),
        ("misconception: off-by-one}]", "misconception: off}]", 44, "the misconception 'off' is in no exercise.yaml"),
        ("answer: false", "answer: no", 31, "`answer` is 'no'; write true or false there"),
    ],
)
def test_each_fault_is_told(course: Course, old: str, new: str, line: int, said: str) -> None:
    """In one line: the file, the line, what is wrong and what to do."""
    told = fault(course, replaced(QUIZ, old, new))
    assert told.startswith(f":{line}: "), told
    assert said in told


CHOICES = QUIZ.index("      - {id: aa")
FIVE = QUIZ.index("  - {id: small.truth")


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ("      - {id: aa, text: x, correct: true}\n", "`choices` has 1 of them; at least 2"),
        (
            "      - {id: aa, text: x}\n      - {id: bb, text: y}\n",
            "has no correct choice; mark one with correct: true",
        ),
        (
            "      - {id: aa, text: x, correct: true}\n      - {id: bb, text: y, correct: true}\n",
            "has only correct choices; add a wrong one",
        ),
        ("".join(f"      - {{id: a{n}, text: t{n}}}\n" for n in range(10)), "`choices` has 10 of them; at most 9"),
    ],
)
def test_a_question_of_many_answers_needs_both_kinds(course: Course, choices: str, said: str) -> None:
    """Two choices or more, one of them right and one of them wrong."""
    assert f'question "small.multi"{":" if "`" in said or "only" in said else ""} {said}' in fault(
        course, QUIZ[:CHOICES] + choices + QUIZ[FIVE:]
    )


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("poolkit_quiz: 1\na: &a [x, x]\nb: [*a, *a]\n", 2, "anchors and aliases are not allowed; write the value out"),
        ("poolkit_quiz: 1\na: !!python/object/apply:os.system [touch owned]\n", 2, "os.system is not allowed; write"),
        (b"\x7fELF\x02\x01\x01\0\0\0", 1, "a control character ('\\x7f'); delete it"),
        (b"\x89PNG\r\n\x1a\n", 1, "not UTF-8 text; save the file as UTF-8"),
        ("", 1, "no `poolkit_quiz`"),
        ("[]", 1, "no `poolkit_quiz`"),
        ("poolkit_quiz: 1\nquestions: {a: 1}\n", 1, "`id` is missing; add it (and 2 more)"),
        ("poolkit_quiz: [1]\n", 1, "poolkit_quiz is [1]; this poolkit knows version 1"),
        (
            "poolkit_quiz_learner: 1\n",
            1,
            "this is a learner's copy of a quiz, without its key; give a quiz with its key",
        ),
        ("poolkit_quiz: 1\na: [\n", 3, "check the indentation and quotes there"),
    ],
)
def test_a_file_that_is_no_quiz_is_told(course: Course, content: str | bytes, line: int, said: str) -> None:
    """Nothing in it is executed, and nothing grows."""
    told = fault(course, content)
    assert told.startswith(f":{line}: "), told
    assert said in told
    assert not Path("owned").exists()


def test_a_large_file_is_not_read(course: Course) -> None:
    """Fifty megabytes are refused by their size."""
    path = load.folder(course) / "small.yaml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(QuizFault, match=r"small\.yaml: 50000000 bytes is over the limit of 1048576; split the file"):
        load.load(path, course)


def test_what_is_no_plain_file_is_not_opened(course: Course) -> None:
    """A pipe would wait for ever."""
    path = load.folder(course) / "pipe.yaml"
    os.mkfifo(path)
    with pytest.raises(QuizFault, match=r"pipe\.yaml: not a plain file; check the name"):
        load.load(path, course)
    with pytest.raises(QuizFault, match=r"gone\.yaml: no such file; check the name"):
        load.load(load.folder(course) / "gone.yaml", course)


def test_code_outside_is_not_shown_through_a_link(course: Course, tmp_path: Path) -> None:
    """A link below the folder that leads out of it is refused like the path itself."""
    (tmp_path / "secret.py").write_text("secret = 1\n" * 3)
    (load.folder(course) / "scenarios" / "link.py").symlink_to(tmp_path / "secret.py")
    assert "is not below" in fault(course, replaced(QUIZ, "pair.py", "link.py"))


def test_a_recording_that_cannot_be_read_is_told(course: Course) -> None:
    """With the command that makes one."""
    (load.folder(course) / "scenarios" / "pair.json").write_text("[" * 100_000)
    assert "pair.json: not a recorded run; write it again with `poolkit trace" in fault(course, QUIZ)


def test_a_scenario_may_be_code_that_was_not_recorded(course: Course) -> None:
    """Then its steps are known only when it runs."""
    (load.folder(course) / "scenarios" / "pair.json").unlink()
    assert load.load(load.find(course, "small"), course)


def test_all_faults_of_a_file_are_found(course: Course) -> None:
    """Those of the shape and those of the sense, in the order of their lines; a command tells the first."""
    content = replaced(QUIZ, "difficulty: 2", "difficulty: 9")
    content = replaced(content, 'text: "three"', 'text: "two"')
    content = replaced(content, "[b, c]]", "[b, a]]")
    told = fault(course, content)
    assert told.endswith("`difficulty` is 9; at most 5 (and 2 more)")
    found = load.examine(load.folder(course) / "small.yaml", course)
    assert found.quiz is None
    assert [re.sub(r".*small.yaml:(\d+): .*", r"\1", str(problem)) for problem in found.problems] == ["10", "28", "36"]


def test_an_unknown_quiz_is_told(course: Course) -> None:
    """Names are ids, and never lead to other files."""
    for name in ("none", "../small", "small.yaml", "Small", "\x1b[31m"):
        with pytest.raises(UsageFault, match="no quiz .*; `poolkit quiz list` shows them"):
            load.find(course, name)


def test_an_id_in_two_quizzes_is_told(course: Course) -> None:
    """Ids are those of the whole course; the quiz that comes later is the wrong one."""
    (load.folder(course) / "tiny.yaml").write_text(
        "poolkit_quiz: 1\nid: tiny\ntitle: t\nquestions:\n"
        "  - {id: small.truth, type: true_false, prompt: p, answer: true}\n"
    )
    first, second = load.examine_all(course)
    assert first.quiz is not None
    assert 'question "small.truth": small.yaml has a question of this id' in str(second.problems[0])


def _quiz(keys: list[int], longest: int) -> str:
    """Return a quiz of questions whose keys stand at these places, the first `longest` of them the longest choice."""
    lines = ["poolkit_quiz: 1", "id: small", "title: t", "questions:"]
    for number, key in enumerate(keys):
        lines += [f"  - id: q{number}", "    type: single", "    prompt: p", "    choices:"]
        for place in range(4):
            text = "x" * (9 if place == key and number < longest else 5) + str(place)
            lines.append(f"      - {{id: c{place}, text: {text}, correct: {'true' if place == key else 'false'}}}")
    return "\n".join(lines)


def test_what_rewards_ticking_everything_is_doubted(course: Course) -> None:
    """With more right choices than wrong ones, net_correct pays for it."""
    path = load.folder(course) / "small.yaml"
    path.write_text(replaced(QUIZ, 'text: "three"', 'correct: true, text: "three"'))
    [doubt] = load.examine(path, course).doubts
    assert str(doubt) == (
        f'{path}:27: question "small.multi": ticking everything earns 67 % of its points; add wrong choices'
    )


@pytest.mark.parametrize(
    ("keys", "longest", "said"),
    [
        ([0, 1, 2, 3, 0], 2, []),
        ([0, 1, 2, 3, 0], 3, ["the longest choice is the right one in 3 of 5 questions (q0, q1, q2); even them out"]),
        ([0, 0, 2, 3], 0, []),
        ([1, 1, 1, 3], 0, ["choice 2 is the right one in 3 of 4 questions; spread the right ones over the places"]),
        ([1, 1, 1], 0, []),
    ],
)
def test_what_lets_a_learner_guess_is_doubted(course: Course, keys: list[int], longest: int, said: list[str]) -> None:
    """The longest choice is the key in more than 40 %, or one place holds most of the keys; the quiz is still read."""
    path = load.folder(course) / "small.yaml"
    path.write_text(_quiz(keys, longest))
    found = load.examine(path, course)
    assert found.quiz is not None
    assert [doubt.text for doubt in found.doubts] == said
    assert all(doubt.line == 5 for doubt in found.doubts)
