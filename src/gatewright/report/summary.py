"""The page of a run: how it ended, the version's way as a line, and what every holder of the target was worth.

GitHub draws mermaid by itself; pictures from elsewhere would be told the numbers, and inline ones are taken out.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby

from gatewright.decision import Reason
from gatewright.ledger.entry import Row
from gatewright.report import markdown
from gatewright.report.cells import minute
from gatewright.report.course import mermaid
from gatewright.report.escape import code, visible
from gatewright.report.escape import markdown as text
from gatewright.report.live import ARMS, OUTCOMES, arms, outcomes, remarks
from gatewright.report.live import headline as of_split
from gatewright.report.live import next_step as after_split
from gatewright.report.model import Failure, History, Report, Rung, Split, Status

#: events of a version that a timeline shows, the newest
MOST_EVENTS = 20

_HEAD = re.compile(r"\A(?:<!--.*?-->\n)?### [^\n]*\n")
_FLOW = '%%{init: {"flowchart": {"nodeSpacing": 20, "rankSpacing": 24}}}%%\nflowchart LR'
_CHART = (
    '%%{init: {"xyChart": {"height": 260, "width": 760}, "themeVariables": {"xyChart": '
    '{"backgroundColor": "transparent", "plotColorPalette": "#2f81f7, #db6d28"}}}}%%\nxychart-beta'
)
#: grey with white words, in light and dark alike; without it mermaid paints every day another colour
_DAYS = (
    '%%{init: {"timeline": {"disableMulticolor": true}, "themeVariables": '
    '{"cScale0": "#57606a", "cScaleLabel0": "#ffffff", "cScaleInv0": "#57606a"}}}%%\ntimeline'
)
_CLASSES = {"done": "#1a7f37", "failed": "#cf222e", "open": "#9a6700"}
_LABEL = re.compile(r"[^A-Za-z0-9 .:,_/+-]")


@dataclass(frozen=True, slots=True)
class Point:
    """What one version was worth on the day when it took the target, and the limit of that day."""

    version: int
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Trend:
    """One check over every version that held a target, oldest first."""

    path: str
    target: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """One station of a version's way: one line or two, and `done`, `failed` or `open`."""

    first: str
    second: str
    state: str


