"""Who must agree, who has, and whose word does not count and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from gatewright.hearing import Hearing, Word, listen, same_login
from gatewright.matching import fill
from gatewright.policy.model import Approver, Rule
from gatewright.thread import Person

Answer = Literal["yes", "no", "unreadable"]

#: what lapsed may have been enough; the reason codes of that, the likelier first
LAPSED = ("expired", "stale_digest")


@dataclass(frozen=True, slots=True)
class Counted:
    """An approval that counts, and the rule whose place it fills.

    comment: its address. spare: every place was filled already. minimized: it counts, and is hidden in its thread.
    """

    login: str
    id: int
    rule: str
    at: str
    comment: str = ""
    spare: bool = False
    minimized: bool = False


@dataclass(frozen=True, slots=True)
class NotCounted:
    """A word that does not count. `comment` is its address, `because` a reason code, `detail` the same in words.

    verb: what was said, "" where that could not be told. comment_id: for finding the comment of an event.
    """

    login: str
    comment: str
    because: str
    detail: str = ""
    verb: str = "approve"
    comment_id: int = 0


@dataclass(frozen=True, slots=True)
class Objection:
    """A veto or a hold that stands until the one who said it takes it back."""

    login: str
    id: int
    at: str
    comment: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RuleStanding:
    """How far one rule is fulfilled.

    could: whose approval would still bring it further, by filling a place or by freeing somebody else for it.
    """

    rule: Rule
    have: int = 0
    could: tuple[Approver, ...] = ()

    @property
    def met(self) -> bool:
        return self.have >= self.rule.count

    @property
    def stuck(self) -> bool:
        """Whether too few are left to fulfil it. Of a team it is never known."""
        return not self.met and not any(a.team for a in self.could) and self.have + len(self.could) < self.rule.count


@dataclass(frozen=True, slots=True)
class Standing:
    """All rules of a target, and every word that was said about the question.

    undetermined: what could not be read and would decide, in sentences. lapsed: the reason code of approvals that
    would be enough, were they not too old or for other evidence; "" if there are none. notes: for people.
    """

    rules: tuple[RuleStanding, ...] = ()
    counted: tuple[Counted, ...] = ()
    not_counted: tuple[NotCounted, ...] = ()
    vetoed_by: tuple[Objection, ...] = ()
    held_by: tuple[Objection, ...] = ()
    undetermined: tuple[str, ...] = ()
    lapsed: str = ""
    notes: tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        return bool(self.rules)

    @property
    def quorum(self) -> bool:
        """Whether every rule is met, whatever else stands in the way."""
        return all(r.met for r in self.rules)

    @property
    def met(self) -> bool:
        """Whether the people who must agree have, and nobody who may object does."""
        return self.quorum and not (self.vetoed_by or self.held_by or self.undetermined)

    @property
    def missing(self) -> tuple[RuleStanding, ...]:
        return tuple(r for r in self.rules if not r.met)


@dataclass(frozen=True, slots=True)
class _Seat:
    """Whether a person has a place in a rule, and the words for a no or for not knowing."""

    answer: Answer
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Floor:
    """The approvals that may be seated: each one's seats, rule by rule, and who sits where.

    sure: approval → rule. possible: whether there would be enough if all that could not be read were yes.
    """

    rules: tuple[Rule, ...]
    approvals: tuple[Word, ...]
    seats: list[list[_Seat]]
    sure: dict[int, int]
    possible: bool


@dataclass(frozen=True, slots=True)
class _Objections:
    """Vetoes, or holds: those that stand, those that do not, and the doubts about who may object."""

    stand: tuple[Objection, ...]
    not_counted: tuple[NotCounted, ...]
    doubts: tuple[str, ...]


@dataclass(slots=True)
class _Voice:
    """What a person says in the end. lifted: verb → the last objection of theirs that was taken back, and by what."""

    person: Person
    approval: Word | None = None
    veto: Word | None = None
    hold: Word | None = None
    lapsed: list[Word] = field(default_factory=list)
    lifted: dict[str, tuple[Word, Word]] = field(default_factory=dict)


def count(rules: tuple[Rule, ...], hearing: Hearing | None = None) -> Standing:
    """The one place where approvals are counted.

    Without a hearing nobody has said anything yet: who owes an approval is known, and that is all.
    """
    if hearing is None:
        return Standing(tuple(RuleStanding(rule, 0, rule.approvers) for rule in rules))
    words = listen(hearing)
    voices, idle = _voices(words)
    floor = _floor(rules, voices, hearing)
    vetoes = _objections([v.veto for v in voices if v.veto], "reject", rules, hearing)
    holds = _objections([v.hold for v in voices if v.hold], "hold", rules, hearing)
    misheard = (_not_counted(w, w.because, w.detail) for w in words if w.because)
    own = (_self_approval(v.approval, hearing) for v in voices if v.approval and _excluded(v.person, hearing))
    not_counted = (*misheard, *idle, *own, *_unseated(floor), *vetoes.not_counted, *holds.not_counted)
    return Standing(
        _rules(floor, hearing),
        tuple(_counted(floor)),
        tuple(sorted(not_counted, key=lambda n: n.comment_id)),
        vetoes.stand,
        holds.stand,
        _undetermined(floor, vetoes, holds),
        "" if floor.possible else _lapsed(floor, voices, hearing),
        tuple(_notes(hearing)),
    )


def questions(rules: tuple[Rule, ...], hearing: Hearing) -> tuple[tuple[str, Person], ...]:
    """The memberships that counting needs to know: (team, person), each once, none of them in vain.

    `hearing.teams` is left out of account: it is what the answers go into.
    """
    voices, _ = _voices(listen(hearing))
    asked: dict[tuple[str, int], tuple[str, Person]] = {}
    for voice in voices:
        objects = any(w is not None and not w.recorded for w in (voice.veto, voice.hold))
        agrees = (voice.approval or voice.lapsed) and not _excluded(voice.person, hearing)
        for rule in rules if objects or agrees else ():
            if not any(_is(a, voice.person, hearing) for a in rule.approvers if a.login):
                teams = [a.team for a in rule.approvers if a.team]
                asked.update({(team.casefold(), voice.person.id): (team, voice.person) for team in teams})
    return tuple(asked.values())


def decisive(rules: tuple[Rule, ...], hearing: Hearing) -> frozenset[int]:
    """Comments by which a version may move: approvals that count, and what took back an objection that would stand.

    What is only recorded is not among them. That an objection might stand is enough.
    """
    voices, _ = _voices(listen(hearing))
    floor = _floor(rules, voices, hearing)
    words = [word for word, seats in zip(floor.approvals, floor.seats, strict=True) if _sits(seats)]
    for verb, (said, by) in chain.from_iterable(v.lifted.items() for v in voices):
        seats = [_seat(rule, said.person, hearing) for rule in rules]
        if _may_object(said, verb, seats, hearing) or _doubts([seats]):
            words.append(by)
    return frozenset(w.comment for w in words if not w.recorded)


def _voices(words: Sequence[Word]) -> tuple[list[_Voice], list[NotCounted]]:
    """What everyone says in the end, by their ids, so that the order of different people is of no account.

    Also the words that took nothing back, because there was nothing of theirs.
    """
    voices: dict[int, _Voice] = {}
    idle: list[NotCounted] = []
    for word in words:
        voice = voices.setdefault(word.person.id, _Voice(word.person))
        voice.person = word.person
        if word.because in LAPSED and word.verb == "approve" and not word.spent:
            voice.lapsed.append(word)
        elif not word.because and not _hear(voice, word):
            idle.append(_not_counted(word, "not_authorized", _IDLE[word.verb]))
    return [voices[key] for key in sorted(voices)], idle


_IDLE = {
    "unapprove": "there is no approval of theirs to take back",
    "unreject": "there is no veto of theirs; only who vetoed takes a veto back",
    "unhold": "there is no hold of theirs; only who held takes a hold back",
}


def _hear(voice: _Voice, word: Word) -> bool:
    """Lets a word take effect; False if it changes nothing. One's last word on the matter is what one says."""
    before = (voice.approval, voice.veto, voice.hold)
    stood = {w.verb: w for w in (voice.veto, voice.hold) if w}
    if word.verb == "approve":
        voice.approval, voice.veto = word, None
    elif word.verb == "reject":
        voice.approval, voice.veto = None, word
    elif word.verb == "unapprove":
        voice.approval, voice.lapsed = None, []
    elif word.verb == "unreject":
        voice.veto = None
    else:
        voice.hold = word if word.verb == "hold" else None
    stands = {w.verb for w in (voice.veto, voice.hold) if w}
    voice.lifted = {verb: pair for verb, pair in voice.lifted.items() if verb not in stands}
    voice.lifted |= {verb: (said, word) for verb, said in stood.items() if verb not in stands}
    return word.verb not in _IDLE or before != (voice.approval, voice.veto, voice.hold)


