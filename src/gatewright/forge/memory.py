"""A forge in memory, for tests and rehearsals."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from gatewright.forge import Check, Deployment, Files, Membership, Person, Posted, Reaction, Thread
from gatewright.forge import Comment as Said
from gatewright.forge.marker import bears, marked, same
from gatewright.problem import Undetermined
from gatewright.thread import requested

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass
class MemoryForge:
    """Threads, people, teams and files as given; what is published is kept beside them.

    teams: `org/slug` → login → "active" or "pending"; a team that is not there cannot be read. roles: login → role.
    refs: full name → commit; trees: commit → path → text. issues, checks, deployments, reactions: what was published.
    """

    threads: dict[int, Thread] = field(default_factory=dict)
    changed: dict[int, tuple[str, ...]] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    teams: dict[str, dict[str, str]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    trees: dict[str, dict[str, str]] = field(default_factory=dict)
    branch: str = "main"
    me: Person = field(default_factory=lambda: Person("github-actions[bot]", 41898282, "Bot"))
    now: str = "2026-11-23T10:00:00Z"
    address: str = "memory"
    issues: dict[int, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    deployments: dict[str, list[Deployment]] = field(default_factory=dict)
    reactions: list[tuple[int, Reaction]] = field(default_factory=list)

    def default_branch(self) -> str:
        """The full name of the default branch."""
        return f"refs/heads/{self.branch}"

    def thread(self, number: int) -> Thread | None:
        """An issue or pull request with all its comments, which do not tell whether an app wrote them."""
        found = self.threads.get(number)
        return found and replace(found, comments=tuple(replace(c, app="") for c in found.comments))

    def confirm(self, comment: Said) -> Said | None:
        """A comment as it stands, and the app that wrote it."""
        return next((c for t in self.threads.values() for c in t.comments if c.id == comment.id), None)

    def changed_files(self, number: int) -> tuple[str, ...] | None:
        """The paths that a pull request changes."""
        return self.changed.get(number)

    def files(self, path: str, ref: str = "") -> Files | None:
        """The YAML files of a folder, or one file, at a ref."""
        found = self._commit(ref)
        if found is None:
            return None
        full, commit = found
        tree, path = self.trees.get(commit, {}), path.strip("/")
        if path in tree:
            return Files(full, commit, {path: tree[path]})
        inside = {p: text for p, text in sorted(tree.items()) if p.startswith(f"{path}/")}
        texts = {p: t for p, t in inside.items() if p.endswith((".yaml", ".yml")) and "/" not in p[len(path) + 1 :]}
        return Files(full, commit, texts) if inside else None

    def _commit(self, ref: str) -> tuple[str, str] | None:
        if _COMMIT.fullmatch(ref):
            return (ref, ref) if ref in self.trees else None
        ref = ref or self.branch
        names = (ref, f"refs/heads/{ref}", f"refs/tags/{ref}")
        return next(((name, self.refs[name]) for name in names if name in self.refs), None)

    def viewer(self) -> Person:
        """The account that we speak for."""
        return self.me

    def person(self, login: str) -> Person | None:
        """The account that has this login now."""
        return self.people.get(login.casefold())

    def role(self, login: str) -> str:
        """What somebody may do in the repository."""
        return next((role for name, role in self.roles.items() if name.casefold() == login.casefold()), "none")

    def member(self, team: str, login: str) -> Membership:
        """Whether somebody is an active member of a team."""
        if team not in self.teams:
            return Membership("unreadable", f"{team} does not exist, or the token may not read it")
        state = self.teams[team].get(login.casefold())
        return Membership("yes" if state == "active" else "no")

    def comment(self, number: int, key: str, body: str) -> Posted:
        """Shows the one comment that `key` names."""
        thread, full = self._thread(number), marked(key, body)
        own, id = self._own(thread, key), self._next()
        first = own[0] if own else Said(id, self.me, full, self.now, url=f"{thread.url}#issuecomment-{id}")
        if not same(first.body, full):
            first = replace(first, body=full, edited=self.now, editor=self.me)
        others = (c for c in thread.comments if c not in own)
        kept = sorted((*others, first), key=lambda c: c.id)
        self.threads[number] = replace(thread, comments=tuple(kept))
        return Posted(first.id, first.url)

    def react(self, comment: int, reaction: Reaction) -> None:
        """Adds a reaction to a comment, once."""
        if not any(c.id == comment for t in self.threads.values() for c in t.comments):
            raise Undetermined("could not react to a comment", "it is not there", "It may have been deleted.")
        if (comment, reaction) not in self.reactions:
            self.reactions.append((comment, reaction))

    def check(self, check: Check) -> Posted:
        """Shows a check run."""
        newest = max((n for n, c in enumerate(self.checks) if (c.name, c.head) == (check.name, check.head)), default=-1)
        known = self.checks[newest] if newest >= 0 else None
        if (
            known
            and known.external_id == check.external_id
            and (check.outcome != "pending" or known.outcome == "pending")
        ):
            self.checks[newest] = check
        else:
            newest = len(self.checks)
            self.checks.append(check)
        return Posted(newest + 1, f"memory:checks/{newest + 1}")

    def find_issue(self, key: str) -> Posted | None:
        """The open issue that `key` names."""
        found = (n for n, body in self.issues.items() if bears(key, body) and self.threads[n].state == "open")
        number = next(found, None)
        return None if number is None else Posted(number, self.threads[number].url)

    def open_issue(self, key: str, title: str, body: str, labels: tuple[str, ...] = ()) -> Posted:
        """Opens the issue that `key` names, or brings it up to date."""
        known = self.find_issue(key)
        number = known.id if known else max(self.threads, default=0) + 1
        thread = self.threads.get(number) or Thread(number, title, self.me, "open", f"memory:issues/{number}")
        self.threads[number] = replace(thread, title=title, opened_for=requested(key))
        self.issues[number] = marked(key, body)
        return Posted(number, thread.url)

    def close_issue(self, number: int, *, done: bool = True) -> None:
        """Closes an issue."""
        self.threads[number] = replace(self._thread(number), state="closed")

    def deploy(self, deployment: Deployment) -> Posted:
        """Writes a deployment and its state."""
        states = self.deployments.setdefault(deployment.key, [])
        if not states or states[-1].state != deployment.state:
            states.append(deployment)
        return Posted(list(self.deployments).index(deployment.key) + 1, f"memory:deployments/{deployment.key}")

    def _own(self, thread: Thread, key: str) -> list[Said]:
        return [c for c in thread.comments if c.author and c.author.id == self.me.id and bears(key, c.body)]

    def _next(self) -> int:
        return max((c.id for t in self.threads.values() for c in t.comments), default=0) + 1

    def _thread(self, number: int) -> Thread:
        if number not in self.threads:
            raise Undetermined(f"could not find #{number}", "there is no such thread", "Check its number.")
        return self.threads[number]
