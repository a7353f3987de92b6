"""What the checks say of the evidence: a pure fold that evaluates every check and lets each result explain itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from gatewright.evidence import Evidence, Fact, Scalar
from gatewright.policy.model import Champion, Check
from gatewright.quantity import Interval, Quantity, Style, compare, decimal, is_finite, show

Status = Literal["pass", "fail", "inconclusive", "error", "skip", "warn", "waived"]
Outcome = Literal["pass", "fail", "inconclusive", "error"]

#: an operator between numbers in words: (when it holds, when it does not)
WORDS = {
    ">": ("is above", "is not above"),
    ">=": ("reaches", "is below"),
    "<": ("is below", "is not below"),
    "<=": ("stays within", "exceeds"),
    "==": ("equals", "differs from"),
    "!=": ("differs from", "equals"),
}
UPWARD = (">", ">=")


@dataclass(frozen=True, slots=True)
class SliceResult:
    """One slice of a check: its rows, its values, and whether it passed; `skip` is a slice too small to decide."""

    slice: str
    rows: int | None
    value: Scalar | None
    champion: Scalar | None
    interval: Interval | None
    status: Status
    because: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What one check says.

    value, champion: as measured, in base units. bound: what the value had to meet, None where it had only to be
    present. interval: bounds of the value, or of `candidate − factor × champion` where the champion is the bound;
    limit: what those bounds were held against. slices: worst first.
    """

    check: Check
    status: Status
    because: str
    value: Scalar | None = None
    bound: Scalar | None = None
    champion: Scalar | None = None
    interval: Interval | None = None
    limit: float | None = None
    n: int | None = None
    source: str = ""
    slices: tuple[SliceResult, ...] = ()

    @property
    def delta(self) -> float | None:
        """Candidate minus champion, where both are numbers."""
        if not (is_finite(self.value) and is_finite(self.champion)):
            return None
        return float(decimal(self.value) - decimal(self.champion))  # type: ignore[arg-type]

    @property
    def blocks(self) -> bool:
        return self.check.severity == "block" and self.status in ("fail", "error", "inconclusive")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every check's result, in the policy's order, and what they come to."""

    results: tuple[Result, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of fail, error, inconclusive, pass; nothing checked, or everything skipped, is an error."""
        blocking = [r.status for r in self.results if r.check.severity == "block"]
        for bad in ("fail", "error", "inconclusive"):
            if bad in blocking:
                return bad
        return "pass" if any(s in ("pass", "warn", "waived") for s in blocking) else "error"

    def having(self, *statuses: Status) -> tuple[Result, ...]:
        return tuple(r for r in self.results if r.status in statuses)


def judge(checks: Iterable[Check], evidence: Evidence) -> Verdict:
    """Evaluates every check; none is left out because another failed."""
    return Verdict(tuple(_settle(_judge(check, evidence)) for check in checks))


def _settle(result: Result) -> Result:
    """Applies what the policy says of missing champions, undecided results and warnings."""
    check, status = result.check, result.status
    if status == "inconclusive" and check.if_inconclusive == "warn":
        return replace(result, status="warn")
    if status == "fail" and check.severity == "warn":
        return replace(result, status="warn")
    return result


def _judge(check: Check, evidence: Evidence) -> Result:
    if check.needs_champion:
        if evidence.subject.get("champion") is None:
            return _without_champion(check)
        if evidence.against_itself:
            return Result(check, "skip", "the candidate is itself the champion")
    if check.aggregate == "by":
        return _by(check, evidence)
    if check.aggregate is not None:
        return _spread(check, evidence)
    return _whole(check, evidence)


def _without_champion(check: Check) -> Result:
    if check.if_no_champion == "fail":
        return Result(check, "fail", "there is no champion yet, and the policy asks for one")
    return Result(check, "skip", "there is no champion yet to compare with")


# -- a check on all rows, or on a plain fact ---------------------------------------------------------------------


