"""Moves on a registry and a ledger in memory: what a run that dies, or is overtaken, leaves behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from gatewright import gate as story
from gatewright.case import Gate
from gatewright.ladder import holding, holds, number_in
from gatewright.ledger.entry import Actor, Row, open_intent
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy.model import Policy
from gatewright.problem import Undetermined
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.subject import Model, Subject, Version

WAYS = {
    "stage": {"stage": "Production"},
    "alias": {"alias": "champion"},
    "stage and alias": {"stage": "Production", "alias": "champion"},
    "copy": {"copy_to": "prod.fraud"},
    "copy and alias": {"copy_to": "prod.fraud", "alias": "champion"},
    "copy, stage and alias": {"copy_to": "prod.fraud", "stage": "Production", "alias": "champion"},
}
START = datetime(2026, 11, 6, 9, 0, tzinfo=timezone.utc)


def policy(way: dict[str, str], **more: Any) -> Policy:
    """A policy with one target and one check."""
    lines = [f"    {key}: {value}" for key, value in way.items()]
    text = "\n".join(
        ["version: 1", "model: fraud", "targets:", "  production:", *lines, "    checks: [run.accuracy > 0.9]"]
        + [f"    {key}: {value}" for key, value in more.items()]
    )
    return read_policies({"fraud.yaml": text + "\n"}, PATHS)[0]


def registry() -> MemoryRegistry:
    """Three versions; version 1 is good, 2 is good, 3 is not."""
    runs = [Run(f"r{n}", {"accuracy": Logged(a, 0, 0)}) for n, a in enumerate((0.95, 0.97, 0.5), 1)]
    return MemoryRegistry([Model("fraud", tuple(Version("fraud", n, run_id=f"r{n}") for n in (1, 2, 3)))], runs)


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment


def gate(policy: Policy, registry: Any, ledger: Any, clock: Callable[[], datetime], login: str = "octo") -> Gate:
    """A gate on the given parts."""
    numbers = itertools.count()
    return Gate(policy, registry, ledger, Actor(login), clock, lambda: f"{login}-{id(numbers)}-{next(numbers)}")


class Killed(BaseException):
    """The run's process is gone."""


class Mortal:
    """Calls through to `real` until the `count`-th call of `fuse`, which dies before or after it is carried out."""

    def __init__(self, real: Any, fuse: Iterator[int], at: int, after: bool) -> None:
        self._real, self._fuse, self._at, self._after = real, fuse, at, after
        self.address = "memory"

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            mine = next(self._fuse) == self._at
            if mine and not self._after:
                raise Killed
            answer = getattr(self._real, name)(*args)
            if mine:
                raise Killed
            return answer

        return call


def run_until(policy: Policy, real: MemoryRegistry, ledger: MemoryLedger, clock: Clock, at: int, after: bool) -> bool:
    """Promotes version 2 and dies at a call; False if the run ended before it came to that."""
    fuse = itertools.count()
    dying = gate(policy, Mortal(real, fuse, at, after), Mortal(ledger, fuse, at, after), clock)
    try:
        story.promote(dying, Subject("fraud", 2), "production")
    except Killed:
        return True
    return False


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_a_run_killed_at_any_call_is_finished_or_aborted_by_the_next(way: str, after: bool) -> None:
    """Whatever the next command, the registry shows the old or the new holder, and the ledger tells the truth."""
    rules = policy(WAYS[way])
    for at in itertools.count():
        real, ledger, clock = registry(), MemoryLedger(), Clock()
        story.promote(gate(rules, real, ledger, clock), Subject("fraud", 1), "production")
        if not run_until(rules, real, ledger, clock, at, after):
            assert at > 8
            return
        clock.moment += timedelta(hours=1)
        later = gate(rules, real, ledger, clock, "night shift")
        story.promote(later, Subject("fraud", 3), "production")  # version 3 fails its check: only the rest is settled
        (target,) = rules.targets
        held = holding(target, "fraud", real.models)
        assert not held.conflict
        assert held.number in (1, 2)
        assert holds(target, Version("fraud", held.number), real.models)
        rows = ledger.rows("fraud")
        assert open_intent(rows) is None
        assert ledger.verify("fraud") == ()
        told = [r.version for r in rows if r.kind == "promoted"]
        assert told == ([1] if held.number == 1 else [1, 2]), (at, told)
        again = story.promote(later, Subject("fraud", 2), "production")
        assert again.decision.kind == ("promoted" if held.number == 1 else "noop")


