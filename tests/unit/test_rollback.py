"""Rollbacks and overrides on a registry and a ledger in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gatewright import gate as story
from gatewright.case import Gate
from gatewright.ladder import MARK, holding
from gatewright.ledger.entry import Actor, Entry, open_intent
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.override import UNPROVED, named, seated
from gatewright.policy.load import read_policies
from gatewright.policy.model import Approver, Policy
from gatewright.problem import Undetermined, UsageError
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.rehearsal import rehearse
from gatewright.report.cells import who
from gatewright.report.model import Report
from gatewright.rollback import Wish
from gatewright.subject import Model, Step, Subject, Version
from gatewright.thread import Membership
from unit.test_move import WAYS, Clock, Killed, Mortal, gate

#: what the gate brings to the target one after the other
GOOD = (1, 2, 3)
BAD = 4


def policy(way: dict[str, Any] = WAYS["stage and alias"], **more: str) -> Policy:
    """A target named production, held in the given way."""
    keys = {**way, "checks": "[run.accuracy > 0.9]", "override": "{from: [octo]}", **more}
    lines = (f"    {key}: {value}" for key, value in keys.items())
    text = "\n".join(["version: 1", "model: fraud", "targets:", "  production:", *lines, ""])
    return read_policies({"fraud.yaml": text}, PATHS)[0]


def registry(**stages: str) -> MemoryRegistry:
    """Three good versions and a bad one; `v1="Archived"` puts one into a stage."""
    runs = [Run(f"r{n}", {"accuracy": Logged(0.95 if n in GOOD else 0.5, 0, 0)}) for n in (*GOOD, BAD)]
    versions = tuple(Version("fraud", n, stages.get(f"v{n}", "None"), f"r{n}") for n in (*GOOD, BAD))
    return MemoryRegistry([Model("fraud", versions)], runs)


class Scene:
    """A gate that `octo` uses, and what stands behind it."""

    def __init__(self, rules: Policy | None = None, real: MemoryRegistry | None = None) -> None:
        self.rules, self.real, self.ledger, self.clock = rules or policy(), real or registry(), MemoryLedger(), Clock()

    def gate(self, login: str = "octo") -> Gate:
        return gate(self.rules, self.real, self.ledger, self.clock, login)

    def promote(self, number: int, login: str = "octo", **more: Any) -> Report:
        return story.promote(self.gate(login), Subject("fraud", number), "production", **more)

    def back(self, to: int | None = None, login: str = "octo", **more: Any) -> Report:
        more = {"fast": True, **more}
        return story.rollback(self.gate(login), Wish("production", "it is slow", to, **more))

    def asked(self, number: int) -> Report:
        return story.evaluate(self.gate(), Subject("fraud", number), "production")

    @property
    def holder(self) -> int | None:
        return holding(self.rules.targets[0], "fraud", self.real.models).number

    def told(self) -> list[tuple[str, int | None, int | None]]:
        """The moves in the ledger: what, which version, in whose place."""
        kinds = ("promoted", "overridden", "rolled_back")
        return [(r.kind, r.version, r.replaces) for r in self.ledger.rows("fraud") if r.kind in kinds]

    def last(self) -> Entry:
        """The newest entry."""
        entry = self.ledger.entry("fraud", self.ledger.rows("fraud")[-1])
        assert entry is not None
        return entry


def climbed(rules: Policy | None = None) -> Scene:
    """Versions 1, 2 and 3 have been promoted."""
    scene = Scene(rules)
    for number in GOOD:
        assert scene.promote(number).decision.kind == "promoted"
    scene.real.applied.clear()
    return scene


def ended(report: Report) -> tuple[str, str]:
    """Decision and reason."""
    return report.decision.kind, str(report.decision.reason)


@pytest.mark.parametrize("way", WAYS)
def test_a_rollback_brings_back_who_held_the_target_before(way: str) -> None:
    """Whatever the target is held by; the ledger says who came and who went."""
    scene = climbed(policy(WAYS[way]))
    assert ended(scene.back()) == ("rolled_back", "no_approvals_needed")
    assert scene.holder == 2
    assert scene.told()[-1] == ("rolled_back", 2, 3)
    assert scene.ledger.verify("fraud") == ()


def test_by_stage_the_move_is_one_call_and_the_mark_comes_after_it() -> None:
    """The one transition archives the faulty version; the tag only says so."""
    scene = climbed(policy(WAYS["stage"]))
    report = scene.back()
    move, mark = report.steps
    assert move == Step("stage", "fraud", 2, "Production", archive=True)
    assert (mark.kind, mark.version, mark.key) == ("tag", 3, f"{MARK}production")
    model = scene.real.models["fraud"]
    assert [v.stage for v in model.versions] == ["Archived", "Production", "Archived", "None"]
    said = model.versions[2].tags[f"{MARK}production"]
    assert said.startswith("back to v2 by octo at 2026-11-06T09:00") and said.endswith(": it is slow")


def test_the_third_rollback_in_a_row_has_nowhere_to_go() -> None:
    """Further back each time, never to and fro, and a clear refusal at the end, which is recorded."""
    scene = climbed()
    assert [scene.back().candidate.number for _ in range(2)] == [2, 1]
    report = scene.back()
    assert ended(report) == ("refused", "no_previous_version")
    assert scene.holder == 1
    assert (scene.last().kind, scene.last().reason) == ("refused", "no_previous_version")


def test_after_a_rollback_the_way_back_from_the_next_version_leads_past_the_faulty_one() -> None:
    """1, 2, back to 1, 3, and back: to 1, not to 2."""
    scene = Scene()
    scene.promote(1), scene.promote(2), scene.back(), scene.promote(3)
    assert scene.back().candidate.number == 1


@pytest.mark.parametrize("way", ["stage", "alias", "copy"])
def test_a_version_put_there_by_hand_is_taken_back_to_what_the_ledger_knows(way: str) -> None:
    """Whoever holds the target now is the faulty one, whatever the ledger remembers."""
    scene = climbed(policy(WAYS[way]))
    value = WAYS[way]["copy_to" if way == "copy" else way]
    scene.real.apply(Step(way, "fraud", BAD, value, archive=True))
    assert scene.back().candidate.number == 3
    assert scene.told()[-1] == ("rolled_back", 3, BAD)
    assert scene.holder == 3


def test_what_held_the_target_before_there_was_a_ledger_is_known_from_the_first_promotion() -> None:
    """The first entry says whose place was taken."""
    scene = Scene(policy(WAYS["stage"]), registry(v1="Production"))
    scene.promote(2)
    assert scene.told() == [("promoted", 2, 1)]
    assert scene.back().candidate.number == 1


def test_without_a_ledger_the_newest_archived_version_comes_back_and_the_report_says_so() -> None:
    """An older one than the holder: what is newer was perhaps taken back by hand, and has to be named."""
    scene = Scene(policy(WAYS["stage"]), registry(v1="Archived", v2="Archived", v3="Production", v4="Archived"))
    report = scene.back()
    assert report.candidate.number == 2
    assert "v2 is the newest archived version" in report.notes[0]
    assert scene.back().candidate.number == 1
    assert ended(scene.back()) == ("refused", "no_previous_version")
    assert ended(scene.back(4)) == ("rolled_back", "no_approvals_needed")


def test_a_target_that_nobody_ever_held_cannot_be_rolled_back() -> None:
    """There is no version to speak of, so the command does not fit the registry."""
    with pytest.raises(UsageError, match="nobody holds production of fraud") as told:
        Scene().back()
    assert told.value.reason == "no_previous_version"


def test_a_target_that_was_emptied_by_hand_gets_its_last_holder_back() -> None:
    """Nobody is taken back, so nobody is marked."""
    scene = climbed(policy(WAYS["stage"]))
    scene.real.apply(Step("stage", "fraud", 3, "Archived"))
    report = scene.back()
    assert (report.candidate.number, [s.kind for s in report.steps]) == (3, ["stage"])


def test_a_deleted_version_is_passed_over_and_named() -> None:
    """The one before it comes back."""
    scene = climbed(policy(WAYS["alias"]))
    model = scene.real.models["fraud"]
    scene.real.models["fraud"] = replace(model, versions=tuple(v for v in model.versions if v.number != 2))
    report = scene.back()
    assert report.candidate.number == 1
    assert "v2, which is deleted" in report.notes[0]


class Ladder(Scene):
    """Two rungs, each a stage: 1, 2 and 3 have climbed both, one after the other."""

    def __init__(self) -> None:
        text = """\
