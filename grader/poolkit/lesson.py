"""Reads a lesson: the written parts of `lesson.md`, and the sample in it that the kit runs.

A lesson is Markdown with a title, `# Lesson: ...`, and the parts `## Concept flow`, `## Sample`, `## Insights`,
`## Snapshot` and `## Transcript`. The sample is one fenced block of Python, a whole app, with a line below it that
names what to ask of it: ``Requests: `GET /items/1`, `GET /items/2` ``. Each insight is a question as a heading of the
third level.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from poolkit.errors import CourseFault

PARTS = ("Concept flow", "Sample", "Insights", "Snapshot", "Transcript")
_HEADING = re.compile(r"^(#{1,3}) +(.+?) *$")
_FENCE = re.compile(r"^(```+)(\w*) *$")
_REQUESTS = re.compile(r"^Requests: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Lesson:
    """A lesson's parts.

    `parts` holds the Markdown below each heading of the second level; `headings` every heading but the title;
    `sample` the app, as source; `requests` what to send to it, each `METHOD /path`; `opening` what stands before them
    all.
    """

    title: str
    parts: dict[str, str]
    headings: tuple[str, ...]
    sample: str
    requests: tuple[str, ...]
    opening: str = ""

    @property
    def anchors(self) -> frozenset[str]:
        """What a check's `lesson` may name."""
        return frozenset(anchor(heading) for heading in self.headings)


def anchor(heading: str) -> str:
    """Return a heading's anchor, as GitHub makes it: lower case, words joined by hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def load(path: Path) -> Lesson:
    """Read a lesson that is whole.

    Raises:
        CourseFault: the file is missing, or one of its parts is.
    """
    lesson, samples = _read(path)
    for name in PARTS:
        if not lesson.parts.get(name, "").strip():
            raise CourseFault(f"{path}: the part `## {name}` is missing or empty; add it")
    if samples != 1:
        raise CourseFault(f"{path}: `## Sample` holds {samples} blocks of Python; it needs one, a whole app")
    if not lesson.requests:
        raise CourseFault(f"{path}: `## Sample` names no requests; add a line such as Requests: `GET /items/1`")
    return lesson


def read(path: Path) -> Lesson:
    """Read what there is of a lesson; a part, the sample or the requests may be missing.

    Raises:
        CourseFault: the file cannot be read.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Lesson, int]:
    """Return a lesson, and how many blocks of Python its sample holds."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CourseFault(f"{path}: {error}; a lesson is Markdown in UTF-8") from None
    title, parts, headings, samples = _split(text)
    opening = parts.pop("", "")
    found = _REQUESTS.search(parts.get("Sample", ""))
    requests = tuple(re.findall(r"`([^`]+)`", found.group(1))) if found else ()
    return Lesson(title, parts, headings, samples[0] if samples else "", requests, opening), len(samples)


def _split(text: str) -> tuple[str, dict[str, str], tuple[str, ...], list[str]]:
    """Return the title, the parts, the headings and the blocks of Python of the part `Sample`.

    What stands before the first part is the one without a name.
    """
    title, part, fence, in_sample = "", "", "", False
    headings: list[str] = []
    parts: dict[str, list[str]] = {"": []}
    samples: list[list[str]] = []
    for line in text.splitlines():
        mark = _FENCE.match(line)
        heading = None if fence else _HEADING.match(line)
        if heading and len(heading.group(1)) == 1:
            title = heading.group(2)
            continue
        elif heading:
            headings.append(heading.group(2))
            if len(heading.group(1)) == 2:
                part = heading.group(2)
                parts[part] = []
                continue
        if fence and line.startswith(fence):
            fence, in_sample = "", False
        elif mark and not fence:
            fence, in_sample = mark.group(1), part == "Sample" and mark.group(2) == "python"
            if in_sample:
                samples.append([])
        elif in_sample:
            samples[-1].append(line)
        parts[part].append(line)
    joined = {name: "\n".join(lines).strip() for name, lines in parts.items()}
    return title, joined, tuple(headings), ["\n".join(lines) + "\n" for lines in samples]
