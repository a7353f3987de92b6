"""Every case under tests/cases: a check line and facts in, a status and a sentence out."""

from __future__ import annotations

from pathlib import Path as File
from typing import Any

import pytest
import yaml

from gatewright.evidence import Evidence, Fact, State, Who
from gatewright.measure import PATHS
from gatewright.policy.load import read_policies
from gatewright.policy.model import Champion, Check
from gatewright.quantity import Interval
from gatewright.verdict import judge

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted((File(__file__).parents[1] / "cases").glob("*.yaml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]


def policy_check(line: object) -> Check:
    """The check as a policy file would have it."""
    document = {
        "version": 1,
        "model": "m",
        "holdout": {
            "data": "h.parquet",
            "target": "y",
            "task": "regression" if "r2" in str(line) and "holdout" in str(line) else "binary",
            "slices": ["country", "channel"],
        },
        "targets": {"staging": {"stage": "Staging", "checks": [line]}},
    }
    (policy,) = read_policies({"policy.yaml": yaml.safe_dump(document, sort_keys=False)}, PATHS)
    return policy.targets[0].checks[0]


def fact(who: Who, check: Check, given: Any, **more: Any) -> Fact:
    """A fact as a case spells it: a value, or a mapping with what else is known."""
    told = given if isinstance(given, dict) else {"value": given}
    state: State = "missing" if "missing" in told else "unreadable" if "unreadable" in told else "known"
    bounds = told.get("bounds") or ([[0.95, told["low"], told["high"]]] if "low" in told else [])
    intervals = tuple(Interval(low, high, level, "test") for level, low, high in bounds)
    why = str(told.get(state, told.get("why", "")))
    return Fact(
        who,
        check.path,
        state,
        told.get("value"),
        why,
        n=told.get("n", more.pop("n", None)),
        intervals=intervals,
        decides=told.get("decides", True),
        **more,
    )


def evidence_of(check: Check, case: dict[str, Any]) -> Evidence:
    """The evidence that a case describes."""
    facts = [fact("candidate", check, case["candidate"])] if "candidate" in case else []
    if "champion" in case:
        facts.append(fact("champion", check, case["champion"]))
    if "pair" in case and isinstance(check.operand, Champion):
        facts.append(fact("pair", check, case["pair"], factor=float(check.operand.factor)))
    for name, given in case.get("slices", {}).items():
        facts.append(fact("candidate", check, given, column=check.column, slice=name, n=500))
    champion = None if case.get("no_champion") else (2 if case.get("same") else 1)
    return Evidence({"model": "m", "version": 2, "champion": champion}, "digest", tuple(facts))


@pytest.mark.parametrize("case", CASES)
def test_a_check_line_and_its_facts_come_to_the_stated_result(case: dict[str, Any]) -> None:
    """Status, and where the case gives it the whole sentence, are as stated."""
    check = policy_check(case["check"])
    (result,) = judge([check], evidence_of(check, case)).results
    assert (result.status, result.because if "because" in case else None) == (case["status"], case.get("because"))
