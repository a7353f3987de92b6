"""What a pull request shows: one comment that says at a glance how a promotion stands, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gatewright.approvals import NotCounted, Objection, RuleStanding, Standing, awaited
from gatewright.comments import Command, show
from gatewright.policy.model import Champion
from gatewright.problem import PolicyError, Undetermined
from gatewright.report.cells import SIGNS, by_urgency, cells, minute, next_step, waits_for_people
from gatewright.report.escape import code, element, link, marker, visible
from gatewright.report.escape import markdown as text
from gatewright.report.glyph import progress
from gatewright.report.headline import headline
from gatewright.report.model import Failure, Report
from gatewright.report.picture import of_result, of_slices
from gatewright.verdict import Result, Status, shown

#: what GitHub takes at most in a comment, in characters
LONGEST = 65_536

#: slices that a comment shows of a check, the worst
MOST_SLICES = 50
_SLICE_WIDTH = 31
#: room for the line that counts what was left out
_COUNTING = 60

#: decision → GitHub's alert, whose colour and word it gets
ALERTS: dict[str, str] = {
    "promoted": "TIP",
    "rolled_back": "TIP",
    "pending": "IMPORTANT",
    "refused": "CAUTION",
    "noop": "NOTE",
    "evaluated": "NOTE",
    "error": "WARNING",
}
EMOJI: dict[Status, str] = {
    "fail": "❌",
    "error": "❓",
    "inconclusive": "⚖️",
    "warn": "⚠️",
    "skip": "➖",
    "waived": "🔓",
    "pass": "✅",
}
#: the table's columns: heading and side. What no row has anything to say in is left out
_COLUMNS = (("", ":-:"), ("Check", ":--"), ("Candidate", "--:"), ("Needs", "--:"), ("Champion", "--:"))
_LAST = ("Difference", ":--")
_ALWAYS = 3
_LOUD = ("fail", "error", "inconclusive", "warn")


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses that the comment may point at, each "" where there is none."""

    report: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of the comment. name: for saying that it was left out. keep: the greater, the longer it stays.

    lines: it is shortened from its end, by whole lines, rather than left out.
    """

    text: str
    name: str
    keep: int
    lines: bool = False


def comment(report: Report, now: datetime, *, links: Links = Links(), longest: int = LONGEST) -> str:
    """The comment for one version and target, of at most `longest` characters.

    What does not fit goes in this order, and the comment says so: the slices, the passes, where the numbers come
    from, whose word counted, the reasons, the rules of approval, and at last rows of the table from its end. The
    headline and the digests always stay.
    """
    head = f"{_marker(report.candidate.model, report.target.name)}\n### {text(report.title)}\n\n{_headline(report)}"
    sections = [part for part in _sections(report, links) if part.text]
    return _fit(head, sections, _footer(report, links), longest, _elsewhere(links))


def failure(ended: Failure) -> str:
    """The comment for a command that ended before anything could be judged."""
    error = ended.error
    subject = str(ended.subject or ended.model or "gatewright")
    title = f"### {text(subject)}{f' → {text(ended.target)}' if ended.target else ''}"
    head = f"{_marker(subject.partition('/')[0], ended.target)}\n{title}"
    if isinstance(error, PolicyError):
        count = f"{len(error.problems)} error{'s' * (len(error.problems) != 1)}"
        said = _alert("CAUTION", f"**The policy cannot be used: {count}.** Nothing was changed.")
        problems = "\n".join(f"- {text(str(p))}" for p in error.problems)
        return _fit(f"{head}\n\n{said}", [_Section(problems, "errors", 0, lines=True)], "")
    if isinstance(error, Undetermined):
        said = _alert(
            "WARNING",
            f"**Not determined: {_brief(error.what)}.** Nothing was changed; this says nothing about the model.",
            f"Why: {_brief(error.why)}",
            f"Next: {_brief(error.fix)}",
        )
        return _fit(f"{head}\n\n{said}", [], "")
    return _fit(f"{head}\n\n{_alert('CAUTION', _brief(str(error)))}", [], "")


def _sections(report: Report, links: Links) -> Iterator[_Section]:
    """In the order of reading."""
    verdict = report.verdict
    if verdict is not None:
        yield _Section(_table(report), "rows of the table", 6, lines=True)
        reasons = "\n".join(_because(r, links) for r in by_urgency(verdict) if r.status in _LOUD)
        yield _Section(reasons, "the reasons", 4)
    yield _Section(_approvals(report), "the rules of approval", 5)
    if verdict is not None:
        for result in (r for r in verdict.results if r.slices):
            yield _Section(_slices(result), f"the slices of {text(_sliced(result))}", 0)
        yield _Section(_passed(report), "what passed", 1)
    yield _Section(_counting(report), "whose word counted", 3)
    yield _Section(_sources(report, links), "where the numbers come from", 2)


def _marker(model: str, target: str) -> str:
    """By which the comment is found again; it is never read for facts."""
    return f"<!-- gatewright v1 thread={marker(model)}/{marker(target)} -->"


# -- what fits ---------------------------------------------------------------------------------------------------


def _fit(head: str, sections: Iterable[_Section], footer: str, longest: int = LONGEST, elsewhere: str = "") -> str:
    """Head, sections and footer within `longest` characters: the least worth keeping goes first."""
    kept, gone = list(sections), list[_Section]()
    while len(_joined(head, kept, gone, footer, elsewhere)) > longest and any(not s.lines for s in kept):
        least = min((s for s in kept if not s.lines), key=lambda s: s.keep)
        kept.remove(least)
        gone.append(least)
    over = len(_joined(head, kept, gone, footer, elsewhere)) - longest
    if over > 0 and kept:
        shortened = [_shortened(s, over) for s in kept]
        return _joined(head, shortened, gone, footer, elsewhere)
    return _joined(head, kept, gone, footer, elsewhere)


def _joined(head: str, kept: Iterable[_Section], gone: Iterable[_Section], footer: str, elsewhere: str) -> str:
    names = ", ".join(s.name for s in gone)
    left_out = f"_Left out, as a comment has no more room: {names}.{elsewhere}_" if names else ""
    return "\n\n".join(filter(None, (head, *(s.text for s in kept), left_out, footer))) + "\n"


def _shortened(section: _Section, over: int) -> _Section:
    """Without as many lines from its end as are `over`, and with one that counts them."""
    lines, dropped = section.text.split("\n"), 0
    over += _COUNTING
    while lines and over > 0:
        over -= len(lines.pop()) + 1
        dropped += 1
    blank = "| " if section.text.startswith("|") else "- "
    return replace(section, text="\n".join((*lines, f"{blank}{dropped} more {section.name} are left out")))


def _elsewhere(links: Links) -> str:
    return f" They are in the {link('full report', links.report)}." if links.report else ""


# -- the first glance --------------------------------------------------------------------------------------------


def _headline(report: Report) -> str:
    kind = report.decision.kind
    alert = "CAUTION" if report.against else ALERTS.get(kind, "NOTE")
    if kind == "evaluated" and report.verdict and report.verdict.outcome != "pass":
        alert = "WARNING" if report.verdict.outcome in ("error", "inconclusive") else "CAUTION"
    said = f"**{text(headline(report))}**"
    if report.decision.detail:
        said += f" {_brief(report.decision.detail, 1000)}."
    against = [f"🔓 overridden: {_brief(a)}" for a in report.against]
    notes = [f"_{_brief(note)}_" for note in report.notes]
    return _alert(alert, said, *_most(against), *_most(notes), *_next(report))


def _alert(kind: str, *lines: str) -> str:
    return "\n".join((f"> [!{kind}]", *(f"> {line}\\" for line in lines[:-1]), f"> {lines[-1]}"))


def _brief(words: str, most: int = 300) -> str:
    """Text of a line that must stay within the comment, however much was said."""
    shown = visible(words)
    return text(shown if len(shown) <= most else f"{shown[: most - 1]}…")


def _most(lines: Sequence[str], most: int = 10) -> Iterator[str]:
    yield from lines[:most]
    if len(lines) > most:
        yield f"and {len(lines) - most} more"


def _next(report: Report) -> Iterator[str]:
    """The one thing to do now, if there is one."""
    if waits_for_people(report) and awaited(report.standing):
        yield f"Next: {code(_line(report))} by {'; '.join(map(_asked, report.standing.missing))}"
    elif (step := _step(report)) != "Nothing.":
        yield f"Next: {text(step)}"


def _step(report: Report) -> str:
    """Nobody is asked who has agreed already, or may not."""
    return report.decision.reason.next_step if waits_for_people(report) else next_step(report)


def _asked(standing: RuleStanding) -> str:
    names = [f"**{_mention(str(a))}**" for a in standing.could]
    return f"{standing.rule.count - standing.have} of {', '.join(_most(names, 20))}"


def _line(report: Report) -> str:
    """What to write, naming what was seen."""
    digest = report.evidence.digest if report.evidence else ""
    candidate, target = report.candidate, report.target.name
    return show(Command("approve", candidate.model, candidate.number, target, digest))


def _mention(approver: str) -> str:
    """The people whose turn it is are called; the policy that names them comes from the trusted ref."""
    return "@" + approver.partition("#")[0].removeprefix("@")


# -- the table ---------------------------------------------------------------------------------------------------


def _table(report: Report) -> str:
    assert report.verdict is not None
    ordered = by_urgency(report.verdict)
    loud = [r for r in ordered if r.status in _LOUD]
    quiet = [r for r in ordered if r.status not in _LOUD]
    fold = any(r.blocks for r in loud) and len(quiet) > 1
    rows = [_row(r) for r in (loud if fold else ordered)]
    if fold:
        rows.append((EMOJI["pass"], f"{len(quiet)} more {_quietly(quiet)}"))
    return _grid(report, rows)


def _quietly(results: Sequence[Result]) -> str:
    """What became of checks that do not call for attention: `passed, waived or skipped`."""
    *others, last = dict.fromkeys(SIGNS[r.status][1] for r in reversed(results))
    return " or ".join(filter(None, (", ".join(others), last)))


def _grid(report: Report, rows: Sequence[Sequence[str]]) -> str:
    """Rows below their headings, without the columns that would be empty."""
    whole = [(*row, *[""] * (len(_COLUMNS) + 1 - len(row))) for row in rows]
    kept = [n for n in range(len(_COLUMNS) + 1) if n < _ALWAYS or any(row[n] for row in whole)]
    heads, sides = zip(*(*_COLUMNS, _LAST), strict=True)
    who = {"Candidate": report.candidate.number, "Champion": report.holding.number}
    named = [f"{head}&nbsp;v{who[head]}" if who.get(head) else head for head in heads]
    lines = [[line[n] for n in kept] for line in (named, *whole)]
    top, *below = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join((top, f"|{'|'.join(sides[n] for n in kept)}|", *below))


def _row(result: Result) -> tuple[str, ...]:
    row = cells(result)
    value, needs, champion = (_brief(words, 120) for words in (row.value, row.needs, row.champion))
    name = f"**{_brief(row.check, 120)}**" if result.status in _LOUD else _brief(row.check, 120)
    name += f" {code(row.level)}" if row.level else ""
    value = " ".join(filter(None, (f"**{value}**" if value else "", _brief(_worst(result), 40))))
    change = " ".join(filter(None, (text(row.difference), _drawn(result), _warns(result))))
    return EMOJI[result.status], name, value, needs, champion, change


def _worst(result: Result) -> str:
    """The slice that a row's value is of."""
    decides = result.check.aggregate == "by" and result.value is not None and result.slices
    return result.slices[0].slice if decides else ""


