"""Counting approvals: every case under tests/cases/approvals, and what a table cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from itertools import count as numbers
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from gatewright.approvals import RuleStanding, Standing, about, awaited, count, questions
from gatewright.hearing import Asked, Hearing, Question, Recorded, roles
from gatewright.policy.model import Approver, Rule
from gatewright.thread import Comment, Membership, Person, Thread

CASES = [
    pytest.param(case, id=case["name"])
    for file in sorted((Path(__file__).parents[1] / "cases" / "approvals").glob("*.yaml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]

DIGEST = "d1" * 32
QUESTION = Question("fraud", 12, "production", DIGEST)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
IDS = {"octo": 1, "mona": 2, "eve": 3, "anna-dev": 4, "gatewright": 5, "former": 6}

OCTO, MONA = Approver("octo"), Approver("mona")
LEADS, RISK = Approver(team="acme/leads"), Approver(team="acme/risk")


def person(text: str, kind: str = "User") -> Person:
    """`octo`, or `octo#99` where it is not the usual octo."""
    login, _, id_ = text.partition("#")
    return Person(login, int(id_ or IDS.get(login.lower(), 90)), kind)


def approver(text: str) -> Approver:
    """As a policy writes it."""
    login, _, pin = text.partition("#")
    return Approver(team=text[1:]) if text.startswith("@") else Approver(login, int(pin) if pin else None)


def stamp(time: str) -> str:
    """A time of that day as GitHub spells it."""
    return f"2026-11-23T{time}Z" if time.count(":") == 2 else f"2026-11-23T{time}:00Z"


def comment(number: int, told: Any) -> Comment:
    """A comment as a case tells it; they follow a minute apart."""
    if "who" not in told:
        ((who, says),) = told.items()
        told = {"who": who, "says": says}
    return Comment(
        100 + number,
        person(told["who"], told.get("kind", "User")) if told["who"] else None,
        told["says"],
        stamp(told.get("at", f"10:{number:02d}")),
        stamp("11:00") if "edited" in told else "",
        person(told["edited"]) if "edited" in told else None,
        told.get("minimized", False),
        f"#c{100 + number}",
        told.get("app", ""),
    )


def recorded(told: Mapping[str, Any]) -> Recorded:
    """A word that the ledger holds."""
    return Recorded(
        told["verb"],
        person(told["who"]),
        stamp(told.get("at", "10:02")),
        told.get("version", 12),
        "production",
        told.get("digest", DIGEST),
        told["thread"],
        told["comment"],
    )


def asked(told: Mapping[str, Any]) -> Asked:
    """A question as the thread was shown it: this one, but for what is told."""
    what = Question("fraud", told.get("version", 12), told.get("target", "production"), told.get("digest", DIGEST))
    return Asked(stamp(told["at"]), what, stamp(told["until"]) if "until" in told else "")


def membership(told: object) -> Membership:
    """`yes`, or `no` and `unreadable` with a reason; YAML takes a bare yes for true."""
    answer, _, why = ("yes" if told is True else str(told)).partition(": ")
    return Membership(cast(Any, answer), why)


def teams(told: Mapping[str, Mapping[str, object]]) -> dict[tuple[str, int], Membership]:
    """Whoever is not named is in none of the teams."""
    everyone = {(team, id_): Membership("no") for team in told for id_ in (*IDS.values(), 90)}
    named = {(team, IDS[who]): membership(answer) for team, people in told.items() for who, answer in people.items()}
    return {**everyone, **named}


def hearing(case: Mapping[str, Any]) -> Hearing:
    """Everything that a case tells, and the usual for what it does not."""
    said = tuple(comment(n, told) for n, told in enumerate(case.get("said", ()), 1))
    author = person(case["author"]) if "author" in case else None
    commits = tuple(map(person, case.get("commits", ())))
    opened_for = ("fraud", 12, str(case["issue_of"])) if "issue_of" in case else None
    thread = Thread(7, "A better model", author, "open", "#7", said, "a" * 40, "main", False, commits, opened_for)
    authors = [case["model_author"]] if "model_author" in case else []
    people = {user: approver(who) for user, who in case.get("people", {}).items()}
    requester = Approver(case["requester"]) if "requester" in case else None
    return Hearing(
        QUESTION,
        NOW,
        thread,
        tuple(asked(a) for a in case.get("asked", [{"at": "10:00"}])),
        ("staging", "production"),
        roles(thread, requester, authors, people),
        tuple(user for user in authors if user not in people),
        tuple(case.get("exclude", ())),
        teams({"acme/leads": {}, "acme/risk": {}, **case.get("teams", {})}),
        tuple(recorded(told) for told in case.get("recorded", ())),
        Decimal(case.get("expires", 7 * 86400)),
        stamp(case["since"]) if "since" in case else "",
    )


def heard(*said: Mapping[str, str], **more: Any) -> Hearing:
    """A hearing of comments a minute apart."""
    return hearing({"said": said, **more})


@pytest.mark.parametrize("case", CASES)
def test_what_was_said_comes_to(case: dict[str, Any]) -> None:
    """Counted, not counted and why, vetoes, holds, what is undetermined."""
    rule = Rule("leads", tuple(map(approver, case["from"])), case.get("count", 1))
    found = count((rule,), hearing(case))
    assert [c.login for c in found.counted] == case.get("counted", [])
    assert {n.login: n.because for n in found.not_counted} == case.get("not_counted", {})
    assert [o.login for o in found.vetoed_by] == case.get("vetoed_by", [])
    assert [o.login for o in found.held_by] == case.get("held_by", [])
    assert list(found.undetermined) == case.get("undetermined", [])
    assert found.met is case["met"]
    assert found.lapsed == case.get("lapsed", "")
    assert case.get("detail", "") in " ".join(n.detail for n in found.not_counted)
    assert [c.login for c in found.counted if c.minimized] == case.get("minimized", [])
    assert case.get("note", "") in " ".join(found.notes)
    if "stuck" in case:
        assert found.rules[0].stuck is case["stuck"]
    if "could" in case:
        assert [str(a) for a in found.rules[0].could] == case["could"]


def test_with_rules_alone_nobody_has_said_anything() -> None:
    """Who owes an approval is known, and that is all."""
    rules = (Rule("leads", (OCTO, MONA), 2), Rule("risk", (RISK,)))
    found = count(rules)
    assert found == Standing((RuleStanding(rules[0], 0, (OCTO, MONA)), RuleStanding(rules[1], 0, (RISK,))))
    assert found.needed
    assert not found.met
    assert found.missing == found.rules
    assert awaited(found) == ("octo", "mona", "@acme/risk")


def test_a_target_without_rules_needs_nobody() -> None:
    """Nothing owed is nothing missing."""
    assert count(()).met
    assert not count(()).needed


def test_a_veto_needs_somebody_who_may_and_a_target_without_rules_names_nobody() -> None:
    """No rule, no right to veto; the one who asked may still hold."""
    assert count((), heard({"octo": "/gate reject"})).met
    assert not count((), heard({"octo": "/gate hold"}, requester="octo")).met


def test_one_person_does_not_fill_places_of_two_rules() -> None:
    """Two rules need two people, however many rules one person is in."""
    rules = (Rule("leads", (OCTO, MONA)), Rule("risk", (OCTO,)))
    found = count(rules, heard({"octo": "/gate approve"}))
    assert [r.have for r in found.rules] == [1, 0]
    assert not found.met


def test_people_are_moved_to_where_they_are_needed() -> None:
    """Octo could sit in either rule; with mona there, octo goes where only octo can."""
    rules = (Rule("leads", (OCTO, MONA)), Rule("risk", (OCTO,)))
    found = count(rules, heard({"octo": "/gate approve"}, {"mona": "/gate approve"}))
    assert {c.login: c.rule for c in found.counted} == {"octo": "risk", "mona": "leads"}
    assert found.met


def test_who_could_still_help_includes_who_would_free_somebody() -> None:
    """Octo sits in the first rule; only mona's approval would let octo move to the second."""
    rules = (Rule("leads", (OCTO, MONA)), Rule("risk", (OCTO,)))
    found = count(rules, heard({"octo": "/gate approve"}))
    assert found.missing[0].could == (MONA,)
    assert not found.missing[0].stuck
    assert awaited(found) == ("mona",)


