"""What a GitHub holds: accounts, teams, tokens, one or more repositories, and what people do there."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

#: bots' ids on github.com
ACTIONS_BOT = 41898282


@dataclass
class Account:
    """A person or a bot. A bot's login ends in [bot] for REST; GraphQL leaves that out."""

    login: str
    id: int
    kind: str = "User"


@dataclass
class Token:
    """Who a token speaks for. installation: made for an app, as in a workflow, so that `GET /user` is refused.

    denied: operations (`POST /repos/{owner}/{repo}/check-runs`) or words in them that it has no permission for.
    """

    account: Account
    installation: bool = True
    reads_teams: bool = False
    denied: tuple[str, ...] = ()


@dataclass
class Comment:
    """A comment. edited: when its text was last changed, by whom. app: the GitHub App that wrote it for its author."""

    id: int
    author: Account | None
    body: str
    created: str
    updated: str
    edited: str | None = None
    editor: Account | None = None
    minimized: bool = False
    reactions: list[tuple[str, str]] = field(default_factory=list)
    app: str = ""


@dataclass
class Commit:
    """A commit of a pull request. authors: the first, then those named as co-authors; None has no account."""

    sha: str
    authors: tuple[Account | None, ...]
    committer: Account | None


@dataclass
class Thread:
    """An issue, or a pull request if it has a head.

    fork: None is one that was deleted since. edited, editor: when its text was last changed, by whom.
    """

    number: int
    author: Account | None
    title: str
    body: str = ""
    state: str = "open"
    reason: str | None = None
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    fork: bool | None = False
    merged: bool = False
    created: str = "2026-11-23T09:00:00Z"
    edited: str | None = None
    editor: Account | None = None

    @property
    def head(self) -> str:
        return self.commits[-1].sha if self.commits else ""


@dataclass
class CheckRun:
    """A check run, with all annotations that were ever sent to it."""

    id: int
    name: str
    head_sha: str
    external_id: str = ""
    status: str = "queued"
    conclusion: str | None = None
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[Mapping[str, object]] = field(default_factory=list)


@dataclass
class Deployment:
    """A deployment, its statuses oldest first."""

    id: int
    sha: str
    ref: str
    task: str
    environment: str
    description: str | None
    payload: object
    creator: Account
    created: str
    statuses: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Repository:
    """A repository. refs: full name → commit, or annotated tag; trees: commit → path → content.

    dispatches: (type, payload) of every event that was sent to it from outside.
    """

    owner: str
    name: str
    branch: str = "main"
    refs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    trees: dict[str, dict[str, bytes]] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    threads: dict[int, Thread] = field(default_factory=dict)
    checks: list[CheckRun] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    dispatches: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


class World:
    """Everything that the stand-in knows, and what people do. Time passes by one second with each thing done."""

    def __init__(self, repository: str = "acme/models") -> None:
        self._ids = itertools.count(2**31 + 1)  # comments of today have ids that a 32-bit number cannot hold
        self._seconds = itertools.count()
        self.accounts: dict[str, Account] = {}
        self.teams: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, Token] = {}
        self.bot = self.account("github-actions[bot]", ACTIONS_BOT, "Bot")
        owner, _, name = repository.partition("/")
        self.repository = Repository(owner, name)
        self.commit({"README.md": "a model\n"})
        self.token("ghs_workflow0000000000", self.bot)

    def now(self) -> str:
        """The next second."""
        at = datetime(2026, 11, 23, 10, tzinfo=timezone.utc) + timedelta(seconds=next(self._seconds))
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def next_id(self) -> int:
        return next(self._ids)

    def account(self, login: str, id: int = 0, kind: str = "User") -> Account:
        """An account by its login in any case, made if there is none."""
        key = login.casefold()
        if key not in self.accounts:
            self.accounts[key] = Account(login, id or 1000 + len(self.accounts), kind)
        return self.accounts[key]

    def token(self, text: str, account: Account, **rights: object) -> Token:
        """Lets a token speak for an account."""
        self.tokens[text] = Token(account, **rights)  # type: ignore[arg-type]
        return self.tokens[text]

    def team(self, name: str, **members: str) -> None:
        """A team `acme/leads` of login → "active" or "pending"."""
        for login in members:
            self.account(login)
        self.teams[name] = {login.casefold(): state for login, state in members.items()}

    def commit(self, files: Mapping[str, str | bytes], ref: str = "") -> str:
        """Adds files to a branch, or to a commit that no branch knows (`ref="-"`); returns the commit."""
        ref = ref or f"refs/heads/{self.repository.branch}"
        tree = dict(self.repository.trees.get(self.repository.refs.get(ref, ""), {}))
        tree |= {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        sha = hashlib.sha1(repr((self.next_id(), sorted(tree.items()))).encode()).hexdigest()
        self.repository.trees[sha] = tree
        if ref != "-":
            self.repository.refs[ref] = sha
        return sha

    def annotated_tag(self, name: str, commit: str) -> str:
        """A tag object, as releases have them."""
        sha = hashlib.sha1(f"tag {name} {commit}".encode()).hexdigest()
        self.repository.tags[sha] = commit
        self.repository.refs[f"refs/tags/{name}"] = sha
        return sha

    def issue(self, login: str, title: str = "Promote fraud", **fields: object) -> Thread:
        """Opens an issue."""
        number = len(self.repository.threads) + 1
        made = Thread(number, self.account(login), title, created=self.now(), **fields)  # type: ignore[arg-type]
        self.repository.threads[number] = made
        return made

    def pull(self, login: str, files: Mapping[str, str] | None = None, **fields: object) -> Thread:
        """Opens a pull request of one commit."""
        made = self.issue(login, "Retrain fraud", **fields)
        self.push(made.number, login, files or {"train.py": "fit()\n"})
        return made

    def push(self, number: int, login: str | None, files: Mapping[str, str], coauthors: tuple[str, ...] = ()) -> str:
        """One more commit in a pull request; None is an author without an account."""
        sha = self.commit(files, "-")
        thread = self.repository.threads[number]
        first = self.account(login) if login else None
        thread.commits.append(Commit(sha, (first, *map(self.account, coauthors)), first))
        thread.files += [path for path in files if path not in thread.files]
        return sha

    def comment(self, number: int, login: str | None, body: str, at: str = "") -> Comment:
        """Somebody comments; None is an account that was deleted since."""
        at = at or self.now()
        made = Comment(self.next_id(), self.account(login) if login else None, body, at, at)
        self.repository.threads[number].comments.append(made)
        return made

    def edit(self, made: Comment | Thread, login: str, body: str) -> None:
        """Somebody changes the text of a comment or an issue, perhaps somebody else's."""
        made.body, made.edited, made.editor = body, self.now(), self.account(login)
        if isinstance(made, Comment):
            made.updated = made.edited

    def delete(self, comment: Comment) -> None:
        """Somebody deletes a comment."""
        for thread in self.repository.threads.values():
            thread.comments[:] = [c for c in thread.comments if c is not comment]

    def find_comment(self, id: int) -> tuple[Thread, Comment] | None:
        pairs = ((t, c) for t in self.repository.threads.values() for c in t.comments)
        return next((pair for pair in pairs if pair[1].id == id), None)
