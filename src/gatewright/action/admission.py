"""Who may start a run by a word about a request: anybody may comment, and a run costs time, requests and an entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gatewright.comments import Verb
from gatewright.consent import SAID
from gatewright.forge import ROLES, Forge, Membership, Person, Thread
from gatewright.hearing import same_login
from gatewright.ledger import Ledger
from gatewright.ledger.entry import Actor, Row
from gatewright.override import named, seated
from gatewright.policy.model import Approver, Policy
from gatewright.problem import Undetermined

#: the least that somebody must be in the repository to start what costs something
LEAST = "write"


def may_start(forge: Forge, person: Person) -> bool:
    """Whether somebody may write to the repository. Raises Undetermined where that cannot be told."""
    return ROLES.index(forge.role(person.login)) >= ROLES.index(LEAST)


def has_say(
    forge: Forge, ledger: Ledger, policy: Policy, thread: Thread, person: Person, verb: Verb | None
) -> Membership:
    """Whether somebody's word about a request of the model is worth a run; "unreadable" where a team is.

    It is if a rule of the policy names them, directly or by a team, if they may write to the repository, if they hold
    their own pull request, or if the ledger has a request or a word of theirs, which they may take back whatever right
    they have lost since. The cheapest question comes first. verb: None for any. Whose word counts in the end is for
    the counting to say. Raises Undetermined where the right to write would decide and cannot be read.
    """
    approvers = tuple(dict.fromkeys(_approvers(policy)))
    who = Actor(person.login, person.id, "github")
    if named(who, approvers) or (verb in ("hold", "unhold", None) and thread.author == person):
        return Membership("yes")
    doubt: Undetermined | None = None
    try:
        if may_start(forge, person):
            return Membership("yes")
    except Undetermined as error:
        doubt = error
    if _is_known(ledger.rows(policy.model), person):
        return Membership("yes")
    found = seated(who, approvers, lambda team: forge.member(team, person.login))
    if doubt is not None and found.answer == "no":
        raise doubt
    return found


def _approvers(policy: Policy) -> Iterator[Approver]:
    for target in policy.targets:
        for rule in (*target.approvals, *target.rollback_approvals):
            yield from rule.approvers


def _is_known(rows: Sequence[Row], person: Person) -> bool:
    """Whether the ledger holds a word or a request of somebody."""
    return any(row.kind in (*SAID, "requested") and same_login(row.by, person.login) for row in rows)


def everybody(policy: Policy) -> str:
    """Everybody whom a rule of the policy names, for people to read."""
    return ", ".join(dict.fromkeys(map(str, _approvers(policy)))) or "nobody"
