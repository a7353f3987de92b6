"""A registry of many models, each with its versions and its ledger, written in seconds: what other benchmarks stand on.

The rows that MLflow's own client would have written go into the SQLite database of an empty store in one transaction,
and the ledgers' files beside it; what entries and lines look like is left to the code that is measured. The store is
then served by a real MLflow server, which cannot tell the difference.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gatewright.canonical import digest_of
from gatewright.decision import Decision, Reason
from gatewright.evidence import Evidence, Fact
from gatewright.ledger import entry as chain
from gatewright.ledger.entry import Actor, Entry, Row
from gatewright.ledger.layout import folder, joined, opening, stored
from gatewright.ledger.mlflow import MODEL_TAG, RUN_TAG, TIP_TAG, experiment_name
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy.model import Policy
from gatewright.report.model import Report
from gatewright.report.stored import attachments
from gatewright.subject import Version
from gatewright.verdict import judge
from real.tracking import Store

#: milliseconds since 1970 of the first registration; an hour passes between two versions
_BEGIN = 1_767_225_600_000
_HOUR = 3_600_000

POLICY = """version: 1
model: {model}
targets:
  production:
    stage: Production
    checks: [run.accuracy > 0.9, lineage.git_commit]
"""


def name(number: int) -> str:
    """What the models are called."""
    return f"fleet-{number:05d}"


def populate(store: Store, models: int, versions: int = 5) -> tuple[str, ...]:
    """Fills an empty store (see `real.tracking.sqlite_store`, proxied) and returns the models' names.

    Each version has a run with a metric and a git commit; its files are not there. Each was promoted to Production in
    its turn: the last one is there, the others are archived, and the ledger has 1 + 2 × versions entries.
    """
    names = tuple(name(n) for n in range(models))
    rows = _Rows()
    for number, model in enumerate(names, 1):
        _register(rows, model, number, versions)
        _keep_ledger(rows, store.artifacts, model, number, versions)
    database = sqlite3.connect(store.database.removeprefix("sqlite:///"))
    with database:
        for table, found in rows.tables.items():
            columns = ", ".join(found[0])
            marks = ", ".join(f":{column}" for column in found[0])
            database.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", found)
    database.close()
    return names


def write_policies(place: Path, models: Iterable[str]) -> Path:
    """A policy for each model, in `place`/policies."""
    where = place / "policies"
    where.mkdir(parents=True, exist_ok=True)
    for model in models:
        (where / f"{model}.yaml").write_text(POLICY.format(model=model), encoding="utf-8")
    return where


@dataclass(slots=True)
class _Rows:
    """What is to be inserted, table by table."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: str, **columns: Any) -> None:
        self.tables.setdefault(table, []).append(columns)


def _register(rows: _Rows, model: str, number: int, versions: int) -> None:
    """The registered model with its versions, and the runs that made them, all in the default experiment."""
    begin = _BEGIN + number * versions * _HOUR
    rows.add("registered_models", name=model, creation_time=begin, last_updated_time=begin)
    for v in range(1, versions + 1):
        run, at = _run_of(model, v), begin + v * _HOUR
        _run(rows, run, 0, at, f"mlflow-artifacts:/0/{run}/artifacts")
        rows.add("tags", key="mlflow.source.git.commit", value=_commit(model, v), run_uuid=run)
        metric = {"key": "accuracy", "value": 0.9 + v / 1000, "run_uuid": run, "step": 0, "is_nan": False}
        rows.add("metrics", timestamp=at, **metric)
        rows.add("latest_metrics", timestamp=at, **metric)
        rows.add(
            "model_versions",
            name=model,
            version=v,
            creation_time=at,
            last_updated_time=at,
            current_stage="Production" if v == versions else "Archived",
            source=f"runs:/{run}/model",
            run_id=run,
            status="READY",
        )


