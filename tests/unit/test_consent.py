"""Approvals by comment on forge, registry and ledger in memory: who moves a version, and what the ledger keeps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from gatewright import gate as story
from gatewright.action.audience import ThreadAudience
from gatewright.case import Gate, look
from gatewright.consent import SAID, hear, record_words
from gatewright.forge.memory import MemoryForge
from gatewright.ledger.entry import Actor, Entry, open_intent
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.problem import Undetermined
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.report.model import Report
from gatewright.rollback import Wish
from gatewright.subject import Model, Subject, Version
from gatewright.thread import Comment, Person, Thread

POLICY = """\
version: 1
model: fraud
targets:
  staging:
    alias: staging
    checks: [run.accuracy > 0.9]
    approvals: [{name: anybody, from: [ben]}]
  production:
    alias: champion
    checks: [run.accuracy > 0.9]
    approvals: [{name: two leads, from: [anna, ben, carla, "@acme/leads"], count: 2}]
    rollback: {approvals: [{name: one lead, from: [ben, carla]}]}
"""
START = datetime(2026, 11, 23, 10, tzinfo=timezone.utc)
ANNA, BEN, CARLA, DORA = (Person(name, n) for n, name in enumerate(("anna", "ben", "carla", "dora"), 11))


class Desk:
    """One issue, one model with two good versions, and a clock that every comment turns on by a minute."""

    def __init__(self) -> None:
        self.forge = MemoryForge()
        self.forge.threads[1] = Thread(1, "Promote fraud", self.forge.me, "open", "memory:issues/1")
        self.forge.people = {p.login: p for p in (ANNA, BEN, CARLA, DORA)}
        runs = [Run(f"r{n}", {"accuracy": Logged(0.95, 0, 0)}) for n in (1, 2)]
        versions = tuple(Version("fraud", n, run_id=f"r{n}", author="eve") for n in (1, 2))
        self.registry: Any = MemoryRegistry([Model("fraud", versions)], runs)
        self.ledger = MemoryLedger()
        self.moment, self._ids, self._nonces = START, itertools.count(100), itertools.count()
        (self.policy,) = read_policies({"fraud.yaml": POLICY}, PATHS)

    def gate(self, by: Person, *, deaf: bool = False) -> Gate:
        """The gate as a run of the Action that somebody set off has it; deaf: as the command line has it."""
        return Gate(
            self.policy,
            self.registry,
            self.ledger,
            Actor(by.login, by.id, "github"),
            lambda: self.moment,
            lambda: str(next(self._nonces)),
            audience=None if deaf else ThreadAudience(self.forge, 1),
        )

    def says(self, who: Person, body: str, app: str = "") -> Comment:
        """Somebody comments, or an app in their name."""
        self.moment += timedelta(minutes=1)
        at, id = self.moment.strftime("%Y-%m-%dT%H:%M:%SZ"), next(self._ids)
        said = Comment(id, who, body, at, url=f"memory:issues/1#{id}", app=app)
        self.keep(*self.forge.threads[1].comments, said)
        self.moment += timedelta(seconds=2)
        return said

    def keep(self, *comments: Comment) -> None:
        """The thread has these comments, and no others."""
        self.forge.threads[1] = replace(self.forge.threads[1], comments=comments)

    def promote(self, by: Person, version: int = 1, *, deaf: bool = False) -> Report:
        """A run that somebody set off."""
        return story.promote(self.gate(by, deaf=deaf), Subject("fraud", version), "production")

    def entries(self, *kinds: str) -> list[Entry]:
        """What the ledger holds, in order."""
        found = self.ledger.entries("fraud", self.ledger.rows("fraud"))
        return [e for e in found if e is not None and (not kinds or e.kind in kinds)]

    def holder(self) -> int | None:
        """The version that production points at."""
        found: int | None = self.registry.models["fraud"].aliases.get("champion")
        return found


@pytest.fixture
def desk() -> Desk:
    """A desk where anna has asked for version 1 in production."""
    made = Desk()
    assert str(made.promote(ANNA).decision.reason) == "approvals_missing"
    return made


def ended(report: Report) -> tuple[str, str]:
    """Decision and reason."""
    return report.decision.kind, str(report.decision.reason)


def test_two_people_of_a_rule_move_the_version(desk: Desk) -> None:
    """The first approval waits for the second; the ledger names both, and where they said it."""
    said = desk.says(BEN, "/gate approve\n\nnumbers look right")
    assert ended(desk.promote(BEN)) == ("pending", "approvals_missing")
    desk.says(CARLA, "/gate approve fraud/1 to production")
    report = desk.promote(CARLA)
    assert ended(report) == ("promoted", "approvals_met")
    assert desk.holder() == 1
    first, second = desk.entries("approved")
    assert (first.actor.login, first.actor.id, first.text) == ("ben", 12, "numbers look right")
    assert first.details == {
        "thread": 1,
        "comment": said.id,
        "url": said.url,
        "rule": "two leads",
        "said": said.created,
    }
    assert report.evidence is not None
    assert {first.evidence_digest, second.evidence_digest} == {report.evidence.digest}
    assert desk.ledger.verify("fraud") == ()


def test_members_of_a_team_are_asked_for_and_count(desk: Desk) -> None:
    """A team that can be read answers for people whom no rule names."""
    desk.forge.teams["acme/leads"] = {"dora": "active"}
    desk.says(BEN, "/gate approve")
    desk.says(DORA, "/gate approve")
    assert ended(desk.promote(DORA)) == ("promoted", "approvals_met")


def test_the_requesters_own_word_does_not_count(desk: Desk) -> None:
    """Whoever asked stays the one who asked, whoever's comment sets off the runs that follow."""
    desk.says(ANNA, "/gate approve")
    desk.says(BEN, "/gate approve")
    report = desk.promote(BEN)
    assert ended(report) == ("pending", "approvals_missing")
    assert [(n.login, n.because) for n in report.standing.not_counted] == [("anna", "self_approval")]
    assert [c.login for c in report.standing.counted] == ["ben"]


