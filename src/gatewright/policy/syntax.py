"""One check line → its parts, each with the column it stands in: a tokenizer and a recursive descent parser.

    check   := path [aggregate] [op operand] ["at" percent]
    path    := name ("." name | "[" string "]")*
    operand := number [unit] | percent | string | true | false | "[" operand, … "]" | champion

Nothing here knows which paths there are or what fits what: that is grammar.py's part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from gatewright.paths import Path
from gatewright.policy.document import did_you_mean
from gatewright.policy.model import Aggregate

MAX_LINE = 2_000

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[^\W\d]\w*")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.DOTALL)
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNIT = re.compile(r"%|[^\W\d_]+")
_WORD = re.compile(r"[^\W\d][\w\-./:@+]*")
_CHAMPION = re.compile(r"champion(?![\w./:@])")
_CHUNK = re.compile(r"[^\s\[\],\"'<>=!]+")
_OPERATOR = re.compile(r">=|<=|==|!=|=>|=<|<>|>|<|=~|=|≥|≤|≠|~|!")
_WORD_OPERATOR = re.compile(r"not\s+in\b|in\b|matches\b")

SYMBOLS = (">", ">=", "<", "<=", "==", "!=")
_MEANT = {
    "=": "==", "=>": ">=", "=<": "<=", "<>": "!=", "≥": ">=", "≤": "<=", "≠": "!=", "~": "matches", "=~": "matches",
    "!": "!=", "is": "==", "equals": "==", "equal": "==", "eq": "==", "ne": "!=", "gt": ">", "ge": ">=",
    "gte": ">=", "lt": "<", "le": "<=", "lte": "<=", "above": ">", "over": ">", "below": "<", "under": "<",
    "least": ">=", "most": "<=", "match": "matches", "like": "matches", "contains": "matches", "not": "not in",
    "one": "in",
}  # fmt: skip
_STARTERS = ("by", "gap by", "ratio by", "in", "not in", "matches", "at")
_JOINERS = ("and", "or", "&&", "||", "&", "|", ";")
_NO_UNIT = ("at", "by", "gap", "ratio", "in", "not", "if", "and", "or")


class SyntaxFault(Exception):
    """A line stops making sense at a character; `at` counts from 0."""

    def __init__(self, at: int, text: str, hint: str = "") -> None:
        self.at, self.text, self.hint = at, text, hint
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Number:
    """`-0.5`, `95%`, `100ms`: digits and unit as written, without spaces between them."""

    at: int
    digits: str
    unit: str = ""
    unit_at: int = 0

    def __str__(self) -> str:
        return self.digits + self.unit


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text or a bare word. `marks` gives the column of each character of the value."""

    at: int
    value: str
    quoted: bool
    marks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """`true` or `false`."""

    at: int
    value: bool


@dataclass(frozen=True, slots=True)
class Rival:
    """`champion`, perhaps with `+`, `-` or `*` and a number."""

    at: int
    sign: str = ""
    number: Number | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """`[a, b]`."""

    at: int
    terms: tuple[Number | Text | Flag, ...]


Term = Number | Text | Flag | Rival | Listing


@dataclass(frozen=True, slots=True)
class Line:
    """A check as it was written, in parts."""

    path: Path
    path_at: int
    aggregate: Aggregate | None = None
    aggregate_at: int = 0
    column: str | None = None
    column_at: int = 0
    op: str | None = None
    op_at: int = 0
    operand: Term | None = None
    level: Number | None = None
    level_at: int = 0