version: 1
model: fraud
targets:
  staging: {stage: Staging, checks: [run.accuracy > 0.9]}
  production: {stage: Production, alias: champion, checks: [run.accuracy > 0.9], override: {from: [octo]}}
"""
        super().__init__(read_policies({"fraud.yaml": text}, PATHS)[0])
        for number in GOOD:
            for to in ("staging", "production"):
                assert self.climb(number, to).decision.kind == "promoted"
        self.real.applied.clear()

    def climb(self, number: int, to: str) -> Report:
        return story.promote(self.gate(), Subject("fraud", number), to)

    def down(self, to: int | None = None) -> Report:
        return story.rollback(self.gate(), Wish("staging", "it is slow", to, fast=True))

    def stages(self) -> list[str]:
        return [v.stage for v in self.real.models["fraud"].versions]


def test_a_version_that_holds_a_higher_stage_does_not_come_down_to_a_lower_one() -> None:
    """It has one stage: production would be empty, and its alias name a version that is in staging."""
    scene = Ladder()
    report = scene.climb(3, "staging")
    assert ended(report) == ("refused", "out_of_order")
    assert "it holds production, whose stage it would leave" in report.decision.detail
    assert (scene.real.applied, scene.stages()) == ([], ["Archived", "Archived", "Production", "None"])


def test_a_rollback_of_a_lower_rung_passes_over_whoever_has_climbed_on() -> None:
    """The last version that held staging is the one in production, and there it stays; asked for by number too."""
    scene = Ladder()
    assert ended(scene.down(3)) == ("refused", "out_of_order")
    report = scene.down()
    assert (ended(report)[0], report.candidate.number) == ("rolled_back", 2)
    assert report.notes == ("The last good version would have been v3, which holds production.",)
    assert scene.stages() == ["Archived", "Staging", "Production", "None"]


def test_a_version_may_be_named_if_it_once_held_the_target() -> None:
    """Two steps at once."""
    scene = climbed()
    assert ended(scene.back(1)) == ("rolled_back", "no_approvals_needed")
    assert scene.told()[-1] == ("rolled_back", 1, 3)
    assert ended(scene.back()) == ("refused", "no_previous_version")


def test_rolling_back_is_no_way_around_the_checks() -> None:
    """A version that never held the target has to be promoted."""
    scene = climbed()
    report = scene.back(BAD)
    assert ended(report) == ("refused", "no_previous_version")
    assert "v4 never held production" in report.decision.detail
    assert scene.holder == 3


def test_a_version_that_the_gate_archived_from_another_target_never_held_this_one() -> None:
    """Staging archives its old holder; a rollback of production must not take that for a former holder."""
    rules = policy()
    staging = replace(rules.targets[0], name="staging", stage="Staging", alias="")
    scene = Scene(replace(rules, targets=(staging, *rules.targets)))
    for number in (1, 2):
        story.promote(scene.gate(), Subject("fraud", number), "staging")
    assert scene.real.models["fraud"].versions[0].stage == "Archived"
    with pytest.raises(UsageError, match="no version is known that ever did"):
        scene.back()
    assert ended(scene.back(1)) == ("refused", "no_previous_version")
    assert scene.real.models["fraud"].staged("Production") == ()


def test_rolling_back_to_the_holder_is_nothing_to_do() -> None:
    """A command that is repeated with its number changes nothing the second time."""
    scene = climbed()
    assert ended(scene.back(2)) == ("rolled_back", "no_approvals_needed")
    calls = len(scene.real.applied)
    assert ended(scene.back(2)) == ("noop", "already_promoted")
    assert len(scene.real.applied) == calls


@pytest.mark.parametrize("again", ["promote", "rollback"])
def test_a_version_that_was_rolled_back_does_not_return_silently(again: str) -> None:
    """Neither by promotion nor by rollback; both name the entry that took it back."""
    scene = climbed()
    scene.back()
    report = scene.promote(3) if again == "promote" else scene.back(3)
    assert ended(report) == ("refused", "vetoed")
    assert "v3 was rolled back from production by octo" in report.decision.detail
    assert scene.holder == 2


def test_an_override_brings_a_version_back_and_is_remembered() -> None:
    """Who, why, and against what; afterwards the version is as good as any other."""
    scene = climbed()
    scene.back()
    report = scene.promote(3, override=True, why="the alarm was false")
    assert ended(report) == ("promoted", "overridden")
    entry = scene.last()
    assert (entry.kind, entry.version, entry.text) == ("overridden", 3, "the alarm was false")
    assert entry.details["override"]["by"]["login"] == "octo"
    assert ["v3 was rolled back from production" in a for a in entry.details["override"]["against"]] == [True]
    scene.promote(1)
    assert scene.back().candidate.number == 3


def test_an_override_waives_failed_checks_and_missing_approvals() -> None:
    """What was found stays readable; the verdict says waived, never passed."""
    scene = climbed()
    report = scene.promote(BAD, override=True, why="only this one knows the new currency")
    assert ended(report) == ("promoted", "overridden")
    assert report.verdict is not None
    assert [r.status for r in report.verdict.results] == ["waived"]
    assert report.verdict.results[0].because == "waived by octo; 0.5 is not above 0.9"
    assert report.against == ("run.accuracy > 0.9: 0.5 is not above 0.9",)
    assert scene.holder == BAD


@pytest.mark.parametrize(
    ("actor", "told"),
    [
        (Actor("octo"), f"octo ({UNPROVED}) overrode the policy: hot fix"),
        (Actor("octo", 7, "github"), "octo overrode the policy: hot fix"),
        (Actor("octo", None, "github"), "octo overrode the policy: hot fix"),
    ],
)
def test_an_override_says_whether_github_knows_who_it_is(actor: Actor, told: str) -> None:
    """A machine may call its user anything; the move goes ahead, and the record claims no more than it knows."""
    scene = climbed()
    ours = replace(scene.gate(), actor=actor)
    report = story.promote(ours, Subject("fraud", BAD), "production", why="hot fix", override=True)
    assert (ended(report), report.decision.detail) == (("promoted", "overridden"), told)
    assert who(scene.last()) == ("octo" if actor.via == "github" else "octo (not proved)")


def test_an_override_stands_in_for_approvals() -> None:
    """And says for how many."""
    scene = Scene(policy(approvals="[{name: leads, from: [mona, lisa], count: 2}]"))
    assert ended(scene.promote(1)) == ("pending", "approvals_missing")
    report = scene.promote(1, override=True, why="both are on a plane")
    assert ended(report) == ("promoted", "overridden")
    assert report.against == ("approvals of leads: 0 of 2",)


def test_who_is_not_named_may_not_override() -> None:
    """The refusal is recorded with who tried."""
    scene = climbed()
    report = scene.promote(BAD, login="mona", override=True, why="trust me")
    assert ended(report) == ("refused", "not_authorized")
    assert "mona may not override production: the policy names octo" in report.decision.detail
    assert (scene.last().kind, scene.last().actor.login) == ("refused", "mona")
    assert scene.holder == 3


def test_an_override_that_overrides_nothing_is_none() -> None:
    """A good version goes up as it would have anyway."""
    report = Scene().promote(1, override=True, why="to be sure")
    assert ended(report) == ("promoted", "no_approvals_needed")
    assert report.against == ()


@pytest.mark.parametrize(
    ("approver", "actor", "is_named"),
    [
        (Approver("octo"), Actor("octo"), True),
        (Approver("Octo"), Actor("octo"), True),
        (Approver("octo", 7), Actor("octo", 7), True),
        (Approver("octo", 7), Actor("octo", 8), False),
        (Approver("octo", 7), Actor("octo"), False),
        (Approver("octo", 7), Actor("octopus", 7), True),
        (Approver("octo"), Actor("octopus"), False),
        (Approver(team="acme/oncall"), Actor("octo"), False),
        (Approver(team="acme/oncall"), Actor(""), False),
    ],
)
def test_a_pinned_person_is_known_by_id_whatever_their_login_is_now(
    approver: Approver, actor: Actor, is_named: bool
) -> None:
    """A login without a pin is whoever has it; a team is no login."""
    assert named(actor, [approver]) is is_named


def test_a_team_vouches_and_not_knowing_is_not_a_no() -> None:
    """Yes by any name is yes; else one team that cannot be read leaves it open."""
    teams = {"acme/a": Membership("no"), "acme/b": Membership("unreadable", "down"), "acme/c": Membership("yes")}
    asked: list[str] = []

    def member(team: str) -> Membership:
        asked.append(team)
        return teams[team]

    def of(*names: str) -> Membership:
        return seated(Actor("octo", 7), [Approver(team=f"acme/{n}") for n in names], member)

    assert of("a") == Membership("no")
    assert of("b", "a") == Membership("unreadable", "down")
    assert of("a", "b", "c") == Membership("yes")
    assert seated(Actor("octo", 7), [Approver("octo"), Approver(team="acme/b")], member) == Membership("yes")
    assert asked == ["acme/a", "acme/b", "acme/a", "acme/a", "acme/b", "acme/c"]


def test_a_rollback_that_needs_approval_waits_and_says_whose() -> None:
    """The request is the rollback's own, with the rules of the rollback."""
    scene = climbed(policy(rollback="{approvals: [{name: on call, from: [mona]}]}"))
    report = scene.back()
    assert ended(report) == ("pending", "approvals_missing")
    assert (scene.holder, scene.last().details["command"]) == (3, "rollback")
    assert scene.back().notes == ("The request was made before and still stands.",)
    (request,) = story.status(scene.gate()).requests
    assert [r.rule.name for r in request.standing.rules] == ["on call"]
    assert ended(scene.back(override=True)) == ("rolled_back", "overridden")
    assert story.status(scene.gate()).requests == ()


