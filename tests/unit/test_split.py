"""A live split on parts in memory: begun, looked at, ended in each way, and killed at any call."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gatewright import gate as story
from gatewright import split
from gatewright.case import Gate
from gatewright.decision import exit_code
from gatewright.ledger.entry import open_intent
from gatewright.ledger.memory import MemoryLedger
from gatewright.live.judgement import judge
from gatewright.live.looks import DAY, Arm, Look, look_times
from gatewright.live.moments import Moments
from gatewright.live.plan import Expected
from gatewright.live.trial import ALIAS, SALT, WEIGHT, Trial
from gatewright.measure import PATHS
from gatewright.measure.live.table import Seen
from gatewright.policy.load import read_policies
from gatewright.policy.model import Live, Policy
from gatewright.problem import Undetermined, UsageError
from gatewright.registry import Logged, Run
from gatewright.registry.memory import MemoryRegistry
from gatewright.rehearsal import rehearse
from gatewright.report import data
from gatewright.rollback import Wish
from gatewright.subject import Model, Subject, Version
from unit.test_move import START, Clock, Killed, Mortal, gate

SHOP = """
version: 1
model: fraud
live:
  split: {{champion: 90, challenger: 10}}
  unit: user
  outcomes: {{data: outcomes.parquet}}
  primary: {primary}
  guardrails: [{{name: seconds, better: lower, margin: 0.1}}]
  min_runtime: 7d
  max_runtime: 28d
targets:
  production:
    alias: champion
    checks: {checks}
    {more}
"""
CHECKS = '[run.accuracy > 0.9, "live.bought >= champion at 95%"]'


def policy(checks: str = CHECKS, primary: str = "bought", more: str = "warnings: []") -> Policy:
    """A split of one in ten, on one target."""
    more = "" if more == "warnings: []" else more
    return read_policies({"fraud.yaml": SHOP.format(checks=checks, primary=primary, more=more)}, PATHS)[0]


@dataclass
class Shop:
    """Outcomes to order: how many of 1,000 new users a day buy, in each arm; share: of users who see the challenger.

    broken: why they cannot be read.
    """

    champion: float = 0.05
    challenger: float = 0.05
    share: float = 0.1
    a_day: int = 5000
    expects: Expected = field(default_factory=Expected)
    broken: str = ""

    def seen(self, live: Live, trial: Trial, now: datetime) -> Seen:
        """Both arms at every look."""
        if self.broken:
            raise Undetermined("the outcomes cannot be read", self.broken, "Mend it.")
        return Seen(tuple(map(self.look, look_times(live, trial.elapsed(now)))))

    def look(self, at: float) -> Look:
        """As of a time."""
        units = self.a_day * at / DAY
        tried = round(units * self.share)
        return Look(at, self._arm(round(units) - tried, self.champion), self._arm(tried, self.challenger))

    def _arm(self, units: int, rate: float) -> Arm:
        seconds = Moments.of_values(units, 0.2 * units, 0.05 * units)
        return Arm(units, {"bought": Moments.of_proportion(round(units * rate), units), "seconds": seconds})

    def expected(self, live: Live, champion: int, now: datetime) -> Expected:
        """As ordered."""
        if self.broken:
            raise Undetermined("the past cannot be read", self.broken, "Mend it.")
        return self.expects


def _live(scene: Scene) -> Live:
    assert scene.rules.live is not None
    return scene.rules.live


class Scene:
    """Version 1 in production, version 2 good, version 3 not; a clock, a ledger, a shop."""

    def __init__(self, rules: Policy | None = None, shop: Shop | None = None) -> None:
        runs = [Run(f"r{n}", {"accuracy": Logged(a, 0, 0)}) for n, a in enumerate((0.95, 0.97, 0.5), 1)]
        versions = tuple(Version("fraud", n, run_id=f"r{n}", tags={"risk": "low"}) for n in (1, 2, 3))
        self.registry = MemoryRegistry([Model("fraud", versions, {"champion": 1})], runs)
        self.ledger, self.clock = MemoryLedger(), Clock()
        self.rules, self.shop = rules or policy(), shop or Shop()

    def gate(self, registry: Any = None, ledger: Any = None, login: str = "octo") -> Gate:
        """The gate of a run of its own."""
        made = gate(self.rules, registry or self.registry, ledger or self.ledger, self.clock, login)
        return replace(made, outcomes=self.shop)

    def start(self, version: int = 2) -> Any:
        """A split of a version against production."""
        return split.start(self.gate(), Subject("fraud", version), "production", why="try it")

    def wait(self, days: float) -> None:
        """Turns the clock."""
        self.clock.moment += timedelta(days=days)

    @property
    def model(self) -> Model:
        return self.registry.models["fraud"]

    def labels(self) -> tuple[int | None, dict[int, str]]:
        """Who is the challenger, and each version's share."""
        return self.model.aliases.get(ALIAS), {
            v.number: v.tags[WEIGHT] for v in self.model.versions if WEIGHT in v.tags
        }

    def kinds(self) -> list[str]:
        """The ledger in short."""
        return [r.kind for r in self.ledger.rows("fraud")]