def _whole(check: Check, evidence: Evidence) -> Result:
    fact = evidence.one("candidate", check.path)
    if check.op is None:
        return _present(check, fact)
    gap = _not_known(check, fact)
    if gap or fact is None:
        return gap or _error(check, "it was not measured")
    rival = evidence.one("champion", check.path)
    if not isinstance(check.operand, Champion):
        # Decides nothing here, and is what a reader asks next.
        return replace(_against_number(check, fact), champion=None if rival is None else _number(rival.value))
    gap = _not_known(check, rival, of="the champion's value")
    if gap or rival is None:
        return _about(gap or _error(check, "the champion was not measured"), fact)
    pair = evidence.one("pair", check.path, factor=float(check.operand.factor))
    return _against_champion(check, fact, rival, pair)


def _present(check: Check, fact: Fact | None) -> Result:
    if fact is None:
        return _error(check, "it was not looked for")
    if fact.state == "unreadable":
        return _about(_error(check, fact.why or "it could not be read"), fact)
    if fact.state == "missing":
        # a comparison that cannot be made says nothing about the candidate
        absent: Status = "error" if check.paired else "fail"
        status = "skip" if check.if_missing == "skip" else absent
        return _about(Result(check, status, fact.why or f"{check.path} is missing"), fact)
    if _is_false(fact.value):
        return _about(Result(check, "fail", fact.why or f"{check.path} is false"), fact)
    return _about(Result(check, "pass", fact.why or f"{check.path} is present"), fact)


def _is_false(value: Scalar | None) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() in ("false", ""))


def _not_known(check: Check, fact: Fact | None, of: str = "") -> Result | None:
    """A result that says why a value cannot be compared, or None if it can."""
    subject = of or str(check.path)
    if fact is None:
        return _error(check, f"{subject} was not measured")
    if fact.state == "known":
        return None
    why = fact.why or f"{subject} is {fact.state}"
    if fact.state == "missing" and check.if_missing == "skip":
        return Result(check, "skip", why)
    return _error(check, f"{of}: {why}" if of else why)


def _error(check: Check, why: str) -> Result:
    return Result(check, "error", why)


def _about(result: Result, fact: Fact) -> Result:
    return replace(result, value=fact.value, n=fact.n, source=fact.source)


def _against_number(check: Check, fact: Fact) -> Result:
    operand = check.operand
    if check.level is not None and isinstance(operand, Quantity):
        return _about(_bounded(check, fact.bounds(float(check.level)), operand.value, fact, "the value"), fact)
    bound = spelled(operand)
    if isinstance(operand, Quantity) and check.op in WORDS:
        number = _number(fact.value)
        if number is None:
            return _about(_error(check, f"{_quoted(fact.value)} is not a number"), fact)
        holds = compare(number, str(check.op), operand.value)
        because = f"{shown(check, number)} {WORDS[str(check.op)][not holds]} {operand}"
        return replace(_about(_outcome(check, holds, because), fact), value=number, bound=float(operand.value))
    holds = _text_holds(check, fact.value)
    word = "is" if holds else "is not"
    because = f"{_quoted(fact.value)} {word} {_relation(str(check.op))} {bound}"
    return replace(_about(_outcome(check, holds, because), fact), bound=bound)


def _outcome(check: Check, holds: bool, because: str) -> Result:
    return Result(check, "pass" if holds else "fail", because)


