"""The report as a page for a browser: everything in one file, which loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from gatewright.audit import Account, AuditReport, Event, Grounds, Holder, Line, Lineage, Tenure, written_at
from gatewright.quantity import Interval
from gatewright.report.audit import words
from gatewright.report.cells import SIGNS
from gatewright.report.elements import listed, signed
from gatewright.report.escape import html_text as text
from gatewright.report.html import drawing, frame, table
from gatewright.report.picture import Picture

STYLE = """
.alarm { border: 2px solid var(--bad); border-radius: .4rem; padding: .5rem 1rem; margin: 1rem 0; color: var(--bad) }
.alarm p, .alarm li { margin: .25rem 0 } .alarm .dim { color: var(--ink) }
section { margin-top: 2.5rem; border-top: 3px solid var(--line) } section > h2:first-child { font-size: 1.25rem }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem } details { border-left: .25rem solid var(--line); padding-left: .8rem;
  margin: .8rem 0 } summary { cursor: pointer; font-weight: 600; overflow-wrap: anywhere }
.times { display: flex; gap: 2px; margin: .2rem 0 0; min-height: 1.6rem; overflow: hidden }
.times span { flex-basis: 0; min-width: 1.75rem; padding: 0 .25rem; background: var(--head); overflow: hidden;
  border: 1px solid var(--line); border-radius: 3px; white-space: nowrap; text-overflow: clip }
.times .now { border-color: var(--good); color: var(--good); font-weight: 600 }
.times .back { border-color: var(--bad); color: var(--bad) }
.times .none { border-style: dotted; background: none; color: var(--dim) }
.ends { display: flex; justify-content: space-between; margin: .1rem 0 .8rem; color: var(--dim); font-size: .85em }
tr:has(.step) { color: var(--dim) }
@media (max-width: 40rem) { .times span { min-width: 0; font-size: .75em; padding: 0 .1rem } }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .5rem 0 } dd { margin: 0;
  overflow-wrap: anywhere } dt { color: var(--dim) } .whole { white-space: nowrap } a { color: inherit }
