"""Laws of the verdict: what no combination of results may ever come to."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gatewright.approvals import count
from gatewright.decision import decide, exit_code
from gatewright.evidence import Evidence, Fact
from gatewright.paths import Path
from gatewright.policy.model import Champion, Check, Place
from gatewright.quantity import Quantity, parse_quantity
from gatewright.verdict import Result, Verdict, judge

PLACE = Place("p.yaml", 1, 1)
CHECK = Check("run.a", Path("run", "a"), PLACE)
STATUSES = st.sampled_from(["pass", "fail", "inconclusive", "error", "skip", "warn"])
RESULTS = st.lists(
    st.builds(
        lambda status, severity: Result(replace(CHECK, severity=severity), status, ""),
        STATUSES,
        st.sampled_from(["block", "warn"]),
    ),
    max_size=6,
)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(-1e6, 1e6).map(lambda x: round(x, 6))


@given(RESULTS)
def test_only_pass_promotes_and_pass_needs_a_check_that_passed(results: list[Result]) -> None:
    """No blocking fail, error or inconclusive, and at least one blocking check that was not skipped."""
    verdict = Verdict(tuple(results))
    promoted = decide(verdict, count(())).kind == "promoted"
    blocking = [r.status for r in results if r.check.severity == "block"]
    assert promoted == (
        not {"fail", "error", "inconclusive"} & set(blocking) and bool({"pass", "warn"} & set(blocking))
    )


@given(RESULTS)
def test_the_worst_blocking_result_names_the_outcome(results: list[Result]) -> None:
    """In order of weight: fail, error, inconclusive, pass; warnings never matter."""
    blocking = [r for r in results if r.check.severity == "block"]
    outcome = Verdict(tuple(results)).outcome
    assert outcome == Verdict(tuple(blocking)).outcome
    if any(r.status == "fail" for r in blocking):
        assert outcome == "fail"


@given(RESULTS, RESULTS)
def test_adding_checks_never_turns_a_refusal_into_a_promotion(some: list[Result], more: list[Result]) -> None:
    """A policy only gets stricter by another line."""
    bad = ("fail", "error", "inconclusive")
    if any(r.check.severity == "block" and r.status in bad for r in some):
        assert Verdict((*some, *more)).outcome != "pass"


@given(RESULTS)
def test_exit_zero_means_that_the_verdict_passed(results: list[Result]) -> None:
    """Scripts rely on it."""
    verdict = Verdict(tuple(results))
    assert (exit_code(decide(verdict, count(())), verdict) == 0) == (verdict.outcome == "pass")


def judged(value: object, op: str, bound: Quantity) -> str:
    """The status of one comparison with a number."""
    check = replace(CHECK, op=op, operand=bound)
    fact = Fact("candidate", CHECK.path, "known", value)  # type: ignore[arg-type]
    return judge([check], Evidence({"champion": None}, "", (fact,))).results[0].status


@given(NUMBERS, st.sampled_from([">", ">=", "<", "<=", "==", "!="]))
def test_a_value_that_is_not_finite_neither_passes_nor_fails(value: float, op: str) -> None:
    """NaN and infinities, and the largest doubles that stand for them, are undetermined."""
    status = judged(value, op, parse_quantity("0.5"))
    assert (status == "error") == (value != value or abs(value) >= 1.797e308)


@given(FINITE, FINITE, FINITE)
def test_raising_a_value_never_turns_pass_into_fail(low: float, high: float, bound: float) -> None:
    """For a check that asks for at least something."""
    low, high = sorted((low, high))
    limit = parse_quantity(repr(bound))
    assert not (judged(low, ">=", limit) == "pass" and judged(high, ">=", limit) == "fail")


@given(FINITE, FINITE)
def test_strict_and_loose_comparisons_are_opposites(value: float, bound: float) -> None:
    """`>` holds exactly where `<=` does not."""
    limit = parse_quantity(repr(bound))
    assert {judged(value, ">", limit), judged(value, "<=", limit)} == {"pass", "fail"}
    assert {judged(value, "<", limit), judged(value, ">=", limit)} == {"pass", "fail"}


@given(NUMBERS, NUMBERS, st.sampled_from([">", ">=", "<", "<="]), st.booleans())
def test_a_comparison_with_the_champion_never_passes_on_what_is_not_a_number(
    mine: float, theirs: float, op: str, factor: bool
) -> None:
    """Whatever stands on either side."""
    operand = Champion(factor=parse_quantity("0.9").value) if factor else Champion()
    facts = (Fact("candidate", CHECK.path, "known", mine), Fact("champion", CHECK.path, "known", theirs))
    check = replace(CHECK, op=op, operand=operand)
    (result,) = judge([check], Evidence({"champion": 1, "version": 2}, "", facts)).results
    if any(x != x or abs(x) >= 1.797e308 for x in (mine, theirs)):
        assert result.status == "error"
    else:
        assert result.status in ("pass", "fail") or (factor and theirs <= 0 and result.status == "inconclusive")
