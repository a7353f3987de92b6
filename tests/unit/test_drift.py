"""What drift finds, and what it leaves alone, on a registry and a ledger in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewright import gate as story
from gatewright.adoption import adopt
from gatewright.case import Gate
from gatewright.drift import CODES, Adoption, Drift
from gatewright.inspection import Grounds, inspect, remember
from gatewright.ledger.entry import Actor, Row, holder, open_intent, taken_back
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy.model import Policy
from gatewright.problem import Undetermined, UsageError
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.rollback import Wish
from gatewright.stale import archive_stale
from gatewright.subject import Model, Step, Subject, Version
from unit.test_move import START, WAYS, Clock, Killed, Mortal, gate

SIGNED = b"flavors: {}\nsignature: {inputs: '[]'}\n"

LADDER = {
    "staging": {"stage": "Staging", "stale_after": "30d"},
    "production": {"after": "staging", "stage": "Production"},
}


def policy(ladder: dict[str, dict[str, Any]]) -> Policy:
    """Targets by name, each with one check."""
    lines = ["version: 1", "model: fraud", "targets:"]
    for name, keys in ladder.items():
        lines += [f"  {name}:", *(f"    {k}: {v}" for k, v in keys.items()), "    checks: [run.accuracy > 0.9]"]
    return read_policies({"fraud.yaml": "\n".join([*lines, ""])}, PATHS)[0]


def registry(count: int = 5) -> MemoryRegistry:
    """Good versions, each with a run and a signed model."""
    runs = [Run(f"r{n}", {"accuracy": Logged(0.95, 0, 0)}) for n in range(1, count + 1)]
    versions = tuple(
        Version("fraud", n, run_id=f"r{n}", source=f"s3://models/{n}", created=int(START.timestamp() * 1000))
        for n in range(1, count + 1)
    )
    files = {("fraud", n): {"MLmodel": SIGNED} for n in range(1, count + 1)}
    return MemoryRegistry([Model("fraud", versions)], runs, files=files, address="https://mlflow.example")


class Scene:
    """A gate, what stands behind it, and somebody with a hand in the registry."""

    def __init__(self, ladder: dict[str, dict[str, Any]] = LADDER) -> None:
        self.rules, self.real, self.ledger, self.clock = policy(ladder), registry(), MemoryLedger(), Clock()

    def gate(self, real: Any = None, ledger: Any = None) -> Gate:
        return gate(self.rules, real or self.real, ledger or self.ledger, self.clock)

    def promote(self, number: int, to: str = "production") -> None:
        report = story.promote(self.gate(), Subject("fraud", number), to)
        assert report.decision.kind == "promoted", report.decision

    def climb(self, *numbers: int) -> None:
        for number in numbers:
            self.promote(number, "staging")
            self.promote(number)

    def back(self, target: str = "production", **more: Any) -> str:
        wish = Wish(target, "it is slow", fast=True, **more)
        return story.rollback(self.gate(), wish).decision.kind

    def hand(self, kind: str, number: int, value: str, archive: bool = False, model: str = "fraud") -> None:
        self.real.apply(Step(kind, model, number, value, archive))

    def adopt(self, why: str = "") -> Adoption:
        return adopt(self.gate(), why)

    def grounds(self, real: Any = None, ledger: Any = None) -> Grounds:
        names = (f"n{n}" for n in itertools.count())
        return Grounds(real or self.real, ledger or self.ledger, Actor("night"), self.clock, lambda: next(names))

    def drift(self, governed: bool = True) -> Drift:
        (found,) = inspect(self.grounds(), [self.rules] if governed else [], "fraud")
        return found

    def found(self, governed: bool = True) -> list[tuple[str, int | None, str | None]]:
        drift = self.drift(governed)
        assert drift.unread == ()
        return [(f.code, f.version, f.target) for f in drift.findings]

    def rows(self) -> tuple[Row, ...]:
        return self.ledger.rows("fraud")


# -- what the gate does is no drift ------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_nothing_has_drifted_after_promotions_and_rollbacks(way: str) -> None:
    """Whatever way a target is held."""
    scene = Scene({"production": WAYS[way]})
    assert scene.found() == []
    for number in (1, 2, 3):
        scene.promote(number)
        assert scene.found() == []
    assert (scene.back(), scene.found()) == ("rolled_back", [])
    assert (scene.back(), scene.found()) == ("rolled_back", [])
    assert scene.found(governed=False) == []


@pytest.mark.parametrize("alias", [{}, {"alias": "best"}], ids=["stage", "stage and alias"])
def test_a_version_that_climbs_leaves_the_lower_stage_and_that_is_no_drift(alias: dict[str, str]) -> None:
    """MLflow gives a version one stage; its alias stays behind until another takes it."""
    scene = Scene({"staging": {**LADDER["staging"], **alias}, "production": {"stage": "Production"}})
    for number in (1, 2, 3):
        scene.promote(number, "staging")
        assert scene.found() == []
        scene.promote(number)
        assert scene.found() == []
    assert (scene.back(), scene.found()) == ("rolled_back", [])


def test_versions_that_share_a_stage_are_no_drift() -> None:
    """The ledger put each of them there; a rollback takes away what is newer."""
    scene = Scene({"production": {"stage": "Production", "archive_existing": "false"}})
    for number in (2, 1, 4, 5):
        scene.promote(number)
        assert scene.found() == []
    assert (scene.back(), scene.found()) == ("rolled_back", [])


def test_nobody_holding_anything_is_no_drift() -> None:
    """A model that has just been registered."""
    assert Scene().found() == []


# -- hands in the registry ---------------------------------------------------------------------------------------

HANDS: dict[str, tuple[Callable[[Scene], None], tuple[str, int | None, str]]] = {
    "another into the stage": (lambda s: s.hand("stage", 3, "Production", True), ("moved_by_hand", 3, "production")),
    "the holder archived": (lambda s: s.hand("stage", 2, "Archived"), ("moved_by_hand", 2, "production")),
    "a second beside it": (lambda s: s.hand("stage", 3, "Production"), ("two_holders", None, "production")),
    "past the gate upwards": (lambda s: s.hand("stage", 4, "Production", True), ("moved_by_hand", 4, "production")),
    "into staging": (lambda s: s.hand("stage", 5, "Staging", True), ("moved_by_hand", 5, "staging")),
}


@pytest.mark.parametrize("hand", HANDS)
def test_each_hand_is_found_once(hand: str) -> None:
    """Version 2 is in production, 4 in staging, by the gate."""
    scene = Scene()
    scene.climb(1, 2)
    scene.promote(4, "staging")
    assert scene.found() == []
    act, finding = HANDS[hand]
    act(scene)
    assert scene.found() == [finding]
    assert scene.found(governed=False) == [finding]


@pytest.mark.parametrize(
    ("way", "number", "code"),
    [("alias", 3, "moved_by_hand"), ("stage and alias", None, "stage_alias_disagree"), ("copy", 3, "moved_by_hand")],
)
def test_an_alias_or_a_copy_that_was_moved_by_hand_is_found(way: str, number: int | None, code: str) -> None:
    """An alias that shares a target with a stage then contradicts it."""
    scene = Scene({"production": WAYS[way]})
    scene.promote(1)
    scene.promote(2)
    scene.hand("copy" if way == "copy" else "alias", 3, "prod.fraud" if way == "copy" else "champion")
    assert scene.found() == [(code, number, "production")]


def test_an_alias_that_was_taken_away_is_found() -> None:
    """The stage still holds; half of the target is missing."""
    scene = Scene({"production": WAYS["stage and alias"]})
    scene.promote(1)
    scene.real.models["fraud"] = replace(scene.real.models["fraud"], aliases={})
    assert scene.found() == [("stage_alias_disagree", 1, "production")]


def test_a_foreign_version_in_the_copys_model_is_found() -> None:
    """It was never a version of ours, so it has no number here."""
    scene = Scene({"production": WAYS["copy"]})
    scene.promote(1)
    prod = scene.real.models["prod.fraud"]
    foreign = Version("prod.fraud", 2, run_id="r1", source="s3://elsewhere")
    scene.real.models["prod.fraud"] = replace(prod, versions=(*prod.versions, foreign))
    scene.real.files["prod.fraud", 2] = {"MLmodel": SIGNED}
    assert scene.found() == [("moved_by_hand", None, "production")]
    assert "prod.fraud/2" in scene.drift().findings[0].sentence


def test_a_holder_that_the_ledger_never_saw_is_found() -> None:
    """The registry was there before the gate."""
    scene = Scene()
    scene.hand("stage", 1, "Production")
    assert scene.found() == [("unrecorded_holder", 1, "production")]


def test_a_stranger_in_a_shared_stage_and_a_member_that_left_are_found() -> None:
    """Each by itself."""
    scene = Scene({"production": {"stage": "Production", "archive_existing": "false"}})
    for number in (1, 2):
        scene.promote(number)
    scene.hand("stage", 3, "Production")
    assert scene.found() == [("moved_by_hand", 3, "production")]
    scene.hand("stage", 1, "Archived")
    assert scene.found() == [("moved_by_hand", 1, "production"), ("moved_by_hand", 3, "production")]


def test_a_version_that_was_rolled_back_and_returns_by_hand_is_told_as_such() -> None:
    """Nothing returns silently."""
    scene = Scene()
    scene.climb(1, 2)
    scene.back()
    scene.hand("stage", 2, "Production", True)
    (finding,) = scene.drift().findings
    assert "v2 was rolled back from there by octo" in finding.sentence


# -- what has been left standing ---------------------------------------------------------------------------------


def test_a_version_is_stale_after_the_time_that_the_policy_gives_it() -> None:
    """Counted from the ledger's entry; one that has climbed on is not stale."""
    scene = Scene()
    scene.climb(1)
    scene.promote(2, "staging")
    scene.clock.moment += timedelta(days=29)
    assert scene.found() == []
    scene.clock.moment += timedelta(days=2)
    assert scene.found() == [("stale", 2, "staging")]
    assert "since 2026-11-06, longer than 30 days" in scene.drift().findings[0].sentence