"""


def page(report: AuditReport) -> str:
    """The whole page; a broken ledger is told of before anything else."""
    accounts = [_account(report, a, n) for n, a in enumerate(report.accounts)]
    parts = [_alarm(report), _about(report), *([_overview(report)] if len(accounts) > 1 else []), *accounts]
    if not accounts:
        parts.append(f"<p>{text(f'No model has a ledger at {report.address}.')}</p>")
    return frame(words.title(report), "\n".join(filter(None, parts)), STYLE)


def _alarm(report: AuditReport) -> str:
    bad = [a for a in report.accounts if a.breaks or a.unreadable]
    if not bad:
        return ""
    said = "".join(
        f"<p><strong>{text(a.model)}: {text(words.proof(a))}</strong></p>{listed(words.wrong(a))}" for a in bad
    )
    doubt = f'<p class="dim">{text(words.DISBELIEVE)}</p>' if report.broken else ""
    return f'<div class="alarm" role="alert">{said}{doubt}</div>'


def _about(report: AuditReport) -> str:
    asked = report.question
    told = {
        "Moment": words.moment(report),
        "Version": "" if asked.version is None else f"v{asked.version}",
        "Target": asked.target,
        "Written": words.at(report.written) if asked.moment else "",
        "Server": report.address,
    }
    return _pairs({name: text(value) for name, value in told.items() if value})


def _pairs(told: dict[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{text(k)}</dt><dd>{v}</dd>" for k, v in told.items()) + "</dl>"


def _overview(report: AuditReport) -> str:
    """One line a model, for whoever has many."""
    rows = ((f'<a href="#m{n}">{text(a.model)}</a>', _held(a), _proof(a)) for n, a in enumerate(report.accounts))
    return "<h2>Models</h2>" + table(("Model", "Held then", "Ledger"), rows, about="Models")


def _held(account: Account) -> str:
    return "<br>".join(text(f"{h.target}: {words.held_by(h)}") for h in account.holders)


def _proof(account: Account) -> str:
    kind = "fail" if account.breaks else "error" if account.unreadable else "pass"
    sign = SIGNS["fail" if account.breaks else "error" if account.unreadable else "pass"][0]
    return f'<span class="{kind}"><span aria-hidden="true">{sign}</span> {text(words.proof(account))}</span>'


def _account(report: AuditReport, account: Account, n: int) -> str:
    parts = [f'<section id="m{n}"><h2>{text(account.model)}</h2><p>{_proof(account)}</p>']
    if account.head:
        parts.append(f'<p class="dim">newest entry <code>{text(account.head)}</code></p>')
    parts.append(_summary(account))
    if account.notes:
        parts.append(listed(account.notes))
    if not account.unreadable:
        parts += [_holders(report, account), _rules(report, account), _events(account, n), *_decisions(account, n)]
    return "\n".join(parts) + "</section>"


def _summary(account: Account) -> str:
    """What happened, in numbers; what went against the policy in red."""
    told, forced = words.summary(account)
    red = f'<strong class="fail">{text(forced)}</strong>' if forced else ""
    ends = [written_at(e.row.at) for e in (account.events[:1] + account.events[-1:])]
    days = " to ".join(dict.fromkeys(f"{at:%Y-%m-%d}" for at in ends if at is not None))
    shown = ", ".join(filter(None, (text(told), red)))
    return f"<p>{shown}{f' ({days})' if days else ''}</p>" if shown else ""


def _holders(report: AuditReport, account: Account) -> str:
    if not account.holders:
        return f"<p>{text(words.NEVER)}</p>"
    names = ("Target", "Held by", "Since", "Where the registry showed it then")
    head = f"<h3>Who held what, {text(words.moment(report))}</h3>"
    shown = table(names, map(_holder, account.holders), about="Who held what")
    end = report.question.moment.at if report.question.moment else written_at(report.written)
    begin = min((at for t in account.tenures if (at := written_at(t.since.at)) is not None), default=None)
    of = {h.target: [t for t in account.tenures if t.target == h.target] for h in account.holders}
    asked = report.question.version
    return head + shown + "".join(_times(target, told, begin, end, asked) for target, told in of.items())


def _holder(holder: Holder) -> tuple[str, ...]:
    remark = f'<br><span class="warn">! {text(holder.remark)}</span>' if holder.remark else ""
    where = "<br>".join(text(str(p)) for p in holder.places) if holder.version is not None else ""
    return text(holder.target), f"{text(words.held_by(holder))}{remark}", _when(words.since(holder)), where


def _times(target: str, tenures: list[Tenure], begin: datetime | None, end: datetime | None, asked: int | None) -> str:
    """Every version's time in a target, to a scale that all targets share, and the same as a table.

    begin, end: of the scale. asked: the version that the report is about, None for all.
    """
    if not tenures:
        return ""
    rows = [
        (f"v{t.version}", _when(words.began(t)), _when(words.ended(t))) for t in tenures if asked in (None, t.version)
    ]
    about = f"Times in {target}"
    bars = "".join(_bars(tenures, begin, end))
    drawn = f'<div class="times" aria-hidden="true">{bars}</div>' if bars else ""
    if drawn and begin and end:
        ends = "".join(f"<span>{at:%Y-%m-%d}</span>" for at in (begin, end))
        drawn += f'<div class="ends" aria-hidden="true">{ends}</div>'
    never = f"<p>The ledger knows no time of v{asked} in {text(target)}.</p>"
    return f"<h3>{text(about)}</h3>{drawn}" + (
        table(("Version", "From", "Until"), rows, about=about) if rows else never
    )


def _when(told: str) -> str:
    """A time and what was done then; the time stays in one line."""
    time, by, rest = told.partition(" by ")
    return f'<span class="whole">{text(time)}</span>{text(by + rest)}' if by else text(told)


def _bars(tenures: Iterable[Tenure], last: datetime | None, end: datetime | None) -> Iterator[str]:
    """One bar a time; what was taken back in red. last: where the scale begins."""
    for n, t in enumerate(tenures):
        begin, finish = written_at(t.since.at), written_at(t.until.at) if t.until else end
        if begin is None or finish is None:
            continue
        if last is not None and begin > last:
            yield f'<span class="none" style="flex-grow:{_seconds(last, begin)}">{"nobody" if n else ""}</span>'
        back = t.until is not None and t.until.kind == "rolled_back" and t.until.target == t.target
        kind = ' class="back"' if back else "" if t.until else ' class="now"'
        yield f'<span{kind} style="flex-grow:{_seconds(begin, finish)}">v{t.version}</span>'
        last = finish
    if last is not None and end is not None and end > last:
        yield f'<span class="none" style="flex-grow:{_seconds(last, end)}">nobody</span>'


def _seconds(begin: datetime, finish: datetime) -> int:
    return max(1, int((finish - begin).total_seconds()))


def _rules(report: AuditReport, account: Account) -> str:
    head = f"<h3>Who may approve</h3><p>{text(words.rules_from(report, account.policy))}</p>"
    told = {target.name: text(said) for target, said in words.rules(account)}
    return head + (_pairs(told) if told else "") + "".join(f"<p>{text(s)}</p>" for s in words.changed_rules(account))


def _events(account: Account, section: int) -> str:
    if not account.events:
        return "<h3>What happened</h3><p>No entry is about this.</p>"
    names = ("#", "When", "Who", "What", "Why", "Digest")
    rows = (_event(event, section) for event in account.events)
    return "<h3>What happened</h3>" + table(names, rows, about="What happened")


def _event(event: Event, section: int) -> tuple[str, ...]:
    why = text(words.why(event))
    if event.entry is None or words.overridden(event):
        why = f'<span class="fail">{why}</span>'
    why += "".join(f'<br><strong class="fail">broken: {text(w)}</strong>' for w in event.wrong)
    digest = f'<code class="whole">{text(event.row.digest[:12])}</code>'
    when = f'<span class="whole">{text(words.at(event.row.at))}</span>'
    what = text(words.what(event))
    number = str(event.row.n)
    if event.grounds is not None:
        number = f'<a href="#{_anchor(section, event)}">{number}</a>'
    what = f'<span class="step">{what}</span>' if words.step(event) else what
    return number, when, _who(event), what, why, digest


def _who(event: Event) -> str:
    """Login and id, the id in one piece."""
    login, bracket, rest = words.who(event).rpartition(" (id ")
    return f'{text(login)} <span class="whole">(id {text(rest)}</span>' if bracket else text(rest)


def _anchor(section: int, event: Event) -> str:
    """Where the grounds of an entry stand on the page."""
    return f"m{section}e{event.row.n}"


def _decisions(account: Account, section: int) -> Iterator[str]:
    """On what each decision rested."""
    told = [(e, e.grounds) for e in account.events if e.grounds is not None]
    if told:
        yield "<h3>On what it was decided</h3>"
        yield from (_grounds(event, grounds, _anchor(section, event)) for event, grounds in told)
    if account.lineages:
        yield "<h3>From data and code to the version</h3>"
        yield from map(_lineage, account.lineages)


def _grounds(event: Event, grounds: Grounds, anchor: str) -> str:
    head = f"#{event.row.n} {words.what(event)}, {words.who(event)}, {words.at(event.row.at)}"
    parts = [f'<details open id="{anchor}"><summary>{text(head)}</summary>']
    against = words.against(event)
    if against:
        parts.append(f'<div class="overridden"><p>Overridden:</p>{listed(against)}</div>')
    if grounds.lines:
        parts.append(_checks(head, grounds))
    parts.append(_agreed(head, grounds))
    return "".join(parts) + "</details>"


def _checks(head: str, grounds: Grounds) -> str:
    """Every check as it was judged; the column of intervals only where there is one."""
    names = ("Status", "Check", "Value", "Bound", "Champion", "Why, and from where", "Interval")
    width = len(names) if any(line.interval for line in grounds.lines) else len(names) - 1
    rows = (_line(line)[:width] for line in grounds.lines)
    return table(names[:width], rows, numbers=(2, 3, 4), about=f"Checks of {head}", head=1)


def _line(line: Line) -> tuple[str, ...]:
    source = " · ".join(
        filter(None, (line.policy_line, line.source, f"n = {line.n:,}".replace(",", " ") if line.n else ""))
    )
    why = f'<div class="why">{text(line.because)}<br><span class="dim">{text(source)}</span></div>'
    values = (text(words.brief(x)) for x in (line.value, line.bound, line.champion))
    return signed(words.status(line)), text(line.check), *values, why, drawing(_picture(line))


def _picture(line: Line) -> Picture | None:
    if line.interval is None or line.limit is None:
        return None
    return Picture(Interval(*line.interval, 0.0, ""), line.limit)


def _agreed(head: str, grounds: Grounds) -> str:
    if not grounds.rules and not grounds.agreed:
        return f'<p class="dim">{text(words.NO_RULE)}</p>'
    rules = (
        (f"{'✔&nbsp;met' if q.have >= q.need else '…&nbsp;open'}", text(q.name), f"{q.have} of {q.need}")
        for q in grounds.rules
    )
    said = (
        (
            text(w.login),
            text(w.verb),
            text(words.at(w.at)),
            text(words.became(w)),
            f"<code>{text(w.comment)}</code>" if w.comment else "",
        )
        for w in grounds.agreed
    )
    names = ("Who", "Said", "At", "What became of it", "Where")
    shown = table(("Status", "Rule", "Given"), rules, about=f"Rules of {head}", head=1)
    return shown + (table(names, said, about=f"Who said what: {head}") if grounds.agreed else "")


def _lineage(lineage: Lineage) -> str:
    rows = ((text(o.what), f"<code>{text(words.origin(o))}</code>", text(o.told)) for o in lineage.origins)
    about = f"Where v{lineage.version} comes from"
    return f"<h3>v{lineage.version}</h3>" + table(("What", "Which", "Who says so"), rows, about=about)
