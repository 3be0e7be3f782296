"""Makes text of unknown origin safe to show, and words for what the kit counts."""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)", re.DOTALL)


def plain(text: str, limit: int = 2_000) -> str:
    """Return text as one line that a terminal shows as it is.

    Terminal escape sequences go; line ends and tabs become spaces; other characters that are not printed, those
    that turn the writing direction included, become `\\xNN` or `\\uNNNN`. What is over `limit` characters is cut.
    """
    text = _ESCAPES.sub("", text[: limit * 4])
    shown = "".join(_shown(character) for character in text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def plain_lines(text: str, limit: int = 20) -> list[str]:
    """Return at most `limit` lines of a text, each safe to show, and between the first and the last of them, where an
    exception stands, a line for those left out.
    """
    lines = [plain(line.expandtabs(4)) for line in text.splitlines()]
    if len(lines) <= limit:
        return lines
    first = limit // 2
    return [*lines[:first], f"… {len(lines) - limit} more lines", *lines[first - limit :]]


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 connection`, `2 connections`; `plural` is for nouns that do not end with s then."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def _shown(character: str) -> str:
    if character in "\r\n\t\x0b\x0c\x85\u2028\u2029":
        return " "
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        code = ord(character)
        return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    return character