def condition(change: Callable[[Scene], object]) -> list[tuple[str, int | None, str | None]]:
    """What is found once something about the version in production is changed."""
    scene = Scene()
    scene.climb(1)
    change(scene)
    return scene.found()


def test_a_version_without_signature_files_or_run_is_found() -> None:
    """Only while it stands in a target."""
    unsigned: dict[str, bytes] = {"MLmodel": b"flavors: {}\n"}
    assert condition(lambda s: s.real.files.update({("fraud", 1): unsigned})) == [
        ("missing_signature", 1, "production")
    ]
    assert condition(lambda s: s.real.files.update({("fraud", 1): {}})) == [("missing_files", 1, "production")]
    assert condition(lambda s: s.real.files.update({("fraud", 2): {}})) == []
    gone = Run("r1", deleted=True)
    assert condition(lambda s: s.real.runs.update(r1=gone)) == [("deleted_run", 1, "production")]
    assert condition(lambda s: s.real.runs.pop("r1")) == [("deleted_run", 1, "production")]


@pytest.mark.parametrize(("address", "found"), [("https://mlflow.example", True), ("sqlite:///mlflow.db", False)])
def test_files_on_one_machine_are_found_where_others_read_the_registry(address: str, found: bool) -> None:
    """A registry that is a file itself has nobody else to read it."""

    def move(scene: Scene) -> None:
        model, scene.real.address = scene.real.models["fraud"], address
        versions = tuple(replace(v, source="file:///home/anna/mlruns/1") for v in model.versions)
        scene.real.models["fraud"] = replace(model, versions=versions)

    assert condition(move) == ([("local_artifacts", 1, "production")] if found else [])


