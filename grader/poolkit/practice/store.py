"""Keeps the deck in a file that outlasts crashes, other processes and other versions of poolkit."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from poolkit.errors import UsageFault
from poolkit.files import unused
from poolkit.practice.deck import MARK, Deck
from poolkit.text import plain
from poolkit.workspace import write_atomically

MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Opened:
    """A deck; `notice` says where an older file went that could not be read, "" when there was none."""

    deck: Deck
    notice: str = ""


class _Unreadable(Exception):
    """The file is no deck of this version; its text says why."""


@dataclass(frozen=True, slots=True)
class Store:
    """The folder that a deck is kept in."""

    folder: Path

    @property
    def path(self) -> Path:
        """The deck's file."""
        return self.folder / "deck.json"

    def read(self, now: datetime) -> Opened:
        """Return the deck, an empty one where there is none; a file that is no deck is moved aside.

        Raises:
            UsageFault: the file cannot be opened or moved.
        """
        try:
            return Opened(self._load())
        except _Unreadable:
            with self._locked():
                return self._open(now)

    def update(self, change: Callable[[Deck], Deck], now: datetime) -> Opened:
        """Change the deck as it is in the file now, which another process may have written meanwhile.

        Raises:
            UsageFault: it cannot be read or written.
        """
        with self._locked():
            opened = self._open(now)
            deck = change(opened.deck)
            try:
                write_atomically(self.path, deck.model_dump_json() + "\n")
            except OSError as error:
                raise self._fault("written", error) from None
        return Opened(deck, opened.notice)

    def _open(self, now: datetime) -> Opened:
        try:
            return Opened(self._load())
        except _Unreadable as problem:
            aside = unused(self.folder / f"deck-unreadable-{now:%Y-%m-%dT%H-%M-%S}.json")
            try:
                os.replace(self.path, aside)
            except OSError as error:
                raise self._fault("moved aside", error) from None
            return Opened(Deck(), f"{self.path}: {problem}; it is kept as {aside.name}, and practice begins anew")

    def _load(self) -> Deck:
        try:
            with self.path.open("rb") as file:
                text = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return Deck()
        except OSError as error:
            raise self._fault("read", error) from None
        if len(text) > MAX_BYTES:
            raise _Unreadable(f"over {MAX_BYTES >> 20} MiB, which no deck is")
        try:
            return Deck.model_validate_json(text)
        except ValidationError as error:
            raise _Unreadable(_why(error)) from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time change the deck; nobody holds this while somebody thinks."""
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context((self.folder / "lock").open("a"))
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                raise self._fault("locked", error) from None
            yield

    def _fault(self, what: str, error: OSError) -> UsageFault:
        return UsageFault(f"{self.path}: cannot be {what} ({error.strerror}); mend that and run it again")


def _why(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in found["loc"])
    if found["type"] == "json_invalid":
        return "not JSON"
    if place == MARK or not place:
        return f"{MARK} is {plain(repr(found['input']), 40)}, and this poolkit knows version 1"
    return f"`{plain(place, 80)}`: {plain(found['msg'].lower(), 120)}"