def test_new_evidence_makes_nobody_else_the_requester(desk: Desk) -> None:
    """A second request is written when the evidence has changed; it is still anna who asked for it."""
    desk.registry.runs["r1"] = Run("r1", {"accuracy": Logged(0.96, 0, 0)})
    assert ended(desk.promote(BEN)) == ("pending", "approvals_missing")
    assert desk.entries("requested")[-1].details["requester"]["login"] == "anna"
    desk.says(BEN, "/gate approve")
    desk.says(CARLA, "/gate approve")
    assert ended(desk.promote(CARLA)) == ("promoted", "approvals_met")


def test_an_approval_of_other_evidence_does_not_count(desk: Desk) -> None:
    """Neither one that names the old digest, nor a bare one that was written under it."""
    desk.says(BEN, "/gate approve fraud/1 digest 0123456789ab")
    desk.says(CARLA, "/gate approve")
    desk.registry.runs["r1"] = Run("r1", {"accuracy": Logged(0.96, 0, 0)})
    report = desk.promote(CARLA)
    assert ended(report) == ("pending", "stale_digest")
    assert {n.because for n in report.standing.not_counted} == {"stale_digest"}
    assert desk.entries("approved") == []
    assert desk.holder() is None


def test_a_bare_approval_is_ambiguous_while_two_requests_are_open(desk: Desk) -> None:
    """Requests of other versions count as asked in the same thread, so that no word slips from one to another."""
    desk.promote(ANNA, 2)
    desk.says(BEN, "/gate approve")
    report = desk.promote(BEN, 2)
    assert [n.because for n in report.standing.not_counted] == ["ambiguous_subject"]


def test_a_word_is_written_once_however_often_it_is_heard(desk: Desk) -> None:
    """Runs may be repeated; evaluating writes no word at all."""
    desk.says(BEN, "/gate approve")
    story.evaluate(desk.gate(BEN), Subject("fraud", 1), "production")
    assert desk.entries("approved") == []
    for _ in range(3):
        desk.promote(BEN)
    assert len(desk.entries("approved")) == 1
    assert len(desk.entries("requested")) == 1


