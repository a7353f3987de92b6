"""The seam to where people talk and look: their comments, who they are, and what is shown to them.

Every method raises Undetermined for what could not be read or written, and never tells a part for the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gatewright.thread import Comment as Comment
from gatewright.thread import Membership as Membership
from gatewright.thread import Person as Person
from gatewright.thread import Thread as Thread

#: what a role may do, from the least to the most
ROLES = ("none", "read", "triage", "write", "maintain", "admin")

Reaction = Literal["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"]


@dataclass(frozen=True, slots=True)
class Files:
    """Text files of a folder at one commit, by their paths. ref: what was asked for, in full."""

    ref: str
    commit: str
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Posted:
    """What was published, and where it can be seen."""

    id: int
    url: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """A remark at a line of a file. line counts from 1."""

    path: str
    line: int
    message: str
    level: Literal["notice", "warning", "failure"] = "failure"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """What stands beside a commit.

    outcome: "pending" stays in progress, and "undetermined" asks for action: neither lets a required check pass.
    external_id: the digest of the evidence. Markdown: summary and text, each at most 65,535 characters.
    """

    name: str
    head: str
    external_id: str
    outcome: Literal["success", "failure", "pending", "undetermined"]
    title: str
    summary: str
    text: str = ""
    url: str = ""
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """A promotion or rollback in the forge's own history.

    key: names it for good, so that telling twice is telling once. ref: a commit, branch or tag.
    """

    key: str
    ref: str
    environment: str
    state: Literal["queued", "pending", "in_progress", "success", "failure", "error", "inactive"]
    description: str = ""
    url: str = ""
    payload: Mapping[str, str] = field(default_factory=dict)
    task: str = "promote-model"


class Forge(Protocol):
    """What every forge offers. Reads return None for "not found" alone."""

    #: for people, without credentials
    address: str

    def default_branch(self) -> str:
        """The full name of the branch whose workflows and policies are trusted, as in refs/heads/main."""

    def thread(self, number: int) -> Thread | None:
        """An issue or pull request with all its comments."""

    def confirm(self, comment: Comment) -> Comment | None:
        """A comment of a thread as it stands this moment, and the app that wrote it, of which a thread need not tell.

        None if it is gone.
        """

    def changed_files(self, number: int) -> tuple[str, ...] | None:
        """The paths that a pull request changes."""

    def files(self, path: str, ref: str = "") -> Files | None:
        """The YAML files directly in a folder, or one file, at a ref; "" is the default branch.

        A branch wins over a tag of the same name. None if ref or path do not exist; PolicyError for what is no text.
        """

    def viewer(self) -> Person:
        """The account that we speak for."""

    def person(self, login: str) -> Person | None:
        """The account that has this login now."""

    def role(self, login: str) -> str:
        """What somebody may do in the repository: one of ROLES."""

    def member(self, team: str, login: str) -> Membership:
        """Whether somebody is in a team `org/slug`, or in one of its child teams."""

    def comment(self, number: int, key: str, body: str) -> Posted:
        """Shows the one comment that `key` names: posts it, or changes it, and removes its doubles."""

    def react(self, comment: int, reaction: Reaction) -> None:
        """Adds a reaction to a comment, once."""

    def check(self, check: Check) -> Posted:
        """Shows a check run; the same name, commit, external id and annotations again change it."""

    def find_issue(self, key: str) -> Posted | None:
        """The open issue that `key` names; id is its number."""

    def open_issue(self, key: str, title: str, body: str, labels: tuple[str, ...] = ()) -> Posted:
        """Opens the issue that `key` names, or brings the open one up to date."""

    def close_issue(self, number: int, *, done: bool = True) -> None:
        """Closes an issue as completed, or as not planned."""

    def deploy(self, deployment: Deployment) -> Posted:
        """Writes a deployment, and its state unless that is its latest already."""
