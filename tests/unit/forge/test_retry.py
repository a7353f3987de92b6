"""How long is waited, and when not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatewright.forge.retry import UNSAID, Patience, limited


def test_waiting_doubles_with_jitter_over_its_upper_half() -> None:
    """Several runs that failed together come back apart."""
    slept: list[float] = []
    for random in (0.0, 1.0):
        patience = Patience(slept.append, lambda value=random: value, lambda: 0.0)  # type: ignore[misc]
        assert all(patience.wait(attempt) for attempt in range(3))
    assert slept == [0.5, 1.0, 2.0, 1.0, 2.0, 4.0]


def test_the_last_try_is_not_followed_by_a_wait() -> None:
    """Nothing is slept for when nothing comes after."""
    slept: list[float] = []
    patience = Patience(slept.append, lambda: 0.0, lambda: 0.0, tries=2)
    assert patience.wait(0) and not patience.wait(1)
    assert slept == [0.5]


def test_the_budget_is_shared_by_all_requests_of_a_run() -> None:
    """Ten requests that each wait a little do not add up to an hour."""
    slept: list[float] = []
    patience = Patience(slept.append, lambda: 0.0, lambda: 0.0, budget=100.0)
    assert patience.wait(0, 60.0)
    assert not patience.wait(0, 60.0)
    assert patience.wait(0, 30.0)
    assert (slept, patience.left) == ([60.0, 30.0], 10.0)


@given(st.lists(st.tuples(st.integers(0, 12), st.floats(0, 4000)), max_size=30), st.floats(0, 0.999))
def test_no_run_waits_longer_than_its_budget(waits: list[tuple[int, float]], random: float) -> None:
    """Whatever is asked of it, and never shorter than it was told to."""
    slept: list[float] = []
    patience = Patience(slept.append, lambda: random, lambda: 0.0, budget=150.0)
    for attempt, least in waits:
        before = len(slept)
        if patience.wait(attempt, least):
            assert slept[before] >= least
    assert sum(slept) <= 150.0 + 1e-6


def test_only_refusals_can_be_limits() -> None:
    """A page that talks of rate limits is none."""
    assert limited(200, {"Retry-After": "5"}, "rate limit", 0.0) is None
    assert limited(404, {}, "rate limit", 0.0) is None
    assert limited(403, {}, "Resource not accessible by integration", 0.0) is None
    assert limited(403, {"X-RateLimit-Remaining": "4999"}, "no", 0.0) is None


def test_a_limit_says_for_how_long_or_a_minute_is_taken() -> None:
    """Retry-After comes first, then the reset time, then what GitHub asks of everyone."""
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "130"}
    assert limited(429, {"Retry-After": "5", **reset}, "", 100.0) == 5.0
    assert limited(403, reset, "", 100.0) == 31.0
    assert limited(403, reset, "", 500.0) == 1.0
    assert limited(429, {}, "", 0.0) == UNSAID
    assert limited(403, {}, "You have exceeded a secondary rate limit.", 0.0) == UNSAID
    assert limited(403, {}, "You have triggered an abuse detection mechanism.", 0.0) == UNSAID
    assert limited(403, {"Retry-After": "Mon, 23 Nov 2026 10:00:00 GMT"}, "", 0.0) == UNSAID
    assert limited(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, "", 0.0) == UNSAID
