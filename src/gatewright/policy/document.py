"""YAML text → a tree in which every node, and every character of a text, knows its line and column.

PyYAML only takes the text apart; what a plain word means is decided here, by the core schema of YAML 1.2. A
spelling that YAML 1.1 reads in another way is kept as `unclear`, so that whoever wants the value can say so.
"""

from __future__ import annotations

import bisect
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import yaml

from gatewright.policy.model import Place
from gatewright.problem import Problem

MAX_CHARACTERS = 200_000
MAX_NODES = 10_000
MAX_DEPTH = 30
MAX_OPTIONS = 100

ScalarKind = Literal["text", "whole", "real", "flag", "null", "unclear"]

_BREAK = re.compile(r"\r\n|\r|\n")
_UNREADABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_FOLD = re.compile(r"[ \t]*(?:\r\n|\r|\n)\s*")
_ESCAPE_LENGTH = {"x": 4, "u": 6, "U": 10}

_NULL = ("", "~", "null", "Null", "NULL")
_FLAG = re.compile(r"true|True|TRUE|false|False|FALSE")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,29})|0x[0-9a-fA-F]{1,16}")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_OLD_FLAG = re.compile(r"yes|no|on|off", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_OLD_WHOLE = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7]+|[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?)")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:.*)?")


class Source:
    """A file's text, and where each of its characters stands."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self._starts = [0, *(m.end() for m in _BREAK.finditer(text))]

    def place(self, index: int) -> Place:
        """The place of a character, counted from 0."""
        line = bisect.bisect_right(self._starts, index) - 1
        return Place(self.file, line + 1, index - self._starts[line] + 1)

    def line_of(self, index: int) -> str:
        """The whole line in which a character stands."""
        start = self._starts[bisect.bisect_right(self._starts, index) - 1]
        end = _BREAK.search(self.text, start)
        return self.text[start : end.start() if end else None]


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: `text` as YAML hands it over, `value` what it means; style is "", a quote, "|" or ">"."""

    text: str
    kind: ScalarKind
    value: str | int | float | bool | None
    style: str
    source: Source
    start: int
    end: int

    @property
    def place(self) -> Place:
        return self.source.place(self.start)

    def at(self, offset: int) -> Place:
        """Where a character of `text` stands in the file, whatever quotes and escapes lie before it."""
        return self.source.place(_index(self, offset))

    @property
    def rest_of_line(self) -> str:
        """What follows the value on its last line: a comment, most often."""
        end = _BREAK.search(self.source.text, self.end)
        return self.source.text[self.end : end.start() if end else None]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    nodes: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping; its keys are texts and occur once."""

    pairs: tuple[tuple[Scalar, Node], ...]
    place: Place

    def get(self, key: str) -> Node | None:
        return next((node for name, node in self.pairs if name.text == key), None)


Node = Scalar | Items | Entries


def problem(place: Place, text: str, hint: str = "") -> Problem:
    """A fault at a place."""
    return Problem(place.file, place.line, place.col, text, hint)


def decode(file: str, raw: bytes) -> str | Problem:
    """The text of a file's bytes, or why they are none."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Problem(file, 1, 1, "this file is UTF-16", "save it as UTF-8")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        place = Source(file, before).place(len(before))
        byte = f"0x{raw[error.start]:02x}"
        return problem(place, f"byte {byte} is not UTF-8 text", "save the file as UTF-8")


def read_document(file: str, text: str) -> tuple[Node | None, list[Problem]]:
    """The tree of a YAML text, and everything that is wrong with it as YAML; no tree if it cannot be had."""
    text = text.removeprefix("\ufeff")
    source = Source(file, text)
    if len(text) > MAX_CHARACTERS:
        return None, [Problem(file, 0, 0, f"this file is longer than {MAX_CHARACTERS:,} characters")]
    unreadable = _UNREADABLE.search(text)
    if unreadable:
        code = f"U+{ord(unreadable[0]):04X}"
        return None, [problem(source.place(unreadable.start()), f"unprintable character {code}", "delete it")]
    return _Composer(source).document()


class _Stop(Exception):
    """The rest of the document cannot be read."""

    def __init__(self, fault: Problem) -> None:
        self.fault = fault
        super().__init__(str(fault))


