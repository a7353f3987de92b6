"""What every surface says of a live split: who is served, what came of it, and when it may be decided."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from gatewright.decision import Reason
from gatewright.live.assignment import PARTS
from gatewright.live.judgement import Effect, Standing
from gatewright.quantity import Interval, Style, show
from gatewright.report.cells import next_step as next_of
from gatewright.report.model import Split
from gatewright.report.picture import Picture

#: standing → (sign, word); a sign is never the only difference
STANDINGS: dict[Standing, tuple[str, str]] = {
    "worse": ("✘", "worse"),
    "unknown": ("?", "not known yet"),
    "open": ("≈", "not decided yet"),
    "within": ("✔", "not worse"),
    "better": ("✔", "better"),
}

#: the headings of both tables; the drawing has none
ARMS = ("Arm", "Version", "Share", "Units")
OUTCOMES = ("Outcome", "Champion", "Challenger", "Difference", "Bounds")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One metric as text, and its drawing: the interval of the difference against what it is held to."""

    standing: Standing
    name: str
    champion: str
    challenger: str
    difference: str
    interval: str
    because: str
    picture: Picture | None

    @property
    def cells(self) -> tuple[str, ...]:
        """As OUTCOMES names them."""
        return self.name, self.champion, self.challenger, self.difference, self.interval

    @property
    def sign(self) -> str:
        return STANDINGS[self.standing][0]

    @property
    def word(self) -> str:
        return STANDINGS[self.standing][1]


def headline(split: Split) -> str:
    """What was decided, in a sentence."""
    trial, kind, reason = split.trial, split.decision.kind, split.decision.reason
    if trial is None or kind == "noop":
        return reason.meaning if kind != "refused" else f"The split was not begun. {reason.meaning}"
    challenger, champion = f"v{trial.challenger}", f"v{trial.champion}"
    share = show(trial.parts / PARTS, style="percent")
    if kind == "started":
        return f"{challenger} now has {share} of the traffic of {split.target.name}, {champion} the rest."
    if kind == "promoted":
        return f"{challenger} has shown itself in production and is now {split.target.name}. The split is over."
    if kind == "stopped":
        return f"The split is over, everybody sees {champion}. {reason.meaning}"
    if kind == "pending":
        return f"{challenger} has shown itself in production; people must agree before it takes {split.target.name}."
    return reason.meaning


def next_step(split: Split) -> str:
    """The one thing to do now."""
    if split.decision.kind == "pending" and split.report is not None:
        return next_of(split.report)
    if split.decision.kind == "started":
        return f"Look at it: gatewright live status {split.policy.model}; every night with --act"
    if split.decision.reason is Reason.LIVE_SUPERIOR and split.decision.kind == "promoted":
        return "Nothing."
    if _waits(split):
        return f"Wait. {' '.join(_expected(split))} live stop --keep ends it."
    return split.decision.reason.next_step


def arms(split: Split) -> tuple[tuple[str, ...], ...]:
    """A row for each arm; () where no split was begun."""
    trial, found = split.trial, split.judgement
    if trial is None:
        return ()
    parts = (PARTS - trial.parts, trial.parts)
    units = ("", "") if found is None else (show(found.champion_units), show(found.challenger_units))
    shares = (show(p / PARTS, style="percent") for p in parts)
    versions = (f"v{trial.champion}", f"v{trial.challenger}")
    return tuple(zip(("champion", "challenger"), versions, shares, units, strict=True))


def outcomes(split: Split) -> tuple[Outcome, ...]:
    """A row for each metric, the primary first; () of a split that does not hold."""
    found = split.judgement
    return tuple(_outcome(split, e) for e in found.effects) if found else ()


def _outcome(split: Split, effect: Effect) -> Outcome:
    style, interval = style_of(split, effect.metric.name), effect.interval
    bounded = math.isfinite(interval.low) and math.isfinite(interval.high)
    ends = f"{show(interval.low, style=style, signed=True)} … {show(interval.high, style=style, signed=True)}"
    return Outcome(
        effect.standing,
        effect.metric.name,
        _known(effect.champion, style),
        _known(effect.challenger, style),
        points(show(effect.difference.value, style=style, signed=True)) if bounded else "",
        points(ends) if bounded else "",
        effect.because,
        Picture(interval, limit_of(effect), effect.difference.value, 0.0) if bounded else None,
    )


def limit_of(effect: Effect) -> float:
    """What the difference is held to: none at all, or the margin on its bad side."""
    margin = float(effect.metric.margin) if effect.metric.require == "non_inferior" else 0.0
    return 0.0 - margin if effect.metric.better == "higher" else margin


def style_of(split: Split, metric: str) -> Style:
    """Shares are told in percent."""
    both = split.looks[-1].moments(metric) if split.looks else ()
    return "percent" if both and all(m.are_flags and m.units for m in both) else "plain"


def _known(value: float, style: Style) -> str:
    return show(value, style=style) if math.isfinite(value) else ""


def points(difference: str) -> str:
    """A difference of two percentages is in points."""
    return difference.replace(" %", " pt")


def level(interval: Interval) -> str:
    """How sure both bounds together are: two of 97.5 % make 95 %."""
    return show(1 - 2 * (1 - interval.level), style="percent")


def remarks(split: Split) -> Iterator[str]:
    """How long it runs, how well the arms fit the split, when it may be decided, and what else there is to know."""
    trial, found = split.trial, split.judgement
    if trial is not None and found is not None:
        yield f"Begun {trial.started:%Y-%m-%d %H:%M} UTC, {show(split.elapsed, 'time')} before this was read."
        fits = "fit the split" if found.state != "invalid" else "do not fit the split"
        yield f"The units of both arms {fits} (always-valid p {found.ratio_p:.3g}); {show(found.mixed)} saw both."
    if not _waits(split):
        yield from _expected(split)
    yield from split.notes


def runs(split: Split) -> bool:
    """Whether it goes on: it is neither decided nor has anybody ended it."""
    found, ended = split.judgement, split.decision.kind in ("stopped", "noop")
    return found is not None and found.state == "running" and not ended


def _waits(split: Split) -> bool:
    """Whether there is nothing to do but to wait; then the next step says until when."""
    return runs(split) and split.decision.kind == "evaluated"


def _expected(split: Split) -> Iterator[str]:
    trial, soon, made, live = split.trial, split.forecast, split.plan, split.policy.live
    if live is None:
        return
    longest = float(live.max_runtime)
    if trial is not None and runs(split):
        end = trial.started + timedelta(seconds=longest)
        if soon is None:
            yield f"It is too early to say when it is decided; it ends on {end:%Y-%m-%d} at the latest."
        elif soon.seconds <= longest:
            when = trial.started + timedelta(seconds=soon.seconds)
            yield f"As it goes, it is decided about {when:%Y-%m-%d}, after {show(math.ceil(soon.units))} units."
        else:
            yield f"As it goes, it is not decided before it ends on {end:%Y-%m-%d}."
    if made is not None and made.units is not None and made.seconds is not None and not made.refusals:
        units = show(math.ceil(made.units))
        yield f"Expected: about {units} units, {show(made.seconds, 'time')} at the traffic of the last weeks."
