"""Reads the YAML that people write: strictly, within bounds, and with the line of every fault.

PyYAML by itself turns `yes` into True and `1:30` into 90, keeps the last of two equal keys, and lets a few lines
of aliases grow to gigabytes. Here a plain scalar is `true`, `false`, `null`, a decimal number or text as it is
written; keys are unique; anchors, aliases and tags are refused.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from poolkit.errors import CourseFault

MAX_BYTES = 1 << 20
MAX_DEPTH = 40

# What YAML cannot hold (https://yaml.org/spec/1.2.2/#51-character-set), of what a decoded text may have.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}")
_WORDS = {"true": True, "false": False, "null": None, "": None}

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """What a file holds: plain dicts, lists and scalars, and the line (from 1) of each place in it."""

    path: Path
    data: Any
    lines: dict[Path_, int]

    def line(self, place: tuple[str | int, ...]) -> int:
        """Return the line of a place such as `("hints", 2)`, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def load(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        CourseFault: it cannot be read or breaks a rule; the text has file, line and remedy.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CourseFault(f"{path}: {size} bytes is over the limit of {MAX_BYTES}; split the file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CourseFault(f"{path}: no such file; every exercise needs it") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise CourseFault(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None
    except OSError as error:
        raise CourseFault(f"{path}: {error.strerror}") from None
    if control := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise CourseFault(f"{path}:{line}: a control character ({control.group()!a}); delete it")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_tricks(path, text, loader)
        node = yaml.compose(text, Loader=loader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        if mark:
            # libyaml may look far ahead, and newer ones refuse what is nested too deep in words of their own; up to
            # there the text is read, and the fault told, as everywhere else.
            with contextlib.suppress(yaml.YAMLError, RecursionError):
                _refuse_tricks(path, text[: mark.index], loader)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise CourseFault(f"{path}:{line}: {problem}; check the indentation and quotes there") from None
    reader = _Reader(path)
    data = reader.read(node, ()) if node is not None else None
    return Document(path, data, reader.lines)


def _refuse_tricks(path: Path, text: str, loader: Any) -> None:  # noqa: ANN401  (one of yaml's loader classes)
    depth = 0
    event: Any  # the stubs do not tell the kinds of event apart
    for event in yaml.parse(text, Loader=loader):
        where = f"{path}:{event.start_mark.line + 1}"
        if getattr(event, "anchor", None) is not None:
            raise CourseFault(f"{where}: anchors and aliases are not allowed; write the value out")
        if getattr(event, "tag", None) is not None:
            raise CourseFault(f"{where}: the tag {event.tag} is not allowed; write plain values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise CourseFault(f"{where}: nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: dict[Path_, int] = {}

    def read(self, node: yaml.Node, place: Path_) -> Any:  # noqa: ANN401  (plain data)
        self.lines[place] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            found: dict[str, Any] = {}
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    raise self._fault(key_node, "a key must be text")
                key = key_node.value
                if key in found:
                    raise self._fault(key_node, f"{key!r} stands here twice; remove one of the two")
                found[key] = self.read(value_node, (*place, key))
            return found
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _scalar(self, node: Any) -> Any:  # noqa: ANN401  (a scalar node; plain data)
        text: str = node.value
        if node.style:  # quoted, or a block
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        return float(text) if _NUMBER.fullmatch(text) else text

    def _fault(self, node: yaml.Node, problem: str) -> CourseFault:
        return CourseFault(f"{self._path}:{node.start_mark.line + 1}: {problem}")
