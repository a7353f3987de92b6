"""What is told of an ending: the right event, once, with the words of the result that scripts know."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gatewright import alerts
from gatewright.alerts import Run, body, decision_event, drift_event, event_of, failure_event, follow_up
from gatewright.drift import Drift, Finding
from gatewright.ledger.entry import Actor, Row
from gatewright.problem import PolicyError, Problem, Undetermined, UsageError
from gatewright.report.model import Failure, Inspection, Report
from gatewright.subject import Subject
from unit.report.examples import HOSTILE, examples, tried

RUN = Run(
    "http://mlflow:5000", Actor("octo", 583231, "github"), "2026-11-09T14:00:00.000Z", "nonce", "https://x/runs/7"
)


@dataclass(frozen=True)
class Drifted:
    """A finding as whoever looks for drift has it."""

    code: str = "moved_by_hand"
    model: str = "fraud"
    version: int | None = 7
    sentence: str = "fraud/7 came to hold production without an entry"


def example(name: str) -> Report:
    """A report that the gate itself made."""
    found = examples()[name]
    assert isinstance(found, Report)
    return found


def told(report: Report, run: Run = RUN) -> dict[str, Any]:
    """The event as it is sent."""
    event = decision_event(report, run)
    assert event is not None
    found: dict[str, Any] = json.loads(body(event))
    return found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("promoted", "promoted"),
        ("refused", "refused"),
        ("pending", "pending"),
        ("overridden", "overridden"),
        ("rolled_back", "rolled_back"),
    ],
)
def test_each_decision_has_its_type(name: str, kind: str) -> None:
    """So that a receiver can choose without reading further."""
    event = told(example(name))
    assert event["type"] == f"com.github.gatewright.{kind}"
    assert (event["specversion"], event["datacontenttype"]) == ("1.0", "application/json")
    assert event["subject"] == str(example(name).candidate)
    assert event["data"]["actor"]["login"] == "octo" and event["data"]["url"] == RUN.url
    assert event["data"]["sentence"] and event["data"]["ledger"]["digest"]


def test_the_end_of_a_live_split_is_told_once_with_what_it_came_to() -> None:
    """Harm wakes somebody up; looking at a split that runs does not."""
    looked = tried(rates=(0.71, 0.6))
    assert event_of(looked, RUN) is None
    stopped = replace(looked, decision=replace(looked.decision, kind="stopped"))
    event = event_of(stopped, RUN)
    assert event is not None and event == event_of(stopped, replace(RUN, nonce="another"))
    assert (event.type, event.subject) == ("com.github.gatewright.live_stopped", "fraud/2")
    assert event.data["reason"] == "live_harm" and "everybody sees v1" in event.data["sentence"]
    assert [m["standing"] for m in event.data["metrics"]] == ["worse", "within"]


def test_a_promotion_that_a_split_led_to_is_told_as_one() -> None:
    """Not twice."""
    report = example("promoted")
    led = replace(tried(), decision=report.decision, report=report)
    assert event_of(led, RUN) == decision_event(report, RUN)


def test_what_decided_nothing_is_not_told() -> None:
    """An evaluation, and a version that holds the target already."""
    promoted = example("promoted")
    for kind in ("evaluated", "noop"):
        assert decision_event(replace(promoted, decision=replace(promoted.decision, kind=kind)), RUN) is None
    assert decision_event(replace(promoted, entry=None), RUN) is None


def test_the_same_event_has_the_same_id_and_another_has_another() -> None:
    """Whatever run tells it: the entry is what counts."""
    one, other = example("promoted"), example("refused")
    assert told(one)["id"] == told(one, replace(RUN, nonce="later"))["id"] != told(other)["id"]


def test_a_request_is_told_when_it_is_made_and_not_at_every_later_run() -> None:
    """Each comment leads to a run that finds it still pending."""
    pending = example("pending")
    assert pending.entry is not None
    assert decision_event(pending, replace(RUN, at=pending.entry.at)) is not None
    assert decision_event(pending, replace(RUN, at="2999-01-01T00:00:00.000Z")) is None


def test_only_what_could_not_be_determined_is_told_of_failures() -> None:
    """A mistake in what was typed is nobody else's business."""
    broken = Failure(
        Undetermined("could not read", "no answer", "Try again."), "fraud", Subject("fraud", 7), "production"
    )
    event = failure_event(broken, RUN)
    assert event is not None and event.type.endswith(".error") and event.data["version"] == 7
    assert failure_event(Failure(UsageError("no such target")), RUN) is None