# -- what cannot be read -----------------------------------------------------------------------------------------


class Deaf:
    """Parts of which one call fails."""

    def __init__(self, real: Any, call: str) -> None:
        self._real, self._call, self.address = real, call, real.address

    def __getattr__(self, name: str) -> Any:
        if name == self._call:
            return self._fail
        return getattr(self._real, name)

    def _fail(self, *args: Any) -> Any:
        raise Undetermined("could not read it", "the server is away", "Try again.")


@pytest.mark.parametrize("call", ["run", "open"])
def test_a_condition_that_cannot_be_read_is_no_finding_and_not_nothing(call: str) -> None:
    """The other conditions, and who holds what, are told all the same."""
    scene = Scene()
    scene.climb(1)
    scene.hand("stage", 2, "Production", True)
    (drift,) = inspect(scene.grounds(real=Deaf(scene.real, call)), [scene.rules])
    assert [f.code for f in drift.findings] == ["moved_by_hand"]
    assert [u.why for u in drift.unread] == ["the server is away"]


def test_a_ledger_that_cannot_be_read_hides_only_its_own_model() -> None:
    """And what it would say is not guessed."""
    scene = Scene()
    scene.climb(1)
    scene.ledger.lines["fraud"].pop("000002")
    drift = scene.drift()
    assert [f.code for f in drift.findings] == []
    assert "entry 2 is missing" in drift.unread[0].why


