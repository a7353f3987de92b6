"""What a pull request shows: one comment that says at a glance how a promotion stands, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gatewright.approvals import NotCounted
from gatewright.comments import Command, show
from gatewright.problem import PolicyError, Undetermined
from gatewright.report.cells import (
    SIGNS,
    by_urgency,
    cells,
    next_step,
    slice_drawing,
    slices_scale,
    tally,
    waits_for_people,
)
from gatewright.report.escape import code, marker
from gatewright.report.escape import markdown as text
from gatewright.report.glyph import draw, progress
from gatewright.report.model import Failure, Report
from gatewright.verdict import Result, Status, shown

#: what GitHub takes at most in a comment, in characters
LONGEST = 65_536

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
    "inconclusive": "❔",
    "warn": "⚠️",
    "skip": "➖",
    "waived": "🔓",
    "pass": "✅",
}
_HEAD = ("| | Check | Candidate | Needs | Champion | Difference |", "|:-:|:--|--:|--:|--:|:--|")
_LOUD = ("fail", "error", "inconclusive", "warn")


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses that the comment may point at, each "" where there is none."""

    report: str = ""
    policy: str = ""


def comment(report: Report, now: datetime, *, links: Links = Links()) -> str:
    """The comment for one version and target; what does not fit is left out from the bottom, and said so."""
    parts = [part for part in _parts(report, now, links) if part]
    return _fitted(parts, _footer(report, links))


def failure(ended: Failure) -> str:
    """The comment for a command that ended before anything could be judged."""
    error = ended.error
    subject = str(ended.subject or ended.model or "gatewright")
    title = f"### {text(subject)}{f' → {text(ended.target)}' if ended.target else ''}"
    head = _marker(subject.partition("/")[0], ended.target)
    if isinstance(error, PolicyError):
        problems = "\n".join(f"- {text(str(p))}" for p in error.problems)
        said = _alert("CAUTION", f"**The policy cannot be used: {len(error.problems)} errors.** Nothing was changed.")
        return f"{head}\n{title}\n\n{said}\n\n{problems}\n"
    if isinstance(error, Undetermined):
        said = _alert(
            "WARNING",
            f"**Not determined: {text(error.what)}.** Nothing was changed; this says nothing about the model.",
            f"Why: {text(error.why)}",
            f"Next: {text(error.fix)}",
        )
        return f"{head}\n{title}\n\n{said}\n"
    return f"{head}\n{title}\n\n{_alert('CAUTION', text(str(error)))}\n"


def _parts(report: Report, now: datetime, links: Links) -> Iterator[str]:
    yield f"{_marker(report.candidate.model, report.target.name)}\n### {text(report.title)}"
    yield _headline(report)
    if report.verdict is not None:
        yield _table(report)
        yield "\n".join(_because(r) for r in by_urgency(report.verdict) if r.status in _LOUD)
    yield _approvals(report)
    if report.verdict is not None:
        yield from (_slices(r) for r in report.verdict.results if r.slices)
        yield _passed(report)
    yield _counting(report)
    yield _sources(report, links)


def _marker(model: str, target: str) -> str:
    """By which the comment is found again; it is never read for facts."""
    return f"<!-- gatewright v1 thread={marker(model)}/{marker(target)} -->"


# -- the first glance --------------------------------------------------------------------------------------------


def _headline(report: Report) -> str:
    kind = report.decision.kind
    alert = "CAUTION" if report.against else ALERTS.get(kind, "NOTE")
    if kind == "evaluated" and report.verdict and report.verdict.outcome != "pass":
        alert = "WARNING" if report.verdict.outcome in ("error", "inconclusive") else "CAUTION"
    said = f"**{_said(report)}**"
    if report.decision.detail:
        said += f" {text(report.decision.detail)}."
    notes = (*(f"🔓 overridden: {text(a)}" for a in report.against), *(f"_{text(note)}_" for note in report.notes))
    return _alert(alert, said, *notes, f"Next: {_next(report)}")


def _alert(kind: str, *lines: str) -> str:
    return "\n".join((f"> [!{kind}]", *(f"> {line}\\" for line in lines[:-1]), f"> {lines[-1]}"))


