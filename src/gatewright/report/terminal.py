"""What a terminal shows: the end of a command in one glance, then the table, then the next step."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gatewright.ledger.entry import Entry, Row
from gatewright.problem import GatewrightError, PolicyError, Undetermined, UsageError
from gatewright.report.cells import SIGNS, by_urgency, cells, instead, next_step, tally, who
from gatewright.report.live import ARMS, OUTCOMES, Outcome, arms, outcomes, remarks
from gatewright.report.live import headline as of_split
from gatewright.report.live import next_step as after_split
from gatewright.report.model import (
    Adoption,
    Audit,
    Failure,
    History,
    Inspection,
    Report,
    Request,
    Rung,
    Shown,
    Split,
    Status,
)
from gatewright.report.picture import Picture, of_result, of_slices
from gatewright.report.printed import Columns
from gatewright.report.printed import indented as _indented
from gatewright.report.printed import line as _line
from gatewright.report.printed import table as _table
from gatewright.report.printed import text as _text
from gatewright.report.printed import whole as _whole
from gatewright.verdict import Result, SliceResult, shown
from gatewright.verdict import Status as CheckStatus

COLOURS: Mapping[CheckStatus, str] = {
    "fail": "red",
    "error": "magenta",
    "inconclusive": "yellow",
    "warn": "yellow",
    "skip": "dim",
    "waived": "red",
    "pass": "green",
}
#: decision → (sign, colour)
HEADS = {
    "promoted": ("✔", "green"),
    "rolled_back": ("↩", "green"),
    "pending": ("…", "yellow"),
    "refused": ("✘", "red"),
    "adopted": ("✔", "green"),
    "archived": ("✔", "green"),
    "noop": ("–", "cyan"),
    "error": ("?", "magenta"),
    "started": ("✔", "green"),
    "stopped": ("–", "yellow"),
    "evaluated": ("·", "cyan"),
}
#: standing of an outcome → colour
_STANDING = {"worse": "red", "unknown": "magenta", "open": "yellow", "within": "green", "better": "green"}
MAX_SLICES = 12


def render(thing: Shown, console: Console, *, quiet: bool = False) -> None:
    """Prints the end of a command; quiet prints one line of it."""
    parts = list(_VIEWS[type(thing)](thing))
    for part in parts[:1] if quiet else parts:
        console.print(part, soft_wrap=isinstance(part, Text) and (quiet or bool(part.no_wrap)))


# -- an evaluation or a promotion --------------------------------------------------------------------------------


def _report(report: Report) -> Iterator[RenderableType]:
    yield _headline(report)
    yield _indented(_text(report.decision.detail or _meaning(report), "bold red" if report.against else ""))
    yield from (_indented(_line(("overridden ", "bold red"), text)) for text in report.against)
    if report.verdict is not None:
        yield _checks(by_urgency(report.verdict))
        quiet = ("pass", "waived") if report.against else ("pass",)
        yield from (_indented(_because(r)) for r in by_urgency(report.verdict) if r.status not in quiet)
        yield from (_slices(r) for r in report.verdict.results if r.slices)
    if report.standing.needed:
        yield from _approvals(report.standing.rules, report.expires)
    remarks = (*report.notes, *(report.evidence.notes if report.evidence else ()))
    yield from (_indented(_line(("note ", "bold"), note)) for note in remarks)
    yield from (_indented(_line(("did  " if report.entry else "plan ", "bold"), str(step))) for step in report.steps)
    yield Text()
    if (step := next_step(report)) != "Nothing.":
        yield _line(("Next: ", "bold"), step)
    elif report.moved and report.entry and not report.rollback and report.holding.number is not None:
        model = shlex.quote(report.candidate.model)
        yield _line(("Undo: ", "bold"), f"gatewright rollback {model} --from {report.target.name} --reason TEXT")
    yield _text(_footer(report), "dim")


def _headline(report: Report) -> Text:
    decision, verdict = report.decision, report.verdict
    if decision.kind == "evaluated":
        status: CheckStatus = "error" if verdict is None else verdict.outcome
        sign, colour, word = SIGNS[status][0], COLOURS[status], "would " + _WOULD.get(status, "stay undetermined")
    else:
        (sign, colour), word = HEADS.get(decision.kind, ("·", "")), decision.kind.replace("_", " ")
        colour = "red" if report.against else colour
    counts = f" · {tally(verdict)}" if verdict else ""
    return _line((f"{sign} {report.title}: {word}", f"bold {colour}"), f" ({decision.reason}){counts}")


_WOULD = {"pass": "pass", "fail": "be refused", "inconclusive": "be refused, as nothing is proved"}


def _meaning(report: Report) -> str:
    return report.decision.reason.meaning


def _checks(results: Iterable[Result]) -> Columns:
    return _table(
        ("", "Check", "Candidate", "Needs", "Champion", "Difference", ""), map(_check, results), numbers=(2, 6)
    )


def _check(result: Result) -> tuple[Text, ...]:
    row, picture = cells(result), of_result(result)
    words = (row.name, row.value, row.needs, row.champion, row.difference, picture.glyph() if picture else "")
    return _text(SIGNS[result.status][0], COLOURS[result.status]), *map(_text, words)


def _because(result: Result) -> Text:
    sign, word = SIGNS[result.status]
    place = f"  {result.check.place}"
    head = (f"{sign} {word}: ", COLOURS[result.status])
    return _line(head, f"{result.check.title}: {result.because}", (place, "dim"))


def _slices(result: Result) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left", title_style="bold")
    table.add_column(_text(str(result.check.column)), overflow="fold")
    for name in ("rows", "candidate", "champion"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    for part, picture in list(zip(result.slices, of_slices(result), strict=True))[:MAX_SLICES]:
        table.add_row(*_slice(result, part, picture))
    more = len(result.slices) - MAX_SLICES
    rest = [_text(f"and {more} more slices that stand better", "dim")] if more > 0 else []
    return Padding(Group(_text(f"{result.check.path} by {result.check.column}", "bold"), table, *rest), (1, 0, 0, 2))


def _slice(result: Result, part: SliceResult, picture: Picture | None) -> Iterator[Text]:
    yield _text(f"{SIGNS[part.status][0]} {part.slice}", COLOURS[part.status])
    yield _text("" if part.rows is None else f"{part.rows:,}".replace(",", " "))
    yield _text(shown(result.check, part.value))
    yield _text(shown(result.check, part.champion))
    yield _text(picture.glyph(21) if picture else "")
    yield _text("too few rows to decide" if part.status == "skip" else "", "dim")


def _approvals(rules: Iterable[Any], expires: str) -> Iterator[RenderableType]:
    yield Text()
    yield _line(("Approvals", "bold"), f" until {_moment(expires)}" if expires else "")
    for standing in rules:
        sign, colour = ("✔", "green") if standing.met else ("…", "yellow")
        count = f"{standing.have} of {standing.rule.count}"
        yield _indented(_line((f"{sign} {count} ", colour), f"{standing.rule.name}: {standing.rule}"))


def _footer(report: Report) -> str:
    parts = [f"policy {report.policy_digest[:12]}"]
    if report.evidence is not None:
        parts.insert(0, f"evidence {report.evidence.digest[:12]}")
    if report.entry is not None:
        parts.append(f"ledger entry {report.entry.n} {report.entry.digest[:12]}")
    return " · ".join(parts)


# -- a live split ------------------------------------------------------------------------------------------------


def _split(split: Split) -> Iterator[RenderableType]:
    decision, (sign, colour) = split.decision, HEADS[split.decision.kind]
    word = decision.kind.replace("_", " ")
    yield _line((f"{sign} {split.title}: {word}", f"bold {colour}"), f" ({decision.reason})")
    yield _indented(_text(of_split(split)))
    if decision.detail:
        yield _indented(_text(decision.detail))
    if rows := arms(split):
        yield _table(ARMS, (tuple(map(_text, row)) for row in rows), numbers=(2, 4))
    if told := outcomes(split):
        yield _table(("", *OUTCOMES, ""), map(_outcome, told), numbers=(2, 5))
        yield from (_indented(_line((f"{o.sign} ", _STANDING[o.standing]), o.because)) for o in told)
    yield from (_indented(_line(("note ", "bold"), note)) for note in remarks(split))
    yield from (_indented(_line(("did  " if split.entry else "plan ", "bold"), str(step))) for step in split.steps)
    if split.report is not None and not split.report.moved:
        yield Text()
        yield from _report(split.report)
        return
    yield Text()
    yield _line(("Next: ", "bold"), after_split(split))
    if split.entry is not None:
        yield _text(f"ledger entry {split.entry.n} {split.entry.digest[:12]}", "dim")


def _outcome(told: Outcome) -> tuple[Text, ...]:
    drawn = told.picture.glyph() if told.picture else ""
    return _text(told.sign, _STANDING[told.standing]), *map(_text, (*told.cells, drawn))


# -- errors ------------------------------------------------------------------------------------------------------


def _failure(failure: Failure) -> Iterator[RenderableType]:
    error = failure.error
    if isinstance(error, PolicyError):
        yield _line((f"✘ {len(error.problems)} policy error{'s' * (len(error.problems) != 1)}", "bold red"))
        for problem in error.problems:
            yield _whole(str(problem))
    elif isinstance(error, Undetermined):
        yield _line(("? not determined, nothing was changed: ", "bold magenta"), error.what)
        yield _indented(_text(error.why))
        yield _line(("Next: ", "bold"), error.fix)
    else:
        yield from _misuse(error)


def _misuse(error: GatewrightError) -> Iterator[RenderableType]:
    if not isinstance(error, UsageError):
        yield _line(("✘ ", "bold red"), str(error))
        return
    yield _line(("✘ ", "bold red"), error.text)
    if error.hint:
        yield _line(("Next: ", "bold"), error.hint)


# -- what stands, and what happened ------------------------------------------------------------------------------


def _status(status: Status) -> Iterator[RenderableType]:
    yield _line((status.model, "bold"))
    yield _table(("Target", "Version", "Held by", "Since"), ([*map(_text, _rung(r))] for r in status.rungs))
    yield from (
        _indented(_line(("conflict ", "bold red"), r.holding.conflict)) for r in status.rungs if r.holding.conflict
    )
    for request in status.requests:
        yield _request(request)
    if status.lock is not None:
        lock = status.lock
        begun = f"v{lock.version} → {lock.target}, begun by {lock.actor.login} at {_moment(lock.at)}"
        yield _line(("… a move is under way: ", "yellow"), f"{begun}, locked until {_moment(lock.lease)}")
    yield from (_indented(_line(("note ", "bold"), note)) for note in status.notes)


def _rung(rung: Rung) -> tuple[str, str, str, str]:
    target, held = rung.target, rung.holding
    ways = {"stage": target.stage, "alias": target.alias and f"@{target.alias}", "copy": target.copy_to}
    how = " + ".join(f"{kind} {name}" if kind != "alias" else str(name) for kind, name in ways.items() if name)
    if held.conflict:
        return target.name, "conflict", how, ""
    if held.version is None:
        return target.name, "nobody", how, ""
    recorded = rung.recorded
    ours = recorded is not None and recorded.version == held.number
    since = f"{_moment(recorded.at)} by {recorded.by}" if recorded and ours else "not by the ledger's doing"
    return target.name, str(held.version) if held.number is None else f"v{held.number}", how, since


def _request(request: Request) -> Text:
    entry = request.entry
    owed = "; ".join(f"{r.have} of {r.rule.count} {r.rule.name}" for r in request.standing.rules)
    asked = f"asked by {entry.actor.login} at {_moment(entry.at)}, expires {_moment(request.expires)}"
    return _line(("… waits: ", "yellow"), f"v{entry.version} → {entry.target}, {owed}; {asked}")


def _history(history: History) -> Iterator[RenderableType]:
    count = len(history.events)
    yield _line((history.model, "bold"), f" · {count} entr{'y' if count == 1 else 'ies'}")
    if not history.events:
        yield _indented(_text("The ledger has no entries yet: nothing has passed through the gate."))
        return
    yield _table(
        ("#", "When (UTC)", "Who", "What", "Why", "Digest"), (_told(row, entry) for row, entry in history.events)
    )


def _told(row: Row, entry: Entry | None) -> list[Text]:
    style = "red" if entry is not None and "override" in entry.details else ""
    return [_text(cell, style) for cell in _event(row, entry)]


def _event(row: Row, entry: Entry | None) -> tuple[str, ...]:
    subject = f" v{row.version}" if row.version is not None else ""
    target = f" → {row.target}" if row.target else ""
    what = f"{row.kind}{subject}{target}{instead(row)}"
    if entry is None:
        return (
            str(row.n),
            _moment(row.at),
            row.by,
            what,
            "the body is gone: run gatewright audit verify",
            row.digest[:8],
        )
    closing = f"closes {entry.closes}" if entry.closes is not None else ""
    why = " · ".join(part for part in (entry.reason, entry.text, closing) if part)
    return str(row.n), _moment(entry.at)[:19], who(entry), what, why, row.digest[:8]


def _moment(at: str) -> str:
    """A time to the second: `2026-11-09 14:02:00 UTC`."""
    return at.replace("T", " ")[:19] + " UTC" * bool(at)


def _audit(audit: Audit) -> Iterator[RenderableType]:
    if audit.breaks:
        count = len(audit.breaks)
        yield _line((f"✘ {audit.model}: the ledger is broken in {count} place{'s' * (count != 1)}", "bold red"))
        yield from (_indented(_text(str(b))) for b in audit.breaks)
    else:
        proved = ", each under a signature" if audit.signed and audit.entries else ""
        words = f"✔ {audit.model}: the ledger is unbroken, {audit.entries} entries{proved}"
        yield _line((words, "bold green"), f" · newest {audit.head[:12]}" if audit.head else "")
    yield from (_indented(_line(("note ", "bold"), note)) for note in audit.notes)


def _inspection(found: Inspection) -> Iterator[RenderableType]:
    drifted, unread = bool(found.findings), bool(found.undetermined)
    sign, colour = ("✘", "red") if drifted else ("?", "magenta") if unread else ("✔", "green")
    yield _line((f"{sign} {found.headline}", f"bold {colour}"))
    for drift in found.drifts:
        if len(found.drifts) > 1 and (drift.findings or drift.unread):
            yield Text()
            yield _line((drift.model, "bold"), "" if drift.governed else " (no policy)")
        for finding in drift.findings:
            yield _indented(_line((f"✘ {finding.code} ", "red"), finding.sentence))
            yield Padding(_text(finding.fix, "dim"), (0, 0, 0, 4))
        for gap in drift.unread:
            yield _indented(_line(("? undetermined ", "magenta"), f"{gap.what}: {gap.why}"))
            yield Padding(_text(gap.fix, "dim"), (0, 0, 0, 4))
    for one in found.archivals:
        sign, colour = HEADS.get(one.decision.kind, ("·", ""))
        name = f"{one.finding.model}/{one.finding.version} in {one.finding.target}"
        yield _line((f"{sign} {name}: {one.decision.kind} ", colour), one.decision.detail)


def _adoption(adoption: Adoption) -> Iterator[RenderableType]:
    decision = adoption.decision
    sign, colour = HEADS.get(decision.kind, ("·", ""))
    yield _line((f"{sign} {adoption.model}: {decision.kind}", f"bold {colour}"), f" ({decision.reason})")
    yield _indented(_text(decision.detail or decision.reason.meaning))
    for one in adoption.taken:
        was = " and ".join(f"v{n}" for n in one.was) or "nobody"
        yield _indented(_text(f"{one.target}: {_whom(one.version)}, where the ledger had {was}"))
    yield from (_indented(_line(("note ", "bold"), note)) for note in adoption.notes)
    yield _line(("Next: ", "bold"), decision.reason.next_step)


def _whom(version: int | None) -> str:
    return "nobody" if version is None else f"v{version}"


_VIEWS: Mapping[type, Any] = {
    Split: _split,
    Report: _report,
    Failure: _failure,
    Status: _status,
    History: _history,
    Audit: _audit,
    Inspection: _inspection,
    Adoption: _adoption,
}
