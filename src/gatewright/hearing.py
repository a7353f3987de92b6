"""What was said about one question, by whom, and whether it may be listened to: comments and ledger as words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from gatewright.comments import OBJECTING, Command, Unclear, Verb, parse, show
from gatewright.policy.model import Approver
from gatewright.thread import Comment, Membership, Person, Thread

#: the words that are about approving; all others ask the gate to do something
SPOKEN = frozenset({"approve", "unapprove", "reject", "unreject", "hold", "unhold"})

#: the words that are about one move, and are of no account once it was made; objections are about the version
_AGREEING = frozenset({"approve", "unapprove"})

GHOST = Person("ghost", 0)


@dataclass(frozen=True, slots=True)
class Question:
    """May this version take this target, on the evidence that has this digest?"""

    model: str
    version: int
    target: str
    digest: str

    @property
    def subject(self) -> tuple[str, int, str]:
        """What it is about, whatever the evidence."""
        return self.model, self.version, self.target


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as people saw it in the thread: from when, and until when if it was settled or withdrawn since."""

    at: str
    question: Question
    until: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A word that the ledger holds: authority and digest were as they had to be when it was written.

    at: when the person said it, not when it was recorded. thread, comment: where; 0 if not in a comment.
    """

    verb: Verb
    person: Person
    at: str
    version: int
    target: str
    digest: str = ""
    thread: int = 0
    comment: int = 0
    url: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Everything that counting reads.

    thread: as it stands, with all its comments; None where nothing of it could be seen, as on the command line.
    asked: every question that the thread was shown, this one among them. targets: all names of the policy's ladder.
    roles: who is what (requester, pr_author, commit_authors, model_author), each role as often as there are people.
    unmapped: MLflow users among them whom the policy's map does not name. exclude: the roles that may not approve.
    teams: (team in lower case, person's id) → what the forge answered. expires: seconds for which an approval holds.
    since: when the version took the target last; whoever agreed before that agreed to that. "" if it never did.
    """

    question: Question
    now: datetime
    thread: Thread | None = None
    asked: tuple[Asked, ...] = ()
    targets: tuple[str, ...] = ()
    roles: tuple[tuple[str, Approver], ...] = ()
    unmapped: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    teams: Mapping[tuple[str, int], Membership] = field(default_factory=dict)
    recorded: tuple[Recorded, ...] = ()
    expires: Decimal = Decimal(7 * 86400)
    since: str = ""

    @property
    def opened_for(self) -> tuple[str, int, str] | None:
        """The request that the thread is the issue of; None for every other thread."""
        return self.thread.opened_for if self.thread else None

    def is_in(self, team: str, person: Person) -> Membership:
        """What is known of a membership. Nobody asked is nobody knows."""
        return self.teams.get((team.casefold(), person.id), Membership("unreadable", f"nobody asked for @{team}"))

    def roles_of(self, person: Person) -> tuple[str, ...]:
        """Every role of a person; a login and an id both make one, since leaving somebody out errs on the safe side."""
        return tuple(role for role, who in self.roles if person.id == who.id or same_login(who.login, person.login))

    def accounts(self, login: str) -> frozenset[int]:
        """Every account that spoke under a login: more than one if it has changed hands."""
        here = [c.author for c in self.thread.comments if c.author] if self.thread else []
        spoke = [*here, *(said.person for said in self.recorded)]
        return frozenset(p.id for p in spoke if same_login(p.login, login))


@dataclass(frozen=True, slots=True)
class Word:
    """One word of one person. because: the reason code for not listening to it, "" for listening.

    comment: its id. url: where it stands. recorded: the ledger holds it. minimized: it is hidden in the thread.
    spent: it was said about an earlier move of the same version to the same target.
    """

    verb: str
    person: Person
    at: str
    comment: int = 0
    url: str = ""
    reason: str = ""
    because: str = ""
    detail: str = ""
    recorded: bool = False
    minimized: bool = False
    spent: bool = False


def roles(
    thread: Thread | None, requester: Approver | None, authors: Iterable[str], people: Mapping[str, Approver]
) -> tuple[tuple[str, Approver], ...]:
    """Who is what. authors: MLflow users who made the version; people: the policy's map of them to accounts.

    A user whom the map does not name is taken for the account of the same name.
    """
    found = [("model_author", people.get(user, Approver(user))) for user in authors]
    if requester is not None:
        found.append(("requester", people.get(requester.login, requester) if requester.id is None else requester))
    if thread is not None and thread.kind == "pull":
        found += [("pr_author", _account(thread.author))] if thread.author else []
        found += [("commit_authors", _account(person)) for person in thread.contributors]
    return tuple(found)


