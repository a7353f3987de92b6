"""Every surface, as it is: a change of what people see is a change of these files.

`GATEWRIGHT_SNAPSHOTS=write` writes them anew; look at the difference before you commit it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from gatewright.report import drifted, html, markdown, summary, terminal
from gatewright.report.model import Failure, Inspection, Report, Split
from unit.report.examples import NOW, examples

FOLDER = Path(__file__).parents[2] / "snapshots"
THINGS = examples()


def printed(name: str, width: int) -> str:
    """What the terminal shows."""
    stream = io.StringIO()
    terminal.render(THINGS[name], Console(file=stream, width=width))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def compare(file: str, text: str) -> None:
    """Holds a surface against its file."""
    path = FOLDER / file
    if os.environ.get("GATEWRIGHT_SNAPSHOTS") == "write":
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"write it: GATEWRIGHT_SNAPSHOTS=write python3 dev test {Path(__file__).name}"
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", THINGS)
def test_the_terminal(name: str) -> None:
    """At 100 columns, without colours."""
    compare(f"{name}.txt", printed(name, 100))


@pytest.mark.parametrize("name", [n for n, t in THINGS.items() if isinstance(t, Report)])
def test_the_comment(name: str) -> None:
    """Of every decision."""
    thing = THINGS[name]
    assert isinstance(thing, Report)
    compare(f"{name}.md", markdown.comment(thing, NOW))


@pytest.mark.parametrize("name", [n for n, t in THINGS.items() if isinstance(t, Split)])
def test_the_page_of_a_split(name: str) -> None:
    """Of a job and of a comment alike."""
    thing = THINGS[name]
    assert isinstance(thing, Split)
    compare(f"{name}.md", summary.tried(thing, NOW))


@pytest.mark.parametrize("name", [n for n, t in THINGS.items() if isinstance(t, Failure)])
def test_the_comment_of_what_could_not_begin(name: str) -> None:
    """An error is a comment too."""
    thing = THINGS[name]
    assert isinstance(thing, Failure)
    compare(f"{name}.md", markdown.failure(thing))


def test_the_issue_about_drift() -> None:
    """And the page of the run that found it."""
    found = THINGS["drift"]
    assert isinstance(found, Inspection)
    compare("drift.md", drifted.body(found))
    compare("drift.summary.md", drifted.page(found))


@pytest.mark.parametrize(
    "name",
    [
        "measured",
        "pending",
        "overridden",
        "split",
        "split_invalid",
        "status",
        "history",
        "audit",
        "drift",
        "undetermined",
    ],
)
def test_the_page(name: str) -> None:
    """The fullest reports, and one of everything else."""
    compare(f"{name}.html", html.page(THINGS[name]))