def test_a_live_lock_is_respected() -> None:
    """A second run says who moves and until when, and changes nothing."""
    rules, real, ledger, clock = policy(WAYS["stage and alias"]), registry(), MemoryLedger(), Clock()
    calls = 0
    while not any(r.kind == "intended" for r in ledger.rows("fraud")):
        assert run_until(rules, real, ledger, clock, calls, after=True)
        calls += 1
    before = dict(real.models)
    report = story.promote(gate(rules, real, ledger, clock, "hubber"), Subject("fraud", 1), "production")
    assert (report.decision.kind, str(report.decision.reason)) == ("error", "lock_held")
    assert "octo moves v2 to production since 2026-11-06T09:00" in report.decision.detail
    assert real.models == before


def overtaken(change: Callable[[MemoryRegistry], None]) -> tuple[str, str, MemoryRegistry, MemoryLedger]:
    """Promotes version 2 while somebody changes the registry between the verdict and the lock."""
    rules, real, ledger, clock = policy(WAYS["stage and alias"]), registry(), MemoryLedger(), Clock()
    story.promote(gate(rules, real, ledger, clock), Subject("fraud", 1), "production")

    class Meddled(MemoryLedger):
        def append(self, entry: Any, attachments: Any) -> Row | None:
            if entry.kind == "intended":
                change(real)
            return ledger.append(entry, attachments)

        def __getattribute__(self, name: str) -> Any:
            return object.__getattribute__(self, name) if name == "append" else getattr(ledger, name)

    report = story.promote(gate(rules, real, Meddled(), clock), Subject("fraud", 2), "production")
    return report.decision.kind, str(report.decision.reason), real, ledger


def put(real: MemoryRegistry, number: int) -> None:
    """Brings a version to production behind the gate's back."""
    model = real.models["fraud"]
    versions = tuple(
        Version("fraud", v.number, "Production" if v.number == number else "None", v.run_id) for v in model.versions
    )
    real.models["fraud"] = Model("fraud", versions, {"champion": number})


def test_a_champion_that_changed_meanwhile_stops_the_move() -> None:
    """The verdict was about another champion."""
    kind, reason, real, ledger = overtaken(lambda real: put(real, 3))
    assert (kind, reason) == ("error", "champion_changed")
    assert real.models["fraud"].aliases == {"champion": 3}
    assert [r.kind for r in ledger.rows("fraud")][-2:] == ["intended", "aborted"]


def test_evidence_that_changed_meanwhile_stops_the_move() -> None:
    """A metric that was logged again is other evidence."""

    def relog(real: MemoryRegistry) -> None:
        real.runs["r2"] = Run("r2", {"accuracy": Logged(0.99, 1, 0)})

    kind, reason, real, ledger = overtaken(relog)
    assert (kind, reason) == ("error", "candidate_changed")
    assert real.models["fraud"].aliases == {"champion": 1}
    assert open_intent(ledger.rows("fraud")) is None


def test_a_version_that_somebody_else_promoted_meanwhile_is_not_promoted_twice() -> None:
    """Nothing is left to do."""
    kind, reason, _, ledger = overtaken(lambda real: put(real, 2))
    assert (kind, reason) == ("noop", "already_promoted")
    assert [r.kind for r in ledger.rows("fraud")].count("promoted") == 1


def test_a_registry_that_forgets_what_it_accepted_is_not_asked_for_ever() -> None:
    """The run stops and says that the move is unfinished."""

    class Forgetful(MemoryRegistry):
        def apply(self, step: Any) -> None:
            """Accepts it."""

    real, ledger, clock = registry(), MemoryLedger(), Clock()
    forgetful = Forgetful(real.models.values(), real.runs.values())
    with pytest.raises(Undetermined, match="does not show"):
        story.promote(gate(policy(WAYS["stage"]), forgetful, ledger, clock), Subject("fraud", 2), "production")


def test_a_request_is_recorded_once_and_moves_nothing() -> None:
    """Approvals are owed; asking twice is asking once."""
    rules = policy(WAYS["stage"], approvals="[{name: leads, from: [mona]}]")
    real, ledger, clock = registry(), MemoryLedger(), Clock()
    reports = [story.promote(gate(rules, real, ledger, clock), Subject("fraud", 2), "production") for _ in range(2)]
    assert {(r.decision.kind, str(r.decision.reason)) for r in reports} == {("pending", "approvals_missing")}
    assert [r.kind for r in ledger.rows("fraud")] == ["opened", "requested"]
    assert real.applied == []
    clock.moment += timedelta(days=8)
    story.promote(gate(rules, real, ledger, clock), Subject("fraud", 2), "production")
    assert [r.kind for r in ledger.rows("fraud")] == ["opened", "requested", "requested"]


def test_copies_know_their_origin_after_a_move() -> None:
    """The destination's version names the version it was copied from."""
    real = registry()
    rules = policy(WAYS["copy, stage and alias"])
    story.promote(gate(rules, real, MemoryLedger(), Clock()), Subject("fraud", 2), "production")
    assert [number_in("fraud", v) for v in real.models["prod.fraud"].versions] == [2]
