"""Laws of counting approvals, over arbitrary people, rules and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import lru_cache
from itertools import product
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from gatewright.approvals import Answer, Standing, count
from gatewright.hearing import Asked, Hearing, Question, Recorded
from gatewright.matching import fill
from gatewright.policy.model import Approver, Rule
from gatewright.thread import Comment, Membership, Person, Thread

DIGEST = "d1" * 32
QUESTION = Question("fraud", 12, "production", DIGEST)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
PEOPLE = [Person(name, n) for n, name in enumerate(("anna", "bob", "carol", "dave", "eve"), 1)]
STRANGER = Person("stranger", 99)
TEAMS = ["acme/leads", "acme/risk"]

approvers = st.sampled_from([*(Approver(p.login) for p in PEOPLE), *(Approver(team=team) for team in TEAMS)])
lines = st.sampled_from(
    # Mostly approvals: other words are of interest where there is something for them to change.
    [
        *("approve",) * 12,
        *("unapprove", "reject", "unreject", "hold", "unhold", f"approve digest {DIGEST[:7]}"),
        *("approve fraud/11", "approve digest d0d0d0d", "approve to staging", "aprove", "approve\n/gate reject"),
        "status",
    ]
).map("/gate ".__add__)


@st.composite
def rule_lists(draw: st.DrawFn) -> tuple[Rule, ...]:
    """One to three rules over the same few people."""
    some = draw(st.lists(st.lists(approvers, min_size=1, max_size=4, unique=True), min_size=1, max_size=3))
    return tuple(Rule(f"rule {n}", tuple(a), draw(st.integers(1, 3))) for n, a in enumerate(some))


@st.composite
def comments(draw: st.DrawFn, number: int, author: Person | None = None) -> Comment:
    """A comment, whose number is its place in time."""
    who = author or draw(st.sampled_from(PEOPLE))
    edited = draw(st.integers(0, 7)) == 7
    editor = draw(st.sampled_from([None, *PEOPLE])) if edited else None
    created = f"2026-11-23T10:{1 + number // 60:02d}:{number % 60:02d}Z"
    return Comment(number, who, draw(lines), created, "2026-11-23T11:00:00Z" if edited else "", editor)


@st.composite
def hearings(draw: st.DrawFn, answers: Sequence[Answer] = ("yes", "no", "unreadable")) -> Hearing:
    """A thread of up to eight comments, memberships, records and excluded roles."""
    said = tuple(draw(comments(n)) for n in range(1, 1 + draw(st.integers(0, 8))))
    teams: dict[tuple[str, int], Any] = {
        (team, p.id): Membership(draw(st.sampled_from(answers)), "why") for team, p in product(TEAMS, PEOPLE)
    }
    strangers = {(team, STRANGER.id): Membership("no") for team in TEAMS}
    who = st.sampled_from(PEOPLE).map(lambda p: Approver(p.login, p.id))
    return Hearing(
        QUESTION,
        NOW,
        Thread(7, "t", None, "open", "#7", said, "a" * 40),
        (Asked("2026-11-23T10:00:00Z", QUESTION),),
        ("staging", "production"),
        tuple(draw(st.lists(st.tuples(st.sampled_from(["requester", "model_author"]), who), max_size=2))),
        (),
        ("requester", "model_author"),
        {**teams, **strangers},
        tuple(draw(st.lists(records(), max_size=3))),
    )


@st.composite
def records(draw: st.DrawFn) -> Recorded:
    """A word from another thread."""
    verb: Any = draw(st.sampled_from(["approve", "unapprove", "reject", "unreject", "hold", "unhold"]))
    at = f"2026-11-23T10:{draw(st.integers(0, 9)):02d}:30Z"
    digest = draw(st.sampled_from([DIGEST, "d0" * 32]))
    return Recorded(verb, draw(st.sampled_from(PEOPLE)), at, 12, "production", digest, 3, draw(st.integers(500, 900)))


def with_comments(hearing: Hearing, said: Sequence[Comment]) -> Hearing:
    """The same hearing of other comments."""
    assert hearing.thread is not None
    return replace(hearing, thread=replace(hearing.thread, comments=tuple(said)))


def outcome(standing: Standing) -> object:
    """All that a decision is made of."""
    return (
        standing.met,
        [(r.have, r.could) for r in standing.rules],
        [(c.id, c.rule, c.spare) for c in standing.counted],
        [o.id for o in standing.vetoed_by],
        [o.id for o in standing.held_by],
        standing.undetermined,
    )


@given(rule_lists(), hearings(), st.data())
def test_the_word_of_a_person_without_rights_changes_nothing(
    rules: tuple[Rule, ...], hearing: Hearing, data: st.DataObject
) -> None:
    """A stranger may say what they like, when they like."""
    assert hearing.thread is not None
    before = count(rules, hearing)
    numbers = data.draw(st.lists(st.integers(20, 59), max_size=4, unique=True))
    extra = [data.draw(comments(n, STRANGER)) for n in numbers]
    mixed = data.draw(st.permutations([*hearing.thread.comments, *extra]))
    assert outcome(count(rules, with_comments(hearing, mixed))) == outcome(before)


@given(rule_lists(), hearings(), st.data())
def test_the_order_of_different_people_is_of_no_account(
    rules: tuple[Rule, ...], hearing: Hearing, data: st.DataObject
) -> None:
    """Each person's words keep their order; between people it may be any."""
    assert hearing.thread is not None
    said = hearing.thread.comments
    hearing = replace(hearing, recorded=())
    queues = {p: [c for c in said if c.author == p] for p in PEOPLE}
    turns = data.draw(st.permutations([c.author for c in said if c.author]))
    again = [replace(queues[who].pop(0), id=n, created=f"2026-11-23T10:01:{n:02d}Z") for n, who in enumerate(turns, 1)]
    first, second = count(rules, with_comments(hearing, said)), count(rules, with_comments(hearing, again))
    assert outcome(first) == outcome(second)
    assert Counter(n.because for n in first.not_counted) == Counter(n.because for n in second.not_counted)


