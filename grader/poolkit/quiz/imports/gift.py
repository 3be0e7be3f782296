r"""Reads GIFT (https://docs.moodle.org/en/GIFT_format) as Moodle does (its question/format/gift/format.php).

Blank lines part the questions, each line is trimmed, a line that begins with `//` is a comment; a comment may give the
question its id and tags. `\` before one of `\ ~ = # { } :` takes its meaning away, and `\n` is a line end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poolkit.errors import QuizFault
from poolkit.quiz.imports._bank import NUMBER, Answer, Bank, Draft, category, number
from poolkit.quiz.imports._html import Prose, prose
from poolkit.quiz.problems import Problem
from poolkit.text import plain

_ESCAPE = re.compile(r"\\([\\~=#{}:n])")
_HELD = "\ue000"
"""Stands before the place in `_MEANT` of an escaped character, from Unicode's private part, until a text is read."""

_MEANT = "\\~=#{}:n"
_STYLE = re.compile(r"\s*\[(html|moodle|plain|markdown)\]")
_WEIGHT = re.compile(r"%(-?\d{1,3}(?:\.\d*)?)%")
_TRUTH = {"T": True, "TRUE": True, "F": False, "FALSE": False}


@dataclass(frozen=True, slots=True)
class _Block:
    line: int
    text: str
    name: str
    labels: tuple[str, ...]


def read(path: Path, text: str) -> Bank:
    """Read a file of GIFT.

    Raises:
        QuizFault: it breaks a rule of the format.
    """
    title, drafts, skipped = "", list[Draft](), list[Problem]()
    for block in _blocks(path, text):
        if block.text.startswith("$CATEGORY:"):
            title = title or category(block.text.partition(":")[2].partition("\n")[0])
            continue
        found = _Question(path, block).read()
        if isinstance(found, Problem):
            skipped.append(found)
        else:
            drafts.append(found)
    return Bank(title, None, drafts, skipped)


def _blocks(path: Path, text: str) -> Iterator[_Block]:
    begin, lines, comments = 0, list[str](), list[str]()
    for at, raw in enumerate([*text.split("\n"), ""], 1):
        line = raw.strip()
        if line.startswith("//"):
            comments.append(line)
        elif line:
            begin = begin or at
            lines.append(line)
            if line.startswith("$CATEGORY:"):
                yield _Block(begin, line, "", ())
                begin, lines, comments = 0, [], []
        elif lines:
            said = "\n".join(comments)
            [name] = re.findall(r"\[id:([^\]\n]+)\]", said)[-1:] or [""]
            labels = tuple(re.findall(r"\[tag:([^\]\n]+)\]", said))
            yield _Block(begin, _held(path, begin, "\n".join(lines)), name.strip(), labels)
            begin, lines, comments = 0, [], []


def _held(path: Path, line: int, text: str) -> str:
    if _HELD in text:
        raise QuizFault(f"{path}:{line}: a character of Unicode's private part (U+E000); delete it")
    return _ESCAPE.sub(lambda found: f"{_HELD}{_MEANT.index(found[1])}", text)


def _free(text: str) -> str:
    """Return text with its escaped characters as what they mean."""
    return re.sub(f"{_HELD}(\\d)", lambda found: "\n" if found[1] == "7" else _MEANT[int(found[1])], text)


