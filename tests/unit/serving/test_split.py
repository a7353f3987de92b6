"""A serving process that splits by itself."""

from __future__ import annotations

import pytest

from gatewright.live.assignment import arm_of
from gatewright.live.route import Routing, route
from gatewright.serving import Split

SALT = "5f2b8c7d9e0a1b3c"


def test_it_serves_every_unit_as_the_analysis_expects() -> None:
    """Text beyond ASCII and whole numbers, too."""
    split = Split.read(route(Routing("fraud", 12, 13, 2000, SALT, "account"), "json"))
    units: list[str | int] = [*(f"account-{i}" for i in range(500)), "Jürgen", "東京", 4711]
    versions = {"champion": 12, "challenger": 13}
    assert [split.version(u) for u in units] == [versions[arm_of(str(u), SALT, 2000)] for u in units]


def test_who_has_no_unit_sees_the_champion() -> None:
    """And so does everybody while no split runs."""
    split = Split.read(route(Routing("fraud", 12, 13, 10_000, SALT, "account"), "json"))
    assert (split.version(None), split.version("")) == (12, 12)
    ended = Split.read(route(Routing("fraud", 13, None, 0, "", "account"), "json"))
    assert {ended.version(f"account-{i}") for i in range(100)} == {13}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"arms": [], "assignment": {"function": "crc32", "key": ""}}']
)
def test_what_is_no_split_is_an_error(text: str) -> None:
    """When it is read, and not when somebody is served."""
    with pytest.raises(ValueError, match="gatewright live route"):
        Split.read(text)
