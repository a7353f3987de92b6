"""Live outcomes: who saw which version, how that turned out, and the facts that checks read of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gatewright.connection import Connection
from gatewright.evidence import Fact, Need, Who
from gatewright.live.judgement import Judgement, bounds_between, wants
from gatewright.live.looks import DAY, Look, look_times
from gatewright.live.moments import Moments
from gatewright.live.plan import Expected, deviation_of
from gatewright.live.sequential import mixture, one_sided
from gatewright.live.trial import Trial
from gatewright.measure.live import logs, table
from gatewright.measure.live.table import Seen
from gatewright.measure.reading import Reading
from gatewright.paths import Path, PathRow
from gatewright.policy.model import Live, LiveMetric
from gatewright.problem import Undetermined
from gatewright.quantity import Interval

ROWS = (
    PathRow(
        "live",
        "*",
        "number",
        "an outcome metric of the live A/B split",
        "declare the split in the live block, and start it: gatewright live start",
        sampled=True,
        comparable=True,
    ),
)

#: how much of the champion's past a plan is made from
_HISTORY = 28 * DAY


def collect(path: Path, reading: Reading) -> Fact:
    """What stands where no split was read: such a fact comes from a live split alone."""
    return reading.unreadable(path, "no live split of this version was read")


@dataclass(frozen=True, slots=True)
class Tables:
    """Outcomes as policies name them; connection: for those that are logged to MLflow, None if there is none."""

    connection: Connection | None = None

    def seen(self, live: Live, trial: Trial, now: datetime) -> Seen:
        """Both arms of a split at every look since its start."""
        return observe(live, trial, now, self.connection)

    def expected(self, live: Live, champion: int, now: datetime) -> Expected:
        """What the champion's last weeks let a plan expect."""
        return history(live, champion, now)


def observe(live: Live, trial: Trial, now: datetime, connection: Connection | None = None) -> Seen:
    """Both arms at every look since the start.

    connection: needed where outcomes are logged to MLflow. Raises Undetermined where they cannot be read.
    """
    times = look_times(live, trial.elapsed(now))
    if live.outcomes.are_totals:
        found = logs.read(live, _connected(connection), trial.model, (trial.champion, trial.challenger))
        return Seen(logs.looks(live, found, trial.started, times))
    rows = table.read(live, (trial.champion, trial.challenger), trial.started, now)
    return table.looks(live, rows, times, trial.salt, trial.parts)


def history(live: Live, champion: int, now: datetime) -> Expected:
    """What the champion's last weeks let a plan expect; empty where outcomes are logged as sums, or there are none.

    units_a_day is that of distinct units over the time that outcomes have to come in, so that those who return count
    once.
    """
    if live.outcomes.are_totals:
        return Expected()
    window = min(_HISTORY, max(float(live.max_runtime) - float(live.label_maturity), DAY))
    since = now - timedelta(seconds=window + float(live.label_maturity))
    rows = table.read(live, (champion, -1), since, now)
    seen = table.looks(live, rows, (window + float(live.label_maturity),))
    past = seen.looks[-1]
    moments, _ = past.moments(live.primary.name)
    span = min(window, rows.span)
    if not past.champion.exposed or span < DAY:
        return Expected()
    return Expected(past.champion.exposed / (span / DAY), deviation_of(moments))


def facts(live: Live, trial: Trial, looks: Sequence[Look], found: Judgement, asked: Iterable[Need]) -> tuple[Fact, ...]:
    """What checks read: both arms' values and their difference, with bounds that hold however often one looks.

    Of an experiment whose split does not hold no value is given.
    """
    metrics = {m.name: m for m in live.metrics}
    made: dict[tuple[object, ...], Fact] = {}
    for need in asked:
        if need.path.family == "live" and need.path.key in metrics:
            for fact in _facts(live, trial, looks, found, need, metrics[need.path.key], live.outcomes.address):
                key = (fact.who, fact.path, fact.factor)
                before = made.get(key)
                intervals = {i.level: i for f in (before, fact) if f for i in f.intervals}
                made[key] = replace(fact, intervals=tuple(intervals[level] for level in sorted(intervals)))
    return tuple(made.values())


def unreadable(asked: Iterable[Need], why: str) -> tuple[Fact, ...]:
    """Facts that say why there are none; nothing is thereby said about the model."""
    live = [n for n in asked if n.path.family == "live"]
    mine = [Fact("candidate", path, "unreadable", why=why) for path in dict.fromkeys(n.path for n in live)]
    compared = dict.fromkeys((n.path, n.factor) for n in live if n.factor is not None)
    theirs = [Fact("champion", path, "unreadable", why=why) for path in dict.fromkeys(p for p, _ in compared)]
    pairs = [Fact("pair", path, "unreadable", why=why, factor=factor) for path, factor in compared]
    return (*mine, *theirs, *pairs)


def _facts(
    live: Live, trial: Trial, looks: Sequence[Look], found: Judgement, need: Need, metric: LiveMetric, source: str
) -> tuple[Fact, ...]:
    if found.state == "invalid":
        return unreadable([need], found.because)
    champion, challenger = looks[-1].moments(metric.name) if looks else (Moments(), Moments())
    if lack := wants(live, champion, challenger):
        return unreadable([need], lack)
    mine = _arm("candidate", live, trial, need, challenger, f"{source}, v{trial.challenger}")
    if need.factor is None:
        return (mine,)
    theirs = _arm("champion", live, trial, need, champion, f"{source}, v{trial.champion}")
    return (mine, theirs, _pair(live, trial, looks, need, metric, source))


def _arm(who: Who, live: Live, trial: Trial, need: Need, moments: Moments, source: str) -> Fact:
    if not math.isfinite(moments.value):
        return Fact(who, need.path, "unreadable", why="there is nothing to divide by", source=source)
    intervals: tuple[Interval, ...] = ()
    error = math.sqrt(moments.variance)
    if need.level is not None and error > 0:
        reach = one_sided(error, moments.units, 1 - need.level, mixture(float(live.alpha), trial.tuned_for))
        low, high = moments.value - reach, moments.value + reach
        intervals = (Interval(low, high, need.level, "asymptotic confidence sequence"),)
    return Fact(who, need.path, "known", moments.value, source=source, n=round(moments.units), intervals=intervals)


def _pair(live: Live, trial: Trial, looks: Sequence[Look], need: Need, metric: LiveMetric, source: str) -> Fact:
    factor = 1.0 if need.factor is None else need.factor
    found = bounds_between(live, metric, looks, trial.tuned_for, factor)
    if found is None:
        why = "the outcomes do not vary so far, which bounds nothing"
        return Fact("pair", need.path, "unreadable", why=why, source=source, factor=need.factor)
    intervals = () if need.level is None else (replace(found.interval(1 - need.level), level=need.level),)
    return Fact(
        "pair",
        need.path,
        "known",
        found.difference.value,
        source=source,
        n=round(found.difference.units),
        intervals=intervals,
        factor=need.factor,
    )


def _connected(connection: Connection | None) -> Connection:
    if connection is None:
        raise Undetermined("the outcomes cannot be read", "there is no way to MLflow here", "Name a table instead.")
    return connection
