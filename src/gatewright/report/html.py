"""A page for a browser: everything in one file, which loads nothing and runs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gatewright.approvals import Counted, NotCounted
from gatewright.ledger.entry import Entry, Row
from gatewright.problem import PolicyError, Undetermined, UsageError
from gatewright.report.cells import by_urgency, cells, instead, minute, next_step, who
from gatewright.report.course import svg
from gatewright.report.elements import listed as _list
from gatewright.report.elements import signed as _signed
from gatewright.report.escape import html_text as text
from gatewright.report.glyph import hull
from gatewright.report.headline import headline
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
from gatewright.verdict import Result, shown

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --dim: #59636e; --line: #d1d9e0; --paper: #fff; --head: #f6f8fa;
  --good: #1a7f37; --bad: #cf222e; --odd: #8250df; --wait: #9a6700;
  --try: #0969da }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #f0f6fc; --dim: #9198a1; --line: #3d444d;
  --paper: #0d1117; --head: #151b23; --good: #3fb950; --bad: #f85149; --odd: #ab7df8; --wait: #d29922;
  --try: #4493f8 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 78rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; overflow-wrap: anywhere } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: break-word; font-weight: 400 }
thead th { font-weight: 600; background: var(--head); white-space: nowrap }
td.n, th.n { text-align: right; white-space: nowrap } td:first-child { white-space: nowrap }
.wide + .wide { margin-top: 1rem } .why { min-width: 18rem } .why.short { min-width: 11rem }
code { font: .9em ui-monospace, monospace;
  overflow-wrap: anywhere } .dim { color: var(--dim) }
.pass, .promoted, .rolled_back, .started, .better, .within { color: var(--good) }
.fail, .refused, .waived, .worse { color: var(--bad) }
.error, .unknown { color: var(--odd) } .overridden, .overridden p { color: var(--bad) }
.inconclusive, .warn, .pending, .stopped, .open { color: var(--wait) } .skip, .noop { color: var(--dim) }
.said { border-left: .25rem solid; padding: .1rem 0 .1rem .8rem; margin: .5rem 0 1.5rem } .said p { color: var(--ink);
  margin: .5rem 0 }
svg { vertical-align: middle; overflow: visible } svg line, svg path { stroke: currentColor; fill: none }
svg .estimate { stroke-width: 2.5 } svg .parity { opacity: .45 }
svg .limit { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 3 2 }
svg text { font-size: 12px; fill: currentColor } svg text.dim, svg .dim { fill: var(--dim) }
svg .title { font-weight: 600 } svg .axis { stroke: var(--dim) } svg .grid { stroke: var(--line) }
svg.course { width: 100%; min-width: 44rem; max-width: 66rem; height: auto } svg svg { overflow: hidden }
svg path.champion { stroke: var(--dim); stroke-width: 2 } svg text.champion { fill: var(--dim) }
svg path.challenger { stroke: var(--try); stroke-width: 2.5 } svg text.challenger { fill: var(--try) }
svg circle.champion { fill: var(--dim) } svg circle.challenger { fill: var(--try) }
svg path.band { stroke: none; fill: var(--try); opacity: .16 }
svg path.mark { stroke: var(--dim); stroke-dasharray: 1 3 }
svg path.band.better, svg path.band.within { fill: var(--good) } svg path.band.worse { fill: var(--bad) }
svg text.better, svg text.within { fill: var(--good) } svg text.worse, svg text.limit { fill: var(--bad) }
svg text.limit { stroke: none } svg .hint { fill: transparent } svg .hint:hover { fill: var(--dim); opacity: .08 }
@media screen and (max-width: 44rem) { .wide:has(table) { overflow: visible } thead { display: none }
  table, tbody, tr { display: block } tr { padding: .6rem 0; border-bottom: 1px solid var(--line) }
  tr:first-child { border-top: 1px solid var(--line) } .why { min-width: 0 }
  td, tbody th, td.n, th.n { display: flex; gap: .75rem; padding: .1rem 0; border: 0; text-align: left;
    white-space: normal } td:empty { display: none } td > *, th > * { min-width: 0 }
  td::before, tbody th::before { content: attr(data-name); flex: 0 0 6rem; color: var(--dim); font-weight: 400 }
  tbody th { font-weight: 600 } }
@media print { body { margin: 0; max-width: none; font-size: 11px } .wide { overflow: visible }
  tr, .said, svg { break-inside: avoid } h2 { break-after: avoid } thead { display: table-header-group } }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_LEGEND = (
    "The line is the confidence interval, its thick tick the estimate, the dashed mark the limit; "
    "a faint mark is where candidate and champion are equal, an arrow an end that lies outside."
)
_OVER_TIME = (
    "Above: both arms. Below: challenger − champion within its confidence sequence, in which the truth lies at every "
    "look at once; the dashed line is what the difference is held to, the faint one where both arms are equal."
)
_NARROW, _BROAD = 120, 220


def page(*things: Shown) -> str:
    """The whole page; of several things, one below the other."""
    shown = [_VIEWS[type(thing)](thing) for thing in things]
    if len(shown) == 1:
        return frame(*shown[0])
    return frame(f"{len(shown)} results", "\n".join(f"<h2>{text(title)}</h2>\n{body}" for title, body in shown))


def frame(title: str, body: str, more: str = "") -> str:
    """A page of the house around a body that is HTML already. more: style sheet for that body alone."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}{more}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{text(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def table(
    names: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = (), *, about: str, head: int = 0
) -> str:
    """A table of cells that are HTML already; columns that say nothing in any row are left out.

    Too wide a one may be scrolled by keyboard; on a phone each row is a card, and each cell says what it is.

    numbers: the columns that stand to the right. about: its name for who hears it. head: the column that names a row.
    """
    every = [tuple(row) for row in rows]
    told = [i for i in range(len(names)) if i == head or not every or any(row[i] for row in every)]
    kinds = {i: ' class="n"' if i in numbers else "" for i in told}
    first = "".join(f'<th scope="col"{kinds[i]}>{text(names[i])}</th>' for i in told)
    body = "\n".join(f"<tr>{''.join(_cell(kinds[i], names[i], row[i], i == head) for i in told)}</tr>" for row in every)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{text(about)}">'
        f"<table><thead><tr>{first}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _cell(kind: str, name: str, cell: str, names_row: bool) -> str:
    said = f' data-name="{text(name)}"{kind}'
    return f'<th scope="row"{said}>{cell}</th>' if names_row else f"<td{said}>{cell}</td>"


