"""Whose comment is worth a run, on a forge and a ledger in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from gatewright.action.admission import everybody, has_say
from gatewright.forge.memory import MemoryForge
from gatewright.ledger.entry import Row
from gatewright.ledger.memory import MemoryLedger
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.problem import Undetermined
from gatewright.thread import Membership, Person, Thread

(POLICY,) = read_policies(
    {
        "fraud.yaml": """\
version: 1
model: fraud
targets:
  staging:
    alias: staging
    checks: [run.accuracy > 0.9]
    rollback: {approvals: [{name: one, from: [Carla]}]}
  production:
    alias: champion
    checks: [run.accuracy > 0.9]
    approvals: [{name: leads, from: [ben, octo#7, "@acme/leads"], count: 2}]
"""
    },
    PATHS,
)
BEN, CARLA, DORA, OCTO = Person("ben", 1), Person("carla", 2), Person("dora", 3), Person("octo", 7)
THREAD = Thread(1, "Retrain", Person("anna", 9), "open", "memory:1", head="c" * 40)
TEAMS = {"acme/leads": {"dora": "active", "eve": "pending"}}


class Book(MemoryLedger):
    """A ledger whose index is given."""

    def __init__(self, *rows: Row) -> None:
        super().__init__()
        self.given = rows

    def rows(self, model: str) -> tuple[Row, ...]:
        return self.given


def say(person: Person, verb: Any = "approve", *rows: Row, **forge: Any) -> str:
    """The answer about somebody."""
    site = MemoryForge(**{"teams": TEAMS, **forge})
    return has_say(site, Book(*rows), POLICY, THREAD, person, verb).answer


@pytest.mark.parametrize(
    ("person", "answer"),
    [
        (BEN, "yes"),
        (replace(BEN, login="BEN"), "yes"),
        (CARLA, "yes"),
        (DORA, "yes"),
        (Person("eve", 4), "no"),
        (OCTO, "yes"),
        (Person("octopus", 7), "yes"),
        (Person("octo", 8), "no"),
        (Person("mallory", 5), "no"),
    ],
    ids=["named", "in capitals", "for a rollback", "by team", "invited", "pinned", "renamed", "impostor", "outsider"],
)
def test_whom_a_rule_names_has_a_say(person: Person, answer: str) -> None:
    """Of any target, by login, by pinned account, or as an active member of a team."""
    assert say(person) == answer


@pytest.mark.parametrize(
    ("role", "answer"),
    [("none", "no"), ("read", "no"), ("triage", "no"), ("write", "yes"), ("maintain", "yes"), ("admin", "yes")],
)
def test_whoever_may_write_has_a_say(role: str, answer: str) -> None:
    """Less than that is what anybody has in a public repository."""
    assert say(Person("mallory", 5), roles={"mallory": role}) == answer


def test_people_may_hold_their_own_pull_request_and_not_approve_it() -> None:
    """The account is what counts, not its name."""
    anna = Person("anna", 9)
    assert [say(anna, verb) for verb in ("hold", "unhold", "approve", "reject")] == ["yes", "yes", "no", "no"]
    assert say(Person("anna", 10), "hold") == "no"


@pytest.mark.parametrize("kind", ["requested", "approved", "vetoed", "held"])
def test_whoever_is_in_the_ledger_may_take_back_what_is_theirs(kind: str) -> None:
    """Although they have lost every other right since; who only ran something is not in it in that sense."""
    row = Row(2, "d", kind, 1, "production", by="Mallory")
    assert say(Person("mallory", 5), "unreject", row) == "yes"
    assert say(Person("mallory", 5), "unreject", replace(row, kind="refused")) == "no"


def test_a_team_that_cannot_be_read_leaves_it_open() -> None:
    """And a yes by another name needs no answer of it."""
    assert say(Person("mallory", 5), teams={}) == "unreadable"
    assert say(Person("mallory", 5), teams={}, roles={"mallory": "write"}) == "yes"
    assert say(BEN, teams={}) == "yes"


def test_a_right_that_cannot_be_read_is_no_right_and_no_refusal() -> None:
    """Unless somebody has a say anyway."""

    class Dark(MemoryForge):
        def role(self, login: str) -> str:
            raise Undetermined("could not read what they may do", "GitHub is silent", "Try again.")

    ledger = MemoryLedger()
    with pytest.raises(Undetermined, match="GitHub is silent"):
        has_say(Dark(teams=TEAMS), ledger, POLICY, THREAD, Person("mallory", 5), "approve")
    assert has_say(Dark(teams=TEAMS), ledger, POLICY, THREAD, DORA, "approve") == Membership("yes")
    assert has_say(cast(Any, None), ledger, POLICY, THREAD, BEN, "approve") == Membership("yes")


def test_everybody_whom_the_policy_asks_is_named_once() -> None:
    """In the answer to an outsider."""
    assert everybody(POLICY) == "Carla, ben, octo#7, @acme/leads"
