"""Reports of every kind, made by the gate itself from a registry in memory."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal

from gatewright import gate as story
from gatewright.approvals import Counted, NotCounted, Standing
from gatewright.case import Gate
from gatewright.evidence import Evidence, Fact, Scalar
from gatewright.ledger.entry import Actor
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.paths import Path
from gatewright.policy.load import read_policies
from gatewright.problem import Undetermined, UsageError
from gatewright.quantity import Interval
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.report.model import Audit, Failure, History, Report, Status
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


def examples() -> dict[str, Report | Failure | Status | History | Audit]:
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
        "status": story.status(ours),
        "history": story.history(ours),
        "audit": story.verify(ours.ledger, "fraud"),
        "undetermined": Failure(Undetermined("could not read model fraud", "it timed out", "Try again."), "fraud"),
        "misuse": Failure(UsageError('no target "prod"', "it has staging, production"), "fraud"),
    }
