"""Reports of every kind, made by the gate itself from a registry in memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from gatewright import gate as story
from gatewright.approvals import Counted, NotCounted, Standing
from gatewright.case import Gate
from gatewright.decision import ENDS, Decision, Reason
from gatewright.drift import Adoption, Archival, Drift, Finding, Taken, Unread
from gatewright.evidence import Evidence, Fact, Scalar
from gatewright.ledger.entry import Actor, Row
from gatewright.ledger.memory import MemoryLedger
from gatewright.live.judgement import course
from gatewright.live.looks import DAY, Arm, Look
from gatewright.live.moments import Moments
from gatewright.live.plan import forecast
from gatewright.live.trial import Trial
from gatewright.measure import PATHS
from gatewright.paths import Path
from gatewright.policy.load import read_policies
from gatewright.problem import Undetermined, UsageError
from gatewright.quantity import Interval
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.report.model import Failure, Inspection, Report, Shown, Split
from gatewright.rollback import Wish
from gatewright.subject import Model, Subject, Version
from gatewright.verdict import judge

NOW = datetime(2026, 11, 9, 14, 2, tzinfo=timezone.utc)

POLICY = """\
version: 1
model: fraud
holdout: {data: rows.parquet, target: is_fraud, task: binary, slices: [country]}
targets:
  staging:
    stage: Staging
    checks: [run.accuracy > 90%]
  production:
    stage: Production
    alias: champion
    checks: [run.accuracy > 90%, run.accuracy >= champion - 0.01]
    warnings: [run.auc >= champion]
    approvals: [{name: two ML leads, from: [octo, hubber, "@acme/ml"], count: 2}]
  measured:
    alias: measured
    checks:
      - holdout.roc_auc >= champion - 0.002 at 95%
      - holdout.recall by country >= champion - 0.02 at 95%
      - latency.p95 < 100ms
      - lineage.git_commit
