"""A live split over time, drawn: both arms, and their difference within its confidence sequence.

Of a split that does not hold nothing is drawn but why: the share of the units that came to the challenger.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gatewright.live.judgement import MISMATCH, Standing
from gatewright.live.looks import DAY
from gatewright.quantity import Style, show
from gatewright.report.escape import html_text, visible
from gatewright.report.live import STANDINGS, limit_of, points, runs, style_of
from gatewright.report.model import Split

#: days that are too short to be seen
_SAME = 0.05
#: points of a chart in a job summary, the newest
MOST = 30
#: bounds of the first days are wide: those more than so many times as wide as the last ones do not stretch the picture
_WIDEST = 2.5
#: the share of a picture's width that the words of one mark take
_APART = 0.18


@dataclass(frozen=True, slots=True)
class Point:
    """One look at one metric; day counts from the start. Numbers that are not known are NaN."""

    day: float
    champion: float
    challenger: float
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True, slots=True)
class Course:
    """One metric over all looks; limit: what the difference is held to; standing: what it has come to.

    marks: days of the plan, and what they are. days: how far the picture goes, which is into what is still to come
    while the split runs.
    """

    metric: str
    points: tuple[Point, ...]
    limit: float
    style: Style
    standing: Standing = "open"
    marks: tuple[tuple[float, str], ...] = ()
    days: float = 0.0

    @property
    def compared(self) -> tuple[Point, ...]:
        """Those whose difference is bounded."""
        return tuple(p for p in self.points if p.bounded)

    @property
    def settled(self) -> tuple[Point, ...]:
        """Those of them whose bounds are not so wide that nothing else could be seen beside them."""
        seen = self.compared
        return tuple(p for p in seen if p.high - p.low <= _WIDEST * (seen[-1].high - seen[-1].low))

    def told(self, value: float, *, signed: bool = False) -> str:
        """A value for people; a difference of percentages is in points."""
        said = show(value, style=self.style, signed=signed)
        return points(said) if signed else said


@dataclass(frozen=True, slots=True)
class Shares:
    """The challenger's share of all units so far, as (day, share), and what it was meant to be."""

    points: tuple[tuple[float, float], ...]
    meant: float


def course(split: Split) -> Course | None:
    """The primary metric over time; None where there is nothing to compare, as in a split that does not hold."""
    if not split.judgement or not split.judgement.effects:
        return None
    effect = split.judgement.effects[0]
    seen = []
    for look, found in zip(split.looks, split.course, strict=True):
        if found.effects and all(map(math.isfinite, (found.effects[0].champion, found.effects[0].challenger))):
            e = found.effects[0]
            ends = e.interval.low, e.interval.high
            seen.append(Point(look.at / DAY, e.champion, e.challenger, e.difference.value, *ends))
    # A look of a moment ago and one right now are one place.
    seen = [p for p in seen[:-1] if seen[-1].day - p.day > _SAME] + seen[-1:]
    if len(seen) < 2:
        return None
    marks, days = _plan(split, seen[-1].day)
    style = style_of(split, effect.metric.name)
    return Course(effect.metric.name, tuple(seen), limit_of(effect), style, effect.standing, marks, days)


def _plan(split: Split, last: float) -> tuple[tuple[tuple[float, str], ...], float]:
    """The days that matter to the plan, and how far a picture goes that ends on day `last` or is still going on."""
    live = split.policy.live
    if live is None:
        return (), last
    earliest = float(live.min_runtime + live.label_maturity) / DAY
    marks = [(earliest, "a benefit may be called")]
    if runs(split):
        soon = split.forecast.seconds / DAY if split.forecast else math.inf
        end = float(live.max_runtime) / DAY
        days = min(end, max(last * 1.25, earliest * 1.1, soon * 1.1 if soon <= end else 0.0))
        marks = [(soon, "as it goes, decided"), *marks] if earliest < soon <= end else marks
        marks += [(end, "the end")] if end <= days else []
    else:
        days = last
    return _worded([(day, words) for day, words in marks if day <= days], days), max(days, last)