def test_a_registry_that_cannot_be_read_ends_the_command() -> None:
    """There is nothing to be told."""
    scene = Scene()
    with pytest.raises(Undetermined):
        inspect(scene.grounds(real=Deaf(scene.real, "several")), [scene.rules])


def test_a_model_that_nothing_is_known_of_is_a_mistake() -> None:
    """Neither policy nor ledger."""
    with pytest.raises(UsageError, match="neither a policy nor a ledger"):
        inspect(Scene().grounds(), [], "frud")


# -- moves that are under way, or died ---------------------------------------------------------------------------


def died(scene: Scene, at: int) -> bool:
    """Promotes version 2 and dies at a call; False if it ended before."""
    fuse = itertools.count()
    ours = scene.gate(Mortal(scene.real, fuse, at, True), Mortal(scene.ledger, fuse, at, True))
    try:
        story.promote(ours, Subject("fraud", 2), "production")
    except Killed:
        return True
    return False


def test_wherever_a_run_dies_drift_says_unfinished_and_nothing_else() -> None:
    """While it may still be at work, that nothing can be told; later, that it was never ended."""
    for at in itertools.count():
        scene = Scene({"production": WAYS["stage and alias"]})
        scene.promote(1)
        if not died(scene, at):
            assert at > 8
            return
        drift = scene.drift()
        moving = open_intent(scene.rows()) is not None
        assert drift.findings == ()
        assert bool(drift.unread) == moving
        scene.clock.moment += timedelta(hours=1)
        assert [f[0] for f in scene.found()] == ["unfinished_move"] * moving


def test_a_move_between_reading_ledger_and_registry_is_no_drift() -> None:
    """What is found by comparing is looked at twice."""
    scene = Scene()
    scene.climb(1)

    class Meanwhile:
        """A registry that is read a moment after the ledger."""

        address, moved = scene.real.address, False

        def __getattr__(self, name: str) -> Any:
            if name == "several" and not self.moved:
                self.moved = True
                scene.climb(2)
            return getattr(scene.real, name)

    (drift,) = inspect(scene.grounds(real=Meanwhile()), [scene.rules])
    assert (drift.findings, drift.unread) == ((), ())


# -- what the ledger keeps ---------------------------------------------------------------------------------------


def test_findings_are_recorded_when_they_change_and_when_they_are_gone() -> None:
    """Night after night the same findings are one entry."""
    scene = Scene()
    scene.climb(1)
    told: list[int] = []
    for hand in (None, None, ("stage", 2, "Production", True), None, ("stage", 1, "Production", True), None):
        if hand:
            scene.hand(*hand)
        remember(scene.grounds(), scene.drift())
        told.append(sum(r.kind == "drift" for r in scene.rows()))
    assert told == [0, 0, 1, 1, 2, 2]
    entries = scene.ledger.entries("fraud", [r for r in scene.rows() if r.kind == "drift"])
    assert [len(e.details["findings"]) for e in entries if e] == [1, 0]
    assert scene.ledger.verify("fraud") == ()


