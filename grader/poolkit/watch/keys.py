"""The keys of `poolkit watch`, and what a terminal sends when they are pressed."""

from __future__ import annotations

import re

KEYS = {
    "n": "next",
    "h": "hint",
    "t": "trace",
    "l": "list",
    "r": "reset",
    "z": "quiz",
    "e": "edit",
    "c": "check",
    "q": "quit",
}
"""What each key is for, in the order in which they are shown."""

ENTER = "enter"
ESCAPE = "escape"
BACKSPACE = "backspace"
END = "end"
"""Ctrl-D."""

_CONTROL = {"\r": ENTER, "\n": ENTER, "\x1b": ESCAPE, "\x7f": BACKSPACE, "\b": BACKSPACE, "\x04": END}
# Arrows, function keys, the mouse, a paste's brackets: one sequence each, none of whose letters is a key.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[^\x1b\[O])")


def decode(data: bytes) -> list[str]:
    """Return the keys in what a terminal sent: characters, lower case, and the names above."""
    text = _SEQUENCE.sub("", data.decode(errors="ignore"))
    return [_CONTROL.get(character) or character.lower() for character in text]