def drawing(picture: Picture | None, width: int = _NARROW) -> str:
    """An interval and its limit to scale, with the numbers for whoever cannot see it."""
    if picture is None or not math.isfinite(picture.limit):
        return ""
    low, high, limit = picture.interval.low, picture.interval.high, picture.limit
    if math.isnan(low) or math.isnan(high):
        return ""
    left, right = picture.scale or hull(low, high, limit)

    def at(x: float) -> str:
        share = (min(max(x, left), right) / 2 - left / 2) / ((right / 2 - left / 2) or 1)
        return f"{6 + (width - 12) * share:.1f}"

    marks = [_mark(at(limit), "limit", 0, 20), _end(at(low), low < left, 1), _end(at(high), high > right, -1)]
    if picture.parity is not None and left <= picture.parity <= right:
        marks.insert(0, _mark(at(picture.parity), "parity", 0, 20))
    if picture.estimate is not None and left <= picture.estimate <= right:
        marks.append(_mark(at(picture.estimate), "estimate", 5, 15))
    told = _told(picture)
    return (
        f'<svg width="{width}" height="20" role="img" aria-label="{told}"><title>{told}</title>'
        f'<line x1="{at(low)}" y1="10" x2="{at(high)}" y2="10"/>{"".join(marks)}</svg>'
    )


