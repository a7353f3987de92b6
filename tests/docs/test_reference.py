"""The reference pages say everything that the code has, and nothing else."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from typing import get_args

import pytest

from docs.pages import PAGES, ROOT, first_cells, page, reference
from docs.test_examples import leaves
from gatewright import cli, decision
from gatewright.cli import parts
from gatewright.decision import Reason
from gatewright.ledger import entry

COMMANDS = page("docs/commands.md")
LEAVES = dict(leaves(cli.parser()))


def options(parser: argparse.ArgumentParser) -> set[str]:
    """A parser's options, save the one that every parser has."""
    return {s for a in parser._actions for s in a.option_strings} - {"-h", "--help"}


def documented(command: str) -> set[str]:
    """The options that the command's section lists, with the shared ones where it says so."""
    section = COMMANDS.section(command)
    shared = first_cells(COMMANDS.section("Shared options")) if "(#shared-options)" in section else []
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join((*first_cells(section), *shared))))


@pytest.mark.parametrize("name", ["README.md", "docs/commands.md", "docs/policy.md", "docs/reasons.md"])
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """`python docs/write_reference.py` changes nothing."""
    meant = reference().pages()[ROOT / name]
    assert (ROOT / name).read_text(encoding="utf-8") == meant, "run `.venv/bin/python docs/write_reference.py`"


def test_no_page_with_a_generated_part_is_forgotten() -> None:
    """Whatever says that it is written by the script is."""
    marked = {p.path for p in PAGES if re.search(r"<!-- .*written by docs/write_reference\.py", p.text)}
    assert marked == set(reference().pages())


@pytest.mark.parametrize("command", LEAVES)
def test_a_command_has_every_option_in_its_section_and_no_other(command: str) -> None:
    """Read from the page as a reader would, not from what wrote it."""
    assert documented(command) == options(LEAVES[command])


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    """Of those that can be run."""
    assert set(re.findall(r"^### (gatewright .*)$", COMMANDS.text, re.MULTILINE)) == set(LEAVES)


def test_every_command_is_in_the_tables_of_readme_and_reference() -> None:
    """With what it must be given."""
    for name in ("README.md", "docs/commands.md"):
        table = page(name).text.partition("<!-- command table:")[2].partition("<!-- /command table")[0]
        rows = [cell.strip("`") for cell in first_cells(table)]
        assert [next(c for c in LEAVES if row == c or row.startswith(f"{c} ")) for row in rows] == list(LEAVES)


def test_every_exit_code_is_explained() -> None:
    """Those of a decision, of a wrong command, and of an interruption."""
    told = re.findall(r"^\| (\d+) \|", COMMANDS.section("Exit codes"), re.MULTILINE)
    codes = {decision.DONE, decision.REFUSED, 2, decision.UNDETERMINED, 130}
    assert set(map(int, told)) == codes
    assert {str(c) for c in codes - {130}} == set(re.findall(r"\*\*(\d)\*\*", page("README.md").text))
    assert {str(c) for c in codes - {130}} == set(re.findall(r"\b(\d) (?=the|done|it)", parts.EPILOG))


def test_every_reason_is_on_its_page_and_no_other() -> None:
    """With its meaning and the next step, in the words of the code."""
    table = page("docs/reasons.md").text.partition("<!-- reasons:")[2]
    assert [cell.strip("`") for cell in first_cells(table)] == [reason.code for reason in Reason]
    assert all(f"| `{r.code}` | {r.meaning} | {r.next_step} |" in table for r in Reason)


def test_every_decision_is_on_the_page_of_reasons_and_no_other() -> None:
    """What `decision` may be in the JSON."""
    table = page("docs/reasons.md").text.partition("<!-- reasons:")[0]
    assert {cell.strip("`") for cell in first_cells(table)} == set(get_args(decision.Kind))


def test_every_field_and_kind_of_a_ledger_entry_is_explained_and_no_other() -> None:
    """What stands in `entry.json`; the schema number is put there by its writer."""
    section = page("docs/ledger.md").section("What an entry holds")
    rows = first_cells(section)
    told = {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert told == {"schema", *(f.name for f in fields(entry.Entry))}
    (kinds,) = (line for line in section.splitlines() if line.startswith("| `kind` |"))
    assert set(re.findall(r"`(\w+)`", kinds)) - {"kind"} == set(get_args(entry.Kind))
