"""The README: short, and true."""

from __future__ import annotations

import re

import pytest

from docs.pages import page, reference

README = page("README.md")


def test_it_is_read_in_a_minute() -> None:
    """Two hundred and fifty lines at the most."""
    assert len(README.text.splitlines()) <= 250


def test_the_first_screen_shows_a_policy_and_the_comment_it_produces() -> None:
    """Both come before any section, the policy first."""
    first = README.text.partition("\n## ")[0]
    assert "```yaml" in first
    comment = first.partition("<!-- comment:")[2]
    assert "fraud-detector/12" in comment
    assert comment.count("\n|") >= 8


@pytest.mark.parametrize("verb", ["demo", "test"])
def test_it_names_the_two_commands_of_a_fresh_machine(verb: str) -> None:
    """Each can be copied: a line of its own in a block of shell commands."""
    lines = [line.partition("#")[0].strip() for block in README.fences("sh") for line in block.splitlines()]
    assert f"python3 dev {verb}" in lines


def test_its_policy_can_be_judged_by_what_is_built() -> None:
    """No check of the first example needs a measurement that does not exist."""
    report = reference().example.pending()
    assert report.verdict is not None
    assert {r.status for r in report.verdict.results} <= {"pass", "warn"}
    assert report.verdict.outcome == "pass"


def test_its_grammar_is_the_one_of_the_policy_page() -> None:
    """Whoever changes one changes the other."""
    found = [re.findall(r"^    \w+ +:= .*$", page(name).text, re.MULTILINE) for name in ("README.md", "docs/policy.md")]
    assert len(found[0]) == 6
    assert found[0] == found[1]


def test_it_does_not_promise_what_an_import_cannot_find() -> None:
    """It is not on an index: the plain installation is offered for later only."""
    blocks = "\n".join(README.fences("sh"))
    assert "pip install gatewright" not in blocks