def _drawn(result: Result) -> str:
    picture = of_result(result)
    return _pre(picture.glyph()) if picture else ""


def _pre(drawing: str) -> str:
    """A drawing that keeps its blanks within a table."""
    return f"<code>{drawing.replace(' ', '&nbsp;')}</code>" if drawing else ""


def _warns(result: Result) -> str:
    return "_warns only_" if result.status == "warn" and result.check.severity == "warn" else ""


def _because(result: Result, links: Links) -> str:
    word, place = SIGNS[result.status][1], result.check.place
    line = link(code(str(place)), f"{links.policy}#L{place.line}" if links.policy else "")
    return f"- **{_brief(result.check.title)}** {word}: {_brief(result.because, 1000)} ({line})"


def _passed(report: Report) -> str:
    """The passes that a refusal's table leaves out, folded."""
    assert report.verdict is not None
    loud = [r for r in report.verdict.results if r.status in _LOUD]
    quiet = [r for r in by_urgency(report.verdict) if r.status not in _LOUD]
    if not any(r.blocks for r in loud) or len(quiet) < 2:
        return ""
    return _folded(f"The {len(quiet)} checks that {_quietly(quiet)}", _grid(report, list(map(_row, quiet))))


# -- details, folded ---------------------------------------------------------------------------------------------


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{element(title)}</summary>\n\n{body}\n</details>"


