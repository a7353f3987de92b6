"""The report on a terminal: who held what, who may approve, what happened; with one version, on what grounds."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.text import Text

from gatewright.audit import Account, AuditReport, Event, Grounds, Line, Lineage, Said
from gatewright.report.audit import words
from gatewright.report.cells import SIGNS
from gatewright.report.printed import indented, line, table, text
from gatewright.report.terminal import COLOURS


def render(report: AuditReport, console: Console, *, quiet: bool = False) -> None:
    """Prints the report; quiet prints one line a model."""
    for account in report.accounts:
        parts = _account(report, account)
        for part in [next(parts)] if quiet else parts:
            console.print(part, soft_wrap=isinstance(part, Text) and quiet)
    if not report.accounts:
        console.print(text(f"No model has a ledger at {report.address}."))


def _account(report: AuditReport, account: Account) -> Iterator[RenderableType]:
    yield _proof(account)
    yield from (
        indented(line((told, "bold red" if account.breaks else "bold magenta"))) for told in words.wrong(account)
    )
    if account.breaks:
        yield indented(text(words.DISBELIEVE, "bold red"))
    yield from (indented(line(("note ", "bold"), note)) for note in account.notes)
    if not account.unreadable:
        yield from _held(report, account)
        yield from _rules(report, account)
        yield from _events(account)
        if report.question.version is not None:
            yield from _why(account)
    yield Text()


def _proof(account: Account) -> Text:
    bad = bool(account.breaks or account.unreadable)
    sign, colour = ("✘", "red") if account.breaks else ("?", "magenta") if bad else ("✔", "green")
    newest = f" · newest {account.head[:12]}" if account.head else ""
    return line((f"{sign} {account.model}: {words.proof(account)}", f"bold {colour}"), newest)


def _held(report: AuditReport, account: Account) -> Iterator[RenderableType]:
    if not account.holders:
        yield indented(text(words.NEVER))
        return
    yield line(("\nWho held what", "bold"), f", {words.moment(report)}")
    rows = (
        (h.target, words.held_by(h), words.since(h), "; ".join(map(str, h.places)) if h.version is not None else "")
        for h in account.holders
    )
    yield table(("Target", "Held by", "Since", "Where"), ([*map(text, row)] for row in rows))
    yield from (indented(line((f"{h.target}: ", "bold yellow"), h.remark)) for h in account.holders if h.remark)


def _rules(report: AuditReport, account: Account) -> Iterator[RenderableType]:
    yield line(("\nWho may approve", "bold"), f": {words.rules_from(report, account.policy)}")
    yield from (indented(line((f"{target.name}: ", "bold"), said)) for target, said in words.rules(account))
    yield from (indented(line(("note ", "bold"), said)) for said in words.changed_rules(account))


def _events(account: Account) -> Iterator[RenderableType]:
    told, forced = words.summary(account)
    parts = [part for part in ((told, ""), (forced, "bold red")) if part[0]]
    counts = [(": ", ""), *(piece for n, part in enumerate(parts) for piece in ((", ", ""), part)[not n :])]
    yield line(
        ("\nWhat happened", "bold"), *(counts if parts else ()), "" if account.events else ": no entry is about this."
    )
    if account.events:
        yield table(("#", "When", "Who", "What", "Why", "Digest"), map(_event, account.events))


def _event(event: Event) -> list[Text]:
    style = "red" if words.overridden(event) or event.wrong else "dim" if words.step(event) else ""
    why = " · ".join((words.why(event), *(f"BROKEN: {w}" for w in event.wrong)))
    told = (str(event.row.n), words.at(event.row.at), words.who(event), words.what(event), why, event.row.digest[:8])
    return [text(cell, style) for cell in told]


def _why(account: Account) -> Iterator[RenderableType]:
    """On what numbers, and by whose agreement."""
    for event in account.events:
        if event.grounds is not None:
            yield line((f"\nEntry {event.row.n}, {words.what(event)}", "bold"), f", by {words.who(event)}")
            yield from _grounds(event, event.grounds)
    for lineage in account.lineages:
        yield from _lineage(lineage)


def _grounds(event: Event, grounds: Grounds) -> Iterator[RenderableType]:
    yield from (indented(line(("overridden ", "bold red"), said)) for said in words.against(event))
    if grounds.lines:
        yield table(("", "Check", "Value", "Bound", "Champion", "Why"), map(_line, grounds.lines), numbers=(2, 5))
    for quorum in grounds.rules:
        sign, colour = ("✔", "green") if quorum.have >= quorum.need else ("…", "yellow")
        yield indented(line((f"{sign} {quorum.have} of {quorum.need} ", colour), quorum.name))
    yield from (indented(_word(w)) for w in grounds.agreed)
    if not grounds.rules:
        yield indented(text(words.NO_RULE, "dim"))


def _word(one: Said) -> Text:
    when = f" ({words.at(one.at)})" if one.at else ""
    return line((one.login, "bold"), f": {one.verb}, {words.became(one)}{when}")


def _line(one: Line) -> tuple[Text, ...]:
    status = words.status(one)
    told = (one.check, words.brief(one.value), words.number(one.bound), words.number(one.champion), one.because)
    return text(SIGNS[status][0], COLOURS[status]), *map(text, told)


def _lineage(lineage: Lineage) -> Iterator[RenderableType]:
    yield line((f"\nWhere v{lineage.version} comes from", "bold"))
    yield table(
        ("What", "Which", "Who says so"), ([*map(text, (o.what, words.origin(o), o.told))] for o in lineage.origins)
    )
