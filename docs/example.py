"""The promotion that the README and commands.md show: the real gate on a registry in memory, the same every time."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from gatewright import gate as story
from gatewright.case import Gate
from gatewright.ledger.entry import Actor
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.problem import GatewrightError
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.report import data
from gatewright.report.model import Failure, Report
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
        "an error": data.document(_failure(gate)),
    }


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
    )


def _registry() -> MemoryRegistry:
    """Version 9 in production, version 12 a little better in staging, version 11 that learnt too little."""
    scores = {9: (0.961, 0.9692), 11: (0.938, 0.9105), 12: (0.964, 0.9712)}
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
        for n in scores
    )
    runs = (
        Run(
            f"run-{n}",
            {"accuracy": Logged(accuracy, 0, 0), "val/auc": Logged(auc, 0, 0)},
            tags={"mlflow.source.git.commit": "8f3c1ad0e2b94d71a6c58f13d07be2940c6aa1f5"},
        )
        for n, (accuracy, auc) in scores.items()
    )
    files = {(MODEL, n): {"MLmodel": _SIGNATURE.encode()} for n in scores}
    model = Model(MODEL, versions, {"champion": 9})
    return MemoryRegistry([model], runs, files=files, address="https://mlflow.example.com")
