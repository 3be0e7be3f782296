"""`poolkit.yamlfile`: the YAML that people write, without its traps, and with the line of every fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from poolkit import yamlfile
from poolkit.errors import CourseFault

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""

    def written(content: str | bytes) -> Path:
        path = tmp_path / "quiz.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.fixture(params=["with libyaml", "without libyaml"], autouse=True)
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    # What a file means must not depend on whether PyYAML was built with its C library.
    if request.param == "without libyaml":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "no", "on", "off", "y", "True", "TRUE", "False", "Null", "NULL", "~", "1:30", "1_000", "0x1F", "0o17"),
        *("017", "1e5", ".5", "5.", ".inf", ".nan", "2026-11-22", "2026-11-22 08:00:00", "1.2.3", "+", "<<", "="),
        *("12345678901234567890", "1 000", "NaN", "٣", "١٢"),
    ],
)
def test_text_stays_text(write: Write, text: str) -> None:
    """What only YAML 1.1 takes for a truth, a time, a date or an odd number is what the author wrote."""
    assert yamlfile.load(write(f"[{text}]")).data == [text]
    assert yamlfile.load(write(f"answer: {text}")).data == {"answer": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("false", False), ("null", None), ("", None), ("0", 0), ("-7", -7), ("+7", 7)),
        *(("1.50", 1.5), ("-0.5", -0.5), ("123456789012345678", 123456789012345678)),
        *(("'true'", "true"), ('"7"', "7"), ("'null'", "null"), ("''", ""), ('"\\u00e9\\n"', "é\n")),
        *(("|\n  7\n", "7\n"), (">-\n  true\n", "true")),
    ],
)
def test_a_scalar_is_what_it_looks_like(write: Write, text: str, value: object) -> None:
    """Truths, null and decimal numbers as everybody writes them; in quotes or a block, text."""
    found = yamlfile.load(write(f"answer: {text}")).data["answer"]
    assert (found, type(found)) == (value, type(value))


def test_keys_are_text(write: Write) -> None:
    """A key that looks like a number or a truth is still the key that was written."""
    assert yamlfile.load(write("1: a\nyes: b\nnull: c\n<<: d\n")).data == {"1": "a", "yes": "b", "null": "c", "<<": "d"}


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", 5, "'c' stands here twice; remove one of the two"),
        ("a: 1\n'a': 2\n", 2, "'a' stands here twice"),
        ("a: 1\nb: &x 2\n", 2, "anchors and aliases are not allowed; write the value out"),
        ("a: 1\nb: *x\n", 2, "anchors and aliases are not allowed; write the value out"),
        (
            "a:\n  - !!python/object/apply:os.system [x]\n",
            2,
            "the tag .*os.system.* is not allowed; write plain values",
        ),
        ("a: !!str 1\n", 1, "the tag .* is not allowed"),
        ("a: ! 1\n", 1, "the tag ! is not allowed"),
        ("a: 1\n? [b]\n: 2\n", 2, "a key must be text"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, ".*; check the indentation and quotes there"),
        ("a: 1\nb: 'x\n\n", 4, ".*; check the indentation and quotes there"),
        ("a: 1\n\tb: 2\n", 2, ".*; check the indentation and quotes there"),
        ("a: 1\n---\nb: 2\n", 2, ".*; check the indentation and quotes there"),
        ("a: 1\nb: @x\n", 2, ".*; check the indentation and quotes there"),
        ("é: 1\nb: é\x07\n", 2, r"a control character \('\\x07'\); delete it"),
        ("a: 1\nb: \0\n", 2, r"a control character \('\\x00'\); delete it"),
        (b"a: 1\nb: caf\xe9\n", 2, "not UTF-8 text; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), 1, "not UTF-8 text; save the file as UTF-8"),
        ("a: 1\nb: " + "[" * 41 + "]" * 41, 2, "nested more than 40 deep"),
        ("a: 1\nb: " + "[" * 500_000, 2, "nested more than 40 deep"),
        ("a: 1\nb: " + "{x: " * 100_000, 2, "nested more than 40 deep"),
    ],
)
def test_a_fault_is_told_with_its_line(write: Write, content: str | bytes, line: int, problem: str) -> None:
    """The message is one line: file, line, what is wrong."""
    path = write(content)
    with pytest.raises(CourseFault) as caught:
        yamlfile.load(path)
    assert re.fullmatch(f"{re.escape(str(path))}:{line}: {problem}.*", str(caught.value)), str(caught.value)


def test_what_may_be_nested_may_be(write: Write) -> None:
    """The limit is far from what a course needs, and itself allowed."""
    assert yamlfile.load(write("a: " + "[" * 39 + "]" * 39)).data


def test_a_bomb_of_aliases_is_refused_at_once(write: Write) -> None:
    """A few lines that would grow to gigabytes never grow."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(CourseFault, match=":1: anchors and aliases"):
        yamlfile.load(write("\n".join(lines)))


def test_a_large_file_is_not_read(write: Write) -> None:
    """The limit is told, in bytes."""
    with pytest.raises(CourseFault, match=r"quiz\.yaml: 1048577 bytes is over the limit of 1048576; split the file"):
        yamlfile.load(write("#" * ((1 << 20) + 1)))


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    """Both in one line that names the path."""
    with pytest.raises(CourseFault, match=r"quiz\.yaml: no such file"):
        yamlfile.load(tmp_path / "quiz.yaml")
    with pytest.raises(CourseFault, match="(?i): is a directory$"):
        yamlfile.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ("", None),
        ("# nothing\n", None),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("---\na: 1\n...\n", {"a": 1}),
        ("a: 𝄞 ☃\n", {"a": "𝄞 ☃"}),
    ],
)
def test_files_of_every_editor_are_read(write: Write, content: str, data: Any) -> None:  # noqa: ANN401
    """A byte order mark, line ends of Windows, marks of a document's begin and end, an empty file."""
    assert yamlfile.load(write(content)).data == data


def test_each_place_has_its_line(write: Write) -> None:
    """A later fault can be told with the line of the value, or of the nearest thing around it."""
    document = yamlfile.load(write("title: x\nhints:\n  - one\n  - two\nlimits: {check_s: 1,\n  run_s: 2}\n"))
    assert document.line(("title",)) == 1
    assert document.line(("hints", 1)) == 4
    assert document.line(("limits", "run_s")) == 6
    assert document.line(("hints", 7, "deeper")) == 3
    assert document.line(("missing",)) == 1
    assert document.line(()) == 1