def _mark(x: str, kind: str, top: int, bottom: int) -> str:
    return f'<line class="{kind}" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>'


def _end(x: str, clipped: bool, inwards: int) -> str:
    """An end of the interval, or an arrow where it lies outside of what is drawn."""
    if clipped:
        return f'<path d="M{x} 10 l{5 * inwards} -4 m{-5 * inwards} 4 l{5 * inwards} 4"/>'
    return f'<line x1="{x}" y1="6" x2="{x}" y2="14"/>'


def _told(picture: Picture) -> str:
    interval, estimate = picture.interval, picture.estimate
    middle = "" if estimate is None else f", estimate {estimate:.6g}"
    return f"from {interval.low:.6g} to {interval.high:.6g}{middle}, limit {picture.limit:.6g}"


# -- an evaluation or a promotion --------------------------------------------------------------------------------


def _report(report: Report) -> tuple[str, str]:
    decision, verdict = report.decision, report.verdict
    kind: str = verdict.outcome if decision.kind == "evaluated" and verdict else decision.kind
    kind = "overridden" if report.against else kind
    said = f"<p><strong>{text(headline(report))}</strong></p>"
    meaning = f"<p>{text(decision.detail or decision.reason.meaning)}</p>"
    if (step := next_step(report)) != "Nothing.":
        meaning += f"<p>Next: {text(step)}</p>"
    meaning += f'<p class="dim">{text(decision.kind)}, <code>{text(str(decision.reason))}</code></p>'
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
    names = ("Status", "Check", "Candidate", "Needs", "Champion", "Difference", "Interval", "Why, and from where")
    rows = [_check(r) for r in results]
    legend = f'<p class="dim">{_LEGEND}</p>' if any(row[6] for row in rows) else ""
    return "<h2>Checks</h2>" + table(names, rows, numbers=(2, 3, 4, 5), about="Checks", head=1) + legend


def _check(result: Result) -> tuple[str, ...]:
    row = cells(result)
    place = f"<code>{text(str(result.check.place))}</code>"
    source = f" · {text(result.source)}" if result.source else ""
    values = (text(v) for v in (row.name, row.value, row.needs, row.champion, row.difference))
    why = f'<div class="why">{text(result.because)}<br><span class="dim">{place}{source}</span></div>'
    return (_signed(result.status), *values, drawing(of_result(result)), why)


def _slices(result: Result) -> str:
    names = ("Status", str(result.check.column), "Rows", "Candidate", "Champion", "Interval", "Why")
    rows = (
        (
            _signed(part.status),
            text(part.slice),
            "" if part.rows is None else f"{part.rows:,}".replace(",", "&nbsp;"),
            text(shown(result.check, part.value)),
            text(shown(result.check, part.champion)),
            drawing(picture, _BROAD),
            text(part.because),
        )
        for part, picture in zip(result.slices, of_slices(result), strict=True)
    )
    title = f"{result.check.path} {result.check.aggregate} {result.check.column}"
    return f"<h2>{text(title)}</h2>" + table(names, rows, numbers=(2, 3, 4), about=title, head=1)


def _approvals(report: Report) -> str:
    standing = report.standing
    rows = (
        ("✔&nbsp;met" if r.met else "…&nbsp;open", text(r.rule.name), f"{r.have} of {r.rule.count}", text(str(r.rule)))
        for r in standing.rules
    )
    until = f"<p>The request lapses on {text(minute(report.expires))}.</p>" if report.expires else ""
    parts = [f"<h2>Approvals</h2>{until}", table(("Status", "Rule", "Given", "By"), rows, about="Approvals", head=1)]
    said = [(text(c.login), _said(c), text(c.at), "" if c.spare else text(c.rule), _spare(c)) for c in standing.counted]
    said += [(text(n.login), text(n.verb), "", "", text(_idle(n))) for n in standing.not_counted]
    said += [(text(o.login), "reject", text(o.at), "", text(o.reason)) for o in standing.vetoed_by]
    said += [(text(o.login), "hold", text(o.at), "", text(o.reason)) for o in standing.held_by]
    names = ("Who", "Said", "At", "Counted for", "Not counted, because")
    return "".join(parts) + (table(names, said, about="Who said what") if said else "")