def _said(report: Report) -> str:
    counts = f" {tally(report.verdict).capitalize()}." if report.verdict else ""
    version, target = f"v{report.candidate.number}", text(report.target.name)
    held = report.holding.number
    stays = f" v{held} stays {target}; nothing was changed." if held else " Nothing was changed."
    if report.decision.kind == "promoted":
        return f"{version} is now {target}.{f' It takes the place of v{held}.' if held else ''}{counts}"
    if report.decision.kind == "rolled_back":
        return f"{target} is back at {version}.{f' v{held} was taken back from it.' if held else ''}{counts}"
    if report.decision.kind == "pending":
        need = sum(r.rule.count for r in report.standing.rules)
        have = sum(min(r.have, r.rule.count) for r in report.standing.rules)
        return f"All checks hold. {have} of {need} approvals.{counts}"
    if report.decision.kind == "refused":
        return f"Refused: {_why_not(report)}.{counts}{stays}"
    if report.decision.kind == "evaluated":
        outcome = report.verdict.outcome if report.verdict else "error"
        words = {"pass": "It would pass", "fail": "It would be refused", "inconclusive": "It could not be decided"}
        return f"{words.get(outcome, 'It could not be determined')}.{counts}"
    if report.decision.kind == "noop":
        return f"{version} already holds {target}. Nothing was changed."
    return f"It could not be determined, which says nothing about the model.{counts}{stays}"


def _why_not(report: Report) -> str:
    return text(report.decision.reason.meaning.rstrip(".")[:1].lower() + report.decision.reason.meaning.rstrip(".")[1:])


def _next(report: Report) -> str:
    if not waits_for_people(report):
        return text(next_step(report))
    asked = "; ".join(
        f"{r.rule.count - r.have} of {', '.join(f'**{_mention(str(a))}**' for a in r.rule.approvers)}"
        for r in report.standing.missing
    )
    return f"{code(_line(report))} by {asked}"


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
        rows.append(f"| {EMOJI['pass']} | {len(quiet)} more passed or skipped | | | | |")
    return "\n".join((*_names(report), *rows))


def _names(report: Report) -> tuple[str, str]:
    champion = f"Champion&nbsp;v{report.holding.number}" if report.holding.number else "Champion"
    head = _HEAD[0].replace("Candidate", f"Candidate&nbsp;v{report.candidate.number}").replace("Champion", champion)
    return head, _HEAD[1]


def _row(result: Result) -> str:
    row = cells(result)
    name = f"**{text(row.check)}**" if result.status in _LOUD else text(row.check)
    value = f"**{text(row.value)}**" if row.value else ""
    change = " ".join(filter(None, (text(row.difference), _drawn(result), _warns(result))))
    return f"| {EMOJI[result.status]} | {name} | {value} | {text(row.needs)} | {text(row.champion)} | {change} |"


def _drawn(result: Result) -> str:
    if result.interval is None or result.limit is None:
        return ""
    return _pre(draw(result.interval, result.limit))


def _pre(drawing: str) -> str:
    """A drawing that keeps its blanks within a table."""
    return f"<code>{drawing.replace(' ', '&nbsp;')}</code>" if drawing else ""


def _warns(result: Result) -> str:
    return "_warns only_" if result.status == "warn" and result.check.severity == "warn" else ""


def _because(result: Result) -> str:
    word = SIGNS[result.status][1]
    return f"- **{text(result.check.title)}** {word}: {text(result.because)} ({code(str(result.check.place))})"


def _passed(report: Report) -> str:
    """The passes that a refusal's table leaves out, folded."""
    assert report.verdict is not None
    loud = [r for r in report.verdict.results if r.status in _LOUD]
    quiet = [r for r in by_urgency(report.verdict) if r.status not in _LOUD]
    if not any(r.blocks for r in loud) or len(quiet) < 2:
        return ""
    return _folded(
        f"The {len(quiet)} checks that passed or were skipped", "\n".join((*_names(report), *map(_row, quiet)))
    )


# -- details, folded ---------------------------------------------------------------------------------------------


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n</details>"