RUNS = (2, {1: "9000", 2: "1000"})
OVER: tuple[None, dict[int, str]] = (None, {})


def test_a_start_labels_both_versions_and_is_recorded() -> None:
    """Alias, shares and the salt of the assignment; the entry names both and holds the evaluation."""
    scene = Scene()
    begun = scene.start()
    assert (begun.decision.kind, str(begun.decision.reason)) == ("started", "live_running")
    assert scene.labels() == RUNS
    assert {v.tags.get(SALT) for v in scene.model.versions[:2]} == {begun.trial.salt}
    row = scene.ledger.rows("fraud")[-1]
    assert (row.kind, row.version, row.replaces, row.target) == ("live_started", 2, 1, "production")
    assert begun.report.verdict.outcome == "pass"
    assert [str(r.check.path) for r in begun.report.verdict.results] == ["run.accuracy"]
    assert scene.ledger.verify("fraud") == ()


def test_the_status_of_the_model_tells_of_a_split_that_runs() -> None:
    """Who is tried against whom; nothing once it is over."""
    scene = Scene()
    assert story.status(scene.gate()).notes == ()
    scene.start()
    (note,) = story.status(scene.gate()).notes
    assert "v2 is tried against v1 in production" in note
    split.stop(scene.gate(), promote=False, why="enough")
    assert story.status(scene.gate()).notes == ()


def test_a_target_that_is_a_copy_has_its_split_in_the_model_itself() -> None:
    """The champion is known by its original; when the challenger is copied, its labels do not come along."""
    rules = policy()
    (target,) = rules.targets
    scene = Scene(replace(rules, targets=(replace(target, alias="", copy_to="prod.fraud"),)), Shop(challenger=0.08))
    copied = Version("prod.fraud", 1, source="models:/fraud/1", run_id="r1")
    scene.registry.models["prod.fraud"] = Model("prod.fraud", (copied,))
    scene.registry.models["fraud"] = replace(scene.model, aliases={})
    assert scene.start().decision.kind == "started"
    assert scene.labels() == RUNS
    scene.wait(8)
    assert split.status(scene.gate(), act=True).decision.kind == "promoted"
    assert scene.labels() == OVER
    newest = scene.registry.models["prod.fraud"].versions[-1]
    assert (newest.source, newest.tags) == ("models:/fraud/2", {"risk": "low"})


def test_a_challenger_that_fails_its_checks_is_not_let_in() -> None:
    """Nothing is labelled; the report says which check."""
    scene = Scene()
    found = scene.start(3)
    assert (found.decision.kind, str(found.decision.reason)) == ("refused", "checks_failed")
    assert scene.labels() == OVER and "live_started" not in scene.kinds()


def test_a_second_split_waits_for_the_first() -> None:
    """The same one again is nothing to do; another one is refused."""
    scene = Scene(policy("[run.accuracy > 0.4]"))
    scene.start()
    assert scene.start().decision.kind == "noop"
    assert (scene.start(3).decision.kind, scene.labels()) == ("refused", RUNS)


def test_a_split_needs_somebody_to_be_against() -> None:
    """With nobody in production, and with the holder itself."""
    scene = Scene()
    assert scene.start(1).decision.kind == "noop"
    scene.registry.models["fraud"] = replace(scene.model, aliases={})
    with pytest.raises(UsageError, match="nobody holds production"):
        scene.start()


def test_a_plan_that_cannot_finish_is_refused() -> None:
    """A thousand visitors a day cannot show a tenth of a point."""
    primary = "{name: bought, effect: 0.001}"
    scene = Scene(policy(primary=primary), Shop(expects=Expected(1000, 0.218)))
    found = scene.start()
    assert (found.decision.kind, str(found.decision.reason)) == ("refused", "live_cannot_finish")
    assert found.plan.units > 28_000 and "are expected before it ends" in found.decision.detail
    assert scene.labels() == OVER


def test_a_past_that_cannot_be_read_does_not_keep_from_starting() -> None:
    """It only leaves the plan without expectations, and says so."""
    found = Scene(shop=Shop(broken="no such file")).start()
    assert found.decision.kind == "started"
    assert any("could not be read" in note for note in found.notes)


def test_looking_changes_nothing() -> None:
    """Whatever it finds, and however often."""
    scene = Scene(shop=Shop(challenger=0.02))
    scene.start()
    scene.wait(9)
    before = scene.kinds()
    found = split.status(scene.gate())
    assert (found.decision.kind, str(found.decision.reason)) == ("evaluated", "live_harm")
    assert (scene.kinds(), scene.labels()) == (before, RUNS)
    assert len(found.course) == len(found.looks) == 10