def _is(approver: Approver, person: Person, hearing: Hearing) -> bool:
    """Whether a policy's login means an account. A pinned id decides alone: it outlives renaming, a login does not.

    A login without a pin under which two accounts have spoken means neither: it has changed hands.
    """
    if approver.id is not None:
        return person.id == approver.id
    return same_login(approver.login, person.login) and hearing.accounts(person.login) <= {person.id}


def _seat(rule: Rule, person: Person, hearing: Hearing) -> _Seat:
    """Whether a person is one of a rule's approvers. Yes by one name is yes; else not knowing is not no."""
    if any(_is(a, person, hearing) for a in rule.approvers if a.login):
        return _Seat("yes")
    found = [hearing.is_in(a.team, person) for a in rule.approvers if a.team]
    for answer in ("yes", "unreadable"):
        for membership in found:
            if membership.answer == answer:
                return _Seat(membership.answer, membership.why)
    meant = next((a for a in rule.approvers if same_login(a.login, person.login)), None)
    if meant is not None and meant.id is not None:
        return _Seat("no", f"the policy means {meant}; this account has the id {person.id}")
    if meant is not None:
        return _Seat("no", f"two accounts have spoken as {meant}; pin the one that is meant, as in {meant}#{person.id}")
    return _Seat("no", next((m.why for m in found if m.why), ""))


