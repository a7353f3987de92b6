"""The policies that ship with the project, and the one that the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path as File

import pytest

from gatewright.measure import PATHS
from gatewright.policy.explain import explain
from gatewright.policy.load import read_policies
from gatewright.policy.model import Policy
from gatewright.policy.schema import BLOCKS

ROOT = File(__file__).parents[3]


@pytest.fixture(scope="module")
def examples() -> dict[str, Policy]:
    """All three, read as one folder."""
    files = {f"policies/{f.name}": f.read_text(encoding="utf-8") for f in sorted((ROOT / "policies").glob("*.yaml"))}
    return {policy.model: policy for policy in read_policies(files, PATHS)}


def test_there_is_a_classifier_a_regressor_and_a_first_version(examples: dict[str, Policy]) -> None:
    """Three models, three policies."""
    tasks = {name: p.holdout.task if p.holdout else None for name, p in examples.items()}
    assert tasks == {"churn": None, "fraud-detector": "binary", "house-prices": "regression"}


def test_the_examples_together_show_every_block_of_a_policy() -> None:
    """Whoever copies from them finds each key of a target at least once."""
    text = "\n".join(f.read_text(encoding="utf-8") for f in (ROOT / "policies").glob("*.yaml"))
    assert [k.name for k in BLOCKS["target"].keys if f"{k.name}:" not in text] == []
    assert [k.name for k in BLOCKS["policy"].keys if f"{k.name}:" not in text] == []


def test_the_policy_that_the_documentation_shows_is_one() -> None:
    """It can be copied and used."""
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    shown = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    (policy,) = read_policies({"p.yaml": shown[1]}, PATHS)
    assert [t.name for t in policy.targets] == ["staging", "production"]


def test_the_policy_of_a_first_version_has_checks_that_need_no_champion(examples: dict[str, Policy]) -> None:
    """Else nothing could ever begin: a target whose every check is skipped is not passed."""
    assert all(any(not c.needs_champion for c in t.blocking) for t in examples["churn"].targets)


@pytest.mark.parametrize("model", ["churn", "fraud-detector", "house-prices"])
def test_an_explanation_has_a_sentence_for_every_check(examples: dict[str, Policy], model: str) -> None:
    """With the line that it stands in."""
    policy = examples[model]
    text = explain(policy)
    for target in policy.targets:
        assert f'To hold "{target.name}"' in text
        assert all(f"(line {check.place.line})" in text for check in target.checks)