def parse_line(text: str) -> Line:
    """Takes a line apart; raises SyntaxFault at the first character that fits nowhere."""
    if len(text) > MAX_LINE:
        raise SyntaxFault(0, f"this check is longer than {MAX_LINE:,} characters")
    return _Parser(text).line()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    # Small steps over the text.

    def _space(self) -> int:
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        return self._at

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
        return match

    def _next(self, length: int = 1) -> str:
        return self._text[self._at : self._at + length]

    def _chunk(self, at: int | None = None) -> str:
        match = _CHUNK.match(self._text, self._at if at is None else at)
        return match[0] if match else self._next()

    def _word_ahead(self) -> str:
        match = _NAME.match(self._text, self._at)
        return match[0] if match else ""

    # The rules of the grammar, in its order.

    def line(self) -> Line:
        path_at = self._space()
        path = self._path()
        aggregate_at = self._space()
        aggregate, column, column_at = self._aggregate()
        op_at = self._space()
        op = self._op()
        operand = self._operand(op) if op else None
        level_at = self._space()
        level = self._level()
        self._end(path)
        return Line(path, path_at, aggregate, aggregate_at, column, column_at, op, op_at, operand, level, level_at)

    def _path(self) -> Path:
        start = self._at
        first = self._take(_NAME)
        if first is None:
            raise self._no_path()
        parts: list[str] = []
        while True:
            if self._next() == ".":
                parts.append(self._segment(first[0]))
            elif self._next() == "[":
                parts.append(self._bracket(first[0]))
            else:
                break
        self._odd_name(start, first[0], parts)
        return Path(first[0], ".".join(parts))

    def _no_path(self) -> SyntaxFault:
        rest = self._text[self._at :]
        if not rest:
            return SyntaxFault(self._at, "this check is empty", "a check begins with a path: run.accuracy >= 0.9")
        if _NUMBER.match(rest):
            return SyntaxFault(self._at, "a check begins with a path, not a number", "write run.accuracy >= 0.9")
        return SyntaxFault(
            self._at,
            f"a check begins with a path, not with {rest[0]}",
            "write the path bare: run.accuracy >= 0.9",
        )

    def _segment(self, family: str) -> str:
        dot = self._at
        self._at += 1
        name = self._take(_NAME)
        if name is None:
            chunk = self._chunk()
            if chunk.strip():
                raise SyntaxFault(dot + 1, f'"{chunk}" cannot stand bare after a dot', f'write {family}["{chunk}"]')
            raise SyntaxFault(dot + 1, "a name is missing after the dot")
        return name[0]

    def _bracket(self, family: str) -> str:
        opening = self._at
        self._at += 1
        self._space()
        name = self._take(_STRING)
        if name is None:
            inside = self._text[opening + 1 :].split("]")[0].strip().strip("\"'")
            raise self._quote_fault() or SyntaxFault(
                self._at, "a name in brackets needs quotes", f'write {family}["{inside}"]'
            )
        self._space()
        if self._next() != "]":
            raise SyntaxFault(self._at, 'a "]" is missing after the name')
        self._at += 1
        value = _unescaped(name)
        if not value:
            raise SyntaxFault(opening + 1, "the name in the brackets is empty")
        return value

    def _odd_name(self, start: int, family: str, parts: list[str]) -> None:
        """A name with a dash or slash in it ends, for the grammar, too early."""
        rest = self._chunk()
        if not parts or self._at >= len(self._text) or self._next().isspace() or rest[0] in ",;&|~≥≤≠)(":
            return
        if _OPERATOR.match(self._text, self._at) or self._next() in "[]\"'":
            return
        meant = self._text[start + len(family) + 1 : self._at] + rest
        raise SyntaxFault(self._at, f'"{rest[0]}" cannot stand in a bare name', f'write {family}["{meant}"]')

    def _aggregate(self) -> tuple[Aggregate | None, str | None, int]:
        start = self._at
        word = self._word_ahead()
        if word not in ("by", "gap", "ratio"):
            return None, None, 0
        self._at += len(word)
        if word != "by":
            self._space()
            if self._word_ahead() != "by":
                raise SyntaxFault(start, f'"{word}" wants a column', f"write {word} by country")
            self._at += len("by")
            word = f"{word} by"
        column_at = self._space()
        return cast(Aggregate, word), self._column(word), column_at

    def _column(self, word: str) -> str:
        quoted = self._take(_STRING)
        if quoted:
            return _unescaped(quoted)
        fault = self._quote_fault()
        if fault:
            raise fault
        at, chunk = self._at, self._chunk()
        name = self._take(_NAME)
        if name is None and not chunk.strip(" <>=!"):
            raise SyntaxFault(at, f'a column is missing after "{word}"', f"write {word} country")
        if name is None or name[0] != chunk:
            raise SyntaxFault(at, f'the column "{chunk}" cannot stand bare', f'write {word} "{chunk}"')
        return name[0]

    def _op(self) -> str | None:
        start = self._at
        word = self._take(_WORD_OPERATOR)
        if word:
            return " ".join(word[0].split())
        symbol = self._take(_OPERATOR)
        if symbol is None:
            return None
        if symbol[0] not in SYMBOLS:
            raise SyntaxFault(start, f'there is no operator "{symbol[0]}"', f'did you mean "{_MEANT[symbol[0]]}"?')
        return symbol[0]

    def _operand(self, op: str) -> Term:
        self._space()
        if op == "matches":
            self._pattern_ahead()
        if self._next() == "[":
            return self._listing()
        if _CHAMPION.match(self._text, self._at):
            return self._rival()
        return self._single()

    def _pattern_ahead(self) -> None:
        """A regular expression is a text: bare, its brackets and dots would be read as something else."""
        rest = self._text[self._at :].strip()
        if rest and rest[0] not in "\"'“”„‘’" and not _WORD.fullmatch(rest):
            pattern = rest.replace('"', '\\"')
            raise SyntaxFault(self._at, "a regular expression needs quotes", f'write matches "{pattern}"')

    def _single(self) -> Number | Text | Flag:
        at = self._at
        string = self._take(_STRING)
        if string:
            return Text(at, _unescaped(string), True, tuple(_marks(string)))
        fault = self._quote_fault()
        if fault:
            raise fault
        if self._next() in ("+", "-") or _NUMBER.match(self._text, at):
            return self._number(signed=True)
        word = self._take(_WORD)
        if word is None:
            raise self._no_value()
        return self._named(at, word[0])

    def _no_value(self) -> SyntaxFault:
        chunk = self._chunk()
        if not chunk.strip():
            return SyntaxFault(self._at, "a value is missing here", "write a number, a text, champion or a [list]")
        if chunk[0] == "−":
            return SyntaxFault(self._at, 'this "−" is a typographer\'s minus', 'write "-"')
        if chunk[0] in "([,]":
            return SyntaxFault(self._at, f'"{chunk[0]}" is no value', "a list reads [a, b]")
        return SyntaxFault(self._at, f'"{chunk}" is no value', "write a number, a text, champion or a [list]")

    def _named(self, at: int, word: str) -> Text | Flag:
        if word in ("true", "false"):
            return Flag(at, word == "true")
        if word.lower() in ("true", "false"):
            raise SyntaxFault(at, f'"{word}" may be a flag or a text', f'write {word.lower()}, or "{word}" in quotes')
        if word.lower() in ("null", "none", "nan", "inf", "infinity"):
            raise SyntaxFault(
                at,
                f"{word} is not a bound: nothing compares with it",
                f'write a number, or "{word}" for the text',
            )
        return Text(at, word, False, tuple(range(at, at + len(word))))

    def _number(self, *, signed: bool = False) -> Number:
        at = self._at
        sign = ""
        if signed and self._next() in ("+", "-"):
            sign = "-" if self._next() == "-" else ""
            self._at += 1
            self._space()
        digits_at = self._at
        digits = self._take(_NUMBER)
        if digits is None:
            raise self._no_digits(at)
        number = self._unit(at, sign + digits[0])
        self._no_tail(digits_at)
        return number

    def _no_digits(self, at: int) -> SyntaxFault:
        chunk = self._chunk(at)
        if re.fullmatch(r"[+-]?\.?(inf|infinity|nan)", chunk, re.IGNORECASE):
            return SyntaxFault(at, f"{chunk} is not a bound: nothing compares with it", "write a finite number")
        return SyntaxFault(self._at, "a number is missing here")

    def _unit(self, at: int, digits: str) -> Number:
        end = self._at
        self._space()
        unit_at = self._at
        unit = self._take(_UNIT)
        if unit is None or (unit_at > end and unit[0].lower() in _NO_UNIT):
            self._at = end
            return Number(at, digits)
        return Number(at, digits, unit[0], unit_at)

    def _no_tail(self, start: int) -> None:
        """Digits run on into something that is no number: 1,000 or 2026-10-01 or 3f9a."""
        rest = self._text[self._at :]
        comma = re.match(r",([0-9]+)", rest)
        whole = self._text[start : self._at]
        if comma and not self._in_list:
            meant = whole + comma[1] if len(comma[1]) == 3 and whole != "0" else f"{whole}.{comma[1]}"
            raise SyntaxFault(self._at, "a number holds no comma", f"write {meant}")
        if re.match(r"_[0-9]", rest):
            meant = re.match(r"[0-9_]+", self._text[start:])[0].replace("_", "")  # type: ignore[index]
            raise SyntaxFault(self._at, "a number holds no underscore", f"write {meant}")
        if re.match(r"[\w.:/@-]", rest) or re.match(r"[+]\S", rest):
            chunk = self._chunk(start)
            raise SyntaxFault(start, f'"{chunk}" is not a number', f'for the text write "{chunk}" in quotes')

    _in_list = False

    def _listing(self) -> Listing:
        at = self._at
        self._at += 1
        self._in_list = True
        terms: list[Number | Text | Flag] = []
        self._space()
        if self._next() == "]":
            raise SyntaxFault(at, "the list is empty: nothing is in it")
        while True:
            self._space()
            if _CHAMPION.match(self._text, self._at):
                raise SyntaxFault(self._at, "champion cannot stand in a list", 'for the text write "champion"')
            terms.append(self._single())
            self._space()
            if self._next() == "]":
                break
            if self._next() != ",":
                raise SyntaxFault(self._at, 'a "," or "]" is missing here', "texts with spaces need quotes")
            self._at += 1
        self._at += 1
        self._in_list = False
        return Listing(at, tuple(terms))

    def _rival(self) -> Rival:
        at = self._at
        self._take(_CHAMPION)
        end = self._at
        self._space()
        sign = self._next()
        if sign not in ("+", "-", "*", "/", "−", "×") or not sign:
            self._at = end
            return Rival(at)
        if sign in "−×":
            raise SyntaxFault(self._at, f'there is no operator "{sign}"', f'write "{"-" if sign == "−" else "*"}"')
        if sign == "/":
            raise SyntaxFault(self._at, "champion cannot be divided", "write a factor: champion * 0.5")
        self._at += 1
        self._space()
        if self._next() in ("+", "-") and self._next():
            raise SyntaxFault(self._at, "two signs stand before one number", "write the number without a sign")
        number = self._rival_number(at)
        return Rival(at, sign, number)

    def _rival_number(self, at: int) -> Number:
        if not _NUMBER.match(self._text, self._at):
            hint = f'for the text write "{self._chunk(at)}" in quotes' if " " not in self._text[at : self._at] else ""
            raise SyntaxFault(self._at, "a number is missing here", hint or "write champion - 0.01")
        number = self._number()
        end = self._space()
        if self._next() in ("+", "-", "*", "/") and self._next():
            raise SyntaxFault(end, "champion takes a factor or an offset, not both", "choose one")
        return number

    def _level(self) -> Number | None:
        if self._word_ahead() != "at":
            return None
        at = self._at
        self._at += len("at")
        self._space()
        if not _NUMBER.match(self._text, self._at):
            raise SyntaxFault(at, '"at" wants a confidence', "write at 95%")
        return self._number()

    def _end(self, path: Path) -> None:
        self._space()
        if self._at >= len(self._text):
            return
        chunk = self._chunk()
        raise SyntaxFault(self._at, f'"{chunk}" does not fit here', self._advice(chunk, path))

    def _advice(self, chunk: str, path: Path) -> str:
        word = chunk.lower()
        before = self._text[: self._at]
        compared = any(s in before for s in SYMBOLS)
        if word in _JOINERS or word[:1] in ("&", "|", ";"):
            return "one line holds one rule; write two lines"
        if word in ("by", "gap", "ratio") and compared:
            aggregate = "by" if word == "by" else f"{word} by"
            return f"it stands before the operator: {path} {aggregate} country >= 0.9"
        if chunk[0] == "*":
            return "a factor follows the champion: champion * 1.1"
        if compared and (_OPERATOR.match(chunk) or self._next() in "<>=!"):
            return "one line holds one comparison; write two lines"
        if compared:
            return "texts with spaces need quotes"
        if word in _MEANT:
            return f'did you mean "{_MEANT[word]}"?'
        if re.match(r"[0-9.+-]", word) or word == "champion":
            return "an operator is missing: > >= < <= == !="
        return did_you_mean(word, _STARTERS) or "an operator is missing: > >= < <= == != in, not in, matches"

    def _quote_fault(self) -> SyntaxFault | None:
        if self._next() in ('"', "'") and self._next():
            return SyntaxFault(self._at, "this quote is never closed")
        if self._next() in ("“", "”", "„", "‘", "’") and self._next():
            return SyntaxFault(self._at, f'"{self._next()}" is a typographer\'s quote', "write straight quotes")
        return None


def _unescaped(string: re.Match[str]) -> str:
    r"""The value of a quoted text: `\\` and `\"` lose their backslash, any other keeps it (`\d`)."""
    return re.sub(r"\\([\\\"'])", r"\1", _inside(string))


def _inside(string: re.Match[str]) -> str:
    return string[0][1:-1]


def _marks(string: re.Match[str]) -> list[int]:
    start = string.start() + 1
    return [start + m.start() for m in re.finditer(r"\\[\\\"']|.", _inside(string), re.DOTALL)]