def _approvals(report: Report) -> str:
    rules = report.standing.rules
    if not rules:
        return ""
    need, have = sum(r.rule.count for r in rules), sum(min(r.have, r.rule.count) for r in rules)
    until = f" · the request lapses on {_when(report.expires)}" if report.expires else ""
    lines = [f"**Approvals** {progress(have, need)} {have} of {need}{until}"]
    lines += [_rule(standing, report.standing) for standing in rules]
    lines += [f"- 🛑 {_objection(o, 'says no')}" for o in report.standing.vetoed_by]
    lines += [f"- ⏸️ {_objection(o, 'asks to wait')}" for o in report.standing.held_by]
    return "\n".join(lines)


def _rule(standing: RuleStanding, whole: Standing) -> str:
    seated = (c for c in whole.counted if c.rule == standing.rule.name and not c.spare)
    people = ", ".join(f"**{text(c.login)}**" + (f" ({link(_when(c.at), c.comment)})" if c.at else "") for c in seated)
    names = standing.could or standing.rule.approvers
    owed = "" if standing.met else f"{standing.rule.count - standing.have} more of {_list(map(str, names))}"
    said = "; ".join(filter(None, (people, owed)))
    return f"- [{'x' if standing.met else ' '}] {text(standing.rule.name)}: {said}"