def _worded(marks: Sequence[tuple[float, str]], days: float) -> tuple[tuple[float, str], ...]:
    """Marks without the words for which there is no room beside those of an earlier one in the list."""
    told: list[tuple[float, str]] = []
    for day, words in marks:
        room = all(abs(day - other) >= _APART * days for other, said in told if said)
        told.append((day, words if room else ""))
    return tuple(told)


def shares(split: Split) -> Shares | None:
    """Who came, where that is not who was meant to; None of any other split."""
    found = split.judgement
    if found is None or found.ratio_p >= MISMATCH or split.policy.live is None:
        return None
    counted = [(look.at / DAY, look.champion.exposed, look.challenger.exposed) for look in split.looks]
    seen = [(day, b / (a + b)) for day, a, b in counted if a + b > 0]
    return Shares(tuple(seen), float(split.policy.live.split["challenger"])) if len(seen) > 1 else None


# -- for a browser -----------------------------------------------------------------------------------------------

_WIDTH, _LEFT, _RIGHT = 960, 72, 156
#: of a panel: its heading, what is drawn, and the days below it
_HEAD, _PLOT, _FOOT = 40, 170, 26
_HEIGHT = _HEAD + _PLOT + _FOOT


def svg(split: Split) -> str:
    """Panels one above the other on one axis of days, with the last numbers for whoever cannot see them."""
    drawn, came = course(split), shares(split)
    if came is not None:
        return _framed(_told_shares(came), [_shares(came)])
    return both(drawn) if drawn is not None else ""


def both(drawn: Course) -> str:
    """Both arms, and below them their difference once there are bounds."""
    panels = [_arms(drawn)]
    if len(drawn.compared) > 1:
        panels.append(_difference(drawn))
    return _framed(_told(drawn), panels)


def _framed(told: str, panels: Sequence[str]) -> str:
    moved = "".join(f'<g transform="translate(0 {i * _HEIGHT})">{panel}</g>' for i, panel in enumerate(panels))
    return (
        f'<div class="wide"><svg class="course" viewBox="0 0 {_WIDTH} {_HEIGHT * len(panels)}" role="img" '
        f'aria-label="{told}"><title>{told}</title>{moved}</svg></div>'
    )


def _told(drawn: Course) -> str:
    last, name = drawn.points[-1], html_text(drawn.metric)
    champion, challenger = drawn.told(last.champion), drawn.told(last.challenger)
    told = f"{name} over {last.day:.3g} days: champion {champion}, challenger {challenger}"
    if len(drawn.compared) > 1:
        ends = (drawn.told(v, signed=True) for v in (drawn.compared[-1].low, drawn.compared[-1].high))
        told += f"; the difference lies from {' to '.join(ends)}"
    return told


def _told_shares(came: Shares) -> str:
    day, last = came.points[-1]
    share, meant = (show(s, style="percent") for s in (last, came.meant))
    return f"the challenger's share of the units over {day:.3g} days: {share} where {meant} were meant"


