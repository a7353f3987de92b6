"""Bounds against published vectors, and at the edges where formulas tend to promise too much."""

from __future__ import annotations

import math

import pytest

from gatewright import statistics


def test_holms_levels_begin_with_the_one_that_was_asked_for() -> None:
    """The verdict looks the level up as 1 − (1 − level)/k, to the bit."""
    assert statistics.holm_levels(0.95, 3) == (1 - (1 - 0.95) / 1, 1 - (1 - 0.95) / 2, 1 - (1 - 0.95) / 3)
    assert statistics.holm_levels(0.9, 0) == (1 - (1 - 0.9),)


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"), [(870, 1000, 0.84773, 0.88944), (0, 20, 0.0, 0.16113), (20, 20, 0.83887, 1.0)]
)
def test_wilson_agrees_with_published_bounds(right: int, rows: int, low: float, high: float) -> None:
    """A two-sided 95 % interval is two one-sided bounds at 97.5 %."""
    import numpy as np

    found = statistics.wilson(np.array([right * 1.0]), np.array([rows * 1.0]), 0.975)
    assert [float(b[0]) for b in found] == pytest.approx([low, high], abs=5e-6)


def test_a_proportion_of_nothing_has_no_bounds() -> None:
    """0 of 0 is not 0."""
    import numpy as np

    low, high = statistics.wilson(np.zeros(1), np.zeros(1), 0.95)
    assert math.isnan(low[0]) and math.isnan(high[0])


@pytest.mark.parametrize(
    ("rows", "only_candidate", "only_champion", "low", "high"),
    [
        (1000, 20, 30, -0.02385, 0.00385),
        (1000, 15, 40, -0.03945, -0.01055),
        (1000, 40, 15, 0.01055, 0.03945),
        (10000, 290, 300, -0.00576, 0.00376),
    ],
)
def test_paired_accuracy_without_adjustment_is_mcnemars(
    rows: int, only_candidate: int, only_champion: int, low: float, high: float
) -> None:
    """The plain formula has published vectors; the adjusted one differs from it by a hair at these sizes."""
    import numpy as np

    cells = np.array([[rows - only_candidate - only_champion, only_candidate, only_champion, 0.0]])
    plain = statistics.paired_proportions(cells, 1.0, 0.975, pseudo=0)
    adjusted = statistics.paired_proportions(cells, 1.0, 0.975)
    assert [float(b[0]) for b in plain] == pytest.approx([low, high], abs=5e-6)
    assert [float(b[0]) for b in adjusted] == pytest.approx([low, high], abs=2e-4)


def test_models_that_agree_on_few_rows_may_still_differ() -> None:
    """Ten rows without a disagreement do not prove that there is none."""
    import numpy as np

    low, high = statistics.paired_proportions(np.array([[10.0, 0, 0, 0]]), 1.0, 0.95)
    assert low[0] < -0.1 and high[0] > 0.1


def _delong() -> tuple[list[float], float]:
    import numpy as np

    positive = np.array([True] * 8 + [False] * 12)
    champion = [0.9, 0.8, 0.7, 0.65, 0.6, 0.4, 0.35, 0.3, 0.85, 0.55, 0.5, 0.45, 0.42, 0.33, 0.3, 0.25, 0.2, 0.15]
    challenger = [0.95, 0.85, 0.9, 0.7, 0.75, 0.55, 0.3, 0.5, 0.6, 0.5, 0.45, 0.4, 0.35, 0.38, 0.2, 0.25, 0.1, 0.15]
    areas, changes = [], []
    for scores in (np.array([*champion, 0.1, 0.05]), np.array([*challenger, 0.3, 0.05])):
        runs = statistics.ordered_runs(scores, positive, np.argsort(scores), None, 1)
        curve = statistics.roc_auc(runs)
        areas.append(float(curve.area[0]))
        changes.append(curve.to_rows(runs, positive))
    squares = (changes[1] - changes[0]) ** 2
    return areas, math.sqrt(squares[:8].sum() / (8 * 7) + squares[8:].sum() / (12 * 11))


def test_delong_agrees_with_two_other_implementations() -> None:
    """Areas of two models on the same 20 rows, one of them with ties, and the error of their difference."""
    areas, error = _delong()
    assert areas == pytest.approx([0.786458, 0.906250], abs=5e-7)
    assert error == pytest.approx(0.078388, abs=5e-7)