def _objection(word: Objection, what: str) -> str:
    return f"**{text(word.login)}** {what}" + (f": {_brief(word.reason)}" if word.reason else "")


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"**{text(name)}**" for name in names)


def _sliced(result: Result) -> str:
    return f"{result.check.path} {result.check.aggregate} {result.check.column}"


def _slices(result: Result) -> str:
    """Every slice of a check with its drawing, worst first, all on one scale."""
    width = max(8, *(len(_cell(part.slice)) for part in result.slices))
    head = f"  {'slice':<{width}}  {'rows':>9}  {'candidate':>10}  {'champion':>10}  {_legend(result)}"
    lines = [head.rstrip()]
    for part, picture in list(zip(result.slices, of_slices(result), strict=True))[:MOST_SLICES]:
        rows = "" if part.rows is None else f"{part.rows:,}".replace(",", " ")
        values = (f"{shown(result.check, v):>10}" for v in (part.value, part.champion))
        drawn = picture.glyph(_SLICE_WIDTH) if picture else ""
        said = "  too few rows: shown, never decides" if part.status == "skip" else ""
        sign = f"{SIGNS[part.status][0]} {_cell(part.slice):<{width}}"
        lines.append("  ".join((sign, f"{rows:>9}", *values, drawn)).rstrip() + said)
    more = len(result.slices) - MOST_SLICES
    lines += [f"  and {more} more that stand better"] if more > 0 else []
    body = "\n".join(lines)
    return _folded(f"{_sliced(result)} · {len(result.slices)} slices, worst first", f"```text\n{body}\n```")