def test_a_version_that_cannot_be_loaded_does_not_come_back_unless_nobody_looks() -> None:
    """In memory there are no files: undetermined, nothing changed, and the way out is named."""
    scene = climbed()
    report = scene.back(fast=False)
    assert ended(report) == ("error", "undetermined")
    assert "--fast" in report.decision.detail
    assert (scene.holder, scene.real.applied) == (3, [])
    assert ended(scene.back(fast=True)) == ("rolled_back", "no_approvals_needed")


def test_a_dry_run_says_what_would_be_done_and_does_nothing() -> None:
    """The same steps, no call, no entry."""
    scene = climbed()
    rows = scene.ledger.rows("fraud")
    report = rehearse(scene.gate(), lambda g: story.rollback(g, Wish("production", "it is slow", fast=True)))
    assert ended(report) == ("evaluated", "dry_run")
    assert [s.kind for s in report.steps] == ["stage", "alias", "tag"]
    assert (scene.real.applied, scene.ledger.rows("fraud")) == ([], rows)


def test_in_a_stage_that_is_shared_whatever_is_newer_has_to_go() -> None:
    """The newest is the holder there, so going back two steps archives two."""
    scene = climbed(policy({"stage": "Staging", "archive_existing": "false"}))
    report = scene.back(1)
    assert [(s.version, s.value) for s in report.steps if s.kind == "stage"] == [(2, "Archived"), (3, "Archived")]
    assert scene.holder == 1


