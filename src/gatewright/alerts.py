"""Who is told what: decisions and drift as CloudEvents, and the issue that follows an override. Pure.

Formats: CloudEvents 1.0, structured JSON mode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gatewright.canonical import canonical, digest_of
from gatewright.ledger.entry import Actor
from gatewright.problem import PolicyError
from gatewright.report import data
from gatewright.report.escape import code, markdown
from gatewright.report.headline import headline
from gatewright.report.live import headline as of_split
from gatewright.report.model import Failure, Inspection, Report, Split

#: stands before every event's type
PREFIX = "com.github.gatewright."

#: findings that one event lists; it says how many there are
MOST_FINDINGS = 100

#: checks that held, and those that were not asked, are left to the report
_QUIET = ("pass", "skip")

_BARE = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]")


class Finding(Protocol):
    """One thing that has drifted. code: stable, for scripts; sentence: for people; version: None for a whole model."""

    @property
    def code(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def version(self) -> int | None: ...
    @property
    def sentence(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Run:
    """The run that tells. source: address of the registry, without credentials. at: when it began (see record.stamp).

    url: the page of the workflow run, "" at a terminal. nonce: a text that was never given before.
    """

    source: str
    actor: Actor
    at: str
    nonce: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent. The same event has the same id, however often it is told."""

    id: str
    type: str
    source: str
    subject: str
    time: str
    data: dict[str, Any] = field(default_factory=dict)


def body(event: Event) -> bytes:
    """An event as it is sent (`application/cloudevents+json`)."""
    told = {
        "specversion": "1.0",
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": "application/json",
        "data": event.data,
    }
    return canonical(told).encode("utf-8", "replace")


def event_of(thing: Report | Split | Failure | Inspection, run: Run) -> Event | None:
    """What is told of the end of a command; None where nothing is. Of drift, only what this run was first to find."""
    if isinstance(thing, Inspection):
        fresh = (d for d in thing.drifts if d.entry is not None and d.entry.at >= run.at)
        return drift_event([f for d in fresh for f in d.findings], run)
    if isinstance(thing, Split):
        return split_event(thing, run)
    return failure_event(thing, run) if isinstance(thing, Failure) else decision_event(thing, run)


def decision_event(report: Report, run: Run) -> Event | None:
    """What is told of an ending; None where nothing was decided, or it was told by an earlier run.

    A request that still stands is told once, when it is made.
    """
    kind, entry = "overridden" if report.against and report.moved else report.decision.kind, report.entry
    if kind in ("evaluated", "noop") or (entry is None and kind != "error"):
        return None
    if kind == "pending" and entry is not None and entry.at < run.at:
        return None
    identity = digest_of({"entry": entry.digest}) if entry else digest_of({"run": run.nonce})
    time = entry.at if entry else run.at
    return Event(identity, PREFIX + kind, _uri(run.source), str(report.candidate), time, _of_report(report, run))


def split_event(split: Split, run: Run) -> Event | None:
    """What is told of a live split: that it began or ended, or what became of the promotion that it led to."""
    if split.report is not None and split.decision.kind in ("promoted", "pending", "refused", "error"):
        return decision_event(split.report, run)
    if split.entry is None or split.decision.kind not in ("started", "stopped"):
        return None
    told = data.document(split)
    names = ("schema", "decision", "reason", "detail", "model", "version", "target", "champion", "ledger", "why")
    metrics = [{k: m[k] for k in ("metric", "standing", "because")} for m in told["live"]["metrics"]]
    document = {**{name: told[name] for name in names}, "sentence": of_split(split), "metrics": metrics, **_run(run)}
    subject = f"{told['model']}/{told['version']}"
    identity = digest_of({"entry": split.entry.digest})
    kind = f"{PREFIX}live_{split.decision.kind}"
    return Event(identity, kind, _uri(run.source), subject, split.entry.at, document)