def _said(word: Counted) -> str:
    return "approve, hidden" if word.minimized else "approve"


def _spare(word: Counted) -> str:
    return "every place was filled already" if word.spare else ""


def _idle(word: NotCounted) -> str:
    return word.because.replace("_", " ") + (f": {word.detail}" if word.detail else "")


def _digests(report: Report) -> str:
    told = {"policy": report.policy_digest}
    if report.evidence is not None:
        told["evidence"] = report.evidence.digest
    if report.entry is not None:
        told[f"ledger entry {report.entry.n}"] = report.entry.digest
    return "<h2>Digests</h2>" + table(
        ("Of", "sha256"), ((text(k), f"<code>{text(v)}</code>") for k, v in told.items()), about="Digests"
    )


# -- a live split ------------------------------------------------------------------------------------------------


def _split(split: Split) -> tuple[str, str]:
    decision = split.decision
    said = f"<p><strong>{text(of_split(split))}</strong></p>"
    said += f"<p>{text(decision.detail)}</p>" if decision.detail else ""
    said += f"<p>Next: {text(after_split(split))}</p>"
    said += f'<p class="dim">{text(decision.kind)}, <code>{text(str(decision.reason))}</code></p>'
    parts = [f'<div class="said {text(decision.kind)}">{said}</div>']
    if rows := arms(split):
        parts.append("<h2>Arms</h2>" + table(ARMS, (tuple(map(text, row)) for row in rows), (2, 3), about="Arms"))
    if told := outcomes(split):
        names = ("Status", *OUTCOMES, "Interval", "Why")
        parts.append("<h2>Outcomes</h2>" + table(names, map(_outcome, told), (2, 3, 4, 5), about="Outcomes", head=1))
        parts.append(f'<p class="dim">{_LEGEND}</p>')
    if drawn := svg(split):
        legend = f'<p class="dim">{_OVER_TIME}</p>' if told else ""
        parts.append(f"<h2>Over time</h2>{drawn}{legend}")
    if split.steps:
        parts.append("<h2>Moves</h2>" + _list(map(str, split.steps)))
    if notes := tuple(remarks(split)):
        parts.append("<h2>Notes</h2>" + _list(notes))
    if split.report is not None:
        title, body = _report(split.report)
        parts.append(f"<h2>{text(title)}</h2>{body}")
    return split.title, "\n".join(parts)


def _outcome(told: Outcome) -> tuple[str, ...]:
    status = f'<span class="{told.standing}"><span aria-hidden="true">{told.sign}</span>&nbsp;{told.word}</span>'
    why = f'<div class="why short">{text(told.because)}</div>'
    return (status, *map(text, told.cells), drawing(told.picture), why)


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
    body = table(("Target", "Held by", "Recorded"), map(_rung, status.rungs), about="Who holds what")
    if status.requests:
        names = ("What", "Asked by", "At", "Expires", "Approvals")
        body += "<h2>Waiting</h2>" + table(names, map(_request, status.requests), about="What waits for approvals")
    if status.lock is not None:
        lock = status.lock
        said = f"{lock.actor.login} moves v{lock.version} to {lock.target} since {lock.at}, locked until {lock.lease}"
        body += f'<div class="said pending"><p>{text(said)}</p></div>'
    return status.model, body + (_list(status.notes) if status.notes else "")


def _rung(rung: Rung) -> tuple[str, ...]:
    held, recorded = rung.holding, rung.recorded
    holder = f"v{held.number}" if held.number else str(held.version or "nobody")
    shown_holder = f'<span class="fail">conflict: {text(held.conflict)}</span>' if held.conflict else text(holder)
    return (text(rung.target.name), shown_holder, text(f"{recorded.at} by {recorded.by}" if recorded else ""))