def summary(
    report: Report, now: datetime, *, trend: Trend | None = None, history: History | None = None, extra: str = ""
) -> str:
    """The page for an evaluation, a promotion or a rollback.

    history: draws what befell the candidate. trend: draws what the target's holders were worth. extra: Markdown to
    stand at the end.
    """
    body = _HEAD.sub("", markdown.comment(report, now)).strip()
    title = f"## {text(report.title)}: {report.decision.kind.replace('_', ' ')}"
    said, _, rest = body.partition("\n\n")
    parts = (
        title,
        said,
        _undo(report),
        way(report),
        moved(report),
        rest,
        past(history, report.candidate.number),
        chart(trend),
        extra,
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _undo(report: Report) -> str:
    """What takes a promotion back, ready to be pasted."""
    if report.decision.kind != "promoted" or report.holding.number is None:
        return ""
    model, target = shlex.quote(report.candidate.model), shlex.quote(report.target.name)
    return f"Undo: {code(f'gatewright rollback {model} --from {target} --reason …')}"


def failed(failure: Failure) -> str:
    """The page for what ended before there was anything to judge."""
    subject = str(failure.subject or failure.model or "Gatewright")
    title = f"{text(subject)}{f' → {text(failure.target)}' if failure.target else ''}"
    return f"## {title}: not determined\n\n{_HEAD.sub('', markdown.failure(failure)).strip()}\n"


def standing(status: Status) -> str:
    """Who holds what, and what waits."""
    rows = ["| Target | Holder | What waits |", "|:--|:--|:--|", *(_rung(status, rung) for rung in status.rungs)]
    lock = (
        f"\n\n> [!NOTE]\n> {text(status.lock.actor.login)} moves v{status.lock.version} right now."
        if status.lock
        else ""
    )
    return f"### {text(status.model)}\n\n" + "\n".join(rows) + lock + "\n"


def _rung(status: Status, rung: Rung) -> str:
    holder = f"v{rung.holding.number}" if rung.holding.number else "nobody"
    asked = (r for r in status.requests if r.row.target == rung.target.name)
    waits = (f"v{r.row.version} until {text(minute(r.expires))}" for r in asked)
    said = text(rung.holding.conflict) if rung.holding.conflict else holder
    return f"| {text(rung.target.name)} | {said} | {', '.join(waits)} |"


# -- a live split ------------------------------------------------------------------------------------------------


def tried(split: Split, now: datetime) -> str:
    """How a live split stands: both arms, what came of them, and both over time; for a page and a comment alike."""
    decision, told = split.decision, outcomes(split)
    said = [f"**{text(of_split(split))}**", *([text(decision.detail)] if decision.detail else [])]
    said.append(f"Next: {text(after_split(split))}")
    alert = ">\n".join(f"> {line}\n" for line in said)
    parts = [
        f"### {text(split.title)}",
        f"> [!{_split_alert(split)}]\n{alert.rstrip()}",
        _markdown_table(ARMS, arms(split), ":--|:--|--:|--:"),
        _markdown_table(
            ("", *OUTCOMES, ""),
            tuple((o.sign, *o.cells, o.picture.glyph() if o.picture else "") for o in told),
            ":-:|:--|--:|--:|--:|--:|:--",
            last=code,
        ),
        "\n".join(f"- {o.sign} {text(o.because)}" for o in told),
        mermaid(split),
        "\n".join(f"- {text(note)}" for note in remarks(split)),
    ]
    if split.report is not None:
        parts.append(_folded(split.report, now))
    return "\n\n".join(part for part in parts if part) + "\n"


def _folded(report: Report, now: datetime) -> str:
    checks = _HEAD.sub("", markdown.comment(report, now)).strip()
    return f"<details><summary>The checks of v{report.candidate.number}</summary>\n\n{checks}\n</details>"


def _split_alert(split: Split) -> str:
    if split.decision.reason in (Reason.LIVE_HARM, Reason.LIVE_INVALID):
        return "CAUTION"
    kinds = {"started": "TIP", "promoted": "TIP", "pending": "IMPORTANT", "refused": "CAUTION", "error": "WARNING"}
    return kinds.get(split.decision.kind, "NOTE")


def _markdown_table(
    names: Sequence[str], rows: Sequence[Sequence[str]], sides: str, last: Callable[[str], str] = text
) -> str:
    if not rows:
        return ""
    lines = (f"| {' | '.join([*map(text, row[:-1]), last(row[-1]) if row[-1] else ''])} |" for row in rows)
    return "\n".join((f"| {' | '.join(names)} |", f"|{sides}|", *lines))


# -- the way of a version ----------------------------------------------------------------------------------------


def way(report: Report) -> str:
    """From the run to the target, as a flow chart whose last stations are where it stands."""
    stops = list(_stops(report))
    names = [chr(ord("A") + n) for n in range(len(stops))]
    nodes = (f'{n}["{_two_lines(s)}"]' for n, s in zip(names, stops, strict=True))
    lines = [_FLOW, *(f"    {line}" for line in _linked(list(nodes), names))]
    lines += [f"    classDef {name} fill:{colour},stroke:{colour},color:#fff" for name, colour in _CLASSES.items()]
    for state in _CLASSES:
        members = [n for n, s in zip(names, stops, strict=True) if s.state == state]
        lines += [f"    class {','.join(members)} {state}"] if members else []
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def _two_lines(stop: Stop) -> str:
    return "<br/>".join(label(line) for line in (stop.first, stop.second) if line)


def _linked(nodes: list[str], names: list[str]) -> Iterator[str]:
    yield nodes[0]
    yield from (f"{before} --> {node}" for before, node in zip(names, nodes[1:], strict=False))


def _stops(report: Report) -> Iterator[Stop]:
    candidate, evidence, verdict = report.candidate, report.evidence, report.verdict
    if candidate.run_id:
        commit = _fact(report, "lineage.git_commit")
        yield Stop(f"run {candidate.run_id[:8]}", f"commit {commit[:7]}" if commit else "", "done")
    yield Stop(f"v{candidate.number} registered", _day(candidate.created), "done")
    if evidence is not None:
        rows = _fact(report, "holdout.rows")
        facts = len(evidence.facts)
        second = f"{int(float(rows)):,} rows" if rows else f"{facts} fact{'' if facts == 1 else 's'}"
        yield Stop(f"evidence {evidence.digest[:8]}", second.replace(",", " "), "done")
    if verdict is not None:
        held = sum(r.status in ("pass", "skip", "warn", "waived") for r in verdict.results)
        state = {"pass": "done", "fail": "failed"}.get(verdict.outcome, "open")
        yield Stop(f"verdict: {verdict.outcome}", f"{held} of {len(verdict.results)} hold", state)
    if report.standing.needed:
        people = ", ".join(dict.fromkeys(c.login for c in report.standing.counted)) or "nobody yet"
        yield Stop("approvals", people, "done" if report.standing.met else "open")
    yield Stop(report.target.name, *_end(report))


def _end(report: Report) -> tuple[str, str]:
    kind, verdict = str(report.decision.kind), report.verdict
    if kind == "evaluated" and verdict is not None and verdict.outcome != "pass":
        return ("would be refused", "failed") if verdict.outcome == "fail" else ("would not be decided", "open")
    ends = {"promoted": "done", "rolled_back": "done", "noop": "done", "refused": "failed"}
    words = {"promoted": "holds it now", "noop": "held it already", "evaluated": "not asked for yet"}
    return words.get(kind, kind.replace("_", " ")), ends.get(kind, "open")


def _fact(report: Report, path: str) -> str:
    facts = report.evidence.facts if report.evidence else ()
    found = (f.value for f in facts if str(f.path) == path and f.who == "candidate" and f.column is None)
    value = next(found, None)
    return "" if value is None else str(value)


def _day(milliseconds: int) -> str:
    if not milliseconds:
        return ""
    at = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return f"{at.day} {at:%b %Y %H:%M}"


def label(name: str) -> str:
    """Text within a quoted label of mermaid: whatever is not plain goes by its number."""
    shown = visible(name)
    return _LABEL.sub(lambda m: f"#{ord(m[0])};", shown if len(shown) <= 40 else f"{shown[:39]}…")


# -- what befell a version ---------------------------------------------------------------------------------------


def past(history: History | None, version: int) -> str:
    """What the ledger says of one version, the newest days last; nothing where it says nothing.

    What was only intended is left out: what came of it follows.
    """
    events = history.events if history else ()
    rows = [row for row, _ in events if row.version == version and row.kind != "intended"]
    if not rows:
        return ""
    lines = [_DAYS]
    for day, those in groupby(rows[-MOST_EVENTS:], key=lambda row: row.at[:10]):
        told = " : ".join(map(_event, those))
        lines.append(f"    {_period(day)} : {told}")
    return f"### What the ledger remembers of v{version}\n\n```mermaid\n" + "\n".join(lines) + "\n```"


def _event(row: Row) -> str:
    target = f" to {row.target}" if row.target else ""
    by = f" by {row.by}" if row.by else ""
    return _period(f"{row.kind.replace('_', ' ')}{target}{by}")


def _period(words: str) -> str:
    """Text in a timeline, whose own marks are the colon and the hash."""
    plain = re.sub(r"[^A-Za-z0-9 .,_/+-]", "·", visible(words))
    return plain if len(plain) <= 60 else f"{plain[:59]}·"


# -- the target's holders ----------------------------------------------------------------------------------------


def chart(trend: Trend | None) -> str:
    """Every holder's value and limit as two lines; nothing where there are not two points to join."""
    points = [p for p in trend.points if math.isfinite(p.value) and math.isfinite(p.limit)] if trend else []
    if trend is None or len(points) < 2:
        return ""
    values = [v for p in points for v in (p.value, p.limit)]
    low, high = min(values), max(values)
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    title = _LABEL.sub("·", visible(f"{trend.path} of every version that held {trend.target}"))
    lines = [
        _CHART,
        f'    title "{title}"',
        f"    x-axis [{', '.join(f'v{p.version}' for p in points)}]",
        f"    y-axis {low - room:.6g} --> {high + room:.6g}",
        f"    line [{', '.join(f'{p.value:.6g}' for p in points)}]",
        f"    line [{', '.join(f'{p.limit:.6g}' for p in points)}]",
    ]
    value, limit = (f"{x:.6g}" for x in (points[-1].value, points[-1].limit))
    legend = f"<sub>Blue: each version's value, at last {value}. Orange: the limit of its day, at last {limit}.</sub>"
    return "```mermaid\n" + "\n".join(lines) + f"\n```\n\n{legend}"


def moved(report: Report) -> str:
    """What changed in the registry, as a difference; "" where nothing did."""
    if not report.steps:
        return ""
    before = report.holding.number
    lines = [f"  {_plain(report.candidate.model)}"]
    lines += [f"- {_plain(report.target.name)}  v{before}"] if before else []
    lines += [f"+ {_plain(report.target.name)}  v{report.candidate.number}"]
    lines += [f"! {_plain(str(step))}" for step in report.steps]
    return "```diff\n" + "\n".join(lines) + "\n```"


def _plain(name: str) -> str:
    """A name within a fenced block: it cannot end the fence."""
    return visible(name).replace("`", "·")
