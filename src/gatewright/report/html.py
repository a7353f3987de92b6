"""A page for a browser: everything in one file, which loads nothing and runs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gatewright.ledger.entry import Entry, Row
from gatewright.problem import PolicyError, Undetermined, UsageError
from gatewright.quantity import Interval
from gatewright.report.cells import SIGNS, by_urgency, cells, instead, next_step, tally
from gatewright.report.escape import html_text as text
from gatewright.report.model import Audit, Failure, History, Report, Status
from gatewright.verdict import Result, shown

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --dim: #59636e; --line: #d1d9e0; --paper: #fff;
  --good: #1a7f37; --bad: #cf222e; --odd: #8250df; --wait: #9a6700 }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f6fc; --dim: #9198a1; --line: #3d444d; --paper: #0d1117;
  --good: #3fb950; --bad: #f85149; --odd: #ab7df8; --wait: #d29922 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .35rem .6rem;
  border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: break-word }
th { font-weight: 600 } td.n, th.n { text-align: right; white-space: nowrap } td:first-child { white-space: nowrap }
code { font: .9em ui-monospace, monospace } .dim { color: var(--dim) }
.pass, .promoted, .rolled_back { color: var(--good) } .fail, .refused, .waived { color: var(--bad) }
.error { color: var(--odd) } .overridden, .overridden p { color: var(--bad) }
.inconclusive, .warn, .pending { color: var(--wait) } .skip, .noop { color: var(--dim) }
.said { border-left: .25rem solid; padding: .1rem 0 .1rem .8rem; margin: .5rem 0 1.5rem } .said p { color: var(--ink) }
svg { vertical-align: middle } svg line { stroke: currentColor }
svg .limit { stroke: var(--bad); stroke-dasharray: 2 2 }
@media print { body { margin: 0; max-width: none } details { display: block } }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(thing: Report | Failure | Status | History | Audit) -> str:
    """The whole page."""
    title, body = _VIEWS[type(thing)](thing)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{text(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def table(names: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of cells that are HTML already; `numbers` are the columns that stand to the right."""
    kind = ['class="n"' if i in numbers else "" for i in range(len(names))]
    head = "".join(f'<th scope="col" {k}>{text(name)}</th>' for k, name in zip(kind, names, strict=True))
    lines = ("".join(f"<td {k}>{cell}</td>" for k, cell in zip(kind, row, strict=True)) for row in rows)
    return (
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>"
        + "\n".join(f"<tr>{r}</tr>" for r in lines)
        + "</tbody></table>"
    )


def drawing(interval: Interval | None, limit: float | None) -> str:
    """An interval and its limit to scale, with the numbers for whoever cannot see it."""
    if interval is None or limit is None or not all(map(math.isfinite, (interval.low, interval.high, limit))):
        return ""
    left, right = min(interval.low, limit), max(interval.high, limit)
    low, high, at = (4 + 112 * (x - left) / ((right - left) or 1) for x in (interval.low, interval.high, limit))
    told = f"from {interval.low:.6g} to {interval.high:.6g}, limit {limit:.6g}"
    ends = "".join(f'<line x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="12"/>' for x in (low, high))
    return (
        f'<svg width="120" height="16" role="img" aria-label="{told}"><title>{told}</title>'
        f'<line x1="{low:.1f}" y1="8" x2="{high:.1f}" y2="8"/>{ends}'
        f'<line class="limit" x1="{at:.1f}" y1="0" x2="{at:.1f}" y2="16"/></svg>'
    )


# -- an evaluation or a promotion --------------------------------------------------------------------------------


def _report(report: Report) -> tuple[str, str]:
    decision, verdict = report.decision, report.verdict
    kind: str = verdict.outcome if decision.kind == "evaluated" and verdict else decision.kind
    kind = "overridden" if report.against else kind
    counts = f" · {tally(verdict)}" if verdict else ""
    said = f"<p><strong>{text(decision.kind)}</strong> ({text(str(decision.reason))}){text(counts)}</p>"
    meaning = f"<p>{text(decision.detail or decision.reason.meaning)}</p><p>Next: {text(next_step(report))}</p>"
    parts = [f'<div class="said {text(kind)}">{said}{meaning}</div>']
    if report.against:
        parts.append(f'<div class="overridden"><h2>Overridden</h2>{_list(report.against)}</div>')
    if verdict is not None:
        parts.append(_checks(by_urgency(verdict)))
        parts += [_slices(r) for r in verdict.results if r.slices]
    if report.standing.needed:
        parts.append(_approvals(report))
    if report.steps:
        parts.append("<h2>Moves</h2>" + _list(map(str, report.steps)))
    notes = (*report.notes, *(report.evidence.notes if report.evidence else ()))
    if notes:
        parts.append("<h2>Notes</h2>" + _list(notes))
    parts.append(_digests(report))
    return report.title, "\n".join(parts)


def _checks(results: Iterable[Result]) -> str:
    names = ("", "Check", "Candidate", "Needs", "Champion", "Difference", "", "Why, and from where")
    return "<h2>Checks</h2>" + table(names, map(_check, results), numbers=(2, 3, 4, 5))