def _number(value: object) -> float | None:
    """A finite number, also where the registry keeps it as text (params and tags are text)."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return float(value) if is_finite(value) else None  # type: ignore[arg-type]


def _text_holds(check: Check, value: object) -> bool:
    operand = check.operand
    if check.op == "matches":
        return re.fullmatch(str(operand), str(value)) is not None
    options = operand if isinstance(operand, tuple) else (operand,)
    found = any(_same(value, option) for option in options)
    return found is (check.op in ("==", "in"))


def _same(value: object, option: object) -> bool:
    if isinstance(option, Quantity):
        number = _number(value)
        return number is not None and compare(number, "==", option.value)
    if isinstance(option, bool):
        return value is option or (isinstance(value, str) and value.strip().lower() == str(option).lower())
    return str(value) == option


def _relation(op: str) -> str:
    return {"==": "equal to", "!=": "other than", "in": "one of", "not in": "outside", "matches": "a match for"}[op]


def spelled(operand: object) -> str:
    """The right side of a check as the policy writes it."""
    if isinstance(operand, tuple):
        return ", ".join(map(spelled, operand))
    return str(operand).lower() if isinstance(operand, bool) else str(operand)


def _quoted(value: object) -> str:
    text = str(value)
    return f"“{text if len(text) <= 80 else text[:77] + '…'}”"


# -- against the champion ----------------------------------------------------------------------------------------


def _against_champion(check: Check, fact: Fact, rival: Fact, pair: Fact | None) -> Result:
    champion = check.operand
    assert isinstance(champion, Champion)
    mine, theirs = _number(fact.value), _number(rival.value)
    if mine is None or theirs is None:
        return _about(_error(check, "a value is not a number"), fact)
    if champion.factor != 1 and theirs <= 0:
        because = f"the champion has {shown(check, theirs)}: a factor on a value that is not above zero says nothing"
        return replace(_about(Result(check, "inconclusive", because), fact), champion=theirs)
    bound = champion.factor * decimal(theirs) + champion.offset
    if check.level is None:
        holds = compare(mine, str(check.op), bound)
        word = WORDS[str(check.op)][not holds]
        basis = f"{champion.text}, champion" if champion.text != "champion" else "champion"
        because = f"{shown(check, mine)} {word} {shown(check, bound)} ({basis} {shown(check, theirs)})"
        result = _outcome(check, holds, because)
    else:
        gap = _not_known(check, pair, of="the comparison with the champion")
        what = "the difference" if champion.factor == 1 else f"candidate − {champion.factor} × champion"
        result = gap or _bounded(check, _bounds(pair, check), champion.offset, pair or fact, what)
    return replace(_about(result, fact), champion=theirs, bound=float(bound))


def _bounds(fact: Fact | None, check: Check) -> Interval | None:
    return None if fact is None or check.level is None else fact.bounds(float(check.level))


def _bounded(check: Check, interval: Interval | None, limit: Decimal, fact: Fact, what: str) -> Result:
    """Passes when the bound on the risky side meets the limit, fails when the other bound misses it too."""
    if interval is None or not (is_finite(interval.low) and is_finite(interval.high)):
        return _error(check, fact.why or f"no confidence interval could be computed for {what}")
    status = _decided(str(check.op), interval, limit)
    because = _interval_sentence(check, interval, limit, status, fact, what)
    return Result(check, status, because, interval=interval, limit=float(limit), bound=float(limit), n=fact.n)


def _decided(op: str, interval: Interval, limit: Decimal) -> Status:
    risky, other = (interval.low, interval.high) if op in UPWARD else (interval.high, interval.low)
    if compare(risky, op, limit):
        return "pass"
    return "inconclusive" if compare(other, op, limit) else "fail"


def _interval_sentence(check: Check, interval: Interval, limit: Decimal, status: Status, fact: Fact, what: str) -> str:
    level = f"{float(interval.level) * 100:g} %"
    low, high, at = (_step(check, x, fact) for x in (interval.low, interval.high, float(limit)))
    if status == "pass":
        side, bound = ("lower", low) if check.op in UPWARD else ("upper", high)
        return f"the {side} {level} bound of {what}, {bound}, {WORDS[str(check.op)][0]} the limit {at}"
    if status == "fail":
        side = "below" if check.op in UPWARD else "above"
        return f"the whole {level} interval of {what} ({low} to {high}) lies {side} the limit {at}"
    rows = _rows_to_settle(check, interval, limit, fact)
    return f"the {level} interval of {what} ({low} to {high}) contains the limit {at}{rows}"


def _step(check: Check, value: float, fact: Fact) -> str:
    """Differences are shown with their sign."""
    return shown(check, value, signed=fact.who == "pair")


def _rows_to_settle(check: Check, interval: Interval, limit: Decimal, fact: Fact) -> str:
    """How many rows would bring the interval off the limit if the estimate stayed: widths shrink with √n."""
    estimate = _number(fact.value)
    if estimate is None or not fact.n:
        return ""
    distance = abs(estimate - float(limit))
    width = estimate - interval.low if estimate > float(limit) else interval.high - estimate
    if distance <= 0 or width <= distance:
        return ""
    rows = fact.n * (width / distance) ** 2
    if rows > 1e12:
        return ""
    what = "calls" if check.path.family == "latency" else "rows"
    return f"; about {show(float(f'{rows:.2g}'))} {what} would settle it, there are {show(fact.n)}"


# -- over the slices of a column ---------------------------------------------------------------------------------


def _by(check: Check, evidence: Evidence) -> Result:
    """Holds if it holds in every slice that is large enough to decide."""
    column = str(check.column)
    facts = evidence.slices("candidate", check.path, column)
    if not facts:
        whole = evidence.one("candidate", check.path)
        return _not_known(check, whole) or _error(check, f"no slices of {column} were measured")
    judged = [(fact, _slice(check, fact, evidence)) for fact in facts]
    deciding = [(f, r) for f, r in judged if f.decides]
    if not deciding:
        because = f"no slice of {column} has enough rows to decide"
        return replace(_error(check, because), slices=tuple(_row(f, r) for f, r in judged))
    if check.level is not None:
        deciding = _holm(check, deciding, evidence)
    ordered = sorted(deciding, key=lambda pair: _badness(check, pair[1]))
    small = [(f, replace(r, status="skip", because="too few rows to decide")) for f, r in judged if not f.decides]
    worst_fact, worst = ordered[0]
    because = f"where {column} is {_quoted(worst_fact.slice)}{_rows(worst_fact)}: {worst.because}"
    if worst.status == "pass":
        because = f"holds in all {len(deciding)} slices; the closest: {because}"
    return replace(worst, because=because, check=check, slices=tuple(_row(f, r) for f, r in (*ordered, *small)))


def _slice(check: Check, fact: Fact, evidence: Evidence) -> Result:
    """The check on one slice, judged as if that slice were all the data."""
    factor = float(check.operand.factor) if isinstance(check.operand, Champion) else None
    column = str(check.column)
    rivals = _named(evidence.slices("champion", check.path, column), fact.slice)
    pairs = _named(evidence.slices("pair", check.path, column, factor=factor), fact.slice)
    part = tuple(replace(f, column=None, slice=None) for f in (fact, *rivals, *pairs))
    return _whole(replace(check, aggregate=None, column=None), replace(evidence, facts=part))


def _named(facts: Iterable[Fact], slice_: str | None) -> list[Fact]:
    return [f for f in facts if f.slice == slice_]


def _holm(check: Check, judged: Sequence[tuple[Fact, Result]], evidence: Evidence) -> list[tuple[Fact, Result]]:
    """Calls a slice failing only at Holm's level for the slices that are left; the others stay inconclusive.

    Passing needs no correction: all slices must pass (an intersection–union test).
    """
    failing: set[str | None] = set()
    suspects = {f.slice: f for f, r in judged if r.status == "fail"}
    left = len(judged)
    level = float(check.level or 0)
    while left:
        at = 1 - (1 - level) / left
        found = {s for s, f in suspects.items() if s not in failing and _fails_at(check, f, at, evidence)}
        if not found:
            break
        failing |= found
        left = len(judged) - len(failing)
    return [(f, r if r.status != "fail" or f.slice in failing else _unsure(r, len(judged))) for f, r in judged]


def _fails_at(check: Check, fact: Fact, level: float, evidence: Evidence) -> bool:
    return _slice(replace(check, level=Decimal(repr(level))), fact, evidence).status == "fail"


def _unsure(result: Result, slices: int) -> Result:
    because = f"{result.because}; with {slices} slices looked at, that alone is not enough to call it failing"
    return replace(result, status="inconclusive", because=because)


def _badness(check: Check, result: Result) -> tuple[int, float]:
    """Sorts the worst first: by status, then by how far the value is from its bound."""
    rank = {"fail": 0, "error": 1, "inconclusive": 2}.get(result.status, 3)
    if result.interval is not None and result.limit is not None:
        edge = result.interval.low if check.op in UPWARD else result.interval.high
        room = edge - result.limit
    elif is_finite(result.value) and is_finite(result.bound):
        room = float(result.value) - float(result.bound)  # type: ignore[arg-type]
    else:
        return (rank, 0.0)
    return (rank, room if check.op in UPWARD else -room)


def _row(fact: Fact, result: Result) -> SliceResult:
    return SliceResult(
        str(fact.slice), fact.n, result.value, result.champion, result.interval, result.status, result.because
    )


def _rows(fact: Fact) -> str:
    return "" if fact.n is None else f" ({show(fact.n)} rows)"


def _spread(check: Check, evidence: Evidence) -> Result:
    """`gap by`: the largest minus the smallest slice value; `ratio by`: the smallest over the largest."""
    mine = _spread_fact(check, evidence, "candidate")
    theirs = _spread_fact(check, evidence, "champion") if isinstance(check.operand, Champion) else None
    pair = None
    if isinstance(check.operand, Champion):
        factor = float(check.operand.factor)
        pair = evidence.one("pair", check.path, factor=factor, column=check.column, aggregate=check.aggregate)
    part = tuple(replace(f, column=None, aggregate=None) for f in (mine, theirs, pair) if f is not None)
    result = _whole(replace(check, aggregate=None, column=None), replace(evidence, facts=part))
    rows = tuple(
        SliceResult(str(f.slice), f.n, f.value, None, None, "pass" if f.decides else "skip")
        for f in evidence.slices("candidate", check.path, str(check.column))
    )
    return replace(result, check=check, slices=rows)


def _spread_fact(check: Check, evidence: Evidence, who: Literal["candidate", "champion"]) -> Fact:
    measured = evidence.one(who, check.path, column=check.column, aggregate=check.aggregate)
    if measured is not None:
        return measured
    facts = [f for f in evidence.slices(who, check.path, str(check.column)) if f.decides]
    blank = Fact(who, check.path, "unreadable")
    unknown = next((f for f in facts if f.state != "known" or _number(f.value) is None), None)
    if unknown is not None:
        return replace(blank, why=f"where {check.column} is {_quoted(unknown.slice)}: {unknown.why}")
    if len(facts) < 2:
        whole = evidence.one(who, check.path)
        untold = whole.why if whole is not None and whole.state != "known" else ""
        return replace(blank, why=untold or f"fewer than two slices of {check.column} have enough rows")
    values = {f.slice: float(f.value) for f in facts}  # type: ignore[arg-type]
    low, high = min(values.values()), max(values.values())
    if check.aggregate == "gap by":
        value = float(decimal(high) - decimal(low))
    elif high <= 0 or low < 0:
        return replace(blank, why="a ratio needs slice values above zero")
    else:
        value = low / high
    return replace(facts[0], state="known", value=value, n=sum(f.n or 0 for f in facts), slice=None, column=None)


# -- words -------------------------------------------------------------------------------------------------------


def shown(check: Check, value: Scalar | Decimal | None, *, signed: bool = False) -> str:
    """A value in the spelling of its check: percent where the policy writes percent, a unit where it has one."""
    if isinstance(value, Decimal) or is_finite(value):
        return show(value, check.dimension, _style(check), signed=signed)  # type: ignore[arg-type]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _style(check: Check) -> Style:
    return check.operand.style if isinstance(check.operand, Quantity) else "plain"
