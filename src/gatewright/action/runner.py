"""What a workflow's runner reads from a step: its files for outputs and summary, and commands between its lines."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from gatewright.report.escape import command_data, command_property, terminal

Level = Literal["notice", "warning", "error"]

#: bytes that GitHub takes of one step's summary; more, and it shows none of it
LONGEST_SUMMARY = 1024 * 1024

_CUT = "\n\n_The rest does not fit into a job summary._\n"


@dataclass(frozen=True, slots=True)
class Mark:
    """A remark that GitHub shows with the run and, where it has a place, beside that line of the file."""

    level: Level
    message: str
    title: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Runner:
    """The step that runs: its variables, its log, and how it makes up a word that nobody can have guessed."""

    environment: Mapping[str, str]
    log: TextIO = field(default_factory=lambda: sys.stdout)
    word: Callable[[], str] = lambda: uuid.uuid4().hex

    def mask(self, secrets: Iterable[str]) -> None:
        """Makes the runner hide each secret, line by line, in everything that follows."""
        lines = (line.strip() for secret in secrets for line in secret.splitlines())
        for line in dict.fromkeys(lines):
            if line:
                self.log.write(f"::add-mask::{command_data(line)}\n")
        self.log.flush()

    def mark(self, mark: Mark) -> None:
        """Shows a remark."""
        self.log.write(f"{command(mark)}\n")
        self.log.flush()

    def print(self, text: str) -> None:
        """Text for people, in which the runner looks for no commands."""
        word = self.word()
        self.log.write(f"::stop-commands::{word}\n{terminal(text).rstrip()}\n::{word}::\n")
        self.log.flush()

    def output(self, values: Mapping[str, str]) -> None:
        """Hands values to later steps; none of them can end early or be taken for another."""
        self._append("GITHUB_OUTPUT", "".join(heredoc(k, v, self.word()) for k, v in values.items()))

    def summary(self, markdown: str) -> None:
        """Adds to the page of the run; what is too long is cut at a line."""
        self._append("GITHUB_STEP_SUMMARY", fitted(markdown.rstrip() + "\n", LONGEST_SUMMARY))

    def _append(self, variable: str, text: str) -> None:
        path = self.environment.get(variable)
        if path:
            with Path(path).open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)


def command(mark: Mark) -> str:
    """A remark as a workflow command, in one line whatever its texts hold."""
    place = {"file": mark.file, "line": str(mark.line or ""), "title": mark.title}
    told = ",".join(f"{k}={command_property(v)}" for k, v in place.items() if v)
    return f"::{mark.level}{' ' if told else ''}{told}::{command_data(mark.message)}"


def heredoc(name: str, value: str, word: str) -> str:
    """An output of any number of lines. word: occurs in no value, since nobody knew it beforehand."""
    delimiter = f"gatewright_{word}"
    if delimiter in value:
        raise ValueError("a delimiter that the value holds is not random")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def fitted(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, whole lines of it."""
    if len(text.encode()) <= limit:
        return text
    kept = text.encode()[: limit - len(_CUT.encode())].decode(errors="ignore")
    return kept[: kept.rfind("\n") + 1].rstrip() + _CUT
