"""No forge: a command typed at a terminal has no thread, and nobody's word but the typist's."""

from __future__ import annotations

from typing import NoReturn

from gatewright.forge import Check, Comment, Deployment, Files, Membership, Person, Posted, Reaction, Thread
from gatewright.problem import Undetermined

_WHY, _FIX = "no GitHub repository is known here", "Run it as the Action, or in a workflow of the repository."

_NOWHERE = Posted(0, "")


class NoForge:
    """Publishes nothing, knows of no thread, and cannot say who anybody is."""

    address = "this terminal"

    def default_branch(self) -> str:
        """No repository is known."""
        return _unknown("read the repository's default branch")

    def thread(self, number: int) -> Thread | None:
        """There is none."""
        return None

    def confirm(self, comment: Comment) -> Comment | None:
        """There are no comments."""
        return None

    def changed_files(self, number: int) -> tuple[str, ...] | None:
        """There is no pull request."""
        return None

    def files(self, path: str, ref: str = "") -> Files | None:
        """Files are read from disk, not from here."""
        return _unknown(f"read {path} from the repository")

    def viewer(self) -> Person:
        """Nobody is known here."""
        return _unknown("read who we are")

    def person(self, login: str) -> Person | None:
        """Nobody can be looked up."""
        return _unknown(f"look up {login}")

    def role(self, login: str) -> str:
        """Nobody can be looked up."""
        return _unknown(f"read what {login} may do")

    def member(self, team: str, login: str) -> Membership:
        """No team can be read."""
        return Membership("unreadable", _WHY)

    def comment(self, number: int, key: str, body: str) -> Posted:
        """Nothing is shown."""
        return _NOWHERE

    def react(self, comment: int, reaction: Reaction) -> None:
        """Nothing is shown."""

    def check(self, check: Check) -> Posted:
        """Nothing is shown."""
        return _NOWHERE

    def find_issue(self, key: str) -> Posted | None:
        """There is none."""
        return None

    def open_issue(self, key: str, title: str, body: str, labels: tuple[str, ...] = ()) -> Posted:
        """Whoever asks for an issue relies on being answered in it."""
        return _unknown(f"open the issue {title!r}")

    def close_issue(self, number: int, *, done: bool = True) -> None:
        """There is none."""

    def deploy(self, deployment: Deployment) -> Posted:
        """Nothing is shown."""
        return _NOWHERE


def _unknown(what: str) -> NoReturn:
    raise Undetermined(f"could not {what}", _WHY, _FIX)
