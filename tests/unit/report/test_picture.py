"""What is drawn is what was found: estimates where they are known, slices on one scale."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatewright.policy.model import Champion
from gatewright.report.picture import of_result, of_slices
from gatewright.verdict import Result
from unit.report.examples import measured

RESULTS = {str(r.check.path): r for r in measured().verdict.results}  # type: ignore[union-attr]
AUC, RECALL = RESULTS["holdout.roc_auc"], RESULTS["holdout.recall"]


def test_the_estimate_against_a_champion_is_the_difference() -> None:
    """As decimals: 0.9681 − 0.9692 is −0.0011."""
    picture = of_result(AUC)
    assert picture is not None
    assert picture.estimate == -0.0011
    assert picture.limit == -0.002


def test_a_check_without_interval_has_no_picture() -> None:
    """Nor one without limit."""
    assert of_result(RESULTS["latency.p95"]) is None
    assert of_result(replace(AUC, limit=None)) is None


@pytest.mark.parametrize("change", [{"value": None}, {"champion": None}, {"value": float("nan")}, {"value": 2.0}])
def test_an_estimate_that_is_not_within_its_interval_is_not_drawn(change: dict[str, float | None]) -> None:
    """It would belong to something else."""
    picture = of_result(replace(AUC, **change))
    assert picture is not None
    assert picture.estimate is None


def test_slices_share_a_scale_that_small_ones_do_not_stretch() -> None:
    """PT and DE span it with the limit and parity; NL, too small to decide, is cut off at both ends."""
    pictures = of_slices(RECALL)
    assert [p.scale for p in pictures if p] == [(-0.083, 0.006)] * 3
    assert [p.glyph(21) for p in pictures if p] == [
        "├──────┼─────┤┊    │ ",
        "              ┊   ├┼┤",
        "◂─────────────┊────│▸",
    ]


def test_without_intervals_slices_have_no_pictures() -> None:
    """One for each all the same, as they are shown side by side."""
    bare = replace(RECALL, slices=tuple(replace(s, interval=None) for s in RECALL.slices))
    assert of_slices(bare) == (None, None, None)
    assert of_slices(replace(RECALL, limit=None)) == (None, None, None)


def test_parity_is_known_only_where_both_are_on_one_scale() -> None:
    """A factor on the champion moves it, and a number has no champion."""

    def parities(result: Result) -> set[float | None]:
        return {p.parity for p in of_slices(result) if p}

    operand = RECALL.check.operand
    assert isinstance(operand, Champion)
    factor = replace(operand, factor=operand.factor * 2)
    assert parities(RECALL) == {0.0}
    assert parities(replace(RECALL, check=replace(RECALL.check, operand=factor))) == {None}
    assert parities(replace(RECALL, check=replace(RECALL.check, operand="0.9"))) == {None}