def test_average_precision_changes_with_a_rows_weight_as_its_influence_says() -> None:
    """The derivative against a small step, with ties."""
    import numpy as np
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(3)
    positive = rng.random(60) < 0.4
    scores = np.asarray(np.round(rng.random(60) + 0.4 * positive, 1), np.float64)
    runs = statistics.ordered_runs(scores, positive, np.argsort(scores), None, 1)
    curve = statistics.average_precision(runs, np.ones((1, 2)))
    influence = curve.to_rows(runs, positive) / positive.sum()
    for row in range(0, 60, 7):
        weights = np.ones(60)
        weights[row] += 1e-6
        moved = average_precision_score(positive, scores, sample_weight=weights) - curve.area[0]
        assert influence[row] == pytest.approx(moved / 1e-6, abs=1e-5)


def test_the_gap_of_equal_slices_may_be_zero_and_may_be_large() -> None:
    """The largest of many differences is not taken for a difference."""
    import numpy as np

    values = np.array([0.80, 0.81, 0.79, 0.80])
    low, high = statistics.gap(values, lambda at: statistics.wald(values, np.full(4, 0.02), at), 0.95)
    assert low == 0.0
    assert high == pytest.approx(0.02 + 1.6448536 * 0.02 * math.sqrt(2), abs=1e-6)


def test_the_ratio_of_slices_is_bounded_on_both_sides_of_its_value() -> None:
    """A slice value of zero gives a bound of zero, not an error."""
    import numpy as np

    values = np.array([0.6, 0.9])
    low, high = statistics.ratio(values, lambda at: statistics.wald(values, np.full(2, 0.01), at), 0.95)
    assert low < 0.6 / 0.9 < high
    low, _ = statistics.ratio(np.array([0.0, 0.9]), lambda at: (np.array([0.0, 0.8]), np.array([0.1, 0.95])), 0.95)
    assert low == pytest.approx(0.0, abs=1e-12)


def test_an_estimate_at_the_end_of_its_scale_keeps_its_width() -> None:
    """A logit of 1 is infinite; the plain bounds serve there."""
    import numpy as np

    low, high = statistics.wald(np.array([1.0, 0.9999]), np.array([0.01, 0.01]), 0.95, None, "logit")
    assert low == pytest.approx([1 - 0.016448536, 0.9999 - 0.016448536])
    assert (high >= 1).all()


def test_the_bootstrap_draws_the_same_on_every_run() -> None:
    """Same counts, same seed, same bounds; another seed, others."""
    import numpy as np

    counts = np.array([700.0, 120, 80, 100])

    def f1(drawn: statistics.Floats) -> statistics.Floats:
        return np.asarray(2 * drawn[:, 3] / (2 * drawn[:, 3] + drawn[:, 1] + drawn[:, 2]))

    first, again, other = (statistics.bootstrap(counts, f1, seed)(0.95) for seed in (5, 5, 6))
    assert first == again != other
    assert first[0] < 0.5 < first[1]


def test_hashes_of_neighbours_look_unrelated() -> None:
    """Row numbers make good keys: half of the bits change from one to the next, and groups fill evenly."""
    import numpy as np

    mixed = statistics.mixed(np.arange(100_000), 0)
    flipped = np.unpackbits((mixed[1:] ^ mixed[:-1]).view(np.uint8)).mean()
    assert flipped == pytest.approx(0.5, abs=0.001)
    sizes = np.bincount((mixed & np.uint64(1023)).astype(int), minlength=1024)
    assert sizes.min() > 40 and sizes.max() < 160
    assert not (mixed == statistics.mixed(np.arange(100_000), 1)).any()


def test_the_median_is_bounded_by_ranks_that_exist() -> None:
    """No order statistic lies outside of the rows."""
    import numpy as np

    rows = np.array([3.0, 2000.0])
    low, high = statistics.median_ranks(rows, 0.95, np.sqrt(rows) / 2)
    assert low.tolist() == pytest.approx([0.0, 962.72], abs=0.001)
    assert high.tolist() == pytest.approx([2.0, 1036.28], abs=0.001)