class _Question:
    def __init__(self, path: Path, block: _Block) -> None:
        self._path, self._block = path, block
        self._style = "moodle"

    def read(self) -> Draft | Problem:
        """Return the question, or why it was skipped."""
        name, text = self._block.name, self._block.text
        if titled := re.match(r"::(.*?)::\s*", text, re.DOTALL):
            name, text = name or _free(titled[1]).strip(), text[titled.end() :]
        if style := _STYLE.match(text):
            self._style, text = style[1], text[style.end() :]
        stem, inside, after = self._parted(text)
        if inside is None:
            return self._skip("a description", "asks nothing")
        prompt = prose(_free(f"{stem} _____ {after}" if after else stem), self._style)
        if not prompt.text:
            raise self._fault("no text before {; write what is asked")
        body, _, explanation = inside.partition("####")
        fields = {"explanation": self._prose(explanation)}
        draft = self._answered(body.strip())
        if isinstance(draft, Problem):
            return draft
        kind, answers = draft
        return Draft(self._block.line, kind, name, prompt, answers, self._block.labels, fields)

    def _parted(self, text: str) -> tuple[str, str | None, str]:
        opened, closed = text.find("{"), text.find("}")
        if opened < 0 and closed < 0:
            return text, None, ""
        if opened < 0 or 0 <= closed < opened:
            raise self._fault("} without a { before it; write \\} if it belongs to the text")
        if closed < 0:
            raise self._fault("{ without a } after it; close the answers, with no blank line between them")
        inside, after = text[opened + 1 : closed], text[closed + 1 :]
        if "{" in inside or "{" in after or "}" in after:
            raise self._fault("a second { or }; write \\{ and \\} where they belong to a text")
        return text[:opened], inside, after.strip()

    def _answered(self, body: str) -> tuple[str, list[Answer]] | Problem:
        """Return the type and the answers; which type it is, Moodle tells by the same signs."""
        if body.startswith("#"):
            return "numeric", list(self._numbers(body[1:]))
        if not body:
            return self._skip("an essay", "has no key")
        if "~" in body:
            return ("single" if "=" in body else "multi"), [self._choice(*part) for part in self._split(body)]
        truth, *said = body.split("#")
        if truth.strip() in _TRUTH:
            value = _TRUTH[truth.strip()]
            wrong, right = (*map(self._prose, said), "", "")[:2]
            names = {True: "true", False: "false"}
            return "true_false", [Answer(names[value], 1, right), Answer(names[not value], 0, wrong)]
        if "=" in body and "->" in body:
            return self._skip("a matching question", "is none of a quiz's types")
        return self._skip("a short answer", "is none of a quiz's types")

    def _split(self, body: str) -> Iterator[tuple[str, str]]:
        """Give each answer's sign and text."""
        before, *parts = re.split(r"([~=])", body)
        if before.strip():
            raise self._fault(f"{plain(_free(before.strip()), 40)!r} before the first = or ~; write one of them there")
        yield from zip(parts[::2], parts[1::2], strict=True)

    def _choice(self, sign: str, text: str) -> Answer:
        share, text = self._weighed(text.strip(), 1.0 if sign == "=" else 0.0)
        said, _, feedback = text.partition("#")
        return Answer(self._prose(said), share, self._prose(feedback))

    def _weighed(self, text: str, share: float) -> tuple[float, str]:
        if weight := _WEIGHT.match(text):
            return float(weight[1]) / 100, text[weight.end() :]
        return share, text

    def _numbers(self, body: str) -> Iterator[Answer]:
        # One answer needs no sign.
        body = body if body.lstrip().startswith(("=", "~")) else f"={body}"
        right = 0
        for sign, part in self._split(body):
            share, text = self._weighed(part.strip(), 1.0 if sign == "=" else 0.0)
            said, _, feedback = text.partition("#")
            value, tolerance = self._number(said.strip(), rest=sign == "~")
            right += share == 1
            if value == "*" and share:
                raise self._fault("* is any number; give the right one")
            yield Answer(value, share, self._prose(feedback), tolerance)
        if right != 1:
            raise self._fault(f"{right} numbers are right; one is, with the others as =%0%number")

    def _number(self, text: str, *, rest: bool) -> tuple[str, float]:
        if rest and text in ("", "*"):
            return "*", 0.0
        if found := re.fullmatch(f"({NUMBER})(?:\\s*:\\s*({NUMBER}))?", text):
            value, tolerance = number(found[1]), number(found[2] or "0")
            if value is not None and tolerance is not None:
                return found[1], abs(tolerance)
        elif found := re.fullmatch(f"({NUMBER})\\s*\\.\\.\\s*({NUMBER})", text):
            least, most = number(found[1]), number(found[2])
            if least is not None and most is not None:
                return f"{(least + most) / 2:.12f}", float(f"{abs(most - least) / 2:.12f}")
        raise self._fault(f"{plain(_free(text), 40)!r} is no number; write 3, 3:0.1 or 2.9..3.1")

    def _prose(self, text: str) -> str:
        style = _STYLE.match(text)
        found: Prose = prose(_free(text[style.end() :] if style else text), style[1] if style else self._style)
        # Code in an answer or a feedback has no block of its own in a quiz.
        return "\n".join(filter(None, (found.text, found.code)))

    def _skip(self, what: str, why: str) -> Problem:
        return Problem(self._path, self._block.line, f"{what} {why}; left out")

    def _fault(self, problem: str) -> QuizFault:
        return QuizFault(f"{self._path}:{self._block.line}: {problem}")
