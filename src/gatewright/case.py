"""What a command works with, and what it looks at: the registry read once, the candidate and the holder found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gatewright.ladder import Holding, Models, holding, home
from gatewright.ledger import Ledger
from gatewright.ledger.entry import Actor
from gatewright.live.plan import Expected
from gatewright.live.trial import Trial
from gatewright.measure.holdout.benchmark import Benchmark, Order, run
from gatewright.measure.live import Tables
from gatewright.measure.live.table import Seen
from gatewright.policy.model import Live, Policy, Target
from gatewright.problem import Undetermined, UsageError
from gatewright.registry import Registry
from gatewright.subject import Model, Subject, Version
from gatewright.thread import Comment, Membership, Person, Thread

#: what to do where no forge can be asked who somebody is
SIGN_IN = (
    "Set GITHUB_TOKEN to a token of your own that may read the organisation's members (`read:org`), and "
    "GITHUB_REPOSITORY to owner/name; or run it as the Action with a `team-token`."
)


class Torn(Undetermined):
    """The registry names two holders: by somebody's hand, or because a move stands between two of its steps."""


class Outcomes(Protocol):
    """Where a live split's outcomes are read. Raises Undetermined where they cannot be."""

    def seen(self, live: Live, trial: Trial, now: datetime) -> Seen:
        """Both arms of a split at every look since its start."""

    def expected(self, live: Live, champion: int, now: datetime) -> Expected:
        """What the champion's last weeks let a plan expect."""


class Audience(Protocol):
    """The people before whom a question is asked. Each call asks anew."""

    def thread(self) -> Thread | None:
        """What was said so far; None if there is no thread. Raises Undetermined if it cannot be read in full."""

    def confirm(self, comment: Comment) -> Comment | None:
        """A comment as it stands this moment, with the app that wrote it; None if it is gone.

        Raises Undetermined if it cannot be read.
        """

    def member(self, team: str, person: Person) -> Membership:
        """Whether somebody is in a team `org/slug`. Never raises: "unreadable" is one of the answers."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One model's policy with everything a command needs to carry it out.

    now gives the time in UTC; nonce gives a text that was never given before. progress is told what goes on (words,
    rows done, rows there are). rebenchmark: the holdout is scored again, whatever the ledger holds.
    score carries a benchmark out: it runs models, which nothing else here does.
    audience: None where nobody can be listened to or looked up; what the ledger holds counts there too.
    asker: who asks for what nobody has asked for yet, where that is not whoever runs the command: somebody who approves
    what a pull request shows has not asked for it.
    outcomes reads what came of a live split, where the policy says it is.
    """

    policy: Policy
    registry: Registry
    ledger: Ledger
    actor: Actor
    now: Callable[[], datetime]
    nonce: Callable[[], str]
    progress: Callable[[str, int, int], None] = lambda what, done, total: None
    rebenchmark: bool = False
    score: Callable[[Order, Registry, Callable[[str, int, int], None]], Benchmark] = run
    outcomes: Outcomes = field(default_factory=Tables)
    audience: Audience | None = None
    asker: Actor | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question: may `candidate` take `target`, as the registry shows both now?"""

    target: Target
    candidate: Version
    holding: Holding
    models: Models

    @property
    def champion(self) -> Version | None:
        return self.holding.version


def read(gate: Gate, *targets: Target) -> Models:
    """The policy's model and every model in which one of the targets lives; absent ones are left out."""
    names = dict.fromkeys([gate.policy.model, *(home(t, gate.policy.model) for t in targets)])
    found = {name: gate.registry.model(name) for name in names}
    return {name: model for name, model in found.items() if model is not None}


def look(gate: Gate, subject: Subject, target: Target) -> Case:
    """Finds the candidate and the target's holder.

    Raises UsageError where the registry has no such version, Undetermined where no single holder can be named.
    """
    below = gate.policy.target(target.after) if target.after else None
    models, held = survey(gate, target, *([below] if below else []))
    return Case(target, find(gate, subject, models), held, models)


def survey(gate: Gate, target: Target, *others: Target) -> tuple[Models, Holding]:
    """The models that the targets live in, and who holds the first; Undetermined where that cannot be told."""
    models = read(gate, target, *others)
    held = holding(target, gate.policy.model, models)
    if held.conflict:
        raise Torn(
            f"who holds {target.name} of {gate.policy.model} cannot be told",
            held.conflict,
            "Make the registry name one holder (archive the other version, or move the alias), then run again.",
        )
    return models, held


def find(gate: Gate, subject: Subject, models: Models) -> Version:
    """The version that a subject means; UsageError where there is none, Undetermined where it is not READY."""
    model = models.get(subject.model)
    if model is None:
        raise UsageError(
            f'{gate.registry.address} has no registered model "{subject.model}"',
            "check the name, and --tracking-uri or MLFLOW_TRACKING_URI",
            "wrong_version",
        )
    candidate = model.find(subject)
    if candidate is None:
        raise UsageError(f"there is no version {subject}", _offer(model), "wrong_version")
    if candidate.status not in ("READY", ""):
        raise Undetermined(
            f"{candidate} cannot be judged", f"its registration is {candidate.status}", "Wait until it is READY."
        )
    return candidate


def _offer(model: Model) -> str:
    if not model.versions:
        return f"register a version first: {model.name} has none"
    aliases = "".join(f", {model.name}@{a}" for a in sorted(model.aliases)[:5])
    return f"name one that there is: {model.name}/{model.versions[-1].number} (the newest){aliases}"
