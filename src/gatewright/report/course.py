"""A live split over time, drawn: both arms, and their difference within its confidence sequence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gatewright.live.looks import DAY
from gatewright.quantity import Style, show
from gatewright.report.escape import html_text
from gatewright.report.live import limit_of, points, style_of
from gatewright.report.model import Split

_WIDTH, _HEIGHT, _LEFT, _FOOT, _TOP = 760, 150, 64, 22, 8
#: days that are too short to be seen
_SAME = 0.05
#: points of a chart in a job summary, the newest
MOST = 30

_CHART = '%%{init: {"xyChart": {"height": 240, "width": 760}, "themeVariables": {"xyChart": '
_LINES = {
    "arms": '{"backgroundColor": "transparent", "plotColorPalette": "#57606a, #0969da"}}}}%%',
    "difference": '{"backgroundColor": "transparent", "plotColorPalette": "#0969da, #8c959f, #8c959f, #cf222e"}}}}%%',
}


@dataclass(frozen=True, slots=True)
class Point:
    """One look at one metric; day counts from the start. Numbers that are not known are NaN."""

    day: float
    champion: float
    challenger: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Course:
    """One metric over all looks; limit: what the difference is held to."""

    metric: str
    points: tuple[Point, ...]
    limit: float
    style: Style

    @property
    def compared(self) -> tuple[Point, ...]:
        """Those whose difference is bounded."""
        return tuple(p for p in self.points if math.isfinite(p.low) and math.isfinite(p.high))


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
    return Course(effect.metric.name, tuple(seen), limit_of(effect), style_of(split, effect.metric.name))


# -- for a browser -----------------------------------------------------------------------------------------------


def svg(drawn: Course | None) -> str:
    """Two panels, one above the other, on one axis of days; with the last numbers for whoever cannot see them."""
    if drawn is None:
        return ""
    last = drawn.points[-1]
    name = html_text(drawn.metric)
    champion, challenger = (show(v, style=drawn.style) for v in (last.champion, last.challenger))
    told = f"{name} over {last.day:.3g} days: champion {champion}, challenger {challenger}"
    panels = [_panel(name, drawn, [v for p in drawn.points for v in (p.champion, p.challenger)], _arms)]
    if len(drawn.compared) > 1:
        ends = [v for p in drawn.compared for v in (p.low, p.high)]
        panels.append(_panel("challenger − champion", drawn, [*ends, drawn.limit, 0.0], _band, signed=True))
        bounded = drawn.compared[-1]
        ends_told = " to ".join(show(v, style=drawn.style, signed=True) for v in (bounded.low, bounded.high))
        told += f"; the difference lies from {ends_told}".replace(" %", " points")
    height = _HEIGHT + _FOOT
    drawn_panels = "".join(f'<g transform="translate(0 {i * height})">{p}</g>' for i, p in enumerate(panels))
    return (
        f'<div class="wide"><svg class="course" width="{_WIDTH}" height="{height * len(panels)}" role="img" '
        f'aria-label="{told}"><title>{told}</title>{drawn_panels}</svg></div>'
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Numbers to places in a panel."""

    days: float
    low: float
    high: float

    def x(self, day: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _TOP) * day / self.days

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - 2 * _TOP) * (self.high - value) / (self.high - self.low)

    def path(self, places: Iterable[tuple[float, float]]) -> str:
        """A line through (day, value)."""
        return "M" + " L".join(f"{self.x(d):.1f} {self.y(v):.1f}" for d, v in places)