def _approvals(report: Report) -> str:
    rules = report.standing.rules
    if not rules:
        return ""
    need, have = sum(r.rule.count for r in rules), sum(min(r.have, r.rule.count) for r in rules)
    lines = [f"**Approvals** {progress(have, need)} {have} of {need}"]
    for standing in rules:
        people = ", ".join(f"**{text(c.login)}**" for c in report.standing.counted if c.rule == standing.rule.name)
        left = standing.rule.count - standing.have
        owed = "" if standing.met else f"{left} more of {_list(map(str, standing.rule.approvers))}"
        said = "; ".join(filter(None, (people, owed)))
        lines.append(f"- [{'x' if standing.met else ' '}] {text(standing.rule.name)}: {said}")
    return "\n".join(lines)


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"**{text(name)}**" for name in names)


def _slices(result: Result) -> str:
    """Every slice of a check with its drawing, worst first, all on one scale."""
    title = f"{result.check.path} by {result.check.column}"
    width = max([8, *(len(part.slice) for part in result.slices)])
    lines, scale = [], slices_scale(result)
    for part in result.slices[:50]:
        drawn = slice_drawing(part, scale)
        values = f"{shown(result.check, part.value):>10} {shown(result.check, part.champion):>10}"
        rows = "" if part.rows is None else f"n={part.rows:>9,}".replace(",", " ")
        said = "  too few rows: shown, never decides" if part.status == "skip" else ""
        sign = SIGNS[part.status][0]
        lines.append(f"{sign} {_plain(part.slice):<{width}}  {rows}  {values}  {drawn}{said}".rstrip())
    head = f"  {'slice':<{width}}  {'rows':<11}  {'candidate':>10} {'champion':>10}"
    body = "\n".join((head, *lines))
    return _folded(f"{text(title)} · {len(result.slices)} slices, worst first", f"```text\n{body}\n```")


def _plain(name: str) -> str:
    """A slice's name within a fenced block: it cannot end the fence."""
    return "".join(c if c.isprintable() and c != "`" else "·" for c in name)


def _counting(report: Report) -> str:
    standing = report.standing
    if not (standing.counted or standing.not_counted):
        return ""
    rows = ["| Who | Counted for | Why not |", "|:--|:--|:--|"]
    rows += [f"| {text(c.login)} | {text(c.rule)} | |" for c in standing.counted]
    rows += [f"| {text(n.login)} | | {text(_why_idle(n))} |" for n in standing.not_counted]
    return _folded("Counted, and not counted", "\n".join(rows))


def _why_idle(word: NotCounted) -> str:
    said = f"{word.verb}: " if word.verb not in ("", "approve") else ""
    return said + word.because.replace("_", " ") + (f": {word.detail}" if word.detail else "")


def _sources(report: Report, links: Links) -> str:
    if report.evidence is None or report.verdict is None:
        return ""
    told = [f"- {text(r.check.title)}: {text(r.source)}" for r in report.verdict.results if r.source]
    notes = [f"- {text(note)}" for note in report.evidence.notes]
    place = code(report.policy.file)
    policy = f"[{place}]({links.policy})" if links.policy else place
    body = "\n".join((*told, *notes, f"- policy {policy}"))
    return _folded("Where these numbers come from", body)


def _footer(report: Report, links: Links) -> str:
    parts = [f"policy {code(report.policy_digest[:8])}"]
    if report.evidence is not None:
        parts.insert(0, f"evidence {code(report.evidence.digest[:8])}")
    if report.entry is not None:
        parts.append(f"ledger entry {report.entry.n} {code(report.entry.digest[:8])}")
    if links.report:
        parts.append(f"[full report]({links.report})")
    if report.standing.needed:
        parts.append("Approvals are for this evidence: new evidence asks again.")
    return f"<sub>{' · '.join(parts)}</sub>"


def _fitted(parts: list[str], footer: str) -> str:
    """As many parts, from the top, as GitHub takes; what is left out is counted."""
    kept = list(parts)
    joined: Callable[[], str] = lambda: "\n\n".join((*kept, *_left_out(len(parts) - len(kept)), footer)) + "\n"  # noqa: E731
    while len(joined()) > LONGEST and len(kept) > 1:
        kept.pop()
    return joined()


def _left_out(count: int) -> tuple[str, ...]:
    return (f"_{count} more sections do not fit into a comment: see the full report._",) if count else ()