def test_a_policy_that_cannot_be_read_is_told() -> None:
    """Nothing is gated until somebody mends it, and it was not mistyped by whoever started the run."""
    event = failure_event(Failure(PolicyError([Problem("policies/fraud.yaml", 3, 1, "unknown key")])), RUN)
    assert event is not None and event.type.endswith(".error")
    assert (event.data["reason"], event.data["sentence"]) == ("policy_error", "policies/fraud.yaml:3:1: unknown key")


def test_checks_that_hold_are_left_to_the_report() -> None:
    """Those that do not are told with their sentence."""
    found = told(example("refused"))["data"]["checks"]
    assert found and all(set(c) == {"check", "status", "because"} and c["status"] != "pass" for c in found)


def test_drift_is_told_once_by_the_run_that_found_it() -> None:
    """What an earlier night has recorded, and what a rehearsal has not, is no news."""
    finding = Finding("two_holders", "fraud", None, "production", "v1 and v2 are there", "archive one")
    old, new = (Row(9, "9" * 64, "drift", at=at) for at in ("2026-01-01T00:00:00.000Z", RUN.at))
    event = event_of(Inspection((Drift("fraud", (finding,), entry=new), Drift("spam", (finding,), entry=old))), RUN)
    assert event is not None
    assert [f["sentence"] for f in event.data["findings"]] == ["v1 and v2 are there"]
    assert event_of(Inspection((Drift("fraud", (finding,)), Drift("spam", entry=new))), RUN) is None


def test_drift_is_one_event_however_many_findings() -> None:
    """It lists the first hundred and says how many there are."""
    event = drift_event([Drifted(version=n) for n in range(150)], RUN)
    assert event is not None and event.subject == "fraud"
    assert (event.data["count"], len(event.data["findings"])) == (150, alerts.MOST_FINDINGS)
    assert event.data["findings"][3] == {
        "code": "moved_by_hand",
        "model": "fraud",
        "version": 3,
        "sentence": Drifted.sentence,
    }
    several = drift_event([Drifted(), Drifted(model="churn", version=None)], RUN)
    assert several is not None and several.subject == "2 models"
    assert drift_event([], RUN) is None


@pytest.mark.parametrize("address", ["sqlite:////a folder/mlflow.db", "http://h/ü|<>\n", "", "100%"])
def test_a_source_is_a_reference_whatever_the_address_holds(address: str) -> None:
    """CloudEvents wants a URI reference that is not empty."""
    source = told(example("promoted"), replace(RUN, source=address))["source"]
    assert source and source.isascii() and not set(source) & set(' \n|<>"{}\\^`')
    assert address != "100%" or source == "100%25"


def test_an_override_leaves_an_issue_with_who_why_and_what() -> None:
    """One for each: its key is the entry's."""
    report = example("overridden")
    found = follow_up(report, RUN)
    assert found is not None and report.entry is not None
    assert f"entry {report.entry.n} " in found.key and found.title.startswith("Override: ")
    assert "octo" in found.body and RUN.url in found.body and report.entry.digest in found.body
    assert found.body.count("- [ ] ") == len(report.against) > 0
    assert follow_up(example("promoted"), RUN) is None


def test_hostile_words_stay_words_in_the_issue() -> None:
    """A reason is anybody's text: no mention, no picture, no command, no end of the hidden marker."""
    report = replace(example("overridden"), why=HOSTILE, against=(HOSTILE,))
    found = follow_up(report, RUN)
    assert found is not None
    for bad in ("<img", "@octo`", "![p](", "\x1b", "\n/gate", "-->"):
        assert bad not in found.body, bad