class _Composer:
    """Builds the tree from the parser's events, within bounds on depth and on what aliases unfold to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._events: Iterator[Any] = yaml.parse(source.text, Loader=yaml.SafeLoader)
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._open: list[str] = []
        self._count = 0
        self.problems: list[Problem] = []

    def document(self) -> tuple[Node | None, list[Problem]]:
        try:
            return self._single(), self.problems
        except _Stop as stop:
            self.problems.append(stop.fault)
        except yaml.YAMLError as error:
            self.problems.append(_said(self._source, error))
        except (ValueError, OverflowError) as error:
            self.problems.append(Problem(self._source.file, 0, 0, f"this is not YAML: {error}"))
        return None, self.problems

    def _single(self) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents == 2:
                    self._stop(event, "a second document begins here", "one file holds one policy; delete the ---")
                root = self._node(next(self._events), 0)
        return root

    def _stop(self, event: Any, text: str, hint: str = "") -> NoReturn:
        raise _Stop(problem(self._place(event), text, hint))

    def _place(self, event: Any) -> Place:
        return self._source.place(event.start_mark.index)

    def _add(self, event: Any, text: str, hint: str = "") -> None:
        self.problems.append(problem(self._place(event), text, hint))

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._grow(event, 1)
        if depth > MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels")
        if event.tag is not None:
            self._add(event, f'the YAML tag "{event.tag}" is not read here', "delete the tag; quotes make a text")
        if event.anchor is None:
            return self._bare(event, depth)
        before = self._count
        self._open.append(event.anchor)
        node = self._bare(event, depth)
        self._open.pop()
        self._anchors[event.anchor] = (node, self._count - before + 1)
        return node

    def _grow(self, event: Any, nodes: int) -> None:
        self._count += nodes
        if self._count > MAX_NODES:
            self._stop(event, f"aliases and all, this file holds more than {MAX_NODES:,} values")

    def _alias(self, event: Any) -> Node:
        name = event.anchor
        if name in self._open:
            self._stop(event, f'"*{name}" stands inside the very value that it names')
        if name not in self._anchors:
            self._stop(event, f'no anchor "&{name}" stands before this', did_you_mean(name, self._anchors))
        node, size = self._anchors[name]
        self._grow(event, size)
        return node

    def _bare(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(event, depth)
        return self._entries(event, depth)

    def _scalar(self, event: Any) -> Scalar:
        style = "" if event.style is None else event.style
        kind: ScalarKind = "text"
        value = event.value
        if not style:
            kind, value = meaning(event.value)
        start, end = event.start_mark.index, event.end_mark.index
        if any("\ud800" <= c <= "\udfff" for c in event.value):
            self._stop(event, "half a character: an escape between \\uD800 and \\uDFFF")
        return Scalar(event.value, kind, value, style, self._source, start, end)

    def _items(self, event: Any, depth: int) -> Items:
        nodes = []
        while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(inner, depth + 1))
        return Items(tuple(nodes), self._place(event))

    def _entries(self, event: Any, depth: int) -> Entries:
        pairs: dict[str, tuple[Scalar, Node]] = {}
        while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
            key = self._node(inner, depth + 1)
            value = self._node(next(self._events), depth + 1)
            name = self._key(inner, key)
            if name is None:
                continue
            if name.text in pairs:
                first = pairs[name.text][0].place.line
                self._add(inner, f'duplicate key "{name.text}"', f"line {first} has it already")
                continue
            pairs[name.text] = (name, value)
        return Entries(tuple(pairs.values()), self._place(event))

    def _key(self, event: Any, key: Node) -> Scalar | None:
        """A key that can be used; a number or an old-style flag would be another key to another reader."""
        if not isinstance(key, Scalar):
            self._add(event, "a list or mapping stands where a key is meant", "a key is one word or a quoted text")
        elif key.text == "<<" and not key.style:
            self._add(event, 'the merge key "<<" is not read here', "write the keys out, or alias the whole value")
        elif key.kind == "null":
            self._add(event, "a key is empty", 'write "key: value"')
        elif key.kind != "text":
            self._add(event, f"the key {key.text} is not a text to every reader of YAML", f'write "{key.text}"')
        else:
            return key
        return None


def meaning(text: str) -> tuple[ScalarKind, str | int | float | bool | None]:
    """What a plain word means in YAML 1.2; `unclear` where YAML 1.1 means something else by it."""
    if text in _NULL:
        return "null", None
    if _FLAG.fullmatch(text):
        return "flag", text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return "whole", int(text, 0)
    if two_spellings(text):
        return "unclear", text
    if _REAL.fullmatch(text):
        return "real", float(text)
    if _NOT_FINITE.fullmatch(text):
        return "real", float(text.replace(".", ""))
    return "text", text


def two_spellings(text: str) -> str:
    """The spellings that all readers of YAML agree on, for a word that they do not; "" if they do."""
    quoted = f'"{text}" in quotes for the text'
    if _OLD_FLAG.fullmatch(text):
        return f"write {'true' if text.lower() in ('yes', 'on') else 'false'} for the flag, or {quoted}"
    if _LEADING_ZERO.fullmatch(text) and len(text) < 30:
        octal = f" or {int(text, 8)}" if not set(text) & set("89") and int(text, 8) != int(text) else ""
        return f"write {int(text)}{octal} for the number that you mean, or {quoted}"
    if _OLD_WHOLE.fullmatch(text) and len(text) < 30:
        return f"write {_number(text)} for the number, or {quoted}"
    if _SEXAGESIMAL.fullmatch(text) and len(text) < 30:
        return f"write {_sixties(text)} for the number, or {quoted}"
    if _DATE.fullmatch(text):
        return f"write {quoted}"
    return ""


def _number(text: str) -> str:
    plain = text.replace("_", "")
    return str(int(plain, 0)) if plain.lstrip("+-")[:2] in ("0b", "0o") else plain.lstrip("+")


def _sixties(text: str) -> str:
    total = 0.0
    for part in text.replace("_", "").lstrip("+-").split(":"):
        total = total * 60 + float(part)
    return f"{'-' if text.startswith('-') else ''}{total:.10g}"


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`did you mean "…"?` for the closest of several names, "" if none is close or there are very many."""
    names = list(options)
    if len(names) > MAX_OPTIONS:
        return ""
    folded = {n.casefold(): n for n in reversed(names)}
    close = difflib.get_close_matches(word.casefold()[:100], folded, n=1, cutoff=0.6)
    return f'did you mean "{folded[close[0]]}"?' if close else ""