def test_more_approvals_than_places_are_spare() -> None:
    """They are shown, and no rule has more than it needs."""
    found = count((Rule("leads", (OCTO, MONA)),), heard({"mona": "/gate approve"}, {"octo": "/gate approve"}))
    assert [(c.login, c.spare) for c in found.counted] == [("octo", False), ("mona", True)]
    assert found.rules[0].have == 1


def test_no_more_is_asked_of_a_forge_than_counting_needs() -> None:
    """Not for people who said nothing, are named themselves, are left out, or were told apart already."""
    rules = (Rule("leads", (OCTO, LEADS)), Rule("risk", (Approver(team="Acme/Leads"), RISK)))
    said = heard(
        {"octo": "/gate approve"},
        {"mona": "/gate approve"},
        {"mona": "/gate approve"},
        {"eve": "nice"},
        {"eve": "/gate aprove"},
        {"anna-dev": "/gate approve"},
        requester="anna-dev",
        exclude=["requester"],
        recorded=[{"who": "former", "verb": "reject", "thread": 7, "comment": 5}],
    )
    assert [(team.lower(), who.login) for team, who in questions(rules, said)] == [
        *(("acme/leads", "octo"), ("acme/risk", "octo"), ("acme/leads", "mona"), ("acme/risk", "mona")),
    ]


def test_a_team_that_nobody_asked_for_is_unreadable() -> None:
    """Forgetting a look-up can only ever block."""
    found = count((Rule("ops", (Approver(team="acme/ops"),)),), heard({"octo": "/gate approve"}))
    assert found.undetermined == ("nobody asked for @acme/ops",)


def test_the_writer_of_a_comment_is_told_about_that_comment() -> None:
    """What a run that was begun by a comment answers."""
    found = count((Rule("leads", (OCTO,)),), heard({"eve": "/gate approve"}, {"octo": "/gate approve"}))
    told = about(found, 101)
    assert told is not None
    assert (told.login, told.because, told.verb, told.comment) == ("eve", "not_authorized", "approve", "#c101")
    assert about(found, 102) is None
    assert about(found, 0) is None


def test_without_a_thread_the_ledger_speaks() -> None:
    """On the command line approvals count as they were recorded: nothing can be seen of their comments."""
    ids = numbers(5)
    told = [{"who": who, "verb": "approve", "thread": 7, "comment": next(ids)} for who in ("octo", "mona")]
    found = count((Rule("leads", (OCTO, MONA), 2),), Hearing(QUESTION, NOW, recorded=tuple(map(recorded, told))))
    assert found.met