def killed(scene: Scene, at: int, after: bool, wish: Wish) -> bool:
    """Rolls back and dies at a call; False if the run ended before it came to that."""
    fuse = itertools.count()
    real, ledger = Mortal(scene.real, fuse, at, after), Mortal(scene.ledger, fuse, at, after)
    try:
        story.rollback(gate(scene.rules, real, ledger, scene.clock), wish)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_a_rollback_killed_at_any_call_is_finished_or_aborted_by_the_next_command(way: str, after: bool) -> None:
    """The registry shows the old or the new holder, the faulty one is marked if it went, and the ledger agrees."""
    for at in itertools.count():
        scene = climbed(policy(WAYS[way]))
        to = 1 if after else 2
        if not killed(scene, at, after, Wish("production", "it is slow", to, fast=True)):
            assert at > 8
            return
        scene.clock.moment += timedelta(hours=1)
        scene.promote(BAD, "night shift")  # it fails its check: only what was left is settled
        assert scene.holder in (to, 3)
        back = scene.holder == to
        assert scene.told()[3:] == ([("rolled_back", to, 3)] if back else [])
        assert open_intent(scene.ledger.rows("fraud")) is None
        assert scene.ledger.verify("fraud") == ()
        home = scene.real.models[scene.rules.targets[0].copy_to or "fraud"]
        assert any(MARK + "production" in v.tags for v in home.versions) is back
        assert ended(scene.back(to)) == (
            ("noop", "already_promoted") if back else ("rolled_back", "no_approvals_needed")
        )