@dataclass(frozen=True, slots=True)
class _Panel:
    """One axis of days and one of values, and what is drawn on them."""

    title: str
    about: str
    days: float
    values: Sequence[float]
    marks: tuple[tuple[float, str], ...] = ()
    style: Style = "plain"
    signed: bool = False
    low: float = field(init=False)
    high: float = field(init=False)

    def __post_init__(self) -> None:
        low, high = min(self.values), max(self.values)
        room = (high - low) * 0.08 or abs(low) * 0.1 or 1.0
        object.__setattr__(self, "low", low - room)
        object.__setattr__(self, "high", high + room)

    def x(self, day: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * day / (self.days or 1.0)

    def y(self, value: float) -> float:
        return _HEAD + _PLOT * (self.high - value) / (self.high - self.low)

    def path(self, places: Iterable[tuple[float, float]]) -> str:
        """A line through (day, value)."""
        return "M" + " L".join(f"{self.x(d):.1f} {self.y(v):.1f}" for d, v in places)

    def level(self, kind: str, value: float) -> str:
        """A line across."""
        return f'<path class="{kind}" d="M{_LEFT} {self.y(value):.1f} H{_WIDTH - _RIGHT}"/>'

    def around(self, lines: str, hints: str = "") -> str:
        """The panel: axes and days of the plan behind the lines, which end where the axes do."""
        heading = (
            f'<text x="{_LEFT}" y="14"><tspan class="title">{html_text(_short(self.title))}</tspan>'
            f'<tspan class="dim" dx="8">{html_text(self.about)}</tspan></text>'
        )
        # An <svg> within an <svg> cuts off what lies outside, without a name that a second picture might have too.
        width = _WIDTH - _LEFT - _RIGHT
        inner = (
            f'<svg x="{_LEFT}" y="{_HEAD}" width="{width}" height="{_PLOT}" '
            f'viewBox="{_LEFT} {_HEAD} {width} {_PLOT}">{lines}</svg>'
        )
        return f"{heading}{self._values()}{self._days()}{''.join(map(self._mark, self.marks))}{inner}{hints}"

    def _values(self) -> str:
        told = ((v, show(v, style=self.style, signed=self.signed)) for v in _ticks(self.low, self.high, 5))
        return "".join(
            f'{self.level("grid", v)}<text class="dim" x="{_LEFT - 8}" y="{self.y(v) + 4:.1f}" text-anchor="end">'
            f"{html_text(points(words) if self.signed else words)}</text>"
            for v, words in told
        )

    def _days(self) -> str:
        foot = _HEAD + _PLOT
        days = "".join(
            f'<text class="dim" x="{self.x(d):.1f}" y="{foot + 16}" text-anchor="middle">{words}</text>'
            for d, words in _day_ticks(self.days)
        )
        return f'<path class="axis" d="M{_LEFT} {foot} H{_WIDTH - _RIGHT}"/>{days}'

    def _mark(self, mark: tuple[float, str]) -> str:
        day, words = mark
        x = self.x(day)
        told = f'<text class="dim" x="{x:.1f}" y="{_HEAD - 7}" text-anchor="middle">{words}</text>' if words else ""
        return f'<path class="mark" d="M{x:.1f} {_HEAD - 3} V{_HEAD + _PLOT}"/>{told}'

    def dot(self, kind: str, day: float, value: float) -> str:
        return f'<circle class="{kind}" cx="{self.x(day):.1f}" cy="{self.y(value):.1f}" r="3.5"/>'

    def names(self, day: float, *told: tuple[str, float, str]) -> str:
        """What stands to the right of where lines end: (class, value, words); never one upon another."""
        placed: list[tuple[float, str, str]] = []
        for kind, value, words in sorted(told, key=lambda t: -t[1]):
            at = min(max(self.y(value), _HEAD), _HEAD + _PLOT) + 4
            placed.append((max(at, placed[-1][0] + 15) if placed else at, kind, words))
        left = self.x(day) + 10
        return "".join(f'<text class="{k}" x="{left}" y="{y:.1f}">{html_text(w)}</text>' for y, k, w in placed)

    def hints(self, told: Iterable[tuple[float, str]]) -> str:
        """What is said of a day to whoever points at it."""
        days = list(told)
        middles = [(a + b) / 2 for (a, _), (b, _) in pairwise(days)]
        edges = [0.0, *middles, days[-1][0]]
        return "".join(
            f'<rect class="hint" x="{self.x(a):.1f}" y="{_HEAD}" width="{self.x(b) - self.x(a):.1f}" height="{_PLOT}">'
            f"<title>{html_text(words)}</title></rect>"
            for a, b, (_, words) in zip(edges, edges[1:], days, strict=False)
        )


def _arms(drawn: Course) -> str:
    values = [v for p in drawn.points for v in (p.champion, p.challenger)]
    panel = _Panel(drawn.metric, "of all units so far", drawn.days, values, drawn.marks, drawn.style)
    last = drawn.points[-1]
    ends = (("champion", last.champion), ("challenger", last.challenger))
    lines = "".join(
        f'<path class="{arm}" d="{panel.path((p.day, getattr(p, arm)) for p in drawn.points)}"/>' for arm, _ in ends
    )
    dots = "".join(panel.dot(arm, last.day, value) for arm, value in ends)
    names = panel.names(last.day, *((arm, value, f"{arm} {drawn.told(value)}") for arm, value in ends))
    return panel.around(lines, dots + names + panel.hints(_hints(drawn)))


def _difference(drawn: Course) -> str:
    seen, last = drawn.compared, drawn.compared[-1]
    values = [drawn.limit, 0.0, *(v for p in drawn.settled for v in (p.low, p.high))]
    about = "within bounds that hold at every look at once"
    marks = tuple((day, "") for day, _ in drawn.marks)
    panel = _Panel("challenger − champion", about, drawn.days, values, marks, drawn.style, signed=True)
    around = [*((p.day, p.high) for p in seen), *((p.day, p.low) for p in reversed(seen))]
    lines = (
        f'<path class="band {drawn.standing}" d="{panel.path(around)} Z"/>{panel.level("parity", 0.0)}'
        f"{panel.level('limit', drawn.limit)}"
        f'<path class="challenger" d="{panel.path((p.day, p.difference) for p in seen)}"/>'
    )
    sign, word = STANDINGS[drawn.standing]
    names = panel.names(
        last.day,
        ("dim", last.high, drawn.told(last.high, signed=True)),
        (f"title {drawn.standing}", last.difference, f"{drawn.told(last.difference, signed=True)} {sign} {word}"),
        ("dim", last.low, drawn.told(last.low, signed=True)),
    )
    dot = panel.dot("challenger", last.day, last.difference)
    return panel.around(lines, dot + names + panel.hints(_hints(drawn)))


def _shares(came: Shares) -> str:
    day, last = came.points[-1]
    title, about = "the challenger's share of the units", "of all so far"
    panel = _Panel(title, about, day, [came.meant, *(s for _, s in came.points)], (), "percent")
    lines = f'{panel.level("limit", came.meant)}<path class="challenger" d="{panel.path(came.points)}"/>'
    told = [(d, f"day {d:.3g}: {show(s, style='percent')}") for d, s in came.points]
    names = panel.names(
        day,
        ("challenger", last, f"came: {show(last, style='percent')}"),
        ("limit", came.meant, f"meant: {show(came.meant, style='percent')}"),
    )
    return panel.around(lines, panel.dot("challenger", day, last) + names + panel.hints(told))


def _hints(drawn: Course) -> Iterator[tuple[float, str]]:
    for p in drawn.points:
        told = f"day {p.day:.3g}: champion {drawn.told(p.champion)}, challenger {drawn.told(p.challenger)}"
        if p.bounded:
            step, low, high = (drawn.told(v, signed=True) for v in (p.difference, p.low, p.high))
            told += f", difference {step} ({low} … {high})"
        yield p.day, told


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:59]}…"


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two, at most so many and one."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(m for m in (1, 2, 2.5, 5, 10) if (high - low) / (step * m) <= most)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(n * step, 12) if step > 1e-9 else n * step for n in range(first, last + 1)]