@given(rule_lists(), hearings(), st.data())
def test_a_veto_blocks_until_the_same_person_lifts_it(
    rules: tuple[Rule, ...], hearing: Hearing, data: st.DataObject
) -> None:
    """Whatever anybody else says afterwards, and whoever deletes or edits the veto once it is recorded."""
    assert hearing.thread is not None
    vetoer = data.draw(st.sampled_from(PEOPLE))
    veto = Recorded("reject", vetoer, "2026-11-23T10:30:00Z", 12, "production", "", 7, 40)
    before = hearing.thread.comments
    hearing = replace(hearing, recorded=(*hearing.recorded, veto))
    others = [p for p in [*PEOPLE, STRANGER] if p != vetoer]
    later = [
        replace(data.draw(comments(n, data.draw(st.sampled_from(others)))), created=f"2026-11-23T11:00:{n}Z")
        for n in data.draw(st.lists(st.integers(41, 59), max_size=5, unique=True))
    ]
    said = [*before, *later]
    found = count(rules, with_comments(hearing, said))
    assert vetoer.id in [o.id for o in found.vetoed_by]
    assert not found.met
    lift = Comment(99, vetoer, "/gate unreject", "2026-11-23T11:30:00Z")
    lifted = count(rules, with_comments(hearing, [*said, lift]))
    assert vetoer.id not in [o.id for o in lifted.vetoed_by]


@given(rule_lists(), hearings())
def test_nobody_fills_two_places_and_no_rule_has_more_than_it_needs(rules: tuple[Rule, ...], hearing: Hearing) -> None:
    """Each counted person is one account, once; a rule's number is that of the people who fill it."""
    found = count(rules, hearing)
    assert len({c.id for c in found.counted}) == len(found.counted)
    for standing in found.rules:
        filling = [c for c in found.counted if c.rule == standing.rule.name and not c.spare]
        assert standing.have == len(filling) <= standing.rule.count


@given(rule_lists(), hearings())
def test_what_is_not_known_never_counts(rules: tuple[Rule, ...], hearing: Hearing) -> None:
    """Reading every unreadable membership as a no leaves the same people counted."""
    bare = {key: m if m.answer == "yes" else Membership("no") for key, m in hearing.teams.items()}
    known, unknown = count(rules, replace(hearing, teams=bare)), count(rules, hearing)
    assert [c.id for c in unknown.counted] == [c.id for c in known.counted]
    assert unknown.quorum == known.quorum
    assert not (unknown.met and not known.met)


@given(rule_lists(), hearings())
def test_where_an_answer_would_decide_it_is_undetermined(rules: tuple[Rule, ...], hearing: Hearing) -> None:
    """It is met only if it were with any answers, and where answers make the difference that is said."""
    open_questions = [key for key, m in hearing.teams.items() if m.answer == "unreadable"]
    assume(len(open_questions) <= 6)
    ends = set()
    for answers in product(("yes", "no"), repeat=len(open_questions)):
        told: Mapping[tuple[str, int], Any] = dict(zip(open_questions, map(Membership, answers), strict=True))  # type: ignore[arg-type]
        ends.add(count(rules, replace(hearing, teams={**hearing.teams, **told})).met)
    found = count(rules, hearing)
    assert found.met == (ends == {True})
    assert found.undetermined or len(ends) == 1
    assert not (found.undetermined and ends == {True})


@given(rule_lists(), hearings(("yes", "no")))
def test_who_could_still_help_is_who_brings_a_rule_further(rules: tuple[Rule, ...], hearing: Hearing) -> None:
    """Somebody named helps if and only if, approving, they bring the rules further together."""
    hearing = replace(hearing, roles=())
    base = count(rules, hearing)
    now = sum(r.have for r in base.rules)
    counted = {c.id for c in base.counted}
    for who in PEOPLE:
        assert hearing.thread is not None
        word = Comment(59, who, f"/gate approve digest {DIGEST}", "2026-11-23T11:30:00Z")
        after = count(rules, with_comments(hearing, [*hearing.thread.comments, word]))
        further = sum(r.have for r in after.rules) > now
        by_name = any(a.login == who.login for r in base.missing for a in r.could)
        by_team = any(a.team and hearing.is_in(a.team, who).answer == "yes" for r in base.missing for a in r.could)
        assert further == (who.id not in counted and (by_name or by_team))


@given(st.lists(st.integers(0, 3), max_size=4), st.data())
def test_matching_equals_brute_force(places: list[int], data: st.DataObject) -> None:
    """As many people sit as in the best of all assignments, each where they fit, no group over its number."""
    groups = st.lists(st.sampled_from(range(len(places))), unique=True) if places else st.just([])
    fits = data.draw(st.lists(groups, max_size=6))

    @lru_cache(None)
    def best(person: int, left: tuple[int, ...]) -> int:
        if person == len(fits):
            return 0
        seats = (1 + best(person + 1, (*left[:g], left[g] - 1, *left[g + 1 :])) for g in fits[person] if left[g] > 0)
        return max([best(person + 1, left), *seats])

    found = fill(places, fits)
    assert len(found) == best(0, tuple(places))
    assert all(group in fits[person] for person, group in found.items())
    assert all(taken <= places[group] for group, taken in Counter(found.values()).items())
