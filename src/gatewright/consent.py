"""Who has agreed to a move: thread, ledger and teams brought before the counting, and what was counted written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from gatewright.approvals import Counted, Objection, Standing, count, decisive, questions
from gatewright.case import SIGN_IN, Audience, Case, Gate
from gatewright.comments import Verb
from gatewright.hearing import Asked, Hearing, Question, Recorded, Word, listen, moment, roles
from gatewright.ledger.entry import MOVED, Actor, Entry, Kind, Row, open_request
from gatewright.measure.quoting import storable
from gatewright.policy.model import Approver, Rule
from gatewright.problem import Undetermined
from gatewright.record import append, draft, stamp
from gatewright.thread import Membership, Person, Thread

#: kinds of entries that hold a word, and the word
SAID: dict[str, Verb] = {
    "approved": "approve",
    "withdrawn": "unapprove",
    "vetoed": "reject",
    "unvetoed": "unreject",
    "held": "hold",
    "released": "unhold",
}
_KINDS: dict[str, Kind] = {
    "approve": "approved",
    "unapprove": "withdrawn",
    "reject": "vetoed",
    "unreject": "unvetoed",
    "hold": "held",
    "unhold": "released",
}
#: what takes which word back
_UNDOES = {"unapprove": "approve", "unreject": "reject", "unhold": "hold"}


@dataclass(frozen=True, slots=True)
class Heard:
    """What was counted, and out of what; no hearing where the policy asks nobody."""

    standing: Standing
    hearing: Hearing | None = None


def heard(gate: Gate, case: Case, rules: tuple[Rule, ...], digest: str) -> Standing:
    """How far the rules are fulfilled for a version, a target and the evidence that has this digest.

    Raises Undetermined where thread or ledger cannot be read.
    """
    return hear(gate, case, rules, digest).standing


def hear(gate: Gate, case: Case, rules: tuple[Rule, ...], digest: str) -> Heard:
    """The same, with everything that was listened to. Whoever is in which team is asked for anew each time.

    Each comment that something hangs on is read again by itself before it counts. What is then found not to count may
    let an earlier one take its place, so this goes on until nothing is left to be read.
    """
    if not rules:
        return Heard(count(rules))
    audience = gate.audience
    hearing = _hearing(gate, case, digest, audience.thread() if audience else None)
    confirmed: frozenset[int] = frozenset()
    while True:
        hearing = _with_teams(hearing, rules, audience)
        fresh = decisive(rules, hearing) - confirmed
        if audience is None or hearing.thread is None or not fresh:
            return Heard(count(rules, hearing), hearing)
        hearing = replace(hearing, thread=_confirmed(audience, hearing.thread, fresh))
        confirmed |= fresh


def _with_teams(hearing: Hearing, rules: tuple[Rule, ...], audience: Audience | None) -> Hearing:
    """The hearing with every membership that counting needs to know, each asked for once."""
    member = audience.member if audience else _unasked
    asked = {(team.casefold(), who.id): (team, who) for team, who in questions(rules, hearing)}
    found = {key: member(*asked[key]) for key in asked if key not in hearing.teams}
    return replace(hearing, teams={**hearing.teams, **found})


def _confirmed(audience: Audience, thread: Thread, ids: frozenset[int]) -> Thread:
    """The thread with some of its comments as they stand this moment; Undetermined where one cannot be read."""
    now = (audience.confirm(c) if c.id in ids else c for c in thread.comments)
    return replace(thread, comments=tuple(c for c in now if c is not None))


def _unasked(team: str, person: Person) -> Membership:
    """The answer where there is no forge: a word that was counted once is no proof that its author is still there."""
    return Membership("unreadable", f"whether {person.login} is in @{team} was asked of nobody. {SIGN_IN}")


def _hearing(gate: Gate, case: Case, digest: str, thread: Thread | None) -> Hearing:
    policy, rows = gate.policy, gate.ledger.rows(gate.policy.model)
    who, authors = requester(gate, case, rows), tuple(filter(None, (case.candidate.author,)))
    asker = Approver(who.login, who.id)
    users = (*authors, *((who.login,) if who.via != "github" and who.id is None else ()))
    return Hearing(
        question=Question(policy.model, case.candidate.number, case.target.name, digest),
        now=gate.now(),
        thread=thread,
        asked=_asked(gate, case, rows),
        targets=tuple(t.name for t in policy.targets),
        roles=roles(thread, asker, authors, policy.people),
        unmapped=tuple(user for user in dict.fromkeys(users) if user not in policy.people),
        exclude=case.target.exclude,
        recorded=recorded(gate, case, rows),
        expires=case.target.expires,
        since=_since(case, rows),
    )


def _since(case: Case, rows: Sequence[Row]) -> str:
    """When the version took the target last; "" if it never did."""
    moves = (row.at for row in reversed(rows) if row.kind in MOVED and _is_about(case, row))
    return next(moves, "")


def requester(gate: Gate, case: Case, rows: Sequence[Row]) -> Actor:
    """Who asked for it first: new evidence makes a new request of an open one, and nobody else its requester."""
    row = open_request(rows, case.candidate.number, case.target.name)
    if row is None:
        return gate.asker or gate.actor
    entry = _body(gate, row)
    told = entry.details.get("requester")
    if not isinstance(told, dict):
        return entry.actor
    number = told.get("id")
    return Actor(str(told.get("login", "")), number if isinstance(number, int) else None, str(told.get("via", "")))


def _asked(gate: Gate, case: Case, rows: Sequence[Row]) -> tuple[Asked, ...]:
    """Every request of the model. Of those for other subjects only that they were there is of interest, not how."""
    return tuple(_request(gate, case, row, rows) for row in rows if row.kind == "requested" and row.version is not None)


def _request(gate: Gate, case: Case, row: Row, rows: Sequence[Row]) -> Asked:
    until = _settled(row, rows)
    if _is_about(case, row):
        digest = _body(gate, row).evidence_digest
    else:
        digest, until = "", min(filter(None, (until, _expiry(gate, row))))
    return Asked(row.at, Question(gate.policy.model, row.version or 0, row.target, digest), until)


def _settled(request: Row, rows: Sequence[Row]) -> str:
    """When a request was closed or fulfilled; "" if it was neither."""
    same = (request.version, request.target)
    later = (r for r in rows if r.n > request.n)
    ends = (r for r in later if r.closes == request.n or (r.kind in MOVED and (r.version, r.target) == same))
    return next((r.at for r in ends), "")


def _expiry(gate: Gate, row: Row) -> str:
    target = gate.policy.target(row.target)
    # A target that the policy no longer has asks for nothing any more.
    holds = timedelta(seconds=float(target.expires)) if target else timedelta(0)
    return stamp(moment(row.at) + holds)


def recorded(gate: Gate, case: Case, rows: Sequence[Row]) -> tuple[Recorded, ...]:
    """The words about a version and a target that the ledger holds."""
    found = (_word(_body(gate, row)) for row in rows if row.kind in SAID and _is_about(case, row))
    return tuple(word for word in found if word is not None)


def _word(entry: Entry) -> Recorded | None:
    """An entry as a word. An approval of nobody in particular is none; an objection stands however it was written."""
    verb, told = SAID[entry.kind], entry.details
    if entry.actor.id is None and verb == "approve":
        return None
    thread, comment = (told.get(key) for key in ("thread", "comment"))
    return Recorded(
        verb,
        Person(entry.actor.login, entry.actor.id or 0),
        _said_at(entry),
        entry.version or 0,
        entry.target,
        entry.evidence_digest,
        thread if isinstance(thread, int) else 0,
        comment if isinstance(comment, int) else 0,
        str(told.get("url", "")),
        entry.text,
    )


def _said_at(entry: Entry) -> str:
    """When it was said; of an entry that does not tell, when it was written."""
    said = entry.details.get("said")
    try:
        return said if isinstance(said, str) and moment(said).tzinfo is not None else entry.at
    except ValueError:
        return entry.at


def _is_about(case: Case, row: Row) -> bool:
    return (row.version, row.target) == (case.candidate.number, case.target.name)


def _body(gate: Gate, row: Row) -> Entry:
    entry = gate.ledger.entry(gate.policy.model, row)
    if entry is None:
        raise Undetermined(
            f"who has agreed to v{row.version} in {row.target} cannot be told",
            f"entry {row.n} of the ledger ({row.kind}) is gone",
            f"Run gatewright audit verify {gate.policy.model}.",
        )
    return entry


def record_words(gate: Gate, case: Case, found: Heard) -> None:
    """Writes every word that counted and that the ledger does not hold yet into it, oldest first, each once."""
    hearing = found.hearing
    for word, rule in _unwritten(found):
        entry = _entry(gate, case, hearing, word, rule) if hearing else None
        append(gate, lambda rows, e=entry: None if e is None or _is_written(gate, case, rows, e) else e)  # type: ignore[misc]


def _unwritten(found: Heard) -> Iterator[tuple[Word, str]]:
    """Words of the thread that had an effect, with the rule whose place an approval fills."""
    if found.hearing is None:
        return
    had = [(r.verb, r.comment, r.person.id) for r in found.hearing.recorded]
    standing = {_sign(c, "approve"): c.rule for c in found.standing.counted}
    standing |= {_sign(o, "reject"): "" for o in found.standing.vetoed_by}
    standing |= {_sign(o, "hold"): "" for o in found.standing.held_by}
    for word in listen(found.hearing):
        sign = (word.verb, word.person.id, word.at, word.url)
        undone = _UNDOES.get(word.verb)
        # What was never written need not be taken back.
        counts = sign in standing or any((undone, word.person.id) == (verb, who) for verb, _, who in had)
        known = word.recorded or (word.verb, word.comment, word.person.id) in had
        if counts and not known and not word.because:
            had.append((_verb(word), word.comment, word.person.id))
            yield word, standing.get(sign, "")


def _sign(said: Counted | Objection, verb: str) -> tuple[str, int, str, str]:
    return verb, said.id, said.at, said.comment


def _verb(word: Word) -> Verb:
    return SAID[_KINDS[word.verb]]


def _entry(gate: Gate, case: Case, hearing: Hearing, word: Word, rule: str) -> Entry:
    thread = hearing.thread.number if hearing.thread else 0
    details = {"thread": thread, "comment": word.comment, "url": word.url, "rule": rule, "said": word.at}
    entry = draft(
        gate,
        _KINDS[word.verb],
        case,
        text=storable(word.reason),
        evidence_digest=hearing.question.digest,
        details=details,
    )
    return replace(entry, actor=Actor(word.person.login, word.person.id, "github", word.url))


def _is_written(gate: Gate, case: Case, rows: Sequence[Row], entry: Entry) -> bool:
    """Whether another run has written it meanwhile."""
    there = (row for row in reversed(rows) if row.kind == entry.kind and _is_about(case, row))
    return any(_body(gate, row).details.get("comment") == entry.details["comment"] for row in there)