def _day_ticks(days: float) -> Iterator[tuple[float, str]]:
    yield 0.0, "start"
    step = next((s for s in (1, 2, 7, 14, 28) if days / s <= 10), max(28, round(days / 8)))
    for day in range(step, math.floor(days) + 1, step):
        yield float(day), f"day {day}"


# -- for a job summary -------------------------------------------------------------------------------------------

_CHART = '%%{init: {"xyChart": {"height": 330, "width": 860}, "themeVariables": {"xyChart": {"plotColorPalette": "'
#: the same in light and dark: both are seen on either
_GREY, _BLUE, _RED = "#768390", "#2f81f7", "#e5534b"
_PLAIN = re.compile(r"[^A-Za-z0-9 .,_/+-]")


def mermaid(split: Split) -> str:
    """The same panels as charts that GitHub draws by itself."""
    drawn, came = course(split), shares(split)
    if came is not None:
        return _shares_chart(came)
    if drawn is None:
        return ""
    factor, unit = (100.0, ", in %") if drawn.style == "percent" else (1.0, "")
    looks, compared = drawn.points[-MOST:], drawn.settled[-MOST:]
    last = drawn.points[-1]
    name = _PLAIN.sub("·", visible(drawn.metric))[:40]
    arms = [(_GREY, [p.champion * factor for p in looks]), (_BLUE, [p.challenger * factor for p in looks])]
    legend = (
        f"Blue: challenger, at last {drawn.told(last.challenger)}. Grey: champion, at last {drawn.told(last.champion)}."
    )
    parts = [_chart(f"{name} by day{unit}", [p.day for p in looks], arms, legend)]
    if len(compared) > 1:
        parts.append(_difference_chart(drawn, compared, factor, ", in points" if unit else ""))
    return "\n\n".join(parts)