def _index(scalar: Scalar, offset: int) -> int:
    """Walks over the raw spelling of a scalar, character by character of its value."""
    raw = scalar.source.text[scalar.start : scalar.end]
    i = _body(raw, scalar.style)
    for char in scalar.text[:offset]:
        i += _width(raw, i, char, scalar.style)
    return scalar.start + min(i, len(raw))


def _body(raw: str, style: str) -> int:
    if style in ("|", ">"):
        header = re.match(r"[^\n]*\n[ ]*", raw)
        return header.end() if header else 0
    return 1 if style else 0


def _width(raw: str, i: int, char: str, style: str) -> int:
    """How many raw characters one character of the value takes up."""
    if char in " \n":
        gap = _FOLD.match(raw, i)
        if gap:
            return gap.end() - i
        return 1 if raw[i : i + 1] in (" ", "\t") else (2 if raw[i : i + 2] in ("\\n", "\\ ") else 0)
    if style == '"' and raw[i : i + 1] == "\\":
        return _ESCAPE_LENGTH.get(raw[i + 1 : i + 2], 2)
    return 2 if style == "'" and raw[i : i + 2] == "''" else 1


_SYNTAX: tuple[tuple[str, str, str, str], ...] = (
    (r"found character '\\t'.*", "problem", "a tab indents this line", "indent with spaces"),
    (
        r"found character '(.*)' that cannot start any token",
        "problem",
        '"{0}" cannot begin a value',
        "quote the value",
    ),
    (
        "mapping values are not allowed here",
        "problem",
        'YAML reads this ":" as the end of a key',
        "quote the whole value if the colon belongs to it, or mend the indentation",
    ),
    ("could not find expected ':'", "context", 'this key is not followed by ":"', 'write "key: value"'),
    ("found unexpected end of stream", "context", "this quote is never closed", "close it"),
    ("found unexpected document separator", "context", "this quote is never closed", "close it"),
    (
        r"expected ',' or '([\]}])', but got .*",
        "problem",
        'a "," or "{0}" is missing here',
        "quote values that hold brackets, quotes or commas",
    ),
    (
        "expected <block end>, but found .*",
        "problem",
        "this does not fit the block that it stands in",
        "mend the indentation, or quote the whole value",
    ),
    (
        "found unknown escape character '(.*)'",
        "problem",
        'YAML knows no escape "\\{0}"',
        "write \\\\ for a backslash, or use single quotes",
    ),
)


def _said(source: Source, error: yaml.YAMLError) -> Problem:
    """The parser's complaint in words that help."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(source.file, 0, 0, f"this is not YAML: {error}")
    for pattern, mark, text, hint in _SYNTAX:
        match = re.fullmatch(pattern, error.problem or "", re.DOTALL)
        if match:
            place = _marked(source, error, mark)
            return problem(place, text.format(*match.groups()), hint)
    return problem(_marked(source, error, "problem"), f"this is not YAML: {error.problem or error.context}")


def _marked(source: Source, error: yaml.MarkedYAMLError, which: str) -> Place:
    marks = (error.problem_mark, error.context_mark)
    first, second = marks if which == "problem" else marks[::-1]
    mark = first or second
    return source.place(mark.index) if mark else Place(source.file, 0, 0)
