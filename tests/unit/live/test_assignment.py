"""Units and arms: the same everywhere, and moved only where a split's change says so."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.live.assignment import PARTS, arm_of, bound, murmur2, parts_of, salt_of
from gatewright.problem import UsageError

SALT = "5f2b8c7d9e0a1b3c"

shares = st.integers(0, PARTS)


@pytest.mark.parametrize(
    ("key", "hash_"),
    [(b"", 0), (b"a", 2456313694), (b"ab", 446775395), (b"abc", 324500635), (b"abcd", 646393889)],
)
def test_the_hash_has_known_values(key: bytes, hash_: int) -> None:
    """One key for each length of the tail."""
    assert murmur2(key) == hash_


def test_a_unit_of_the_documentation_sees_the_arm_it_says() -> None:
    """A salt, a unit, its hash and the bound, for whoever builds this elsewhere."""
    assert murmur2(f"{SALT}:account-1".encode()) == 3265691128
    assert bound(1000) == 429496729


def test_a_request_without_a_unit_sees_the_champion() -> None:
    """Nobody is tried on who cannot be told from others."""
    assert arm_of("", SALT, PARTS) == "champion"


@given(st.text(min_size=1, max_size=40), st.text(max_size=16), shares, shares)
def test_raising_a_share_takes_nobody_away_from_the_challenger(unit: str, salt: str, a: int, b: int) -> None:
    """Whoever is the challenger's at some share is so at every larger one."""
    if arm_of(unit, salt, min(a, b)) == "challenger":
        assert arm_of(unit, salt, max(a, b)) == "challenger"


@given(shares)
def test_the_champion_has_everybody_where_the_challenger_has_no_share(parts: int) -> None:
    """The bound is 0 at 0 alone, and never beyond 32 bits."""
    assert (bound(parts) == 0) == (parts == 0)
    assert bound(parts) < 2**32


def test_two_experiments_draw_independently() -> None:
    """Of those who saw one challenger, the next sees its own share again, not all or none."""
    units = [f"account-{i}" for i in range(20_000)]
    other = salt_of("fraud", 12, 13, "2026-10-01T00:00:00+00:00")
    first = [u for u in units if arm_of(u, SALT, 2000) == "challenger"]
    again = sum(arm_of(u, other, 2000) == "challenger" for u in first)
    assert abs(again - 0.2 * len(first)) <= 4 * (0.16 * len(first)) ** 0.5


def test_every_part_of_an_experiments_identity_changes_its_salt() -> None:
    """Model, both versions and the start."""
    salts = {
        salt_of("fraud", 12, 13, "2026-10-01T00:00:00+00:00"),
        salt_of("churn", 12, 13, "2026-10-01T00:00:00+00:00"),
        salt_of("fraud", 11, 13, "2026-10-01T00:00:00+00:00"),
        salt_of("fraud", 12, 14, "2026-10-01T00:00:00+00:00"),
        salt_of("fraud", 12, 13, "2026-10-02T00:00:00+00:00"),
    }
    assert len(salts) == 5


@pytest.mark.parametrize(("share", "parts"), [("0.1", 1000), ("0.1225", 1225), ("0", 0), ("1", 10_000)])
def test_a_share_is_a_whole_number_of_hundredths_of_a_percent(share: str, parts: int) -> None:
    """As fine as nginx reads it."""
    assert parts_of(Decimal(share)) == parts


@pytest.mark.parametrize("share", ["0.12345", "-0.1", "1.5"])
def test_a_share_that_no_router_can_carry_out_is_an_error(share: str) -> None:
    """Rounding it would make the split another than the analysis expects."""
    with pytest.raises(UsageError, match="cannot be routed"):
        parts_of(Decimal(share))
