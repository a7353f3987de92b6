"""GitHub, on github.com or on a server of one's own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from gatewright.forge import (
    Check,
    Comment,
    Deployment,
    Files,
    Membership,
    Person,
    Posted,
    Reaction,
    Thread,
    checks,
    conversation,
    deployments,
    people,
    publish,
    source,
)
from gatewright.forge.graphql import GraphQL
from gatewright.forge.rest import Rest
from gatewright.forge.retry import Patience
from gatewright.forge.site import Site
from gatewright.problem import UsageError

API = "https://api.github.com"

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[\w.-]+", re.ASCII)


class GitHubForge:
    """One repository of GitHub's.

    team_token: reads teams; without one the token itself is tried. api_url, graphql_url: as a workflow's
    GITHUB_API_URL and GITHUB_GRAPHQL_URL say. patience: the waiting that this run allows itself.
    """

    def __init__(
        self,
        repository: str,
        token: str,
        *,
        team_token: str = "",
        api_url: str = API,
        graphql_url: str = "",
        patience: Patience | None = None,
    ) -> None:
        if not _REPOSITORY.fullmatch(repository):
            raise UsageError(f"{repository!r} is no repository", "write owner/name")
        if urlsplit(api_url).scheme not in ("http", "https"):
            raise UsageError(f"{api_url!r} is no address of an API", f"write one like {API}")
        owner, _, name = repository.partition("/")
        waiting = patience or Patience(time.sleep, _random(), time.time)
        rest = Rest(api_url, token, waiting)
        self._site = Site(rest, GraphQL(rest, graphql_url), owner, name)
        self._teams = people.Teams(Rest(api_url, team_token, waiting) if team_token else rest)
        self._me: Person | None = None
        self._apps: dict[int, str] = {}
        self.address = f"{repository} on {(urlsplit(api_url).hostname or '').removeprefix('api.')}"

    def default_branch(self) -> str:
        """The full name of the default branch."""
        return source.default_branch(self._site, "read the repository's default branch")

    def thread(self, number: int) -> Thread | None:
        """An issue or pull request with all its comments."""
        return conversation.read(self._site, number, self.viewer)

    def confirm(self, comment: Comment) -> Comment | None:
        """A comment as it stands, and the app that wrote it; asked for once, since no app is added to it later."""
        if comment.id not in self._apps:
            found = conversation.confirm(self._site, comment)
            if found is None:
                return None
            self._apps[comment.id] = found.app
            comment = found
        return replace(comment, app=self._apps[comment.id])

    def changed_files(self, number: int) -> tuple[str, ...] | None:
        """The paths that a pull request changes, the former names of moved files among them."""
        path = (*self._site.path, "pulls", str(number), "files")
        listed = self._site.rest.pages(f"read what #{number} changes", *path)
        if listed is None:
            return None
        names = (f[key] for f in listed for key in ("filename", "previous_filename") if f.get(key))
        return tuple(dict.fromkeys(names))

    def files(self, path: str, ref: str = "") -> Files | None:
        """The YAML files of a folder, or one file, at a ref."""
        return source.read(self._site, path, ref)

    def viewer(self) -> Person:
        """The account that the token speaks for; asked for once."""
        if self._me is None:
            self._me = people.viewer(self._site)
        return self._me

    def person(self, login: str) -> Person | None:
        """The account that has this login now."""
        return people.person(self._site.rest, login)

    def role(self, login: str) -> str:
        """What somebody may do in the repository."""
        return people.role(self._site, login)

    def member(self, team: str, login: str) -> Membership:
        """Whether somebody is an active member of a team."""
        return self._teams.member(team, login)

    def comment(self, number: int, key: str, body: str) -> Posted:
        """Shows the one comment that `key` names."""
        return publish.comment(self._site, self.viewer(), number, key, body)

    def react(self, comment: int, reaction: Reaction) -> None:
        """Adds a reaction to a comment."""
        publish.react(self._site, comment, reaction)

    def check(self, check: Check) -> Posted:
        """Shows a check run."""
        return checks.show(self._site, check)

    def find_issue(self, key: str) -> Posted | None:
        """The open issue that `key` names."""
        return publish.find_issue(self._site, self.viewer(), key)

    def open_issue(self, key: str, title: str, body: str, labels: tuple[str, ...] = ()) -> Posted:
        """Opens the issue that `key` names, or brings it up to date."""
        return publish.open_issue(self._site, self.viewer(), key, title, body, labels)

    def close_issue(self, number: int, *, done: bool = True) -> None:
        """Closes an issue."""
        publish.close_issue(self._site, number, done)

    def deploy(self, deployment: Deployment) -> Posted:
        """Writes a deployment and its state."""
        return deployments.record(self._site, self.viewer(), deployment)


def _random() -> Callable[[], float]:
    import random

    return random.random