def test_harm_ends_a_split_before_its_shortest_runtime() -> None:
    """Everybody sees the champion again, and the ledger says why, with what was seen."""
    scene = Scene(shop=Shop(challenger=0.02))
    scene.start()
    scene.wait(4)
    found = split.status(scene.gate(), act=True)
    assert (found.decision.kind, str(found.decision.reason)) == ("stopped", "live_harm")
    assert exit_code(found.decision, None) == 1
    assert scene.labels() == OVER and scene.model.aliases == {"champion": 1}
    assert scene.kinds()[-1] == "live_stopped"
    assert all(v.tags == {"risk": "low"} for v in scene.model.versions)
    again = split.status(scene.gate(), act=True)
    assert (again.decision.kind, scene.kinds().count("live_stopped")) == ("noop", 1)
    assert again.judgement is not None and again.judgement.state == "harm"


def test_a_benefit_waits_for_the_shortest_runtime_and_then_promotes() -> None:
    """By the same story as every promotion: the live check reads what the ledger holds."""
    scene = Scene(shop=Shop(challenger=0.08))
    scene.start()
    scene.wait(5)
    early = split.status(scene.gate(), act=True)
    assert (early.decision.kind, str(early.decision.reason)) == ("evaluated", "live_running")
    assert "another 2 d" in early.decision.detail
    scene.wait(3)
    found = split.status(scene.gate(), act=True)
    assert found.decision.kind == "promoted", found.decision
    assert scene.model.aliases == {"champion": 2} and scene.labels() == OVER
    told = [k for k in scene.kinds() if k in ("live_started", "live_read", "promoted", "live_stopped")]
    assert told == ["live_started", "live_read", "promoted", "live_stopped"]
    assert scene.ledger.verify("fraud") == ()
    ended = split.status(scene.gate())
    assert "live_superior" in ended.decision.detail and ended.judgement is not None


def test_the_end_of_the_longest_runtime_keeps_the_champion() -> None:
    """And a nightly run after it has nothing more to do."""
    scene = Scene()
    scene.start()
    scene.wait(28.1)
    found = split.status(scene.gate(), act=True)
    assert (found.decision.kind, str(found.decision.reason)) == ("stopped", "live_timed_out")
    assert exit_code(found.decision, None) == 0
    assert (scene.labels(), scene.model.aliases) == (OVER, {"champion": 1})


def test_a_split_that_does_not_hold_shows_no_effect_and_ends() -> None:
    """Twelve in a hundred where ten were meant, of thousands."""
    scene = Scene(shop=Shop(challenger=0.2, share=0.13))
    scene.start()
    scene.wait(3)
    found = split.status(scene.gate(), act=True)
    assert (found.decision.kind, str(found.decision.reason)) == ("stopped", "live_invalid")
    assert found.judgement is not None and found.judgement.effects == ()
    assert scene.labels() == OVER


def test_what_was_seen_before_a_split_was_found_not_to_hold_is_not_shown_either() -> None:
    """On its first days too few had come to tell; their effects are of the same different people."""
    scene = Scene(shop=Shop(challenger=0.2, share=0.09, a_day=2000))
    scene.start()
    scene.wait(9)
    found = split.status(scene.gate())
    assert str(found.decision.reason) == "live_invalid"
    early = judge(_live(scene), found.looks[:2], found.looks[1].at)
    assert early.state != "invalid" and early.effects
    told = data.document(found)["live"]
    assert [look["metrics"] for look in told["course"]] == [[]] * len(found.looks)
    assert told["metrics"] == [] and found.judgement is not None
    # Nor where it has ended, and the ledger is asked.
    split.status(scene.gate(), act=True)
    later = data.document(split.status(scene.gate()))["live"]
    assert later["state"] == "invalid" and [look["metrics"] for look in later["course"]] == [[]] * len(found.looks)


def test_unreadable_outcomes_decide_nothing() -> None:
    """Neither the nightly run nor a promotion; but whoever wants to end the split can."""
    scene = Scene()
    scene.start()
    scene.wait(9)
    scene.shop.broken = "no such file"
    with pytest.raises(Undetermined, match="no such file"):
        split.status(scene.gate(), act=True)
    with pytest.raises(Undetermined, match="no such file"):
        split.stop(scene.gate(), promote=True, why="now")
    assert scene.labels() == RUNS
    found = split.stop(scene.gate(), promote=False, why="the log is broken")
    assert (found.decision.kind, str(found.decision.reason)) == ("stopped", "live_kept")
    assert scene.labels() == OVER
    assert "the log is broken" in split.status(scene.gate()).decision.detail