def _seats(rules: Sequence[Rule], people: Sequence[Person], hearing: Hearing) -> list[list[_Seat]]:
    """For each person, their seat in each rule."""
    return [[_seat(rule, person, hearing) for rule in rules] for person in people]


def _filled(rules: Sequence[Rule], seats: Sequence[Sequence[_Seat]], answers: tuple[Answer, ...]) -> dict[int, int]:
    """Who fills a place of which rule, if these answers let somebody sit down."""
    fits = [[n for n, seat in enumerate(of_person) if seat.answer in answers] for of_person in seats]
    return fill([rule.count for rule in rules], fits)


def _enough(rules: Sequence[Rule], seated: dict[int, int]) -> bool:
    return len(seated) == sum(rule.count for rule in rules)


def _floor(rules: tuple[Rule, ...], voices: Sequence[_Voice], hearing: Hearing) -> _Floor:
    """Seats everyone who approves and is not left out."""
    approvals = tuple(v.approval for v in voices if v.approval and not _excluded(v.person, hearing))
    seats = _seats(rules, [word.person for word in approvals], hearing)
    sure, perhaps = _filled(rules, seats, ("yes",)), _filled(rules, seats, ("yes", "unreadable"))
    return _Floor(rules, approvals, seats, sure, _enough(rules, perhaps))


def _counted(floor: _Floor) -> Iterator[Counted]:
    """Everyone who may approve and does; who finds every place taken is spare."""
    for n, word in enumerate(floor.approvals):
        fitting = (group for group, seat in enumerate(floor.seats[n]) if seat.answer == "yes")
        group = floor.sure.get(n, next(fitting, None))
        if group is not None:
            who, rule = word.person, floor.rules[group].name
            yield Counted(who.login, who.id, rule, word.at, word.url, n not in floor.sure, word.minimized)


def _unseated(floor: _Floor) -> Iterator[NotCounted]:
    """Approvals of people who are in no rule, or of whom that cannot be told."""
    for word, of_person in zip(floor.approvals, floor.seats, strict=True):
        if not _sits(of_person):
            yield _outside(word, of_person, floor.rules)


def _undetermined(floor: _Floor, vetoes: _Objections, holds: _Objections) -> tuple[str, ...]:
    """What could not be read, if it would decide: not where a veto or a hold stands, or too many are missing."""
    if vetoes.stand or holds.stand or not floor.possible:
        return ()
    seats = () if _enough(floor.rules, floor.sure) else tuple(_doubts(floor.seats))
    return tuple(dict.fromkeys((*vetoes.doubts, *holds.doubts, *seats)))


def _outside(word: Word, of_person: Sequence[_Seat], rules: Sequence[Rule]) -> NotCounted:
    unknown = next((seat for seat in of_person if seat.answer == "unreadable"), None)
    if unknown is not None:
        return _not_counted(word, "team_unreadable", unknown.why)
    why = next((seat.why for seat in of_person if seat.why), "")
    named = ", ".join(dict.fromkeys(str(a) for rule in rules for a in rule.approvers))
    who = f"the policy names {named}" if named else "the policy asks nobody"
    return _not_counted(word, "not_authorized", f"{why}; {who}" if why else who)


def _objections(words: Sequence[Word], verb: str, rules: Sequence[Rule], hearing: Hearing) -> _Objections:
    """Whom a rule names may veto and hold, even where they may not approve.

    The requester and the pull request's author may hold their own. What the ledger holds was said by somebody who
    might, and outlives their right.
    """
    stand, not_counted, doubts = [], [], []
    for word in words:
        who = word.person
        of_person = [_seat(rule, who, hearing) for rule in rules]
        if _may_object(word, verb, of_person, hearing):
            stand.append(Objection(who.login, who.id, word.at, word.url, word.reason))
        else:
            not_counted.append(_outside(word, of_person, rules))
            doubts += _doubts([of_person])
    return _Objections(tuple(stand), tuple(not_counted), tuple(doubts))