def _keep_ledger(rows: _Rows, artifacts: Path, model: str, number: int, versions: int) -> None:
    """The ledger of a model: experiment, run, lines and files."""
    experiment, run = number, uuid.uuid5(uuid.NAMESPACE_OID, f"{model}/ledger").hex
    location = f"mlflow-artifacts:/{experiment}"
    rows.add(
        "experiments",
        experiment_id=experiment,
        name=experiment_name(model),
        artifact_location=location,
        lifecycle_stage="active",
        creation_time=_BEGIN,
        last_update_time=_BEGIN,
    )
    for key, value in ((MODEL_TAG, model), (RUN_TAG, run)):
        rows.add("experiment_tags", key=key, value=value, experiment_id=experiment)
    _run(rows, run, experiment, _BEGIN, f"{location}/{run}/artifacts")
    last = None
    for row, files in _entries(model, versions, {"experiment": str(experiment), "run": run}):
        rows.add("params", key=chain.key(row.n), value=chain.line(row), run_uuid=run)
        where = artifacts / str(experiment) / run / "artifacts" / folder(row)
        where.mkdir(parents=True)
        for file, content in files.items():
            (where / file).write_bytes(content)
        last = row
    if last is not None:
        rows.add("tags", key=TIP_TAG, value=f"{last.n} {last.digest}", run_uuid=run)


def _run(rows: _Rows, run: str, experiment: int, at: int, artifacts: str) -> None:
    rows.add(
        "runs",
        run_uuid=run,
        name=run[:8],
        source_type="LOCAL",
        user_id="anna",
        status="FINISHED",
        start_time=at,
        end_time=at,
        lifecycle_stage="active",
        artifact_uri=artifacts,
        experiment_id=experiment,
    )


def _entries(model: str, versions: int, place: Mapping[str, object]) -> Iterator[tuple[Row, dict[str, bytes]]]:
    """Every entry as it is stored: the opening, and for each version an intent and the move that closes it."""
    (policy,) = read_policies({f"policies/{model}.yaml": POLICY.format(model=model)}, PATHS)
    first = Entry(1, "", "intended", _at(1, 0), Actor("anna"), model)
    begun = opening(first, "0" * 32, place)
    chained = [chain.row(begun)]
    yield chained[0], stored(begun, chained[0], {}, None)
    for version in range(1, versions + 1):
        for draft, beside in _move(policy, version):
            entry = replace(draft, n=len(chained), previous=chained[-1].digest, nonce=digest_of([model, len(chained)]))
            entry = joined(entry, chained, beside, str)
            chained.append(chain.row(entry))
            yield chained[-1], stored(entry, chained[-1], beside, None)


def _move(policy: Policy, version: int) -> Iterator[tuple[Entry, dict[str, bytes]]]:
    """The two entries of a promotion, with what is stored beside them."""
    report = _report(policy, version)
    evidence, before = report.evidence, version - 1 or None
    assert evidence is not None
    shown = [
        {"model": policy.model, "candidate": {"version": version, "stage": stage}, "stage": {"Production": held}}
        for stage, held in (("None", [before] if before else []), ("Production", [version]))
    ]
    intent = Entry(
        0,
        "",
        "intended",
        _at(version, 1),
        Actor("anna"),
        policy.model,
        version,
        "production",
        reason=report.decision.reason.code,
        evidence_digest=evidence.digest,
        policy_digest=report.policy_digest,
        before=shown[0],
        after=shown[1],
        replaces=before,
        lease=_at(version, 3),
        details={"target": {"name": "production", "stage": "Production"}},
    )
    yield intent, attachments(report)
    yield replace(intent, kind="promoted", at=_at(version, 2), lease="", details={}, closes=version * 2 - 1), {}


def _report(policy: Policy, version: int) -> Report:
    """How the promotion of a version ended: judged by the policy, on facts as they are in the database."""
    target, run = policy.targets[0], _run_of(policy.model, version)
    values = {"accuracy": 0.9 + version / 1000, "git_commit": _commit(policy.model, version)}
    facts = tuple(Fact("candidate", c.path, "known", values[c.path.key], source=f"run {run}") for c in target.checks)
    subject = {"model": policy.model, "version": version, "run": run, "target": "production", "champion": None}
    evidence = Evidence(subject, policy.digest(target), facts)
    decision = Decision("promoted", Reason.NO_APPROVALS_NEEDED)
    verdict = judge(target.checks, evidence)
    return Report(decision, policy, target, Version(policy.model, version), evidence=evidence, verdict=verdict)


def _run_of(model: str, version: int) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{model}/{version}").hex


def _commit(model: str, version: int) -> str:
    return digest_of([model, version])[:40]


def _at(version: int, minute: int) -> str:
    return f"2026-01-{version:02d}T10:{minute:02d}:00.000Z"