def failure_event(failure: Failure, run: Run) -> Event | None:
    """What is told of a move that could not be decided; None for mistakes in what was typed.

    At a terminal a policy with errors is one of those; in a workflow it is the trusted branch's, and stops the gate.
    """
    stops_all = bool(run.url) and isinstance(failure.error, PolicyError)
    if failure.error.exit_code != 3 and not stops_all:
        return None
    subject = str(failure.subject or failure.model)
    told = data.document(failure)
    kept = {k: told.get(k) for k in ("schema", "decision", "reason", "detail")}
    model, version = failure.model, failure.subject.version if failure.subject else None
    about = {"model": model or (failure.subject.model if failure.subject else ""), "version": version}
    document = {**kept, **about, "target": failure.target, **_run(run), "sentence": str(failure.error)}
    return Event(digest_of({"run": run.nonce}), PREFIX + "error", _uri(run.source), subject, run.at, document)


def drift_event(findings: Sequence[Finding], run: Run) -> Event | None:
    """What is told of drift, all findings in one event; None where there is none."""
    if not findings:
        return None
    listed = [{"code": f.code, "model": f.model, "version": f.version, "sentence": f.sentence} for f in findings]
    models = list(dict.fromkeys(f.model for f in findings))
    subject = models[0] if len(models) == 1 else f"{len(models)} models"
    count = f"{len(findings)} finding{'s' * (len(findings) != 1)}"
    document = {"schema": data.SCHEMA, "sentence": f"{count} of drift in {subject}", "count": len(findings)}
    document |= {"findings": listed[:MOST_FINDINGS], **_run(run)}
    return Event(digest_of({"run": run.nonce}), PREFIX + "drift", _uri(run.source), subject, run.at, document)


def _of_report(report: Report, run: Run) -> dict[str, Any]:
    """The result as `--json` has it, without what only a full report needs: every key means the same here."""
    told = data.document(report)
    names = ("schema", "decision", "reason", "detail", "verdict", "model", "version", "target", "champion")
    more = ("previous_version", "evidence_digest", "policy_digest", "ledger", "why", "overridden")
    asked = told["approvals"]["rules"]
    checks = [{k: c[k] for k in ("check", "status", "because")} for c in told["checks"] if c["status"] not in _QUIET]
    kept = {name: told[name] for name in names + more}
    return {**kept, "sentence": headline(report), "checks": checks, "approvals": asked, **_run(run)}


def _run(run: Run) -> dict[str, Any]:
    return {"actor": {"login": run.actor.login, "id": run.actor.id, "via": run.actor.via}, "url": run.url or None}


def _uri(address: str) -> str:
    """An address with everything percent-encoded that no URI reference may hold."""
    return "".join(c if _BARE.match(c) else "".join(f"%{b:02X}" for b in c.encode()) for c in address) or "gatewright"


# -- after an override -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The issue in which an override is looked into afterwards. key: one for each override."""

    key: str
    title: str
    body: str


def follow_up(report: Report, run: Run) -> FollowUp | None:
    """The issue that an overridden move leaves behind; None where nothing was overridden."""
    if not (report.against and report.moved and report.entry):
        return None
    candidate, target, entry = report.candidate, report.target.name, report.entry
    verb = "was rolled back to" if report.rollback else "was promoted to"
    moved = f"{target} {verb} {candidate}" if report.rollback else f"{candidate} {verb} {target}"
    who = f"[{markdown(run.actor.login)}]({run.url})" if run.url else markdown(run.actor.login)
    lines = (
        "> [!WARNING]",
        f"> **{markdown(moved[:1].upper() + moved[1:])} against the policy.**",
        "",
        f"- who: {who}",
        f"- why: {markdown(report.why)}",
        f"- when: {entry.at}",
        f"- instead of: {_version(report.holding.number)}",
        f"- ledger: entry {entry.n} of {code(report.policy.model)}, sha256 {code(entry.digest)}",
        "",
        "What was overridden:",
        *_listed(report.against),
        "",
        "Close this issue when somebody else has looked into it: is the version to stay, is the policy to change?",
    )
    key = f"override {report.policy.model} entry {entry.n} {entry.digest[:16]}"
    return FollowUp(key, f"Override: {moved}"[:250], "\n".join(lines) + "\n")


def _listed(sentences: Iterable[str]) -> list[str]:
    return [f"- [ ] {markdown(s)}" for s in sentences]


def _version(number: int | None) -> str:
    return "nothing" if number is None else f"version {number}"