def _panel(
    title: str, drawn: Course, values: Sequence[float], lines: Callable[[Course, _Scale], str], signed: bool = False
) -> str:
    room = (max(values) - min(values)) * 0.05 or abs(values[0]) * 0.1 or 1.0
    scale = _Scale(drawn.points[-1].day or 1.0, min(values) - room, max(values) + room)
    ticks = "".join(_tick(scale, value, drawn.style, signed) for value in (min(values), max(values)))
    days = "".join(
        f'<text class="dim" x="{scale.x(day):.1f}" y="{_HEIGHT + 12}" text-anchor="{anchor}">{html_text(words)}</text>'
        for day, words, anchor in ((0.0, "start", "start"), (scale.days, f"{show(scale.days)} d", "end"))
    )
    heading = f'<text x="{_LEFT + 6}" y="{_TOP + 8}">{title}</text>'
    frame = f'<path class="axis" d="M{_LEFT} {_TOP} V{_HEIGHT - _TOP} H{_WIDTH - _TOP}"/>'
    return f"{frame}{ticks}{days}{lines(drawn, scale)}{heading}"


def _tick(scale: _Scale, value: float, style: Style, signed: bool) -> str:
    said = show(value, style=style, signed=signed)
    words = html_text(points(said) if signed else said)
    return f'<text class="dim" x="{_LEFT - 6}" y="{scale.y(value) + 4:.1f}" text-anchor="end">{words}</text>'


def _arms(drawn: Course, scale: _Scale) -> str:
    last = drawn.points[-1]
    apart = 12 if abs(scale.y(last.champion) - scale.y(last.challenger)) < 12 else 0
    above = last.challenger >= last.champion
    named = (
        ("champion", last.champion, apart if above else -2),
        ("challenger", last.challenger, -2 if above else apart),
    )
    lines = (
        f'<path class="{arm}" d="{scale.path((p.day, getattr(p, arm)) for p in drawn.points)}"/>' for arm, _, _ in named
    )
    names = (
        f'<text class="{arm}" x="{_WIDTH - _TOP}" y="{scale.y(value) - 4 + shift:.1f}" text-anchor="end">{arm}</text>'
        for arm, value, shift in named
    )
    return "".join((*lines, *names))


def _band(drawn: Course, scale: _Scale) -> str:
    seen = drawn.compared
    around = [*((p.day, p.high) for p in seen), *((p.day, p.low) for p in reversed(seen))]
    level = {value: f"M{_LEFT} {scale.y(value):.1f} H{_WIDTH - _TOP}" for value in (0.0, drawn.limit)}
    return (
        f'<path class="band" d="{scale.path(around)} Z"/><path class="parity" d="{level[0.0]}"/>'
        f'<path class="limit" d="{level[drawn.limit]}"/>'
        f'<path class="challenger" d="{scale.path((p.day, p.difference) for p in seen)}"/>'
    )


# -- for a job summary -------------------------------------------------------------------------------------------


def mermaid(drawn: Course | None) -> str:
    """The same two panels as charts that GitHub draws by itself."""
    if drawn is None:
        return ""
    looks, compared = drawn.points[-MOST:], drawn.compared[-MOST:]
    arms = [[p.champion for p in looks], [p.challenger for p in looks]]
    parts = [_chart("arms", "both arms", looks, arms, "Grey: champion. Blue: challenger.")]
    if len(compared) > 1:
        lines = [[getattr(p, key) for p in compared] for key in ("difference", "low", "high")]
        words = "Blue: challenger − champion. Grey: its confidence sequence. Red: what it is held to."
        parts.append(_chart("difference", "the difference", compared, [*lines, [drawn.limit] * len(compared)], words))
    return "\n\n".join(parts)


def _chart(kind: str, title: str, looks: Sequence[Point], lines: list[list[float]], legend: str) -> str:
    values = [v for line in lines for v in line]
    room = (max(values) - min(values)) * 0.1 or abs(values[0]) * 0.1 or 1.0
    body = [
        f"{_CHART}{_LINES[kind]}\nxychart-beta",
        f'    title "{title}, by day"',
        f"    x-axis [{', '.join(f'{p.day:.3g}' for p in looks)}]",
        f"    y-axis {min(values) - room:.6g} --> {max(values) + room:.6g}",
        *(f"    line [{', '.join(f'{v:.6g}' for v in line)}]" for line in lines),
    ]
    return "```mermaid\n" + "\n".join(body) + f"\n```\n\n<sub>{legend}</sub>"