def test_a_finished_rollback_keeps_the_reason_that_was_given() -> None:
    """Whoever finds it half done writes what its own run would have written."""
    scene = climbed()
    calls = 0
    while not (scene.holder == 2 and open_intent(scene.ledger.rows("fraud"))):
        scene = climbed()
        assert killed(scene, calls, True, Wish("production", "it is slow", fast=True))
        calls += 1
    scene.clock.moment += timedelta(hours=1)
    report = scene.promote(BAD, "night shift")
    assert "unfinished rollback of v2 to production (begun by octo" in report.notes[0]
    rows = scene.ledger.rows("fraud")
    (closing,) = (scene.ledger.entry("fraud", r) for r in rows if r.kind == "rolled_back")
    assert closing is not None
    assert closing.text == "it is slow · finished for octo"


def test_an_override_killed_half_way_is_still_entered_as_one() -> None:
    """The ledger never says promoted of what was overridden."""
    for at in itertools.count():
        scene = climbed()
        fuse = itertools.count()
        real, ledger = Mortal(scene.real, fuse, at, True), Mortal(scene.ledger, fuse, at, True)
        dying = gate(scene.rules, real, ledger, scene.clock)
        try:
            story.promote(dying, Subject("fraud", BAD), "production", why="hot fix", override=True)
            assert at > 8
            return
        except Killed:
            scene.clock.moment += timedelta(hours=1)
        story.promote(scene.gate("night shift"), Subject("fraud", 1), "production")
        moves = scene.told()[3:]
        assert ("promoted", BAD, 3) not in moves
        assert moves[:1] in ([("overridden", BAD, 3)], [("promoted", 1, 3)])


