"""Reads the HTML of other programs as prose: text with backticks round code, and one block of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

_BLOCKS = frozenset(
    [*("p", "div", "ul", "ol", "li", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr", "blockquote", "hr")]
    + [*("section", "article", "dl", "dt", "dd")]
)
_INLINE = frozenset(
    [*("a", "abbr", "b", "big", "br", "cite", "code", "del", "dfn", "em", "font", "i", "img", "ins", "kbd", "label")]
    + [*("mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tbody", "td", "th", "thead")]
    + [*("tt", "u", "var")]
)
_LANGUAGE = re.compile(r"(?:language|lang)-([a-z0-9+#-]{1,20})")
_MARKED_UP = re.compile(r"</?[a-zA-Z][^<>]*>|&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]+);")


@dataclass(frozen=True, slots=True)
class Prose:
    """Text, and the code that stood in it as a block of its own."""

    text: str
    code: str | None = None
    lang: str = "python"


def prose(content: str, style: str = "html") -> Prose:
    """Read text in one of Moodle's styles: `html`, `moodle` (its "auto-format"), `markdown` or `plain`."""
    if style in ("plain", "markdown"):
        return Prose(content.strip())
    if style == "moodle":
        if not _MARKED_UP.search(content):
            return Prose(content.strip())
        content = content.replace("\n", "<br/>")
    reader = _Reader()
    reader.feed(content)
    reader.close()
    return reader.found()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._text: list[str] = []
        self._code: list[str] = []
        self._lang = "python"
        self._in_code = False
        # A block begins on a line of its own: owed until there is text for it.
        self._owed = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "pre":
            self._in_code = True
            self._code.append("")
        if self._in_code:
            if language := _LANGUAGE.search(dict(attrs).get("class") or ""):
                self._lang = language[1]
            if tag == "br":
                self._code[-1] += "\n"
        elif tag == "br":
            self._write("\n")
        elif tag == "code":
            self._write("`")
        elif tag in _BLOCKS:
            self._owed = True
        elif tag not in _INLINE:
            # No HTML, but such as `List<int>` in text that nobody escaped.
            self._write(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre":
            self._in_code = False
            self._owed = True
        elif not self._in_code and tag == "code":
            self._write("`")
        elif tag in _BLOCKS:
            self._owed = True

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if self._in_code:
            self._code[-1] += data
            return
        # A line end in HTML is a space; at the begin of a line it is nothing.
        at_begin = self._owed or not self._text or self._text[-1].endswith("\n")
        if "\n" in data:
            data = re.sub(r"[ \t]*\n\s*", " ", data)
            data = data.lstrip(" ") if at_begin else data
        if data:
            self._write(data)

    def _write(self, text: str) -> None:
        # A <br> at the end of a block is not seen.
        if self._owed and self._text and text != "\n" and not self._text[-1].endswith("\n"):
            self._text.append("\n")
        self._owed = False
        self._text.append(text)

    def found(self) -> Prose:
        blocks = [block.rstrip("\n") for block in self._code if block.strip()]
        return Prose("".join(self._text).strip(), "\n\n".join(blocks) if blocks else None, self._lang)
