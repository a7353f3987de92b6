"""What people said where, as frozen values: a thread of comments, who wrote them, and what is known of their teams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_REQUEST = re.compile(r"request (?P<model>.+)/(?P<version>[1-9][0-9]*) to (?P<target>\S+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Person:
    """An account. kind: User, Bot, Organization or Mannequin; a bot's login ends in `[bot]`.

    The id is the person: a login changes hands when its account is renamed or deleted.
    """

    login: str
    id: int
    kind: str = "User"

    @property
    def human(self) -> bool:
        return self.kind == "User"


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as it stands now. Times are UTC, as in 2026-11-23T10:00:00Z.

    author: None if the account is gone. edited: when its text was last changed, by whom; "" if never.
    app: the GitHub App that wrote it in its author's name. What GitHub says of the author's association is left
    out on purpose: it is wrong for private members of an organisation.
    """

    id: int
    author: Person | None
    body: str
    created: str
    edited: str = ""
    editor: Person | None = None
    minimized: bool = False
    url: str = ""
    app: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """An issue, or a pull request if it has a head.

    state: open, closed or merged. head: the commit under judgement. fork: it lies in somebody else's repository.
    contributors: everyone with an account who wrote or committed one of its commits. comments: all, oldest first;
    a comment that is not among them was deleted. opened_for: model, version and target of the request that we opened
    this issue for; None for others, and for one whose text somebody else may have changed.
    """

    number: int
    title: str
    author: Person | None
    state: str
    url: str
    comments: tuple[Comment, ...] = ()
    head: str = ""
    base: str = ""
    fork: bool = False
    contributors: tuple[Person, ...] = ()
    opened_for: tuple[str, int, str] | None = None

    @property
    def kind(self) -> Literal["pull", "issue"]:
        return "pull" if self.head else "issue"


def request_key(model: str, version: int | None, target: str) -> str:
    """What names the issue of a request."""
    return f"request {model}/{version} to {target}"


def requested(key: str) -> tuple[str, int, str] | None:
    """Model, version and target of the request that a key names; None if it names something else."""
    found = _REQUEST.fullmatch(key)
    return (found["model"], int(found["version"]), found["target"]) if found else None


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether somebody is an active member of a team; "unreadable" says why, and is never a no."""

    answer: Literal["yes", "no", "unreadable"]
    why: str = ""
