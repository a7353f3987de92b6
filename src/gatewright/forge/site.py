"""One repository, and the two ways to ask about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from gatewright.forge import Person
from gatewright.forge.graphql import GraphQL
from gatewright.forge.rest import Rest
from gatewright.problem import Undetermined


@dataclass(frozen=True, slots=True)
class Site:
    """A repository of a server. path: the start of its addresses below the API's."""

    rest: Rest
    graphql: GraphQL
    owner: str
    name: str

    @property
    def path(self) -> tuple[str, str, str]:
        return "repos", self.owner, self.name

    @property
    def about(self) -> dict[str, str]:
        """The repository, as variables of a query."""
        return {"owner": self.owner, "name": self.name}

    def unseen(self, what: str) -> NoReturn:
        """Ends what needs a repository that the token cannot see."""
        raise Undetermined(
            f"could not {what}",
            f"{self.owner}/{self.name} does not exist, or the token may not see it",
            "Check the repository's name, and give the token `contents: read` on it.",
        )


def from_rest(user: dict[str, Any] | None) -> Person | None:
    """A person out of REST, where an account that is gone is the user ghost."""
    if user is None or user["login"] == "ghost":
        return None
    return Person(str(user["login"]), int(user["id"]), str(user.get("type", "User")))


def from_graphql(actor: dict[str, Any] | None) -> Person | None:
    """A person out of GraphQL, which leaves out the end of a bot's login."""
    if actor is None or actor.get("databaseId") is None:
        return None
    kind = str(actor.get("__typename", "User"))
    login = str(actor["login"])
    return Person(
        f"{login}[bot]" if kind == "Bot" and not login.endswith("[bot]") else login, int(actor["databaseId"]), kind
    )
