"""Whatever a page shows can be copied: commands parse, policies load, verbs of `dev` exist."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from docs.pages import PAGES, ROOT, Page
from gatewright import cli
from gatewright.measure import PATHS
from gatewright.policy.grammar import OPERATORS
from gatewright.policy.load import read_policies


def leaves(parser: argparse.ArgumentParser, name: str = "gatewright") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that can be run, with its parser."""
    below = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield name, parser
    for choices in below:
        for word, one in choices.choices.items():
            yield from leaves(one, f"{name} {word}")


def commands(page: Page) -> list[str]:
    """Everything on a page that begins like a command of ours."""
    shell = (line.strip() for block in page.fences("sh", "bash", "console") for line in block.splitlines())
    lines = (line.removeprefix("$ ") for line in (*shell, *page.indented, *page.code))
    return [line for line in lines if line.startswith("gatewright ")]


def fault(command: str) -> str:
    """Why a command would be refused; empty if it would not. A command named without its arguments is a mention."""
    plain = re.sub(r"[\[\]]", "", command)
    if plain in dict(leaves(cli.parser())) or any(name.startswith(f"{plain} ") for name, _ in leaves(cli.parser())):
        return ""
    try:
        cli.parser().parse_args(shlex.split(plain, comments=True)[1:])
    except SystemExit as end:
        return "" if end.code == 0 else command
    return ""


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_of_a_page_is_one(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    """It parses as it stands, with its options."""
    assert [f for f in map(fault, commands(page)) if f] == [], capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", ["gatewright evaluat x/1 --to p", "gatewright promote x/1", "gatewright status x --shiny", "gatewright no"]
)
def test_a_wrong_command_would_be_found(wrong: str) -> None:
    """The test above can fail."""
    assert fault(wrong) == wrong


def test_the_main_pages_have_commands_to_look_at() -> None:
    """The reading of pages finds them in shell blocks, in indented blocks and between backticks."""
    found = {str(page): len(commands(page)) for page in PAGES}
    assert all(found[name] >= 5 for name in ("README.md", "docs/commands.md"))
    assert "gatewright audit verify MODEL" in commands(Page(ROOT / "docs/ledger.md"))


def policies() -> list[tuple[str, str]]:
    """Every YAML block that is a policy or means to be: page → text."""
    blocks = ((str(page), block) for page in PAGES for block in page.fences("yaml", "yml"))
    return [(name, text) for name, text in blocks if re.search(r"^(model|targets|holdout):", text, re.MULTILINE)]


def test_every_policy_of_a_page_loads() -> None:
    """It can be copied and used."""
    assert {"README.md", "docs/policy.md"} <= {name for name, _ in policies()}
    assert all(read_policies({name: text}, PATHS) for name, text in policies())


def test_the_grammar_names_every_operator_and_no_other() -> None:
    """As the table that the parser reads has them."""
    page = Page(ROOT / "docs/policy.md")
    rule = re.search(r"^    op +:= (.*)$", page.text, re.MULTILINE)
    assert rule is not None
    assert set(re.findall(r'"([^"]+)"', rule[1])) == {o.sign for o in OPERATORS.values()}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_verb_of_dev_exists(page: Page) -> None:
    """`python3 dev NAME` on any page."""
    known = set(re.findall(r'^    "(\w+)": \w+,$', (ROOT / "dev").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test", "lock"} <= known
    assert set(re.findall(r"python3 dev (\w+)", page.text)) <= known
