"""`poolkit.text`: text of unknown origin does nothing to a terminal but stand there."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolkit.text import count, plain, plain_lines

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "gone"),
        ("\x1b]0;a new title\x07text", "text"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1b]0;never ended", ""),
        ("\x1bcreset", "reset"),
        ("end\x1b", "end"),
        ("\x1b\x1b[31mx", "[31mx"),
        ("one\r\ntwo\tthree\u2028four\x85five", "one  two three four five"),
        ("bell\x07, back\x08, nul\x00, del\x7f", "bell\\x07, back\\x08, nul\\x00, del\\x7f"),
        ("\x9b31mC1", "\\x9b31mC1"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("\u2066isolated\u2069", "\\u2066isolated\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\ud800", "\\ud800"),
        ("naïve ☃ 𝄞 日本", "naïve ☃ 𝄞 日本"),
        ("", ""),
    ],
)
def test_control_is_shown_and_not_obeyed(text: str, shown: str) -> None:
    """Colours, titles, links and turned writing go or are spelled out; letters of every script stay."""
    assert plain(text) == shown


@PATIENT
@given(st.text(), st.integers(1, 50))
def test_nothing_that_a_terminal_obeys_is_left(text: str, limit: int) -> None:
    """One line, within the limit, without a character that is not printed."""
    shown = plain(text, limit)
    assert len(shown) <= limit
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")]
    assert plain(shown, limit) == shown or "\\" in shown


@PATIENT
@given(st.text())
def test_lines_are_safe_too(text: str) -> None:
    """Each by itself, and no more of them than were asked for, with one that says so."""
    lines = plain_lines(text, 3)
    assert len(lines) <= 4
    assert lines == [plain(line, 3_000) for line in lines]


def test_a_cut_is_seen() -> None:
    """What is left out leaves a mark; of lines, the last ones stay, where an exception stands."""
    assert plain("x" * 11, 10) == "x" * 9 + "…"
    assert plain("x" * 10, 10) == "x" * 10
    assert plain_lines("a\n\tb\nc\nd\ne", 3) == ["a", "… 2 more lines", "d", "e"]
    assert plain_lines("a\nb\nc", 3) == ["a", "b", "c"]


def test_a_flood_is_cut_before_it_is_worked_on() -> None:
    """A text of megabytes costs no more than one at the limit."""
    assert plain("\x07" * 10_000_000, 20) == "\\x07" * 4 + "\\x0…"


def test_numbers_agree_with_their_nouns() -> None:
    """One is singular, none is plural."""
    assert [count(n, "connection") for n in (0, 1, 2)] == ["0 connections", "1 connection", "2 connections"]