def test_taking_back_is_written_down_too(desk: Desk) -> None:
    """Approval, veto and hold, each with its end, each once, and only the words that had an effect."""
    desk.says(DORA, "/gate unhold")
    for verb in ("approve", "unapprove", "reject", "unreject", "hold", "unhold"):
        desk.says(BEN, f"/gate {verb}")
        desk.promote(BEN)
        desk.promote(BEN)
    words = [e.kind for e in desk.entries(*SAID)]
    assert words == ["approved", "withdrawn", "vetoed", "unvetoed", "held", "released"]


def test_an_app_in_somebodys_name_approves_nothing(desk: Desk) -> None:
    """It is found out before it counts; what the person said before that in person is what they say."""
    desk.says(BEN, "/gate approve", app="helper")
    desk.says(CARLA, "/gate approve")
    report = desk.promote(CARLA)
    assert ended(report) == ("pending", "approvals_missing")
    (refused,) = report.standing.not_counted
    assert (refused.login, refused.because) == ("ben", "bot_comment")
    assert refused.detail == "it was written by the app helper in ben's name"
    assert [e.actor.login for e in desk.entries("approved")] == ["carla"]
    desk.says(BEN, "/gate approve")
    desk.says(BEN, "/gate approve", app="helper")
    assert ended(desk.promote(BEN)) == ("promoted", "approvals_met")


