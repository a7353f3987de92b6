"""Random histories: promotions, rollbacks, overrides, hands in the registry, runs that die or overlap.

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

from gatewright import gate as story
from gatewright.adoption import adopt
from gatewright.case import Gate
from gatewright.drift import Finding
from gatewright.inspection import Grounds, inspect
from gatewright.ladder import holding
from gatewright.ledger import entry as chain
from gatewright.ledger.memory import MemoryLedger
from gatewright.policy.model import Policy
from gatewright.problem import GatewrightError
from gatewright.report.model import Report
from gatewright.rollback import Wish
from gatewright.subject import Step, Subject
from unit.test_move import WAYS, Clock, Killed, Mortal, gate
from unit.test_rollback import BAD, GOOD, policy, registry

VERSIONS = st.sampled_from((*GOOD, BAD))
#: a promotion of a version, or a rollback to the last good one; with an override or without
COMMANDS = st.tuples(st.none() | VERSIONS, st.booleans())
Command = Callable[[Gate], Report]

#: how a command may end, by its kind
PROMOTED = {"promoted", "refused", "noop", "error"}
RETURNED = {"rolled_back", "refused", "noop", "error"}


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

    @initialize(way=st.sampled_from(sorted(WAYS)))
    def begin(self, way: str) -> None:
        """A registry of four versions that nobody has moved yet, and one way in which the target is held."""
        self.agreed, self.clock = policy(WAYS[way]), Clock()
        self.registry, self.ledger = self.parts()
        #: what was taken back and has not been brought back by an override
        self.bad: set[int] = set()
        #: whether a hand has touched the registry since the gate last moved a version
        self.touched = False
        #: how many moves of the ledger have been looked at
        self.seen = 0
        #: who holds the target by the ledger's last word
        self.holder: int | None = None

    def parts(self) -> tuple[Any, Any]:
        """A registry and a ledger of this history's own."""
        return registry(), MemoryLedger()

    @property
    def model(self) -> str:
        return self.agreed.model

    def gate(self, real: Any = None, ledger: Any = None) -> Gate:
        """The gate, perhaps on parts that fail."""
        return gate(self.agreed, real or self.registry, ledger or self.ledger, self.clock)

    def command(self, version: int | None, override: bool) -> Command:
        """A promotion of a version, or a rollback."""
        if version is None:
            return lambda g: story.rollback(g, Wish("production", "why not", fast=True, override=override))
        subject = Subject(self.model, version)
        return lambda g: story.promote(g, subject, "production", why="why not", override=override)

    def moves(self) -> list[chain.Row]:
        """Every move that the ledger knows."""
        return [r for r in self.ledger.rows(self.model) if r.kind in chain.MOVED]

    def run(self, command: Command, ours: Gate | None = None) -> Report | None:
        """Runs a command to its end; whatever cannot be determined is an end, too."""
        try:
            return command(ours or self.gate())
        except GatewrightError:
            return None

    def learn(self) -> None:
        """What was done since the last look, as the ledger tells it in its order; every move must have been allowed."""
        for row in self.moves()[self.seen :]:
            assert self.touched or row.replaces == self.holder
            self.seen, self.touched, self.holder = self.seen + 1, False, row.version
            if row.kind == "adopted":  # neither judged nor cleared by that
                continue
            entry = self.ledger.entry(self.model, row)
            assert entry is not None
            if "override" not in entry.details:
                assert row.kind != "overridden"
                assert row.version not in self.bad
                assert row.version != BAD or row.kind == "rolled_back"
            if row.kind == "rolled_back" and row.replaces is not None:
                self.bad.add(row.replaces)
            self.bad -= {row.version}

    # -- what the gate is asked for

    @rule(version=VERSIONS, override=st.booleans())
    def promote(self, version: int, override: bool) -> None:
        """A bad version, and one that was taken back, only by an override."""
        report = self.run(self.command(version, override))
        assert report is None or report.decision.kind in PROMOTED
        self.learn()

    @rule(to=st.none() | VERSIONS, override=st.booleans())
    def roll_back(self, to: int | None, override: bool) -> None:
        """It never goes to a version that was taken back, unless that is overridden."""
        report = self.run(lambda g: story.rollback(g, Wish("production", "why not", to, True, override)))
        assert report is None or report.decision.kind in RETURNED
        self.learn()

    @rule(first=VERSIONS | st.none(), at=st.integers(0, 25), after=st.booleans(), others=st.lists(COMMANDS, max_size=3))
    def overlap(self, first: int | None, at: int, after: bool, others: list[tuple[int | None, bool]]) -> None:
        """A run begins; at one of its calls others run from beginning to end; then the first goes on."""
        between = Between(lambda: [self.run(self.command(*other)) for other in others], at, after)
        ours = self.gate(between.around(self.registry), between.around(self.ledger))
        self.run(self.command(first, False), ours)
        self.learn()

    @rule(what=COMMANDS, at=st.integers(0, 25), after=st.booleans())
    def die(self, what: tuple[int | None, bool], at: int, after: bool) -> None:
        """A run is killed at a call; whoever comes after its lease finishes or aborts what it began."""
        fuse = itertools.count()
        ours = self.gate(Mortal(self.registry, fuse, at, after), Mortal(self.ledger, fuse, at, after))
        try:
            self.run(self.command(*what), ours)
        except Killed:
            self.clock.moment += timedelta(hours=1)
            story.promote(self.gate(), Subject(self.model, BAD), "production")
        self.learn()

    @rule(reasoned=st.booleans())
    def adopt(self, reasoned: bool) -> None:
        """What is there is taken down; where the ledger has another holder, only with a reason."""
        before, held = chain.holder(self.ledger.rows(self.model), "production"), self.held().number
        ended = adopt(self.gate(), "it is what is there" if reasoned else "")
        known = bool(self.moves())
        agreed = before == held and (known or held is None)
        assert ended.decision.kind in ({"noop"} if agreed else {"adopted"} if reasoned else {"adopted", "refused"})
        self.learn()

    # -- what others do

    @rule(version=VERSIONS)
    def meddle(self, version: int) -> None:
        """Somebody moves a version by hand, past the gate."""
        target = self.agreed.targets[0]
        where, number = self.model, version
        if target.copy_to:
            number = self.registry.apply(Step("copy", self.model, version, target.copy_to)).number
            where = target.copy_to
        if target.stage:
            self.registry.apply(Step("stage", where, number, target.stage, archive=True))
        if target.alias:
            self.registry.apply(Step("alias", where, number, target.alias))
        self.touched = True

    # -- what always holds

    @invariant()
    def one_holder(self) -> None:
        """At most one version holds the target, and stage and alias agree."""
        if hasattr(self, "agreed"):
            assert not self.held().conflict

    @invariant()
    def the_ledger_is_unbroken_and_tells_who_holds(self) -> None:
        """The ledger's holder is the registry's, or drift says so; without a hand in it they never differ."""
        if not hasattr(self, "agreed"):
            return
        assert [b for b in self.ledger.verify(self.model) if not b.note] == []
        rows = self.ledger.rows(self.model)
        assert chain.open_intent(rows) is None
        assert set(chain.taken_back(rows, "production")) == self.bad
        compared = [f.code for f in self.drift() if f.code in ("moved_by_hand", "unrecorded_holder")]
        if not self.touched:
            assert chain.holder(rows, "production") == self.held().number
        assert bool(compared) == (chain.holder(rows, "production") != self.held().number)

    def drift(self) -> tuple[Finding, ...]:
        """What drift finds of the model."""
        parts = gate(self.agreed, self.registry, self.ledger, self.clock)
        grounds = Grounds(self.registry, self.ledger, parts.actor, self.clock, parts.nonce)
        (found,) = inspect(grounds, [self.agreed], self.model)
        return found.findings

    def held(self) -> Any:
        """Who holds the target, as the registry shows it."""
        names = {self.model, self.agreed.targets[0].copy_to} - {""}
        models = {name: model for name in names if (model := self.registry.model(name))}
        return holding(self.agreed.targets[0], self.model, models)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=80, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
