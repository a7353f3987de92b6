"""Who somebody is: the account behind a login, its role in the repository, its teams, and who we are ourselves."""

from __future__ import annotations

from gatewright.forge import ROLES, Membership, Person
from gatewright.forge.graphql import NoGraphQL
from gatewright.forge.rest import Refusal, Rest
from gatewright.forge.site import Site, from_graphql, from_rest
from gatewright.problem import Undetermined

_GRANT = (
    "Pass `team-token`: the token of a GitHub App that may read the organisation's members "
    "(Organization → Members: read). A workflow's own token cannot read teams."
)


def person(rest: Rest, login: str) -> Person | None:
    """The account that has this login now."""
    return from_rest(rest.get(f"look up {login}", "users", login))


def role(site: Site, login: str) -> str:
    """What somebody may do in the repository. An unknown account may do nothing."""
    what = f"read what {login} may do in {site.owner}/{site.name}"
    told = site.rest.get(what, *site.path, "collaborators", login, "permission")
    if told is None:
        return "none"
    # A role of the organisation's own making is told by the standard one that it stands on.
    return str(told["role_name"] if told.get("role_name") in ROLES else told["permission"])


class Teams:
    """Look-ups of team members with a token that may read teams.

    "Not a member" and "may not know" are the same answer, 404, so the team itself is asked for before a no is said.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._readable: dict[str, Membership] = {}

    def member(self, team: str, login: str) -> Membership:
        """Whether somebody is an active member. GitHub counts members of child teams."""
        org, _, slug = team.removeprefix("@").partition("/")
        what = f"read whether {login} is in {team}"
        try:
            told = self._rest.get(what, "orgs", org, "teams", slug, "memberships", login)
        except Undetermined as e:
            return Membership("unreadable", f"{e.why}. {_GRANT}")
        if told is None:
            return self._no(org, slug)
        if told["state"] == "active":
            return Membership("yes")
        return Membership("no", f"the invitation to {team} is not accepted yet")

    def _no(self, org: str, slug: str) -> Membership:
        """The answer for somebody whom a team does not seem to have; the team is asked for once."""
        key = f"{org}/{slug}".casefold()
        if key not in self._readable:
            self._readable[key] = self._probe(org, slug)
        return self._readable[key]

    def _probe(self, org: str, slug: str) -> Membership:
        try:
            seen = self._rest.get(f"read the team {org}/{slug}", "orgs", org, "teams", slug)
        except Undetermined as e:
            return Membership("unreadable", f"{e.why}. {_GRANT}")
        if seen is not None:
            return Membership("no")
        return Membership("unreadable", f"{org}/{slug} does not exist, or the token may not read it. {_GRANT}")


def viewer(site: Site) -> Person:
    """The account that our token speaks for, by which our own comments are known from other people's.

    A workflow's token may not ask `GET /user`: where there is no GraphQL either, it is the workflows' own bot.
    """
    what = "read whom the token belongs to"
    try:
        told = site.graphql.ask(what, "query { viewer { __typename login databaseId } }")["viewer"]
        found = from_graphql({**told, "__typename": "Bot" if told["login"].endswith("[bot]") else "User"})
    except (NoGraphQL, Refusal):
        found = None
    return found or _viewer_by_rest(site.rest, what)


def _viewer_by_rest(rest: Rest, what: str) -> Person:
    try:
        found = from_rest(rest.get(what, "user"))
    except Refusal:
        found = from_rest(rest.get(what, "users", "github-actions[bot]"))
    if found is None:
        raise Undetermined(f"could not {what}", "GitHub does not say", "Check the token.")
    return found
