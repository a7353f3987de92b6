"""Evidence: which fact answers which question, what the digest covers, and what checks ask for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gatewright.evidence import Evidence, Fact, Need, needs
from gatewright.paths import Path
from gatewright.policy.model import Champion, Check, Place
from gatewright.quantity import Interval, parse_quantity

PLACE = Place("policies/fraud.yaml", 1, 1)
AUC, RECALL = Path("run", "auc"), Path("holdout", "recall")
FACT = Fact("candidate", AUC, "known", 0.93, "", "run 1f02 step 5", 1_700_000_000_000)
SUBJECT: dict[str, Any] = {"model": "fraud", "version": 4, "champion": 3, "champion_model": "fraud"}
EVIDENCE = Evidence(SUBJECT, "p" * 64, (FACT,))


def check(path: Path, **more: Any) -> Check:
    """A check on a path."""
    return Check(str(path), path, PLACE, **more)


def test_the_digest_is_known() -> None:
    """Approvals already given are bound to it: another spelling of the same evidence would void them all."""
    assert EVIDENCE.digest == "735cf624d51bd991a3100620505851e00b221346241762c6ae63f63163a418fc"


@pytest.mark.parametrize(
    "change",
    [
        {"value": 0.931},
        {"source": "run 1f02 step 6"},
        {"who": "champion"},
        {"path": Path("run", "f1")},
        {"state": "missing"},
        {"n": 100},
        {"intervals": (Interval(0.9, 0.95, 0.95, "wilson"),)},
        {"column": "country", "slice": "de"},
        {"decides": False},
        {"factor": 1.1},
        {"aggregate": "gap by"},
        {"stands_for": 0.5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_a_check_reads_changes_the_digest(change: dict[str, Any]) -> None:
    """An approval of other evidence is no approval."""
    assert replace(EVIDENCE, facts=(replace(FACT, **change),)).digest != EVIDENCE.digest


@pytest.mark.parametrize("change", [{"at": 1}, {"why": "in other words"}], ids=lambda change: next(iter(change)))
def test_the_clock_and_the_wording_leave_the_digest_alone(change: dict[str, Any]) -> None:
    """The same evidence, read later by a newer release, keeps its approvals."""
    assert replace(EVIDENCE, facts=(replace(FACT, **change),)).digest == EVIDENCE.digest


def test_remarks_leave_the_digest_alone() -> None:
    """Notes are about the measuring, not about the model."""
    assert replace(EVIDENCE, notes=("the machine was busy",)).digest == EVIDENCE.digest


@pytest.mark.parametrize(
    "change",
    [
        {"version": 5},
        {"champion": 2},
        {"champion": None},
        {"champion_model": "prod.fraud"},
        {"source": "s3://x"},
    ],
    ids=str,
)
def test_another_subject_is_other_evidence(change: dict[str, Any]) -> None:
    """Version, champion and source are what people agreed to."""
    assert replace(EVIDENCE, subject={**SUBJECT, **change}).digest != EVIDENCE.digest


def test_other_rules_are_other_evidence() -> None:
    """A loosened policy does not inherit the approvals of the strict one."""
    assert replace(EVIDENCE, policy_digest="q" * 64).digest != EVIDENCE.digest


def test_a_value_that_moves_with_the_clock_counts_as_what_it_stands_for() -> None:
    """An age stands for the date of birth."""
    ages = [Fact("candidate", Path("model", "age"), "known", age, stands_for=1_700_000_000_000) for age in (10.0, 20.0)]
    assert ages[0].identity() == ages[1].identity()


def test_one_finds_the_fact_over_all_rows() -> None:
    """Not a slice, not the champion's, not a pair's."""
    whole = replace(FACT, path=RECALL)
    sliced = replace(whole, column="country", slice="de", value=0.5)
    gap = replace(whole, column="country", aggregate="gap by", value=0.1)
    pair = replace(whole, who="pair", factor=1.0, value=0.01)
    evidence = replace(EVIDENCE, facts=(sliced, gap, pair, whole))
    assert evidence.one("candidate", RECALL) == whole
    assert evidence.one("candidate", RECALL, column="country", aggregate="gap by") == gap
    assert evidence.one("pair", RECALL, factor=1.0) == pair
    assert evidence.one("pair", RECALL, factor=1.1) is None
    assert evidence.one("champion", RECALL) is None


def test_slices_keep_the_order_in_which_they_were_gathered() -> None:
    """The report sorts them, not the evidence."""
    facts = tuple(replace(FACT, path=RECALL, column="country", slice=name) for name in ("fr", "de", "at"))
    evidence = replace(EVIDENCE, facts=facts)
    assert [f.slice for f in evidence.slices("candidate", RECALL, "country")] == ["fr", "de", "at"]
    assert evidence.slices("candidate", RECALL, "channel") == ()


def test_bounds_are_found_by_their_level() -> None:
    """A level is a product of divisions, so that it is compared with a little room."""
    narrow, wide = Interval(0.4, 0.6, 0.95, "m"), Interval(0.3, 0.7, 1 - 0.05 / 3, "m")
    fact = replace(FACT, intervals=(narrow, wide))
    assert fact.bounds(0.95) == narrow
    assert fact.bounds(1 - (1 - 0.95) / 3) == wide
    assert fact.bounds(0.99) is None


@pytest.mark.parametrize(
    ("model", "version", "itself"), [("fraud", 4, True), ("fraud", 3, False), ("prod.fraud", 4, False)]
)
def test_a_champion_of_the_same_number_elsewhere_is_another_version(model: str, version: int, itself: bool) -> None:
    """Version 4 of the model that copies go to is not version 4 of this one."""
    subject = {**SUBJECT, "champion": version, "champion_model": model}
    assert replace(EVIDENCE, subject=subject).against_itself is itself


def test_checks_ask_for_each_thing_once() -> None:
    """Two thresholds on one metric are one reading; a comparison is another need."""
    reach, stay = (check(AUC, op=op, operand=parse_quantity(bound)) for op, bound in ((">=", "0.9"), ("<=", "0.99")))
    beat = check(AUC, op=">=", operand=Champion(Decimal("1.1")))
    by = check(RECALL, op=">=", operand=Champion(), aggregate="by", column="country", level=Decimal("0.95"))
    assert needs([reach, stay, beat, by]) == (
        Need(AUC),
        Need(AUC, factor=1.1),
        Need(RECALL, "country", "by", 1.0, 0.95),
    )