def _account(person: Person) -> Approver:
    return Approver(person.login, person.id)


def moment(text: str) -> datetime:
    """A time as GitHub and the ledger spell it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def same_login(one: str, other: str) -> bool:
    """GitHub's logins have no letter case."""
    return bool(one) and one.casefold() == other.casefold()


def listen(hearing: Hearing) -> tuple[Word, ...]:
    """Every word about the question, in the order in which they were said."""
    live = {word.comment: word for word in _live(hearing)}
    written = {word.comment or -n: word for n, word in enumerate(_written(hearing), 1)}
    # What the ledger holds outlives its comment; an approval alone is as its comment is now.
    kept = {at: word for at, word in written.items() if word.verb != "approve" or at not in live}
    return tuple(sorted([*{**live, **kept}.values()], key=lambda w: (moment(w.at), w.comment)))


def _live(hearing: Hearing) -> Iterator[Word]:
    for comment in hearing.thread.comments if hearing.thread else ():
        word = _heard(hearing, comment)
        if word is not None:
            yield word


def _written(hearing: Hearing) -> Iterator[Word]:
    """The ledger's words about this version and target."""
    here = {c.id: c for c in hearing.thread.comments} if hearing.thread else {}
    for said in hearing.recorded:
        if (said.version, said.target) != (hearing.question.version, hearing.question.target):
            continue
        if said.verb in _AGREEING and _is_spent(hearing, said.at):
            continue
        because, detail = _since(hearing, said, here) if said.verb == "approve" else ("", "")
        yield Word(said.verb, said.person, said.at, said.comment, said.url, said.reason, because, detail, recorded=True)


def _since(hearing: Hearing, said: Recorded, here: Mapping[int, Comment]) -> tuple[str, str]:
    """What has become of an approval since it was recorded."""
    in_view = hearing.thread is not None and said.thread == hearing.thread.number and said.comment
    if in_view and said.comment not in here:
        return "edited_comment", "its comment was deleted, which takes the approval back"
    if in_view and here[said.comment].edited:
        return _edited(here[said.comment])
    if said.digest != hearing.question.digest:
        return "stale_digest", _changed(said.digest, hearing.question.digest)
    return _late(hearing, said.at)


def _heard(hearing: Hearing, comment: Comment) -> Word | None:
    """The word of a comment; None where it has none about this question."""
    command, author = parse(comment.body), comment.author or GHOST
    if command is None or (not author.human and isinstance(command, Unclear)):
        return None
    if isinstance(command, Unclear):
        return _word(comment, author, "", command.code, f"{command.text}: {command.hint}")
    if command.verb not in SPOKEN or _elsewhere(hearing, command):
        return None
    if command.verb in _AGREEING and _is_spent(hearing, comment.created):
        return _spent(hearing, comment, author) if command.verb == "approve" else None
    because, detail = _fault(hearing, comment, author, command)
    return _word(comment, author, command.verb, because, detail, command.reason)


def _is_spent(hearing: Hearing, at: str) -> bool:
    """Whether something was said before the version took the target last, so that it was about that."""
    return bool(hearing.since) and moment(at) <= moment(hearing.since)


def _spent(hearing: Hearing, comment: Comment, author: Person) -> Word:
    detail = f"it was for the move of {hearing.since}; what is asked now was asked later"
    return replace(_word(comment, author, "approve", "stale_digest", detail), spent=True)


def _word(comment: Comment, author: Person, verb: str, because: str, detail: str, reason: str = "") -> Word:
    return Word(
        verb, author, comment.created, comment.id, comment.url, reason, because, detail, minimized=comment.minimized
    )


def _fault(hearing: Hearing, comment: Comment, author: Person, command: Command) -> tuple[str, str]:
    """Why a comment may not be listened to: reason code and detail, both "" if it may."""
    if author == GHOST:
        return "not_authorized", "the account is gone"
    if not author.human:
        return "bot_comment", f"{author.login} is no person"
    if comment.app and command.verb not in OBJECTING:
        return "bot_comment", f"it was written by the app {comment.app} in {author.login}'s name"
    if comment.edited and not (command.verb in OBJECTING and comment.editor in (None, author)):
        return _edited(comment)
    if command.verb in OBJECTING:
        return _other_version(hearing.question, command)
    return _misfit(hearing, comment, command)