def _difference_chart(drawn: Course, compared: Sequence[Point], factor: float, unit: str) -> str:
    ends = " … ".join(drawn.told(v, signed=True) for v in (compared[-1].low, compared[-1].high))
    keys = ((_GREY, "low"), (_GREY, "high"), (_BLUE, "difference"))
    lines = [(colour, [getattr(p, key) * factor for p in compared]) for colour, key in keys]
    lines.append((_RED, [drawn.limit * factor] * len(compared)))
    legend = (
        f"Blue: challenger − champion, at last {drawn.told(compared[-1].difference, signed=True)}. "
        f"Grey: bounds that hold at every look at once, at last {ends}. "
        f"Red: what the difference is held to, {drawn.told(drawn.limit, signed=True)}."
    )
    left_out = len(drawn.compared) - len(drawn.settled)
    legend += f" The bounds of the first {left_out} looks are wider still." if left_out else ""
    return _chart(f"challenger - champion by day{unit}", [p.day for p in compared], lines, legend)


def _shares_chart(came: Shares) -> str:
    seen = came.points[-MOST:]
    lines = [(_BLUE, [s * 100 for _, s in seen]), (_RED, [came.meant * 100] * len(seen))]
    last, meant = (show(s, style="percent") for s in (seen[-1][1], came.meant))
    legend = f"Blue: who came, at last {last}. Red: who was meant to come, {meant}."
    return _chart("the challenger's share of the units by day, in %", [d for d, _ in seen], lines, legend)


def _chart(title: str, days: Sequence[float], lines: Sequence[tuple[str, Sequence[float]]], legend: str) -> str:
    values = [v for _, line in lines for v in line]
    room = (max(values) - min(values)) * 0.08 or abs(values[0]) * 0.1 or 1.0
    colours = ", ".join(colour for colour, _ in lines)
    body = [
        f'{_CHART}{colours}", "backgroundColor": "transparent"}}}}}}}}%%\nxychart-beta',
        f'    title "{title}"',
        f"    x-axis [{', '.join(f'{d:.3g}' for d in days)}]",
        f"    y-axis {min(values) - room:.6g} --> {max(values) + room:.6g}",
        *(f"    line [{', '.join(f'{v:.6g}' for v in line)}]" for _, line in lines),
    ]
    return "```mermaid\n" + "\n".join(body) + f"\n```\n\n<sub>{legend}</sub>"
