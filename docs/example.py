"""The promotion that the README and commands.md show: the real gate on a registry in memory, the same every time."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from gatewright import gate as story
from gatewright.adoption import adopt
from gatewright.case import Gate
from gatewright.inspection import Grounds, inspect
from gatewright.ledger.entry import Actor
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.measure.holdout import latency
from gatewright.measure.holdout.answers import Predictions
from gatewright.measure.holdout.benchmark import Benchmark, Order
from gatewright.measure.holdout.tally import Batch, Slices, Tally
from gatewright.policy.load import read_policies
from gatewright.problem import GatewrightError
from gatewright.registry import Logged, Registry, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.report import data
from gatewright.report.model import Failure, Inspection, Report
from gatewright.subject import Model, Subject, Version

README = Path(__file__).parents[1] / "README.md"
FILE = "policies/fraud-detector.yaml"
MODEL = "fraud-detector"
NOON = datetime(2026, 11, 2, 12, tzinfo=timezone.utc)

_SIGNATURE = """signature:
  inputs: '[{"type": "double", "name": "amount"}, {"type": "string", "name": "country"}]'
  outputs: '[{"type": "long", "name": "is_fraud"}]'
"""


def policy_text() -> str:
    """The policy that the README begins with."""
    shown = re.search(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    if shown is None:
        raise SystemExit(f"{README} shows no policy")
    return shown[1]


def pending() -> Report:
    """Version 12 asks to follow version 9 in production: every check passes, and two people are to agree."""
    return story.promote(_gate(), Subject(MODEL, 12), "production")


def documents() -> Mapping[str, Any]:
    """What `--json` prints: command → document."""
    gate = _gate()
    evaluated = story.evaluate(gate, Subject(MODEL, 11), "staging")
    story.promote(gate, Subject(MODEL, 12), "production")
    return {
        "evaluate": data.document(evaluated),
        "status": data.document(story.status(gate)),
        "history": data.document(story.history(gate)),
        "audit verify": data.document(story.verify(gate.ledger, MODEL)),
        "drift": data.document(Inspection(inspect(_grounds(gate), [gate.policy]))),
        "adopt": data.document(adopt(_gate())),
        "an error": data.document(_failure(gate)),
    }


def _grounds(gate: Gate) -> Grounds:
    """The same registry and ledger, a year later."""
    later = NOON + timedelta(days=365)
    return Grounds(gate.registry, gate.ledger, gate.actor, lambda: later, gate.nonce)


def _failure(gate: Gate) -> Failure:
    subject = Subject(MODEL, 40)
    try:
        story.evaluate(gate, subject, "production")
    except GatewrightError as error:
        return Failure(error, subject=subject, target="production")
    raise SystemExit(f"{subject} should not exist")


def _gate() -> Gate:
    """A gate whose clock and whose random texts count up."""
    (policy,) = read_policies({FILE: policy_text()}, PATHS)
    seconds, numbers = itertools.count(), itertools.count(1)
    ledger = MemoryLedger(new_id=lambda: f"{next(numbers):032x}")
    octo = Actor("octo", 583231, "github")
    return Gate(
        policy,
        _registry(),
        ledger,
        octo,
        lambda: NOON + timedelta(seconds=next(seconds)),
        lambda: f"{next(numbers):032x}",
        score=_score,
    )


def _registry() -> MemoryRegistry:
    """Version 9 in production, version 12 a little better in staging, version 11 that learnt too little."""
    stages = {9: "Production", 12: "Staging"}
    versions = tuple(
        Version(
            MODEL,
            n,
            stage=stages.get(n, "None"),
            run_id=f"run-{n}",
            source=f"s3://ml-models/fraud/{n}/model",
            author="anna",
            created=int((NOON - timedelta(days=20 - n)).timestamp() * 1000),
            tags={"risk review": "done"},
        )
        for n in _SKILL
    )
    runs = (
        Run(
            f"run-{n}",
            {"accuracy": Logged(0.97, 0, 0)},
            tags={"mlflow.source.git.commit": "8f3c1ad0e2b94d71a6c58f13d07be2940c6aa1f5"},
        )
        for n in _SKILL
    )
    files = {(MODEL, n): {"MLmodel": _SIGNATURE.encode()} for n in _SKILL}
    model = Model(MODEL, versions, {"champion": 9})
    return MemoryRegistry([model], runs, files=files, address="https://mlflow.example.com")


#: version → how far apart its scores of fraud and of honest payments lie, and seconds of a call
_SKILL = {9: (3.55, 0.0412), 11: (3.05, 0.0402), 12: (3.68, 0.0385)}

#: country → payments in the holdout
_COUNTRIES = {"DE": 7511, "FR": 4204, "IT": 2907, "ES": 2290, "PT": 1222, "NL": 188}


def _score(order: Order, registry: Registry, progress: Any) -> Benchmark:
    """The real tally over made-up predictions: the figures are those that such models would come to."""
    versions = [v for v in (order.candidate, order.champion) if v is not None]
    holdout, pinned = order.holdout, hashlib.sha256(order.holdout.data.encode()).hexdigest()
    batch = _holdout([v.number for v in versions])
    paired = len(versions) > 1
    tally = Tally(
        holdout.task, order.needs, slice_columns=holdout.slices, paired=paired, min_slice_rows=200, seed=order.seed
    )
    tally.update(batch)
    facts = tally.facts(f"{holdout.data}, sha256 {pinned[:8]}")
    calls = [_calls(_SKILL[v.number][1], v.number) for v in versions]
    times = latency.Times(calls[0], calls[1] if paired else (), seed=order.seed)
    source = "300 calls of 1 row after 30 to warm up, in turn with the champion's"
    rows = len(batch.target)
    return Benchmark((*facts, *latency.facts(order.needs, times, source)), (), holdout.data, pinned, rows)


def _holdout(numbers: list[int]) -> Batch:
    """Payments of six countries, one in five a fraud; models see the same payment through noise that they share."""
    rows = sum(_COUNTRIES.values())
    random = np.random.default_rng(2026)
    fraud = (random.random(rows) < 0.2).astype(np.int64)
    shared = random.standard_normal(rows)
    countries = np.repeat(np.arange(len(_COUNTRIES)), list(_COUNTRIES.values()))
    keys = random.permutation(rows).astype(np.uint64)
    told = [_predicted(n, fraud, shared) for n in numbers]
    slices = {"country": Slices(countries, tuple(_COUNTRIES))}
    return Batch(fraud, told[0], told[1] if len(told) > 1 else None, keys, slices)


def _predicted(version: int, fraud: Any, shared: Any) -> Predictions:
    own = np.random.default_rng(version).standard_normal(len(fraud))
    score = (fraud - 0.5) * _SKILL[version][0] + 0.97 * shared + 0.24 * own
    return Predictions((score > 0).astype(np.int64), 1 / (1 + np.exp(-score)), None, 0.0)


def _calls(seconds: float, version: int) -> list[float]:
    random = np.random.default_rng(version)
    return [float(s) for s in seconds * (0.9 + 0.12 * random.random(300))]