def overtaken(scene: Scene, change: Step) -> tuple[str, str]:
    """Rolls back while somebody changes the registry between the choice and the lock."""

    class Meddled:
        address = "memory"

        def append(self, entry: Any, attachments: Any) -> Any:
            if entry.kind == "intended":
                scene.real.apply(change)
            return scene.ledger.append(entry, attachments)

        def __getattr__(self, name: str) -> Any:
            return getattr(scene.ledger, name)

    ours = gate(scene.rules, scene.real, Meddled(), scene.clock)
    return ended(story.rollback(ours, Wish("production", "it is slow", fast=True)))


@pytest.mark.parametrize("way", WAYS)
def test_in_the_middle_of_another_runs_move_the_lock_is_held(way: str) -> None:
    """However far that move has come: it is never called a torn registry, and nothing is done twice."""
    for at in itertools.count():
        scene = climbed(policy(WAYS[way]))
        wish = Wish("production", "it is slow", 2, fast=True)
        if not killed(scene, at, True, wish):
            assert at > 8
            return
        if open_intent(scene.ledger.rows("fraud")) is None:
            continue
        for command in (lambda: scene.back(2), lambda: scene.promote(1), lambda: scene.asked(1)):  # noqa: B023
            calls = len(scene.real.applied)
            assert outcome(command) in {"lock_held", "already_promoted", "no_approvals_needed"}
            assert len(scene.real.applied) == calls


def outcome(command: Callable[[], Report]) -> str:
    """The reason of a decision, or of the error that came instead."""
    try:
        return str(command().decision.reason)
    except Undetermined as error:
        return error.reason


def test_a_registry_torn_by_hand_is_told_as_that() -> None:
    """Nobody moves anything: somebody has to name one holder."""
    scene = climbed()
    scene.real.apply(Step("alias", "fraud", 1, "champion"))
    with pytest.raises(Undetermined, match="Make the registry name one holder") as told:
        scene.back()
    assert told.value.reason == "undetermined"


def test_a_holder_that_changed_meanwhile_stops_the_rollback() -> None:
    """The faulty version may not be the one that was meant."""
    scene = climbed(policy(WAYS["alias"]))
    assert overtaken(scene, Step("alias", "fraud", 1, "champion")) == ("error", "champion_changed")
    assert open_intent(scene.ledger.rows("fraud")) is None


def test_an_override_that_comes_too_late_overrode_nothing() -> None:
    """Another run holds the lock: nothing was moved, so nothing is shown in red or entered as an override."""
    scene = climbed()
    calls = 0
    while open_intent(scene.ledger.rows("fraud")) is None:
        assert killed(scene, calls, True, Wish("production", "it is slow", fast=True))
        calls += 1
    report = scene.promote(BAD, override=True, why="hot fix")
    assert (ended(report), report.against) == (("error", "lock_held"), ())
    assert "overridden" not in {r.kind for r in scene.ledger.rows("fraud")}


def test_two_rollbacks_at_once_are_one() -> None:
    """The second finds the version back already and does not go one further."""
    scene = climbed(policy(WAYS["alias"]))
    assert overtaken(scene, Step("alias", "fraud", 2, "champion")) == ("noop", "already_promoted")