def test_what_could_not_be_read_is_not_recorded_as_gone() -> None:
    """Only what is new is written then."""
    scene = Scene()
    scene.climb(1)
    scene.real.files["fraud", 1] = {"MLmodel": b"flavors: {}\n"}
    remember(scene.grounds(), scene.drift())
    (drift,) = inspect(scene.grounds(real=Deaf(scene.real, "open")), [scene.rules])
    remember(scene.grounds(), drift)
    assert sum(r.kind == "drift" for r in scene.rows()) == 1


# -- adopting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_what_is_adopted_has_not_drifted(way: str) -> None:
    """An existing registry comes under the gate, and a rollback knows what was archived before."""
    before, scene = Scene({"production": WAYS[way]}), Scene({"production": WAYS[way]})
    before.promote(1)
    before.promote(2)
    scene.real.models = before.real.models
    assert [f[0] for f in scene.found()] == ["unrecorded_holder"]
    adoption = scene.adopt()
    assert (adoption.decision.kind, [(t.target, t.version) for t in adoption.taken]) == ("adopted", [("production", 2)])
    assert scene.found() == []
    assert scene.found(governed=False) == []
    assert holder(scene.rows(), "production") == 2
    scene.promote(3)
    assert (scene.back(), holder(scene.rows(), "production")) == ("rolled_back", 2)
    assert scene.found() == []


def test_a_rollback_behind_what_was_adopted_goes_to_what_was_archived() -> None:
    """The ledger does not reach further back than the adoption."""
    scene = Scene()
    for number in (1, 2):
        scene.hand("stage", number, "Production", True)
    scene.adopt()
    assert (scene.back(), holder(scene.rows(), "production")) == ("rolled_back", 1)
    assert scene.found() == []


def test_adopting_twice_does_nothing() -> None:
    """There is nothing left to be recorded."""
    scene = Scene()
    scene.hand("stage", 1, "Production")
    scene.adopt()
    count = len(scene.rows())
    assert scene.adopt().decision.kind == "noop"
    assert len(scene.rows()) == count


def test_a_hand_is_acknowledged_only_with_a_reason() -> None:
    """Who and why is kept; the version is not judged by that."""
    scene = Scene()
    scene.climb(1, 2)
    scene.back()
    scene.hand("stage", 2, "Production", True)
    refused = scene.adopt()
    assert (refused.decision.kind, str(refused.decision.reason)) == ("refused", "reason_owed")
    assert [f[0] for f in scene.found()] == ["moved_by_hand"]
    assert scene.adopt("the vendor asked for it").decision.kind == "adopted"
    assert scene.found() == []
    entry = scene.ledger.entry("fraud", scene.rows()[-1])
    assert entry is not None
    assert (entry.kind, entry.version, entry.replaces, entry.text) == ("adopted", 2, 1, "the vendor asked for it")
    assert set(taken_back(scene.rows(), "production")) == {2}


def test_that_nobody_holds_a_target_can_be_acknowledged() -> None:
    """A rollback still finds the way back."""
    scene = Scene()
    scene.climb(1, 2)
    scene.hand("stage", 2, "Archived")
    assert scene.adopt("it is switched off").taken[0].version is None
    assert (scene.found(), holder(scene.rows(), "production")) == ([], None)
    assert (scene.back(to=1), scene.found()) == ("rolled_back", [])
    assert dict(taken_back(scene.rows(), "production")) == {}


def test_a_hand_that_climbed_the_ladder_is_adopted_in_one_entry() -> None:
    """A version that enters a stage leaves the other, in the ledger too."""
    scene = Scene()
    scene.climb(1)
    scene.promote(2, "staging")
    scene.hand("stage", 2, "Production", True)
    assert [(t.target, t.version) for t in scene.adopt("in a hurry").taken] == [("production", 2)]
    assert scene.found() == []


def test_a_shared_stage_is_adopted_with_all_that_are_in_it() -> None:
    """And given up by those that are not."""
    scene = Scene({"production": {"stage": "Production", "archive_existing": "false"}})
    for number in (1, 2, 3):
        scene.hand("stage", number, "Production")
    scene.adopt()
    assert scene.found() == []
    scene.hand("stage", 2, "Archived")
    scene.adopt("two is gone")
    assert (scene.found(), holder(scene.rows(), "production")) == ([], 3)