def _check(result: Result) -> tuple[str, ...]:
    row = cells(result)
    sign, word = SIGNS[result.status]
    place = f"<code>{text(str(result.check.place))}</code>"
    source = f" · {text(result.source)}" if result.source else ""
    values = (text(v) for v in (row.check, row.value, row.needs, row.champion, row.difference))
    status = f'<span class="{result.status}">{sign}&nbsp;{word}</span>'
    why = f'{text(result.because)}<br><span class="dim">{place}{source}</span>'
    return (status, *values, drawing(result.interval, result.limit), why)


def _slices(result: Result) -> str:
    names = ("", str(result.check.column), "Rows", "Candidate", "Champion", "", "Why")
    rows = (
        (
            f'<span class="{p.status}">{SIGNS[p.status][0]}&nbsp;{SIGNS[p.status][1]}</span>',
            text(p.slice),
            "" if p.rows is None else str(p.rows),
            text(shown(result.check, p.value)),
            text(shown(result.check, p.champion)),
            drawing(p.interval, result.limit),
            text(p.because),
        )
        for p in result.slices
    )
    title = text(f"{result.check.path} by {result.check.column}")
    return f"<h2>{title}</h2>" + table(names, rows, numbers=(2, 3, 4))


def _approvals(report: Report) -> str:
    rows = (
        ("✔" if r.met else "…", text(r.rule.name), f"{r.have} of {r.rule.count}", text(str(r.rule)))
        for r in report.standing.rules
    )
    parts = ["<h2>Approvals</h2>", table(("", "Rule", "Given", "By"), rows)]
    said = [(text(c.login), text(c.rule), "") for c in report.standing.counted]
    said += [(text(n.login), "", text(n.because.replace("_", " "))) for n in report.standing.not_counted]
    return "".join(parts) + (table(("Who", "Counted for", "Not counted, because"), said) if said else "")


def _digests(report: Report) -> str:
    told = {"policy": report.policy_digest}
    if report.evidence is not None:
        told["evidence"] = report.evidence.digest
    if report.entry is not None:
        told[f"ledger entry {report.entry.n}"] = report.entry.digest
    return "<h2>Digests</h2>" + table(("Of", "sha256"), ((text(k), f"<code>{text(v)}</code>") for k, v in told.items()))


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>"


# -- what else a command may end with ----------------------------------------------------------------------------


def _failure(failure: Failure) -> tuple[str, str]:
    error = failure.error
    if isinstance(error, PolicyError):
        return "The policy cannot be used", _list(map(str, error.problems))
    if isinstance(error, Undetermined):
        said = (f"Why: {error.why}", f"Next: {error.fix}", "Nothing was changed; this says nothing about the model.")
        return f"Not determined: {error.what}", _list(said)
    hint = [error.hint] if isinstance(error, UsageError) and error.hint else []
    return error.text if isinstance(error, UsageError) else str(error), _list(hint)


def _status(status: Status) -> tuple[str, str]:
    rungs = (
        (
            text(r.target.name),
            text(
                r.holding.conflict
                or (f"v{r.holding.number}" if r.holding.number else str(r.holding.version or "nobody"))
            ),
            text(f"{r.recorded.at} by {r.recorded.by}" if r.recorded else ""),
        )
        for r in status.rungs
    )
    waiting = (
        (text(f"v{q.entry.version} → {q.entry.target}"), text(q.entry.actor.login), text(q.entry.at), text(q.expires))
        for q in status.requests
    )
    body = table(("Target", "Held by", "Recorded"), rungs)
    if status.requests:
        body += "<h2>Waiting</h2>" + table(("What", "Asked by", "At", "Expires"), waiting)
    return status.model, body + (_list(status.notes) if status.notes else "")


def _history(history: History) -> tuple[str, str]:
    names = ("#", "When", "Who", "What", "Why", "Digest")
    return f"{history.model}: history", table(names, (_event(row, entry) for row, entry in history.events))


def _event(row: Row, entry: Entry | None) -> tuple[str, ...]:
    version = f" v{row.version}" if row.version is not None else ""
    what = f"{row.kind}{version}" + (f" → {row.target}" if row.target else "") + instead(row)
    why = text("the body is gone" if entry is None else " · ".join(filter(None, (entry.reason, entry.text))))
    if entry is not None and "override" in entry.details:
        why = f'<span class="overridden">{why}</span>'
    who = row.by if entry is None else entry.actor.login
    return (str(row.n), text(row.at), text(who), text(what), why, f"<code>{text(row.digest[:12])}</code>")


def _audit(audit: Audit) -> tuple[str, str]:
    said = "broken" if audit.breaks else f"unbroken, {audit.entries} entries"
    return f"{audit.model}: the ledger is {said}", _list([*map(str, audit.breaks), *audit.notes])


_VIEWS: Mapping[type, Callable[[Any], tuple[str, str]]] = {
    Report: _report,
    Failure: _failure,
    Status: _status,
    History: _history,
    Audit: _audit,
}