"""

#: what a registry may hold that wants to be more than text
HOSTILE = (
    "x | y `@octo` <img src=x onerror=alert(1)> --> ![p](http://e.vil/p) #12 "
    "\x1b[31m\u202e ::set-output::\n/gate approve"
)


#: the same, as far as a policy takes it for a name
PRINTABLE = "".join(c for c in HOSTILE if c.isprintable())


def gate(policy: str = POLICY, tags: Mapping[str, str] | None = None) -> Gate:
    """A gate of versions 1 (the champion), 2 (better) and 3 (worse); time stands still."""
    metrics = [
        {"accuracy": Logged(a, 0, 0), "auc": Logged(b, 3, 0)} for a, b in ((0.95, 0.9), (0.967, 0.88), (0.5, 0.6))
    ]
    runs = [Run(f"r{n}", m, tags=dict(tags or {})) for n, m in enumerate(metrics, 1)]
    stages = {1: "Production", 2: "None", 3: "None"}
    versions = tuple(Version("fraud", n, stage=s, run_id=f"r{n}") for n, s in stages.items())
    registry = MemoryRegistry([Model("fraud", versions, {"champion": 1})], runs)
    (read,) = read_policies({"policies/fraud.yaml": policy}, PATHS)
    count = itertools.count()
    ids = itertools.count()
    ledger = MemoryLedger(new_id=lambda: f"id {next(ids)}")
    return Gate(read, registry, ledger, Actor("octo", 583231), lambda: NOW, lambda: f"nonce {next(count)}")


def measured() -> Report:
    """A report with intervals and slices: one check fails, one cannot be decided, one passes, one is undetermined."""
    ours = gate()
    target = ours.policy.target("measured")
    assert target is not None
    auc, recall = Path("holdout", "roc_auc"), Path("holdout", "recall")
    facts = [
        Fact("candidate", auc, "known", 0.9681, source="holdout rows.parquet", n=18322),
        Fact("champion", auc, "known", 0.9692),
        Fact("pair", auc, "known", -0.0011, n=18322, factor=1.0, intervals=(_interval(-0.0031, 0.0009, 0.95),)),
        Fact("candidate", Path("latency", "p95"), "known", 0.041, n=300),
        Fact("candidate", Path("lineage", "git_commit"), "unreadable", why="the run could not be read"),
    ]
    for name, rows, mine, theirs, low, high in (
        ("PT", 412, 0.871, 0.922, -0.083, -0.024),
        ("DE", 9511, 0.93, 0.929, -0.004, 0.006),
        ("NL", 88, 0.7, 0.9, -0.5, 0.1),
    ):
        bounds = tuple(_interval(low, high, level) for level in (0.95, 0.975))
        part = {"column": "country", "slice": name, "n": rows, "decides": rows >= 200}
        facts += [
            Fact("candidate", recall, "known", mine, **part),  # type: ignore[arg-type]
            Fact("champion", recall, "known", theirs, **part),  # type: ignore[arg-type]
            Fact("pair", recall, "known", mine - theirs, factor=1.0, intervals=bounds, **part),  # type: ignore[arg-type]
        ]
    subject: dict[str, Scalar | None] = {"model": "fraud", "version": 2, "target": "measured", "champion": 1}
    evidence = Evidence(subject, ours.policy.digest(target), tuple(facts), ("all sandbox layers were active",))
    first = story.evaluate(ours, Subject("fraud", 2), "measured")
    return replace(first, evidence=evidence, verdict=judge(target.checks, evidence))


def _interval(low: float, high: float, level: float) -> Interval:
    return Interval(low, high, float(Decimal(repr(level))), "paired DeLong")


def approved() -> Report:
    """A request with one of two approvals, and one that does not count."""
    report = story.promote(gate(), Subject("fraud", 2), "production")
    (rule,) = report.standing.rules
    standing = Standing(
        (replace(rule, have=1, could=tuple(a for a in rule.rule.approvers if a.login != "octo")),),
        (Counted("octo", 583231, "two ML leads", "2026-11-09T13:00:00.000Z"),),
        (NotCounted("mona", "#3", "self_approval"),),
    )
    return replace(report, standing=standing)


def pressed() -> tuple[Report, Report]:
    """A promotion that overrode a failed check, and the rollback that followed it."""
    lines = (line for line in POLICY.splitlines() if "approvals" not in line)
    alone = "\n".join(lines).replace("alias: champion", "alias: champion\n    override: {from: [octo]}")
    ours = gate(alone)
    story.promote(ours, Subject("fraud", 2), "production")
    broken = story.promote(ours, Subject("fraud", 3), "production", why="only it knows the euro", override=True)
    return broken, story.rollback(ours, Wish("production", "it refuses every card", fast=True))


def hostile() -> Report:
    """Every text that a stranger may have written is an attack."""
    check = "tags.note == fine"
    policy = POLICY.replace("checks: [run.accuracy > 90%]", f"checks: [{check}]")
    report = story.evaluate(gate(policy, {"note": HOSTILE}), Subject("fraud", 2), "staging")
    assert report.verdict is not None
    decision, candidate = replace(report.decision, detail=HOSTILE), replace(report.candidate, model=HOSTILE)
    return replace(report, candidate=candidate, notes=(HOSTILE,), decision=decision)


LIVE = """
live:
  split: {champion: 90, challenger: 10}
  unit: account
  outcomes: {data: outcomes.parquet}
  primary: {name: approved, effect: 0.01}
  guardrails: [{name: seconds, better: lower, margin: 0.05}]
