"""Random histories: promotions, rollbacks, overrides, adoptions, hands in the registry, runs that die or overlap.

Whatever happened, in whatever order: at most one holder a target, an unbroken ledger, no lie in it, and no version
that was rolled back returns without somebody having overridden that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gatewright import audit
from gatewright import gate as story
from gatewright.adoption import adopt
from gatewright.case import Gate
from gatewright.drift import Drift, recorded
from gatewright.inspection import Grounds, inspect, remember
from gatewright.ladder import Holding, holding
from gatewright.ledger import entry as chain
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy.model import Policy, Target
from gatewright.problem import GatewrightError
from gatewright.report.model import Report
from gatewright.rollback import Wish
from gatewright.stale import archive_stale
from gatewright.subject import Step, Subject
from unit.test_move import WAYS, Clock, Killed, Mortal, gate
from unit.test_rollback import BAD, GOOD, registry

#: ladders of one rung, held in every way there is, and of two, which share a version's one stage
LADDERS: dict[str, dict[str, dict[str, str]]] = {
    **{name: {"production": way} for name, way in WAYS.items()},
    "two stages": {"staging": {"stage": "Staging"}, "production": WAYS["stage"]},
    "two stages and an alias": {"staging": {"stage": "Staging"}, "production": WAYS["stage and alias"]},
}

VERSIONS = st.sampled_from((*GOOD, BAD))
#: a rung, counted from the lowest; where there are fewer, from the lowest again
RUNGS = st.integers(0, 1)
#: what is asked for, of which version and rung, and whether against the policy
COMMANDS = st.tuples(st.sampled_from(("promote", "rollback", "adopt", "archive")), VERSIONS, RUNGS, st.booleans())
Asked = tuple[str, int, int, bool]
Command = Callable[[Gate], object]

#: how a command may end, by its kind
PROMOTED = {"promoted", "refused", "noop", "error"}
RETURNED = {"rolled_back", "refused", "noop", "error"}


def agreed(ladder: dict[str, dict[str, str]]) -> Policy:
    """A policy in which `octo` may override everything, and what has stood for a month is stale."""
    lines = ["version: 1", "model: fraud", "targets:"]
    for name, way in ladder.items():
        keys = {**way, "checks": "[run.accuracy > 0.9]", "override": "{from: [octo]}", "stale_after": "30d"}
        lines += [f"  {name}:", *(f"    {key}: {value}" for key, value in keys.items())]
    return read_policies({"fraud.yaml": "\n".join(lines) + "\n"}, PATHS)[0]


class Between:
    """Parts that let others do something at one call, before or after it is carried out."""

    address = "memory"

    def __init__(self, others: Callable[[], object], at: int, after: bool, real: Any = None, fuse: Any = None) -> None:
        self._others, self._at, self._after, self._real = others, at, after, real
        self._fuse = fuse or itertools.count()

    def around(self, real: Any) -> Any:
        """A registry or ledger whose calls count."""
        return Between(self._others, self._at, self._after, real, self._fuse)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            mine = next(self._fuse) == self._at
            if mine and not self._after:
                self._others()
            answer = getattr(self._real, name)(*args)
            if mine and self._after:
                self._others()
            return answer

        return call


class Histories(RuleBasedStateMachine):
    """One registry, one ledger, and everybody who changes them."""

    agreed: Policy
    registry: Any
    ledger: Any

    @initialize(ladder=st.sampled_from(sorted(LADDERS)))
    def begin(self, ladder: str) -> None:
        """A registry of four versions that nobody has moved yet, and the way in which each target is held."""
        self.agreed, self.clock = agreed(LADDERS[ladder]), Clock()
        self.registry, self.ledger = self.parts()
        #: by target: what was taken back from it and has not been brought back by an override
        self.bad: dict[str, set[int]] = {t.name: set() for t in self.agreed.targets}
        #: targets that a hand may have touched since the gate last moved a version there
        self.touched: set[str] = set()
        #: how many moves of the ledger have been looked at
        self.seen = 0

    def parts(self) -> tuple[Any, Any]:
        """A registry and a ledger of this history's own."""
        return registry(), MemoryLedger()

    @property
    def model(self) -> str:
        return self.agreed.model

    def target(self, rung: int) -> Target:
        return self.agreed.targets[rung % len(self.agreed.targets)]

    def gate(self, real: Any = None, ledger: Any = None) -> Gate:
        """The gate, perhaps on parts that fail."""
        return gate(self.agreed, real or self.registry, ledger or self.ledger, self.clock)

    def command(self, asked: Asked) -> Command:
        """What one run does."""
        verb, version, rung, override = asked
        to = self.target(rung).name
        if verb == "promote":
            subject = Subject(self.model, version)
            return lambda g: story.promote(g, subject, to, why="why not", override=override)
        if verb == "rollback":
            return lambda g: story.rollback(g, Wish(to, "why not", fast=True, override=override))
        if verb == "adopt":
            return lambda g: adopt(g, "why not" if override else "")
        return lambda g: archive_stale(g, self.drift(g), apply=True)

    def moves(self) -> list[chain.Row]:
        """Every move that the ledger knows."""
        return [r for r in self.ledger.rows(self.model) if r.kind in chain.MOVED]

    def run(self, command: Command, ours: Gate | None = None) -> Any:
        """Runs a command to its end; whatever cannot be determined is an end, too."""
        try:
            return command(ours or self.gate())
        except GatewrightError:
            return None

    def meant(self, target: str, before: int | None = None) -> int | None:
        """Who holds a target by the ledger's last word, or by that before an entry."""
        said = recorded(self.agreed.targets, self.model, self.ledger.rows(self.model)[:before])
        return next(reversed(said.get(target, {})), None)

    def learn(self) -> None:
        """What was done since the last look, as the ledger tells it in its order; every move must have been allowed."""
        for row in self.moves()[self.seen :]:
            assert row.target in self.touched or row.replaces == self.meant(row.target, row.n)
            self.seen += 1
            self.touched.discard(row.target)
            if row.kind == "adopted":  # neither judged nor cleared by that
                continue
            entry = self.ledger.entry(self.model, row)
            assert entry is not None
            bad = self.bad[row.target]
            if "override" not in entry.details:
                assert row.kind != "overridden"
                assert row.version not in bad
                assert row.version != BAD or row.kind == "rolled_back"
            if row.kind == "rolled_back" and row.replaces is not None:
                bad.add(row.replaces)
            bad.discard(row.version or 0)

    # -- what the gate is asked for

    @rule(version=VERSIONS, rung=RUNGS, override=st.booleans())
    def promote(self, version: int, rung: int, override: bool) -> None:
        """A bad version, and one that was taken back, only by an override."""
        report = self.run(self.command(("promote", version, rung, override)))
        assert report is None or report.decision.kind in PROMOTED
        self.learn()

    @rule(to=st.none() | VERSIONS, rung=RUNGS, override=st.booleans())
    def roll_back(self, to: int | None, rung: int, override: bool) -> None:
        """It never goes to a version that was taken back, unless that is overridden."""
        wish = Wish(self.target(rung).name, "why not", to, True, override)
        report: Report | None = self.run(lambda g: story.rollback(g, wish))
        assert report is None or report.decision.kind in RETURNED
        self.learn()

    @rule(first=COMMANDS, at=st.integers(0, 25), after=st.booleans(), others=st.lists(COMMANDS, max_size=3))
    def overlap(self, first: Asked, at: int, after: bool, others: list[Asked]) -> None:
        """A run begins; at one of its calls others run from beginning to end; then the first goes on."""
        between = Between(lambda: [self.run(self.command(other)) for other in others], at, after)
        ours = self.gate(between.around(self.registry), between.around(self.ledger))
        self.run(self.command(first), ours)
        self.learn()

    @rule(what=COMMANDS, at=st.integers(0, 25), after=st.booleans())
    def die(self, what: Asked, at: int, after: bool) -> None:
        """A run is killed at a call; whoever comes after its lease finishes or aborts what it began."""
        fuse = itertools.count()
        ours = self.gate(Mortal(self.registry, fuse, at, after), Mortal(self.ledger, fuse, at, after))
        try:
            self.run(self.command(what), ours)
        except Killed:
            self.clock.moment += timedelta(hours=1)
            story.promote(self.gate(), Subject(self.model, BAD), self.target(0).name)
        self.learn()

    @rule(reasoned=st.booleans())
    def adopt(self, reasoned: bool) -> None:
        """What is there is taken down; where the ledger has another holder, only with a reason."""
        differ = [t.name for t in self.agreed.targets if self.meant(t.name) != self.held(t).number]
        ended = adopt(self.gate(), "it is what is there" if reasoned else "")
        allowed = {"noop"} if not differ else {"adopted"} if reasoned else {"adopted", "refused"}
        assert ended.decision.kind in allowed
        if ended.decision.kind == "adopted":
            assert all(self.meant(t.name) == self.held(t).number for t in self.agreed.targets)
        self.learn()

    @rule(days=st.integers(1, 40))
    def night(self, days: int) -> None:
        """Time passes; what has drifted is looked at and written down, and what is stale is archived, and only that."""
        self.clock.moment += timedelta(days=days)
        ours = self.gate()
        found = remember(Grounds(self.registry, self.ledger, ours.actor, self.clock, ours.nonce), self.drift(ours))
        stale = {(f.version, f.target) for f in found.findings if f.code == "stale"}
        for one in archive_stale(ours, found, apply=True):
            assert (one.finding.version, one.finding.target) in stale
            assert one.decision.kind in ("archived", "refused", "noop", "error")
        self.learn()

    # -- what others do

    @rule(version=VERSIONS, rung=RUNGS)
    def meddle(self, version: int, rung: int) -> None:
        """Somebody moves a version by hand, past the gate."""
        target = self.target(rung)
        where, number = self.model, version
        if target.copy_to:
            where = target.copy_to
            self.registry.apply(Step("copy", self.model, version, where))
            copied = self.registry.model(where)
            assert copied is not None
            number = copied.versions[-1].number
        if target.stage:
            self.registry.apply(Step("stage", where, number, target.stage, archive=True))
        if target.alias:
            self.registry.apply(Step("alias", where, number, target.alias))
        self.touched |= {t.name for t in self.agreed.targets}

    # -- what always holds

    @invariant()
    def one_holder(self) -> None:
        """At most one version holds each target, and stage and alias agree."""
        for target in self.agreed.targets if hasattr(self, "agreed") else ():
            assert not self.held(target).conflict

    @invariant()
    def the_ledger_is_unbroken_and_tells_who_holds(self) -> None:
        """The ledger's holder is the registry's, or drift says so; without a hand in it they never differ."""
        if not hasattr(self, "agreed"):
            return
        assert [b for b in self.ledger.verify(self.model) if not b.note] == []
        rows = self.ledger.rows(self.model)
        assert chain.open_intent(rows) is None
        agree = True
        for target in self.agreed.targets:
            assert set(chain.taken_back(rows, target.name)) == self.bad[target.name]
            same = self.meant(target.name) == self.held(target).number
            assert same or target.name in self.touched
            agree = agree and same
        compared = [f for f in self.drift(self.gate()).findings if f.code in ("moved_by_hand", "unrecorded_holder")]
        assert agree == (not compared)

    @invariant()
    def an_auditor_is_told_the_same(self) -> None:
        """Of every target the holder by the ledger's last word, and each time in it either lasts or has an end."""
        if not hasattr(self, "agreed"):
            return
        rows, names = self.ledger.rows(self.model), [t.name for t in self.agreed.targets]
        bodies = {r.n: self.ledger.entry(self.model, r) for r in self.moves()}
        told = audit.holders(rows, None, names, bodies)
        assert [h.version for h in told] == [self.meant(name) for name in names]

    def drift(self, ours: Gate) -> Drift:
        """What drift finds of the model."""
        grounds = Grounds(ours.registry, ours.ledger, ours.actor, self.clock, ours.nonce)
        (found,) = inspect(grounds, [self.agreed], self.model)
        return found

    def held(self, target: Target) -> Holding:
        """Who holds a target, as the registry shows it."""
        names = {self.model, target.copy_to} - {""}
        models = {name: model for name in names if (model := self.registry.model(name))}
        return holding(target, self.model, models)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=80, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