def test_two_holders_are_not_adopted() -> None:
    """Somebody has to say who is meant."""
    scene = Scene()
    for number in (1, 2):
        scene.hand("stage", number, "Production")
    with pytest.raises(Undetermined, match="cannot be told"):
        scene.adopt()
    assert scene.rows() == ()


def test_an_adoption_that_is_overtaken_looks_again() -> None:
    """Whatever comes between reading and writing, what is recorded is what the registry then shows."""
    for at in range(12):
        scene = Scene()
        scene.hand("stage", 1, "Production")
        calls = itertools.count()

        class Meanwhile:
            address = scene.ledger.address

            def __getattr__(self, name: str, scene: Scene = scene, calls: Any = calls, at: int = at) -> Any:
                if next(calls) == at:
                    scene.climb(2)
                return getattr(scene.ledger, name)

        adopt(scene.gate(ledger=Meanwhile()))
        assert scene.found() == [], at
        assert scene.ledger.verify("fraud") == ()


# -- archiving what is stale -------------------------------------------------------------------------------------


def stale_scene() -> Scene:
    """Version 2 has been in staging for two months."""
    scene = Scene()
    scene.climb(1)
    scene.promote(2, "staging")
    scene.clock.moment += timedelta(days=60)
    return scene


def test_archiving_is_only_shown_unless_it_is_to_be_done() -> None:
    """Nothing moves, nothing is written."""
    scene = stale_scene()
    before, count = dict(scene.real.models), len(scene.rows())
    (archival,) = archive_stale(scene.gate(), scene.drift(), apply=False)
    assert (archival.decision.kind, str(archival.decision.reason)) == ("evaluated", "dry_run")
    assert (scene.real.models, len(scene.rows())) == (before, count)


def test_a_stale_version_is_archived_and_the_ledger_knows() -> None:
    """So that it is neither stale any more nor drift."""
    scene = stale_scene()
    (archival,) = archive_stale(scene.gate(), scene.drift(), apply=True)
    assert archival.decision.kind == "archived"
    assert scene.real.models["fraud"].versions[1].stage == "Archived"
    assert [r.kind for r in scene.rows()][-2:] == ["intended", "archived"]
    assert holder(scene.rows(), "staging") is None
    assert scene.found() == []
    assert scene.found(governed=False) == []
    scene.promote(3, "staging")
    assert scene.found() == []


def test_a_version_that_an_alias_names_too_is_not_archived() -> None:
    """Whoever follows the alias would be served an archived version."""
    scene = Scene({"staging": {"stage": "Staging", "alias": "next", "stale_after": "30d"}})
    scene.promote(1, "staging")
    scene.clock.moment += timedelta(days=60)
    (archival,) = archive_stale(scene.gate(), scene.drift(), apply=True)
    assert archival.decision.kind == "refused"
    assert "alias next" in archival.decision.detail
    assert "archive-stale" not in archival.finding.fix


def test_an_archival_that_died_is_finished_or_aborted_by_the_next_command() -> None:
    """At any call."""
    for at in itertools.count():
        scene = stale_scene()
        drift, fuse = scene.drift(), itertools.count()
        ours = scene.gate(Mortal(scene.real, fuse, at, True), Mortal(scene.ledger, fuse, at, True))
        try:
            archive_stale(ours, drift, apply=True)
        except Killed:
            pass
        else:
            assert at > 8
            return
        scene.clock.moment += timedelta(hours=1)
        story.promote(scene.gate(), Subject("fraud", 1), "production")
        stage = scene.real.models["fraud"].versions[1].stage
        assert [f[0] for f in scene.found()] == (["stale"] if stage == "Staging" else []), at
        assert open_intent(scene.rows()) is None


def test_every_code_can_be_found() -> None:
    """Each of them is brought about above."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [code for code in CODES if f'"{code}"' not in text] == []
