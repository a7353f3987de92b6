"""What every surface shows, once: the end of a command as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatewright.approvals import Standing
from gatewright.decision import Decision
from gatewright.drift import Adoption as Adoption
from gatewright.drift import Archival, Drift
from gatewright.evidence import Evidence
from gatewright.ladder import Holding
from gatewright.ledger.entry import Break, Entry, Row
from gatewright.live.judgement import Judgement
from gatewright.live.looks import Look
from gatewright.live.plan import Forecast, Plan
from gatewright.live.trial import Trial
from gatewright.policy.model import Policy, Target
from gatewright.problem import GatewrightError
from gatewright.subject import Step, Subject, Version
from gatewright.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """How an evaluation, a promotion or a rollback ended.

    holding: who held the target before. steps: the registry calls that were made (or, rehearsed, would be).
    entry: the ledger entry that records it; None where nothing was recorded. intended: the version was only asked
    about (evaluate) or a move was wanted (promote). notes: remarks that belong to no check. rollback: the candidate
    is to come back, and the holder to go. why: the reason that a person gave. against: what of the policy was
    overridden, in sentences. expires: when the request lapses that waits for approvals, in UTC. scored: the digest of
    the candidate's files as this very run has scored them, "" where it has not.
    """

    decision: Decision
    policy: Policy
    target: Target
    candidate: Version
    holding: Holding = field(default_factory=Holding)
    evidence: Evidence | None = None
    verdict: Verdict | None = None
    standing: Standing = field(default_factory=Standing)
    steps: tuple[Step, ...] = ()
    entry: Row | None = None
    notes: tuple[str, ...] = ()
    rollback: bool = False
    why: str = ""
    against: tuple[str, ...] = ()
    expires: str = ""
    scored: str = ""

    @property
    def policy_digest(self) -> str:
        return self.policy.digest(self.target)

    @property
    def moved(self) -> bool:
        return self.decision.kind in ("promoted", "rolled_back")

    @property
    def title(self) -> str:
        return f"{self.candidate} → {self.target.name}" + (" (rollback)" if self.rollback else "")


@dataclass(frozen=True, slots=True)
class Failure:
    """A command that ended in an error before there was anything to report about."""

    error: GatewrightError
    model: str = ""
    subject: Subject | None = None
    target: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """One target of the ladder as the registry shows it, and as the ledger remembers it."""

    target: Target
    holding: Holding
    recorded: Row | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A promotion that waits for approvals."""

    entry: Entry
    row: Row
    standing: Standing
    expires: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """Who holds what, what waits, and whether a move is under way."""

    model: str
    rungs: tuple[Rung, ...]
    requests: tuple[Request, ...] = ()
    lock: Entry | None = None
    notes: tuple[str, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Split:
    """How a command about a live split ended, and how the split stands.

    trial: None where there is none, or none was begun. course: the judgement at every look, as looks has them; empty
    where no outcome was read. elapsed: seconds since the start. plan: what was expected before the start. report: the
    challenger's own evaluation or promotion, where the command needed one. entry: what the ledger holds of it.
    """

    decision: Decision
    policy: Policy
    target: Target
    trial: Trial | None = None
    looks: tuple[Look, ...] = ()
    course: tuple[Judgement, ...] = ()
    elapsed: float = 0.0
    plan: Plan | None = None
    forecast: Forecast | None = None
    report: Report | None = None
    steps: tuple[Step, ...] = ()
    entry: Row | None = None
    notes: tuple[str, ...] = ()
    why: str = ""

    @property
    def judgement(self) -> Judgement | None:
        """How it stands at the last look."""
        return self.course[-1] if self.course else None

    @property
    def title(self) -> str:
        if self.trial is None:
            return f"{self.policy.model}: {self.target.name}"
        return f"{self.policy.model}: v{self.trial.challenger} against v{self.trial.champion} in {self.target.name}"


@dataclass(frozen=True, slots=True)
class History:
    """Every event of a model, oldest first. A body that is gone leaves its row."""

    model: str
    events: tuple[tuple[Row, Entry | None], ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """Whether a ledger is unbroken: how many entries were proved, and what is wrong with which.

    signed: public keys were given, and they prove every entry.
    """

    model: str
    entries: int
    breaks: tuple[Break, ...] = ()
    notes: tuple[str, ...] = ()
    head: str = ""
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found of every model that was looked at, by name. archivals: what became of stale versions."""

    drifts: tuple[Drift, ...]
    archivals: tuple[Archival, ...] = ()

    @property
    def findings(self) -> int:
        return sum(len(d.findings) for d in self.drifts)

    @property
    def undetermined(self) -> tuple[Drift, ...]:
        return tuple(d for d in self.drifts if d.unread)

    @property
    def headline(self) -> str:
        """The end in one line: `2 of 40 models have drifted, 1 could not be told`."""
        drifted, unread = [d for d in self.drifts if d.findings], len(self.undetermined)
        every = self.drifts[0].model if len(self.drifts) == 1 else f"{len(self.drifts)} models"
        if not drifted:
            said = f"{every}: nothing that could be read has drifted" if unread else f"{every}: no drift"
        elif len(self.drifts) == 1:
            said = f"{every} has drifted"
        else:
            said = f"{len(drifted)} of {every} {'has' if len(drifted) == 1 else 'have'} drifted"
        return said + (f", {unread} could not be told in full" if unread and len(self.drifts) > 1 else "")


#: whatever a surface can show
Shown = Report | Split | Failure | Status | History | Audit | Inspection | Adoption