def _legend(result: Result) -> str:
    """What the marks of the slices' drawings are."""
    pictures = [p for p in of_slices(result) if p is not None]
    if not pictures:
        return ""
    signed = isinstance(result.check.operand, Champion)
    limit = f"┊ limit {shown(result.check, pictures[0].limit, signed=signed)}"
    return limit + ("   │ no difference" if pictures[0].parity is not None else "")


def _cell(name: str) -> str:
    """A slice's name within a fenced block: it cannot end the fence, nor push the drawings out of sight."""
    plain = visible(name).replace("`", "·")
    return plain if len(plain) <= 40 else f"{plain[:39]}…"


def _counting(report: Report) -> str:
    standing = report.standing
    if not (standing.counted or standing.not_counted):
        return ""
    rows = ["| Who | Said | Counted for | Why not |", "|:--|:--|:--|:--|"]
    for word in standing.counted:
        idle = "every place was filled already" if word.spare else ""
        said = link("approve", word.comment) + (f" {_when(word.at)}" if word.at else "")
        said += ", hidden" if word.minimized else ""
        rows.append(f"| {text(word.login)} | {said} | {'' if word.spare else text(word.rule)} | {idle} |")
    for idle_word, times in _newest(standing.not_counted):
        said = link(text(idle_word.verb), idle_word.comment) + (f" ({times} times)" if times > 1 else "")
        rows.append(f"| {text(idle_word.login)} | {said} | | {text(_why_idle(idle_word))} |")
    return _folded("Counted, and not counted", "\n".join(rows))


def _newest(words: Sequence[NotCounted]) -> list[tuple[NotCounted, int]]:
    """The newest of what one person said in vain for one reason, and how often: nobody fills a comment alone."""
    found: dict[tuple[str, str, str], tuple[NotCounted, int]] = {}
    for word in words:
        kind = (word.login, word.verb, word.because)
        found[kind] = (word, found.get(kind, (word, 0))[1] + 1)
    return list(found.values())


def _when(at: str) -> str:
    """A comment stands for days, so that "an hour ago" would not."""
    return text(minute(at))


def _why_idle(word: NotCounted) -> str:
    return word.because.replace("_", " ") + (f": {word.detail}" if word.detail else "")


def _sources(report: Report, links: Links) -> str:
    if report.evidence is None or report.verdict is None:
        return ""
    told = [f"- {_brief(r.check.title)}: {_brief(r.source, 1000)}" for r in report.verdict.results if r.source]
    notes = [f"- {_brief(note, 1000)}" for note in report.evidence.notes]
    place = code(report.policy.file)
    policy = link(place, links.policy)
    body = "\n".join((*told, *notes, f"- policy {policy}"))
    return _folded("Where these numbers come from", body)


def _footer(report: Report, links: Links) -> str:
    parts = [f"policy {code(report.policy_digest[:8])}"]
    if report.evidence is not None:
        parts.insert(0, f"evidence {code(report.evidence.digest[:8])}")
    if report.entry is not None:
        parts.append(f"ledger entry {report.entry.n} {code(report.entry.digest[:8])}")
    if links.report:
        parts.append(link("full report", links.report))
    if report.standing.needed:
        parts.append(f"{code('/gate help')} lists the commands")
        parts.append("Approvals are for this evidence: new evidence asks again.")
    return f"<sub>{' · '.join(parts)}</sub>"