def test_a_promotion_by_hand_needs_the_split_to_have_shown_it() -> None:
    """An undecided one promotes nobody, and goes on."""
    scene = Scene()
    scene.start()
    scene.wait(9)
    found = split.stop(scene.gate(), promote=True, why="I like it")
    assert (found.decision.kind, str(found.decision.reason)) == ("refused", "live_running")
    assert scene.labels() == RUNS


def test_approvals_bind_to_what_was_read_and_the_split_goes_on_meanwhile() -> None:
    """More outcomes come in every hour; the request's evidence stays, and no night asks anew."""
    rules = policy(more="approvals: [{name: lead, from: [octo]}]")
    scene = Scene(rules, Shop(challenger=0.08))
    scene.start()
    scene.wait(8)
    first = split.status(scene.gate(), act=True)
    assert (first.decision.kind, str(first.decision.reason)) == ("pending", "approvals_missing")
    assert scene.labels() == RUNS
    scene.wait(1)
    second = split.status(scene.gate(), act=True)
    assert second.decision.kind == "pending"
    digests = {s.report.evidence.digest for s in (first, second) if s.report and s.report.evidence}
    assert len(digests) == 1
    assert scene.kinds().count("requested") == 1
    scene.shop.challenger = 0.01
    scene.wait(2)
    assert str(split.status(scene.gate(), act=True).decision.reason) == "live_harm"


def test_a_rollback_of_the_champion_ends_the_split() -> None:
    """What is compared with holds no more; nobody may be routed there by an old share."""
    scene = Scene(policy("[run.accuracy > 0.9]"))
    story.promote(scene.gate(), Subject("fraud", 2), "production")
    scene.registry.models["fraud"] = replace(
        scene.model, versions=(*scene.model.versions, Version("fraud", 4, run_id="r2"))
    )
    assert scene.start(4).decision.kind == "started"
    report = story.rollback(scene.gate(), Wish("production", "it is slow", fast=True))
    assert report.decision.kind == "rolled_back"
    assert scene.labels() == OVER
    assert any("split is over" in note for note in report.notes)
    assert str(scene.ledger.entry("fraud", scene.ledger.rows("fraud")[-1]).reason) == "champion_changed"  # type: ignore[union-attr]


def test_a_check_of_a_split_that_was_never_begun_is_undetermined() -> None:
    """It says so, and how to begin one."""
    scene = Scene()
    report = story.evaluate(scene.gate(), Subject("fraud", 2), "production")
    (live,) = [r for r in report.verdict.results if r.check.path.family == "live"]  # type: ignore[union-attr]
    assert live.status == "error" and "no live split of v2 against v1 was begun" in live.because


def test_a_rehearsed_promotion_reads_what_it_only_seemed_to_record() -> None:
    """A dry run of a promotion with a live check comes to its end."""
    scene = Scene(shop=Shop(challenger=0.08))
    scene.start()
    scene.wait(8)
    before = scene.kinds()
    report = rehearse(scene.gate(), lambda g: story.promote(g, Subject("fraud", 2), "production"))
    assert str(report.decision.reason) == "dry_run", report.decision
    assert (scene.kinds(), scene.labels()) == (before, RUNS)


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("what", ["start", "keep", "promote"])
def test_a_run_killed_at_any_call_is_finished_or_aborted_by_the_next_night(what: str, after: bool) -> None:
    """The registry shows a split, or none; the ledger says the same."""
    for at in itertools.count():
        scene = Scene(shop=Shop(challenger=0.08))
        if what != "start":
            scene.start()
            scene.wait(8)
        fuse = itertools.count()
        dying = scene.gate(Mortal(scene.registry, fuse, at, after), Mortal(scene.ledger, fuse, at, after))
        try:
            if what == "start":
                split.start(dying, Subject("fraud", 2), "production")
            else:
                split.stop(dying, promote=what == "promote", why="enough")
        except Killed:
            pass
        else:
            assert at > 8
            return
        scene.clock.moment += timedelta(hours=1)
        scene.shop.challenger = 0.05
        night = split.status(scene.gate(login="night"), act=True)
        kinds = scene.kinds()
        assert open_intent(scene.ledger.rows("fraud")) is None, at
        assert scene.ledger.verify("fraud") == ()
        runs = kinds.count("live_started") > kinds.count("live_stopped")
        assert scene.labels() == (RUNS if runs else OVER), (at, kinds)
        assert night.decision.kind in ("noop", "evaluated")
        assert scene.model.aliases["champion"] == (2 if "promoted" in kinds else 1)


def test_the_clock_starts_the_split() -> None:
    """The trial begins when it is labelled, to the millisecond, in UTC."""
    scene = Scene()
    begun = scene.start().trial
    assert START < begun.started < START + timedelta(seconds=1)