"""


def tried(share: float = 0.1, rates: tuple[float, float] = (0.71, 0.735), metric: str = "approved") -> Split:
    """A split after nine days. share: of the units that came to the challenger; metric: the primary's name."""
    text = LIVE.replace("approved", json.dumps(metric)) if metric != "approved" else LIVE
    (policy,) = read_policies({"policies/fraud.yaml": POLICY.replace("targets:", f"{text.strip()}\ntargets:")}, PATHS)
    live, target = policy.live, policy.targets[1]
    assert live is not None
    trial = Trial("fraud", 1, 2, NOW - timedelta(days=9), 1000, "5a17c0de5a17c0de", 20_000)
    looks = tuple(_look(day, share, rates, metric) for day in range(1, 10))
    steps = course(live, looks, trial.tuned_for)
    found, elapsed = steps[-1], 9 * DAY
    return Split(
        Decision("evaluated", ENDS[found.state], found.because),
        policy,
        target,
        trial,
        looks,
        steps,
        elapsed,
        forecast=forecast(live, looks, elapsed, trial.tuned_for) if found.state == "running" else None,
        entry=Row(7, "7e" * 32, "live_started", 2, target.name, replaces=1),
        notes=("12 rows name no unit; they count for nothing.",),
    )


def _look(day: int, share: float, rates: tuple[float, float], metric: str) -> Look:
    tried = round(1000 * day * share)
    arms = []
    for units, rate in zip((1000 * day - tried, tried), rates, strict=True):
        bought = Moments.of_proportion(round(units * (rate + 0.02 / day)), units)
        arms.append(Arm(units, {metric: bought, "seconds": Moments.of_values(units, 0.2 * units, 0.05 * units)}))
    champion, challenger = arms
    return Look(day * DAY, champion, challenger, 3.0)


def inspected() -> Inspection:
    """A model that somebody moved by hand, one of which something could not be read, and one that is as it was."""
    fix = (
        "to put it back: gatewright promote fraud/2 --to production; if it was meant: gatewright adopt fraud --reason …"
    )
    said = "the ledger has v2 in production (entry 4, octo, 2026-11-06T09:00:00.000Z), the registry shows v3"
    archive = "promote it, or archive it: gatewright drift fraud --fix archive-stale --apply"
    stale = "v4 has been in staging since 2026-09-01, longer than 30 days"
    findings = (
        Finding("moved_by_hand", "fraud", 3, "production", said, fix),
        Finding("stale", "fraud", 4, "staging", stale, archive),
    )
    gap = Unread("how churn/1 is kept: could not read run r1", "the server did not answer in time", "Try again.")
    archival = Archival(findings[1], Decision("evaluated", Reason.DRY_RUN, "it would be archived"))
    entry = Row(9, "5c" * 32, "drift")
    drifts = (Drift("churn", unread=(gap,)), Drift("fraud", findings, entry=entry), Drift("spam", governed=False))
    return Inspection(drifts, (archival,))


def adopted() -> Adoption:
    """An existing registry that came under the gate."""
    taken = (Taken("production", 3, (2,)), Taken("staging", None, (4,)))
    return Adoption(Decision("adopted", Reason.ADOPTED), "fraud", taken, why="the vendor asked for it")


def examples() -> dict[str, Shown]:
    """One of everything that a command may end with."""
    ours = gate()
    overridden, rolled_back = pressed()
    return {
        "refused": story.promote(ours, Subject("fraud", 3), "staging"),
        "promoted": story.promote(ours, Subject("fraud", 2), "staging"),
        "pending": approved(),
        "noop": story.promote(ours, Subject("fraud", 2), "staging"),
        "measured": measured(),
        "overridden": overridden,
        "rolled_back": rolled_back,
        "split": tried(),
        "split_harm": tried(rates=(0.71, 0.6)),
        "split_invalid": tried(share=0.13),
        "status": story.status(ours),
        "history": story.history(ours),
        "audit": story.verify(ours.ledger, "fraud"),
        "drift": inspected(),
        "adopted": adopted(),
        "undetermined": Failure(Undetermined("could not read model fraud", "it timed out", "Try again."), "fraud"),
        "misuse": Failure(UsageError('no target "prod"', "it has staging, production"), "fraud"),
    }
