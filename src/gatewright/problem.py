"""What can go wrong, as values and as the few exceptions that end a command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault in a file that the user wrote, with its place and its remedy.

    `line` and `col` count from 1; 0 means that the whole file is meant.
    """

    file: str
    line: int
    col: int
    text: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.col}" if self.line else self.file
        return f"{place}: {self.text}" + (f" ({self.hint})" if self.hint else "")


class GatewrightError(Exception):
    """Ends a command; `exit_code` is what the shell sees."""

    exit_code = 3


class PolicyError(GatewrightError):
    """One or more policy files cannot be used. Carries every problem, in the order of files and lines."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class UsageError(GatewrightError):
    """The command itself asks for something that does not exist: an unknown target, an unreadable subject.

    reason: the stable code of the decision that it comes to.
    """

    exit_code = 2

    def __init__(self, text: str, hint: str = "", reason: str = "policy_error") -> None:
        self.text, self.hint, self.reason = text, hint, reason
        super().__init__(text + (f" ({hint})" if hint else ""))


class Undetermined(GatewrightError):
    """Something that had to be read or written could not be: nothing is decided, nothing was moved.

    `what` could not be done, `why` in the words of whoever refused, `fix` is what to try.
    """

    def __init__(self, what: str, why: str, fix: str, reason: str = "undetermined") -> None:
        self.what, self.why, self.fix, self.reason = what, why, fix, reason
        super().__init__(f"{what}: {why}. {fix}")