def _request(request: Request) -> tuple[str, ...]:
    entry = request.entry
    owed = "; ".join(f"{r.have} of {r.rule.count} {r.rule.name}" for r in request.standing.rules)
    what = f"v{entry.version} → {entry.target}"
    return tuple(map(text, (what, entry.actor.login, entry.at, request.expires, owed)))


def _history(history: History) -> tuple[str, str]:
    title = f"{history.model}: history"
    if not history.events:
        return title, "<p>The ledger has no entries yet: nothing has passed through the gate.</p>"
    names = ("#", "When", "Who", "What", "Why", "Digest")
    return title, table(names, (_event(row, entry) for row, entry in history.events), about=title)


def _event(row: Row, entry: Entry | None) -> tuple[str, ...]:
    version = f" v{row.version}" if row.version is not None else ""
    what = f"{row.kind}{version}" + (f" → {row.target}" if row.target else "") + instead(row)
    gone = '<span class="fail">the body is gone: run gatewright audit verify</span>'
    why = gone if entry is None else text(" · ".join(filter(None, (entry.reason, entry.text))))
    if entry is not None and "override" in entry.details:
        why = f'<span class="overridden">{why}</span>'
    by = row.by if entry is None else who(entry)
    when = f'<time datetime="{text(row.at)}">{text(minute(row.at))}</time>'
    return (str(row.n), when, text(by), text(what), why, f"<code>{text(row.digest[:12])}</code>")


def _audit(audit: Audit) -> tuple[str, str]:
    kind = "fail" if audit.breaks else "pass"
    count = f"{len(audit.breaks)} place{'s' * (len(audit.breaks) != 1)}"
    proved = ", each under a signature" if audit.signed and audit.entries else ""
    said = f"broken in {count}" if audit.breaks else f"unbroken, {audit.entries} entries{proved}"
    head = f"<p>newest entry <code>{text(audit.head)}</code></p>" if audit.head else ""
    found = _list([*map(str, audit.breaks), *audit.notes]) if audit.breaks or audit.notes else ""
    return f"{audit.model}: the ledger is {said}", f'<div class="said {kind}">{head}{found}</div>'


def _inspection(found: Inspection) -> tuple[str, str]:
    rows = [tuple(map(text, (f.model, f.code, f.sentence, f.fix))) for d in found.drifts for f in d.findings]
    names = ("Model", "Finding", "What is there", "What to do")
    body = table(names, rows, about="What has drifted") if rows else ""
    gaps = [f"{d.model}: {gap.what}: {gap.why}. {gap.fix}" for d in found.undetermined for gap in d.unread]
    body += f'<h2 class="error">Not determined</h2>{_list(gaps)}' if gaps else ""
    done = [f"{a.finding.model}/{a.finding.version}: {a.decision.kind}. {a.decision.detail}" for a in found.archivals]
    body += f"<h2>Archived</h2>{_list(done)}" if done else ""
    quiet = [d.model for d in found.drifts if not d.findings and not d.unread]
    return found.headline, body + (f"<h2>No drift</h2>{_list(quiet)}" if quiet else "")


def _adoption(adoption: Adoption) -> tuple[str, str]:
    said = adoption.decision.detail or adoption.decision.reason.meaning
    rows = [(text(t.target), _number(t.version), ", ".join(map(_number, t.was))) for t in adoption.taken]
    body = table(("Target", "Holder", "The ledger had"), rows, about="What was recorded") if rows else ""
    return f"{adoption.model}: {adoption.decision.kind}", f"<p>{text(said)}</p>{body}"


def _number(version: int | None) -> str:
    return "nobody" if version is None else f"v{version}"


_VIEWS: Mapping[type, Callable[[Any], tuple[str, str]]] = {
    Report: _report,
    Split: _split,
    Failure: _failure,
    Status: _status,
    History: _history,
    Audit: _audit,
    Inspection: _inspection,
    Adoption: _adoption,
}