def _may_object(word: Word, verb: str, of_person: Sequence[_Seat], hearing: Hearing) -> bool:
    own = verb == "hold" and {"requester", "pr_author"} & {*hearing.roles_of(word.person)}
    return bool(word.recorded or own or _sits(of_person))


def _doubts(seats: Sequence[Sequence[_Seat]]) -> list[str]:
    return [seat.why for of_person in seats for seat in of_person if seat.answer == "unreadable"]


def _excluded(person: Person, hearing: Hearing) -> bool:
    return any(role in hearing.exclude for role in hearing.roles_of(person))


def _self_approval(word: Word, hearing: Hearing) -> NotCounted:
    role = next(r for r in hearing.roles_of(word.person) if r in hearing.exclude)
    return _not_counted(word, "self_approval", f"{word.person.login} is the {_ROLES.get(role, role)}")


_ROLES = {
    "requester": "one who asked for it",
    "pr_author": "pull request's author",
    "commit_authors": "author of one of its commits",
    "model_author": "model's author",
}


def _rules(floor: _Floor, hearing: Hearing) -> tuple[RuleStanding, ...]:
    agreed = [w.person for w, seats in zip(floor.approvals, floor.seats, strict=True) if _sits(seats)]
    barred = [who for role, who in hearing.roles if role in hearing.exclude]

    def open_to(approver: Approver) -> bool:
        out = any(_same(approver, who) for who in barred)
        return bool(approver.team) or not (out or any(_is(approver, person, hearing) for person in agreed))

    def could(n: int) -> tuple[Approver, ...]:
        near = (a for group in _leading_to(n, floor) for a in floor.rules[group].approvers)
        return tuple(a for a in dict.fromkeys(near) if open_to(a))

    taken = list(floor.sure.values())
    return tuple(RuleStanding(rule, taken.count(n), could(n)) for n, rule in enumerate(floor.rules))


def _leading_to(group: int, floor: _Floor) -> list[int]:
    """The groups in which one more person frees somebody for this one, itself first."""
    found = [group]
    for goal in found:  # grows as it is walked
        movable = (taken for n, taken in sorted(floor.sure.items()) if floor.seats[n][goal].answer == "yes")
        found += [g for g in dict.fromkeys(movable) if g not in found]
    return found


def _sits(seats: Sequence[_Seat]) -> bool:
    return any(seat.answer == "yes" for seat in seats)


def _same(one: Approver, other: Approver) -> bool:
    return same_login(one.login, other.login) or (one.id is not None and one.id == other.id)


def _lapsed(floor: _Floor, voices: Sequence[_Voice], hearing: Hearing) -> str:
    """The reason code of approvals that are too old or for other evidence, if with them it would be enough."""
    people = [word.person for word in floor.approvals]
    silent = [v for v in voices if v.person not in people and not (v.veto or _excluded(v.person, hearing))]
    for code in LAPSED:
        people += [v.person for v in silent if any(w.because == code for w in v.lapsed) and v.person not in people]
        if _enough(floor.rules, _filled(floor.rules, _seats(floor.rules, people, hearing), ("yes",))):
            return code
    return ""


def _notes(hearing: Hearing) -> Iterator[str]:
    """Roles that are to be left out and that no person is known to have."""
    pull = hearing.thread is not None and hearing.thread.kind == "pull"
    for role in hearing.exclude:
        who = [a.login for held, a in hearing.roles if held == role and not (a.login in hearing.unmapped and not a.id)]
        if not who and (pull or role not in ("pr_author", "commit_authors")):
            unmapped = hearing.unmapped if role in ("model_author", "requester") else ()
            map_it = f": name {', '.join(unmapped)} under `people:`" if unmapped else ""
            yield f"Nobody is known to be the {_ROLES.get(role, role)}, so nobody was left out for it{map_it}."
        elif who and all(login.endswith("[bot]") for login in who):
            yield f"The {_ROLES.get(role, role)} is {', '.join(who)}, so no person was left out for it."


def _not_counted(word: Word, because: str, detail: str) -> NotCounted:
    return NotCounted(word.person.login, word.url, because, detail, word.verb, word.comment)


def about(standing: Standing, comment: int) -> NotCounted | None:
    """What is to be told to the writer of a comment whose word does not count."""
    return next((n for n in standing.not_counted if n.comment_id == comment and comment), None)


def awaited(standing: Standing) -> tuple[str, ...]:
    """The logins of those whose turn it is: people who could still fill a place of a rule that is not met."""
    could = chain.from_iterable(r.could for r in standing.missing)
    return tuple(dict.fromkeys(str(a) for a in could))
