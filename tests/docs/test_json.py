"""The JSON that docs/commands.md shows has the keys that the commands print."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs.pages import first_cells, page
from gatewright import cli
from real.tracking import Store
from real.versions import make_version

COMMANDS = page("docs/commands.md")

#: objects whose keys are data: names of aliases, of files, of whatever an event carries
FREE = {"before", "after", "details", "attachments"}

POLICY = """version: 1
model: fraud
targets:
  staging:
    alias: candidate
    checks: [signature, run.auc > 0.8]
  production:
    alias: champion
    checks: [run.auc > 0.8]
    approvals: [{from: [octo]}]
"""

Run = Callable[..., Any]


def keys(value: Any, path: str = "") -> set[str]:
    """Every key of a document with the way to it: `checks[].status`. Of a list, those of its last element."""
    if isinstance(value, list):
        return keys(value[-1], f"{path}[]") if value else set()
    if not isinstance(value, dict):
        return set()
    below = (keys(v, f"{path}.{k}") for k, v in value.items() if k not in FREE)
    return {f"{path}.{k}" for k in value}.union(*below)


def shown(command: str) -> Any:
    """The document that the page shows of a command."""
    (block,) = re.findall(r"```json\n(.*?)```", COMMANDS.section(f"JSON of {command}"), re.DOTALL)
    return json.loads(block)


@pytest.fixture
def run(embedded: Store, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on a real registry with two versions of `fraud`, and returns what --json prints."""
    Path("policies").mkdir()
    Path("policies/fraud.yaml").write_text(POLICY, encoding="utf-8")
    for auc in (0.9, 0.7):
        make_version(embedded.client(), "fraud", metrics={"auc": auc}, model=True)

    def command(*arguments: str) -> Any:
        capsys.readouterr()
        cli.main([*arguments, "--tracking-uri", embedded.uri, "--json"])
        return json.loads(capsys.readouterr().out)

    return command


def test_the_page_shows_what_the_commands_print(run: Run, embedded: Store) -> None:
    """Key by key, down to the last level; a part that is null or empty on one side is compared nowhere."""
    asked = run("promote", "fraud/1", "--to", "production")
    embedded.client().set_registered_model_alias("fraud", "candidate", "2")
    real = {
        "evaluate": run("evaluate", "fraud/2", "--to", "staging"),
        "status": run("status", "fraud"),
        "history": run("history", "fraud"),
        "audit verify": run("audit", "verify", "fraud"),
        "drift": run("drift", "fraud", "--dry-run"),
        "adopt": run("adopt", "fraud", "--reason", "it was urgent"),
        "an error": run("evaluate", "fraud/40", "--to", "production"),
    }
    assert asked["decision"] == "pending"
    assert {command: keys(shown(command)) for command in real} == {c: keys(found) for c, found in real.items()}
    more = {f".approvals.rules[].{key}" for key in ("name", "need", "have")} | {".ledger.entry", ".ledger.digest"}
    assert keys(asked) == keys(shown("evaluate")) | more


def test_every_key_of_a_judgement_is_explained() -> None:
    """The table above the examples has a row for each."""
    rows = first_cells(COMMANDS.section("What --json prints"))
    told = {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert told == set(shown("evaluate")) - {"schema"}


def test_an_example_is_shown_of_every_kind_of_document() -> None:
    """A judgement, and each of the others."""
    headings = re.findall(r"^### JSON of (.*)$", COMMANDS.text, re.MULTILINE)
    assert headings == ["evaluate", "status", "history", "audit verify", "drift", "adopt", "an error"]
