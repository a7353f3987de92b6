"""What a check line means: its parts held against the vocabulary of paths, units and columns.

    check := path [aggregate] [op operand] ["at" percent]

syntax.py takes the line apart; here the parts must fit each other. Every fault is reported at its own column.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeVar

from gatewright.paths import Kind, PathRow, Paths
from gatewright.policy.document import did_you_mean, problem
from gatewright.policy.model import Champion, Check, Literal_, Operand, Place, Task
from gatewright.policy.pattern import runs_away
from gatewright.policy.syntax import Flag, Line, Listing, Number, Rival, SyntaxFault, Term, Text, parse_line
from gatewright.problem import Problem
from gatewright.quantity import UNITS, Dimension, Quantity, parse_quantity

MAX_PATTERN = 500


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operator:
    """How two values are compared. ordered: they need a rank; listed: the right side is a list."""

    sign: str
    about: str
    ordered: bool = False
    listed: bool = False


#: every operator, in the order of the reference
OPERATORS: Mapping[str, Operator] = {
    o.sign: o
    for o in (
        Operator(">", "is more than", ordered=True),
        Operator(">=", "is at least", ordered=True),
        Operator("<", "is less than", ordered=True),
        Operator("<=", "is at most", ordered=True),
        Operator("==", "is"),
        Operator("!=", "is not"),
        Operator("in", "is one of", listed=True),
        Operator("not in", "is none of", listed=True),
        Operator("matches", "matches, from end to end, the regular expression"),
    )
}

#: every aggregate, and what it makes of a column's slices
AGGREGATES: Mapping[str, str] = {
    "by": "must hold for every slice of the column",
    "gap by": "is the largest slice value minus the smallest",
    "ratio by": "is the smallest slice value over the largest",
}

_UNIT_WORDS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m",
    "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d",
    "msec": "ms", "millis": "ms", "milliseconds": "ms", "µs": "us", "μs": "us", "usec": "us",
    "byte": "B", "bytes": "B", "k": "KB", "g": "GB", "mb": "MB", "gb": "GB", "kb": "KB",
    "pct": "%", "percent": "%", "pp": "%",
}  # fmt: skip
_EXAMPLES: Mapping[Dimension, tuple[str, str]] = {
    "time": ("ms", "s"),
    "bytes": ("MB", "GiB"),
    "number": ("", "%"),
}
_KINDS: Mapping[Kind, str] = {
    "number": "a number",
    "text": "a text",
    "flag": "true or false",
    "any": "a text",
}
_DIMENSIONS: Mapping[Dimension, str] = {
    "time": "a time",
    "bytes": "a number of bytes",
    "number": "a plain number",
}
_WORD = re.compile(r"[^\W\d][\w\-./:@+]*")
_NAME = re.compile(r"[^\W\d]\w*")
_RESERVED = ("true", "false", "null", "none", "nan", "inf", "infinity")


def parse_check(
    text: str,
    paths: Paths,
    place: Place,
    *,
    columns: Collection[str] | None = None,
    task: Task | None = None,
    where: Callable[[int], Place] | None = None,
) -> Check | list[Problem]:
    """Reads one line.

    place: where the line begins. where: the place of each of its characters, if they do not simply follow.
    columns: what a check may slice by, None if that is not known. task: what the holdout is scored for.
    """
    at = where or (lambda offset: replace(place, col=place.col + offset))
    try:
        line = parse_line(text)
    except SyntaxFault as fault:
        return [problem(at(fault.at), fault.text, fault.hint)]
    reading = _Reading(line, paths, columns, task)
    check = reading.check(place)
    return [problem(at(f.at), f.text, f.hint) for f in reading.faults] or check


class _Reading:
    """One line against the vocabulary. Every part raises its own fault; the first does not hide the next."""

    def __init__(self, line: Line, paths: Paths, columns: Collection[str] | None, task: Task | None) -> None:
        self._line, self._paths = line, paths
        self._row: PathRow | None = paths.row(line.path)
        self._columns, self._task = columns, task
        self.faults: list[SyntaxFault] = []

    def check(self, place: Place) -> Check:
        """The check; of no use to anyone if there are faults."""
        line, row = self._line, self._row
        self._part(self._path)
        self._part(self._slices)
        operand = self._part(self._operand)
        level = self._part(self._level)
        return Check(
            normal(line), line.path, place, self._dimension, line.op, operand,
            line.aggregate, line.column, level, paired=row is not None and row.paired,
        )  # fmt: skip

    def _part(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except SyntaxFault as fault:
            self.faults.append(fault)
            return None

    @property
    def _dimension(self) -> Dimension:
        if self._row is None or self._line.aggregate == "ratio by":
            return "number"
        return self._row.dimension

    def _path(self) -> None:
        path, row = self._line.path, self._row
        if row is None:
            raise SyntaxFault(self._line.path_at, f'unknown path "{path}"', self._paths.suggest(path))
        if self._task and row.tasks and self._task not in row.tasks:
            belongs = " or ".join(row.tasks)
            raise SyntaxFault(
                self._line.path_at, f"{path} is no metric of a {self._task} model", f"it is one of {belongs}"
            )

    def _slices(self) -> None:
        line = self._line
        if line.aggregate is None:
            return
        if self._row is not None and not self._row.sliceable:
            hint = f'only what is measured on the holdout has slices; leave "{line.aggregate}" out'
            raise SyntaxFault(line.aggregate_at, f"{line.path} cannot be sliced", hint)
        if self._columns is not None and line.column not in self._columns:
            hint = did_you_mean(str(line.column), self._columns) or "add it to slices in the holdout block"
            raise SyntaxFault(line.column_at, f'"{line.column}" is not among the slices of the holdout', hint)
        if line.op is None:
            hint = f"write {_sliced(line)} >= 0.9"
            raise SyntaxFault(line.aggregate_at, f'"{line.aggregate}" needs a comparison', hint)

    # The right side.

    def _operand(self) -> Operand | None:
        line = self._line
        if line.op is None or line.operand is None:
            return None
        op = OPERATORS[line.op]
        self._op_fits(op)
        if isinstance(line.operand, Rival):
            return self._champion(line.operand, op)
        if op.listed:
            return self._list(line.operand, op)
        if isinstance(line.operand, Listing):
            hint = {"==": "write in […]", "!=": "write not in […]"}.get(op.sign, "")
            raise SyntaxFault(line.operand.at, f'"{op.sign}" compares with one value, not with a list', hint)
        if op.sign == "matches":
            return _pattern(line.operand)
        if op.ordered and not isinstance(line.operand, Number):
            hint = did_you_mean(_shown(line.operand), ["champion"])
            raise SyntaxFault(line.operand.at, f'"{op.sign}" compares numbers, {_shown(line.operand)} is none', hint)
        return self._literal(line.operand)

    def _op_fits(self, op: Operator) -> None:
        line, kind = self._line, self._row.kind if self._row else "any"
        if kind == "text" and op.ordered:
            hint = "compare with == != in, not in or matches"
        elif kind == "flag" and op.sign not in ("==", "!="):
            hint = f"write {line.path} alone"
        elif kind == "number" and op.sign == "matches":
            hint = "compare with > >= < <= == !="
        else:
            return
        raise SyntaxFault(line.op_at, f'{line.path} is {_KINDS[kind]}: "{op.sign}" does not fit', hint)

    def _literal(self, term: Number | Text | Flag) -> Literal_:
        kind = self._row.kind if self._row else "any"
        given = "number" if isinstance(term, Number) else "flag" if isinstance(term, Flag) else "text"
        if kind not in ("any", given):
            hint = f'for the text write "{term}" in quotes' if (kind, given) == ("text", "number") else ""
            raise SyntaxFault(term.at, f"{self._line.path} is {_KINDS[kind]}, {_shown(term)} is not", hint)
        return self._quantity(term) if isinstance(term, Number) else term.value

    def _list(self, operand: Term, op: Operator) -> tuple[Literal_, ...]:
        if not isinstance(operand, Listing):
            raise SyntaxFault(operand.at, f'"{op.sign}" wants a list', f"write {op.sign} [{_shown(operand)}]")
        first = operand.terms[0]
        for term in operand.terms[1:]:
            if type(term) is not type(first):
                hint = "put all of them in quotes, or none"
                raise SyntaxFault(term.at, f"{_shown(term)} is of another kind than {_shown(first)}", hint)
        return tuple(map(self._literal, operand.terms))

    def _champion(self, rival: Rival, op: Operator) -> Champion:
        if not op.ordered:
            hint = 'compare with > >= < <=; for the text write "champion" in quotes'
            raise SyntaxFault(rival.at, f'"{op.sign}" does not compare with the champion', hint)
        if self._row is not None and not self._row.comparable:
            raise SyntaxFault(rival.at, f"{self._line.path} is not compared with the champion's", "write a value")
        if rival.number is None:
            return Champion()
        if rival.number.unit == "%":
            raise self._percent_of_champion(rival, rival.number)
        if rival.sign == "*":
            return Champion(factor=_factor(rival.number), text=_rival(rival))
        offset = self._quantity(rival.number).value
        return Champion(offset=-offset if rival.sign == "-" else offset, text=_rival(rival))

    def _percent_of_champion(self, rival: Rival, number: Number) -> SyntaxFault:
        share = _parsed(number).value
        if rival.sign == "*":
            hint = f"write champion * {_trimmed(share)}"
            return SyntaxFault(number.at, f"a factor is a plain number, not {number}", hint)
        factor = 1 + share if rival.sign == "+" else 1 - share
        spellings = [f"champion * {_trimmed(factor)}"] if factor > 0 else []
        if self._dimension == "number":
            spellings.append(f"champion {rival.sign} {_trimmed(share)}")
        text = f'"{_rival(rival)}" may mean a share of the champion\'s value or a difference'
        return SyntaxFault(rival.at, text, f"write {' or '.join(spellings)}" if spellings else "")

    def _quantity(self, number: Number) -> Quantity:
        unit = number.unit
        if unit and unit != "%" and unit not in UNITS:
            raise SyntaxFault(number.unit_at, f'unknown unit "{unit}"', self._unit_hint(unit, number.digits))
        quantity = _parsed(number)
        if self._row is not None:
            self._unit_fits(quantity, number)
        return quantity

    def _unit_hint(self, unit: str, digits: str) -> str:
        offered = [u for u in UNITS if UNITS[u][0] == self._dimension] or ["%"]
        meant = {u.lower(): u for u in offered}.get(unit.lower()) or _UNIT_WORDS.get(unit.lower())
        if meant in offered:
            return f'did you mean "{digits}{meant}"?'
        return f"write {digits} or {digits}%" if self._dimension == "number" else f"there is {' '.join(offered)}"

    def _unit_fits(self, quantity: Quantity, number: Number) -> None:
        wanted, path = self._dimension, self._line.path
        if quantity.dimension == wanted and (wanted == "number" or quantity.style == "unit"):
            return
        if wanted != "number":
            small, large = ("h", "d") if path.key == "age" else _EXAMPLES[wanted]
            said = f"the unit {number.unit}" if number.unit else "no unit"
            hint = f"write {number.digits}{small} or {number.digits}{large}"
            raise SyntaxFault(number.at, f"{path} is {_DIMENSIONS[wanted]}, and {number} has {said}", hint)
        hint = "write the plain number"
        if self._row is not None and self._row.key == "*":
            hint += f" as it was logged: {self._row.family} values carry no unit"
        raise SyntaxFault(number.unit_at, f"{path} is a plain number: the unit {number.unit} does not fit", hint)

    # The confidence.

    def _level(self) -> Decimal | None:
        line = self._line
        if line.level is None:
            return None
        if line.op is None:
            hint = f"write {line.path} >= 0.9 at {line.level}"
            raise SyntaxFault(line.level_at, '"at" needs a comparison', hint)
        if not OPERATORS[line.op].ordered:
            raise SyntaxFault(line.level_at, f'"{line.op}" has no confidence', '"at" goes with > >= < <=')
        if self._row is not None and not self._row.sampled:
            text = f"{line.path} is no estimate from a sample, so it has no confidence"
            raise SyntaxFault(line.level_at, text, f'leave "at {line.level}" out')
        return _share(line.level)


def _share(number: Number) -> Decimal:
    """A confidence as a fraction."""
    if number.unit != "%":
        value = _parsed(Number(number.at, number.digits)).value
        percent = value if value > 1 else value * 100
        hint = f"write at {_trimmed(percent)}%" if 50 < percent < 100 else "write at 95%"
        raise SyntaxFault(number.at, "a confidence is a percentage", hint)
    value = _parsed(number).value
    if not Decimal("0.5") < value < 1:
        raise SyntaxFault(number.at, f"a confidence lies above 50% and below 100%, {number} does not", "write at 95%")
    return value


def _factor(number: Number) -> Decimal:
    if number.unit:
        raise SyntaxFault(number.unit_at, f"a factor has no unit, {number} has", f"write champion * {number.digits}")
    value = _parsed(number).value
    if value <= 0:
        raise SyntaxFault(number.at, "a factor must be more than 0")
    return value


def _pattern(operand: Number | Text | Flag) -> str:
    """A regular expression that compiles; a fault points into it."""
    if not isinstance(operand, Text):
        raise SyntaxFault(operand.at, '"matches" wants a regular expression', f'write "{_shown(operand)}" in quotes')
    if len(operand.value) > MAX_PATTERN:
        raise SyntaxFault(operand.at, f"this regular expression is longer than {MAX_PATTERN} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(operand.value)
    except re.error as error:
        after = operand.marks[error.pos :] if error.pos is not None else ()
        raise SyntaxFault(
            after[0] if after else operand.at, f"this regular expression is broken: {error.msg}"
        ) from None
    except (Warning, OverflowError, RecursionError) as error:
        raise SyntaxFault(operand.at, f"this regular expression cannot be used: {error}") from None
    if runs_away(operand.value):
        raise SyntaxFault(
            operand.at,
            "this regular expression may never end on a text that somebody chose",
            "a repetition in a repetition takes the same characters: write [a-z]+(-[a-z]+)* for ([a-z]+-?)+",
        )
    return operand.value


def _parsed(number: Number) -> Quantity:
    try:
        return parse_quantity(str(number))
    except ValueError as error:
        raise SyntaxFault(number.at, str(error)) from None


def _trimmed(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# The normal spelling.


def normal(line: Line) -> str:
    """A line as it is shown and compared: single spaces, quotes only where they are needed."""
    parts = [_sliced(line)]
    if line.op is not None and line.operand is not None:
        parts += [line.op, _shown(line.operand)]
    if line.level is not None:
        parts += ["at", str(line.level)]
    return " ".join(parts)


def _sliced(line: Line) -> str:
    if line.aggregate is None or line.column is None:
        return str(line.path)
    bare = _NAME.fullmatch(line.column)
    return f"{line.path} {line.aggregate} {line.column if bare else _quoted(line.column)}"


def _shown(term: Term) -> str:
    if isinstance(term, Listing):
        return f"[{', '.join(map(_shown, term.terms))}]"
    if isinstance(term, Rival):
        return _rival(term)
    if isinstance(term, Flag):
        return str(term.value).lower()
    return str(term) if isinstance(term, Number) else _text(term.value)


def _rival(rival: Rival) -> str:
    return "champion" if rival.number is None else f"champion {rival.sign} {rival.number}"


def spelled(value: Literal_) -> str:
    """A value as a check line writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return _text(value) if isinstance(value, str) else value.text


def _text(value: str) -> str:
    reserved = value.lower() in _RESERVED or value.startswith("champion")
    return value if _WORD.fullmatch(value) and not reserved else _quoted(value)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def same_rule(check: Check) -> Check:
    """What two checks must share to be one and the same, wherever they stand and whatever they are called."""
    return replace(check, place=Place("", 0, 0), name="")