@pytest.mark.parametrize(
    ("objection", "lift", "kind"),
    [("reject", "unreject", "vetoed"), ("reject", "approve", "vetoed"), ("hold", "unhold", "held")],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_an_app_in_somebodys_name_lifts_no_objection(
    desk: Desk, objection: str, lift: str, kind: str, recorded: bool
) -> None:
    """Neither one that the ledger holds nor one that was said just now."""
    desk.says(BEN, f"/gate {objection}")
    if recorded:
        desk.promote(BEN)
    desk.says(BEN, f"/gate {lift}", app="helper")
    desk.says(ANNA, "/gate approve")
    desk.says(CARLA, "/gate approve")
    assert str(desk.promote(CARLA).decision.reason) == kind
    assert desk.entries("unvetoed", "released") == [] and desk.holder() is None


def test_an_objection_stands_whoever_wrote_it(desk: Desk) -> None:
    """GitHub need not tell of an app, and an objection only ever blocks."""
    desk.says(BEN, "/gate reject", app="helper")
    assert ended(desk.promote(BEN)) == ("refused", "vetoed")


def test_an_approval_that_cannot_be_read_again_leaves_all_open(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no proof of a person; that of somebody whom nobody asks is not read again."""
    down = Undetermined("could not read comment 100 again", "GitHub is silent", "Try again.")

    def broken(comment: Comment) -> Comment | None:
        raise down

    monkeypatch.setattr(desk.forge, "confirm", broken)
    desk.says(DORA, "/gate approve")
    assert ended(desk.promote(ANNA)) == ("pending", "approvals_missing")
    desk.says(BEN, "/gate approve")
    desk.says(CARLA, "/gate approve")
    with pytest.raises(Undetermined, match="GitHub is silent"):
        desk.promote(CARLA)
    assert (desk.entries("approved"), desk.holder()) == ([], None)


def test_a_veto_outlives_its_comment(desk: Desk) -> None:
    """It stands in the ledger until the same person takes it back."""
    desk.says(BEN, "/gate reject the slices look wrong")
    assert ended(desk.promote(BEN)) == ("refused", "vetoed")
    desk.keep()
    desk.says(CARLA, "/gate approve")
    assert ended(desk.promote(CARLA)) == ("refused", "vetoed")
    desk.says(BEN, "/gate unreject")
    assert ended(desk.promote(BEN)) == ("pending", "approvals_missing")


def test_a_recorded_approval_ends_with_its_comment(desk: Desk) -> None:
    """Deleting the comment takes the approval back, whatever the ledger holds."""
    desk.says(BEN, "/gate approve")
    desk.promote(BEN)
    desk.keep()
    desk.says(CARLA, "/gate approve")
    report = desk.promote(CARLA)
    assert ended(report) == ("pending", "approvals_missing")
    assert [(n.login, n.because) for n in report.standing.not_counted] == [("ben", "edited_comment")]


def test_recorded_words_count_where_no_thread_can_be_seen(desk: Desk) -> None:
    """On the command line the ledger speaks for the thread."""
    desk.says(BEN, "/gate approve")
    desk.promote(BEN)
    desk.says(CARLA, "/gate approve")
    status = story.status(desk.gate(CARLA))
    assert [r.have for r in status.requests[0].standing.rules] == [2]
    assert [r.have for r in story.status(desk.gate(CARLA, deaf=True)).requests[0].standing.rules] == [1]
    assert ended(desk.promote(ANNA, deaf=True)) == ("pending", "approvals_missing")


def test_a_team_that_cannot_be_read_moves_nothing(desk: Desk) -> None:
    """If it would decide, the run ends undetermined and says what to repair."""
    desk.says(BEN, "/gate approve")
    desk.says(DORA, "/gate approve")
    report = desk.promote(DORA)
    assert ended(report) == ("error", "team_unreadable")
    assert "acme/leads" in report.decision.detail
    assert desk.holder() is None


def test_a_login_that_has_changed_hands_is_not_asked_for(desk: Desk) -> None:
    """Dora has said it and left; who has her login now is in the team, and that is nobody's word."""
    desk.forge.teams["acme/leads"] = {"dora": "active"}
    desk.says(DORA, "/gate approve")
    desk.promote(DORA)
    desk.forge.threads[1] = replace(desk.forge.threads[1], number=2)  # it was said in another thread
    desk.keep()
    desk.forge.people["dora"] = replace(DORA, id=99)
    desk.says(BEN, "/gate approve")
    assert ended(desk.promote(BEN)) == ("error", "team_unreadable")


class Interrupted:
    """A registry before whose `at`-th look something happens."""

    def __init__(self, real: MemoryRegistry, at: int, happens: Callable[[], object]) -> None:
        self._real, self._left, self._happens = real, at, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def model(self, name: str) -> Model | None:
        """Looks, after what happens."""
        self._left -= 1
        if self._left == 0:
            self._happens()
        return self._real.model(name)


@pytest.mark.parametrize(
    ("word", "decision"),
    [("reject wait, the data leaked", ("refused", "vetoed")), ("hold", ("pending", "held"))],
)
def test_an_objection_that_comes_while_it_is_moved_stops_it(desk: Desk, word: str, decision: tuple[str, str]) -> None:
    """Under the lock the thread is read again: the intent is aborted, and the objection is on record."""
    desk.says(BEN, "/gate approve")
    desk.says(CARLA, "/gate approve")
    desk.registry = Interrupted(desk.registry, 2, lambda: desk.says(CARLA, f"/gate {word}"))
    report = desk.promote(CARLA)
    assert ended(report) == decision
    assert desk.holder() is None
    assert [e.kind for e in desk.entries()][-3:] == ["intended", "vetoed" if "reject" in word else "held", "aborted"]
    assert open_intent(desk.ledger.rows("fraud")) is None
    assert report.standing.vetoed_by or report.standing.held_by


def test_somebody_who_left_the_team_while_it_is_moved_does_not_count(desk: Desk) -> None:
    """Memberships are asked for anew under the lock."""
    desk.forge.teams["acme/leads"] = {"dora": "active"}
    desk.says(BEN, "/gate approve")
    desk.says(DORA, "/gate approve")
    desk.registry = Interrupted(desk.registry, 2, lambda: desk.forge.teams["acme/leads"].clear())
    assert ended(desk.promote(DORA)) == ("pending", "approvals_missing")
    assert desk.holder() is None


def test_a_team_that_goes_dark_while_it_is_moved_stops_the_move_and_gives_the_lock_back(desk: Desk) -> None:
    """A quorum that was complete a moment ago is none that can be shown now; nothing is moved on a memory of it."""
    desk.forge.teams["acme/leads"] = {"dora": "active"}
    desk.says(BEN, "/gate approve")
    desk.says(DORA, "/gate approve")
    desk.registry = Interrupted(desk.registry, 2, lambda: desk.forge.teams.clear())
    assert ended(desk.promote(DORA)) == ("error", "team_unreadable")
    assert desk.holder() is None
    assert open_intent(desk.ledger.rows("fraud")) is None
    desk.forge.teams["acme/leads"] = {"dora": "active"}
    assert ended(desk.promote(DORA)) == ("promoted", "approvals_met")


def test_a_rollback_waits_for_its_own_rule(desk: Desk) -> None:
    """And goes ahead once somebody of it has agreed."""
    for version in (1, 2):
        desk.promote(ANNA, version)
        for lead in (BEN, CARLA):
            desk.says(lead, f"/gate approve fraud/{version}")
        assert ended(desk.promote(CARLA, version)) == ("promoted", "approvals_met")
    wish = Wish("production", "alerts", fast=True)
    assert ended(story.rollback(desk.gate(ANNA), wish)) == ("pending", "approvals_missing")
    desk.says(BEN, "/gate approve fraud/1")
    assert ended(story.rollback(desk.gate(BEN), wish)) == ("rolled_back", "approvals_met")
    assert desk.holder() == 1


def test_an_approval_is_spent_once_the_move_is_made(desk: Desk) -> None:
    """The same version, target, holder and evidence again: people are asked again."""
    text = POLICY.replace("    rollback:", "    override: {from: [anna]}\n    rollback:")
    (desk.policy,) = read_policies({"fraud.yaml": text}, PATHS)
    for version in (1, 2):
        story.promote(desk.gate(ANNA), Subject("fraud", version), "production", why="now", override=True)
    wish = Wish("production", "alerts", fast=True)
    first = story.rollback(desk.gate(ANNA), wish)
    said = desk.says(BEN, f"/gate approve digest {first.evidence.digest if first.evidence else ''}")
    assert ended(story.rollback(desk.gate(BEN), wish)) == ("rolled_back", "approvals_met")
    desk.moment += timedelta(minutes=1)
    again = story.promote(desk.gate(ANNA), Subject("fraud", 2), "production", why="now", override=True)
    assert again.decision.kind == "promoted"
    for deaf in (False, True):
        second = story.rollback(desk.gate(ANNA, deaf=deaf), wish)
        assert second.evidence == first.evidence
        assert ended(second) == ("pending", "approvals_missing")
        assert [(n.comment_id, n.because) for n in second.standing.not_counted if n.verb == "approve"] == (
            [] if deaf else [(said.id, "stale_digest")]
        )


def test_an_override_goes_past_a_veto_and_says_so(desk: Desk) -> None:
    """Who vetoed is part of what was overridden; without a name in `override` the veto stands."""
    desk.says(BEN, "/gate reject wrong slices")
    desk.promote(BEN)
    subject = Subject("fraud", 1)
    barred = story.promote(desk.gate(ANNA), subject, "production", why="outage", override=True)
    assert ended(barred) == ("refused", "not_authorized")
    text = POLICY.replace("    rollback:", "    override: {from: [anna]}\n    rollback:")
    (desk.policy,) = read_policies({"fraud.yaml": text}, PATHS)
    report = story.promote(desk.gate(ANNA), subject, "production", why="outage", override=True)
    assert ended(report) == ("promoted", "overridden")
    assert "veto of ben: wrong slices" in report.against


ON_CALL = POLICY.replace("    rollback:", '    override: {from: [carla, "@acme/oncall"]}\n    rollback:')


@pytest.mark.parametrize(
    ("state", "end"),
    [
        ("active", ("promoted", "overridden")),
        ("", ("refused", "not_authorized")),
        (None, ("error", "team_unreadable")),
    ],
)
def test_whoever_is_in_a_team_that_may_override_is_looked_up(state: str | None, end: tuple[str, str]) -> None:
    """A team that cannot be read refuses nobody: the run ends undetermined, and nothing is moved or recorded."""
    desk = Desk()
    (desk.policy,) = read_policies({"fraud.yaml": ON_CALL}, PATHS)
    if state is not None:
        desk.forge.teams["acme/oncall"] = {"dora": state}
    report = story.promote(desk.gate(DORA), Subject("fraud", 1), "production", why="outage", override=True)
    assert ended(report) == end
    assert desk.holder() == (1 if state == "active" else None)
    kinds = {(): [], ("promoted",): ["overridden"], ("refused",): ["refused"]}
    assert [e.kind for e in desk.entries("overridden", "refused")] == kinds.get(end[:1], [])


def test_without_a_forge_a_team_that_may_override_is_unreadable_and_the_remedy_is_said() -> None:
    """A login on a machine is no account on GitHub; whom the policy names by login needs no look-up."""
    desk = Desk()
    (desk.policy,) = read_policies({"fraud.yaml": ON_CALL}, PATHS)
    local = replace(desk.gate(DORA), actor=Actor("dora"))
    for ours in (desk.gate(DORA, deaf=True), local):
        report = story.promote(ours, Subject("fraud", 1), "production", why="outage", override=True)
        assert ended(report) == ("error", "team_unreadable")
        assert "GITHUB_TOKEN" in report.decision.detail
    report = story.promote(desk.gate(CARLA, deaf=True), Subject("fraud", 1), "production", why="x", override=True)
    assert ended(report) == ("promoted", "overridden")


def counted_and_cut_short(desk: Desk, by: Person) -> None:
    """A run that wrote every word into the ledger and ended before it moved anything."""
    ours, subject = desk.gate(by), Subject("fraud", 1)
    evidence = story.evaluate(ours, subject, "production").evidence
    case = look(ours, subject, desk.policy.targets[1])
    assert evidence is not None
    record_words(ours, case, hear(ours, case, case.target.approvals, evidence.digest))


def test_a_recorded_approval_by_a_team_is_asked_for_again_before_anything_moves(desk: Desk) -> None:
    """Without a forge it cannot be: the run says what to set. With one, whoever has left does not count."""
    desk.forge.teams["acme/leads"] = {"dora": "active"}
    desk.says(BEN, "/gate approve")
    desk.promote(BEN)
    desk.says(DORA, "/gate approve")
    counted_and_cut_short(desk, DORA)
    alone = desk.promote(ANNA, deaf=True)
    assert ended(alone) == ("error", "team_unreadable")
    assert "dora is in @acme/leads was asked of nobody" in alone.decision.detail
    assert "GITHUB_TOKEN" in alone.decision.detail
    looks_up = replace(desk.gate(ANNA), audience=ThreadAudience(desk.forge, 0))
    desk.forge.teams["acme/leads"] = {}
    left = story.promote(looks_up, Subject("fraud", 1), "production")
    assert ended(left) == ("pending", "approvals_missing")
    desk.forge.teams["acme/leads"] = {"dora": "active"}
    assert ended(story.promote(looks_up, Subject("fraud", 1), "production")) == ("promoted", "approvals_met")


def test_a_word_whose_entry_is_gone_makes_everything_undetermined(desk: Desk) -> None:
    """It may have been a veto."""
    desk.says(BEN, "/gate reject")
    desk.promote(BEN)
    desk.ledger.files["fraud"] = {k: v for k, v in desk.ledger.files["fraud"].items() if b'"vetoed"' not in v}
    with pytest.raises(Undetermined, match="audit verify"):
        desk.promote(CARLA)
    assert desk.holder() is None


def test_a_thread_that_cannot_be_read_moves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when it is judged nor under the lock, which is given back."""
    desk.says(BEN, "/gate approve")
    desk.says(CARLA, "/gate approve")
    real, reads = desk.forge.thread, itertools.count()

    def once(number: int) -> Thread | None:
        if next(reads):
            raise Undetermined("could not read the comments", "GitHub is down", "Try again.")
        return real(number)

    monkeypatch.setattr(desk.forge, "thread", once)
    with pytest.raises(Undetermined, match="GitHub is down"):
        desk.promote(CARLA)
    assert [e.kind for e in desk.entries()][-2:] == ["intended", "aborted"]
    assert desk.holder() is None