def _edited(comment: Comment) -> tuple[str, str]:
    by = f" by {comment.editor.login}" if comment.editor else ""
    return "edited_comment", f"it was edited{by}; say it again in a new comment"


def _elsewhere(hearing: Hearing, command: Command) -> bool:
    """Whether a command is clearly about something else that this thread asks, which is no fault in it."""
    mine, others = hearing.question, [a.question for a in hearing.asked]
    if hearing.opened_for and _is_bare(command):
        return hearing.opened_for != mine.subject
    if command.target and command.target != mine.target:
        return command.target in hearing.targets or command.target in {q.target for q in others}
    return bool(command.model) and command.model != mine.model and command.model in {q.model for q in others}


def _other_version(question: Question, command: Command) -> tuple[str, str]:
    """An objection holds unless it clearly names another version: what else it names may be a part of its reason."""
    if command.model == question.model and command.version != question.version:
        return "wrong_version", f"it is about {command.model}/{command.version}, this is {_name(question)}"
    return "", ""


def _misfit(hearing: Hearing, comment: Comment, command: Command) -> tuple[str, str]:
    """Why what is agreed to, or taken back, is not what is asked."""
    mine = hearing.question
    if not _names(command, mine):
        said = show(Command(command.verb, command.model, command.version, command.target))
        return "wrong_version", f"it says {said}, this is {_name(mine)}; copy {_line(command, mine)}"
    if command.digest:
        fits = mine.digest.startswith(command.digest)
        return ("", "") if fits and command.verb != "approve" else _timely(hearing, comment, command, fits)
    seen = [a.question for a in _in_view(hearing, comment) if _names(command, a.question)]
    if hearing.opened_for == mine.subject:
        seen = [q for q in seen if q.subject == mine.subject]
    subjects = {q.subject for q in seen}
    if len(subjects) > 1:
        which = " or ".join(f"{m}/{v} to {t}" for m, v, t in sorted(subjects))
        return "ambiguous_subject", f"it may mean {which}; copy {_line(command, mine)}"
    if command.verb != "approve":
        return "", ""
    if not seen:
        return "stale_digest", f"the evidence was not shown yet; copy {_line(command, mine)}"
    if seen[-1].subject != mine.subject:
        return "wrong_version", f"it was about {_name(seen[-1])}, this is {_name(mine)}"
    if seen[-1].digest != mine.digest:
        return "stale_digest", _changed(seen[-1].digest, mine.digest)
    return _late(hearing, comment.created)


def _timely(hearing: Hearing, comment: Comment, command: Command, fits: bool) -> tuple[str, str]:
    """A digest names what was seen, so only age is left to ask for."""
    if not fits:
        return "stale_digest", _changed(command.digest, hearing.question.digest)
    return _late(hearing, comment.created)


def _in_view(hearing: Hearing, comment: Comment) -> list[Asked]:
    """What stood in the thread when a comment was written, oldest first.

    GitHub tells seconds. A comment of the same second as the evidence counts as written before it.
    """
    at = moment(comment.created)
    shown = [a for a in hearing.asked if moment(a.at).replace(microsecond=0) < at]
    return sorted((a for a in shown if not a.until or moment(a.until) >= at), key=lambda a: moment(a.at))


def _late(hearing: Hearing, at: str) -> tuple[str, str]:
    age = (hearing.now - moment(at)).total_seconds()
    if age < hearing.expires:
        return "", ""
    return "expired", f"it is {age / 86400:.1f} days old and holds for {float(hearing.expires) / 86400:g}"


def _names(command: Command, question: Question) -> bool:
    """Whether what a command names, if anything, is this question's subject."""
    return (
        command.model in ("", question.model)
        and command.version in (None, question.version)
        and command.target in ("", question.target)
    )


def _is_bare(command: Command) -> bool:
    """Whether a command leaves open what it is about."""
    return not (command.model or command.version or command.target or command.digest)


def _name(question: Question) -> str:
    return f"{question.model}/{question.version} to {question.target}"


def _line(command: Command, question: Question) -> str:
    """The line to copy."""
    return show(Command(command.verb, question.model, question.version, question.target, question.digest))


def _changed(was: str, is_now: str) -> str:
    return f"it is for the evidence {was[:12]}, which is {is_now[:12]} now"
