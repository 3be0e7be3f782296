"""Compares what the sentences of a lesson say of steps with the run that they are about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from poolkit.lesson import Lesson
from poolkit.trace import Step, Trace, pool_words, settled

_STEPS = re.compile(r"\bsteps? (\d+(?:(?:,| and| to|, and) (?:steps? )?\d+)*)", re.IGNORECASE)
_WOULD_BE = re.compile(r"\b(would|could|had|suppose|if)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.?!;:])\s+(?=[^a-z])|(?<=[.?!])\s+")
_WORDS = {word: number for number, word in enumerate(("one", "two", "three", "four", "five", "six"), 1)}
_NUMBER = rf"\d+|{'|'.join(_WORDS)}"
_STATE = re.compile(rf"\b({_NUMBER}) of ({_NUMBER})\b", re.IGNORECASE)
_DONE = re.compile(
    rf"\b({_NUMBER}) connections? (?:is|are|was|were) (opened|borrowed|returned|closed)\b", re.IGNORECASE
)
_CONNECTIONS = re.compile(r"\bconnections? (\d+)(?:,? and (\d+))?", re.IGNORECASE)
_VERBS = {
    "borrows": "borrowed",
    "is borrowed": "borrowed",
    "are borrowed": "borrowed",
    "is returned": "returned",
    "are returned": "returned",
    "is closed": "closed",
    "are closed": "closed",
    "commits": "committed",
    "is committed": "committed",
    "is rolled back": "rolled back",
    "a rollback": "rolled back",
}
_SMALL = 20
"""Up to here a number is one of the run; above, it may be one of the sample, such as seconds."""


def wrong_claims(lesson: Lesson, trace: Trace) -> Iterator[str]:
    """Return what is wrong, a line each.

    What a sentence says of steps is true of one of them. Sentences of what would be are left out, as is code.
    """
    for sentence in _sentences(lesson.parts.get(part, "") for part in ("Sample", "Insights", "Transcript")):
        numbers = set(_named(sentence))
        if not numbers or _WOULD_BE.search(sentence):
            continue
        steps = [step for step in trace.steps if step.number in numbers]
        rest = re.sub(r"`[^`]*`", "", _STEPS.sub("", sentence))
        for problem in (*_states(rest, steps), *_numbers(rest, steps, lesson), *_actions(rest, steps)):
            yield f"{problem}: {sentence}"


def _sentences(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        prose = re.sub(r"^```.*?^```$|^#.*?$", "", part, flags=re.DOTALL | re.MULTILINE)
        for paragraph in re.split(r"\n\n+", prose):
            yield from _SENTENCE.split(" ".join(paragraph.split()))


def _named(sentence: str) -> Iterator[int]:
    """Return the steps that a sentence names."""
    for match in _STEPS.finditer(sentence):
        numbers = [int(number) for number in re.findall(r"\d+", match.group(1))]
        yield from range(numbers[0], numbers[1] + 1) if " to " in match.group(1) and len(numbers) == 2 else numbers


def _states(text: str, steps: list[Step]) -> Iterator[str]:
    for free, total in _STATE.findall(text):
        if (_value(free), _value(total)) not in [(step.pool.free, step.pool.total) for step in steps]:
            yield f"not {free} of {total}"


def _numbers(text: str, steps: list[Step], lesson: Lesson) -> Iterator[str]:
    shown = {number for step in steps for number in _shown(step)}
    sampled = {int(number) for number in re.findall(r"\d+", f"{lesson.sample} {' '.join(lesson.requests)}")}
    for request in re.findall(r"\brequest (\d+)", text, re.IGNORECASE):
        if not 1 <= int(request) <= len(lesson.requests):
            yield f"no request {request}"
    touched = {number for step in steps for number in _connections(step)}
    for pair in _CONNECTIONS.findall(text):
        yield from (f"no connection {number}" for number in pair if number and int(number) not in touched)
    for number in map(int, re.findall(r"\d+", re.sub(r"\brequests? \d+", "", text, flags=re.IGNORECASE))):
        if number not in shown and (number <= _SMALL or number not in sampled):
            yield f"no {number}"


def _shown(step: Step) -> Iterator[int]:
    """Return every number that a step's row shows."""
    yield from _connections(step)
    yield from map(int, re.findall(r"\d+", f"{step.event} {pool_words(step.pool)} {step.result}"))
    yield from (step.pool.total, step.pool.borrowed)


def _connections(step: Step) -> Iterator[int]:
    """Return the connections that a step did something with, or that are borrowed after it."""
    for first, last in re.findall(r"(\d+) to (\d+)", step.action):
        yield from range(int(first), int(last) + 1)
    yield from map(int, re.findall(r"\d+", step.action))
    yield from step.lent


def _actions(text: str, steps: list[Step]) -> Iterator[str]:
    done = [(verb.strip(), number) for step in steps for verb, number in settled(step.action)]
    for number, verb in _DONE.findall(text):
        if (verb.lower(), _value(number)) not in done:
            yield f"not {number} {verb}"
    if not re.search(r"\b(nothing|nobody|none|no)\b", text):
        for said, verb in _VERBS.items():
            if re.search(rf"\b{said}\b", text) and verb not in [each for each, _ in done]:
                yield f"nothing {verb}"


def _value(number: str) -> int:
    return _WORDS.get(number.lower()) or int(number)
