"""A real Envoy carries the split out as the analysis expects it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gatewright.live.assignment import PARTS, arm_of
from gatewright.live.route import Routing, route
from real.envoy import REMEDY, Envoy, find_envoy, saying
from real.process import absent

SALT = "5f2b8c7d9e0a1b3c"
UNITS = [f"{'x' * (i % 37)}{i}" for i in range(1800)] + [f"Kundin Jürgen 東京 {i}" for i in range(200)]


@pytest.fixture(scope="module")
def program() -> Path:
    """Envoy; skipped where there is none, save where it must be there."""
    found = find_envoy()
    if found is None:
        absent("envoy", REMEDY)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def routing() -> Iterator[Routing]:
    """Versions 12 and 13, both up; 20 % for the challenger."""
    with saying("12") as champion, saying("13") as challenger:
        addresses = {"champion": champion, "challenger": challenger}
        yield Routing("fraud", 12, 13, 2000, SALT, "account", "X-Account", addresses)  # type: ignore[arg-type]


@pytest.mark.parametrize("parts", [1, 2000, 9999, PARTS])
def test_envoy_and_the_analysis_agree_on_every_unit(
    program: Path, routing: Routing, tmp_path: Path, parts: int
) -> None:
    """All lengths and alphabets, at shares from next to none to all; the header tells the version that answered."""
    with Envoy(program, tmp_path, route(replace(routing, parts=parts), "envoy")).running() as envoy:
        found = envoy.ask(UNITS, "X-Account")
    versions = {"champion": "12", "challenger": "13"}
    assert found == {u: (versions[arm_of(u, SALT, parts)],) * 2 for u in UNITS}


def test_no_client_chooses_its_arm(program: Path, routing: Routing, tmp_path: Path) -> None:
    """The header that routes go by is the filter's own, whatever a request says; and without a unit it is one arm."""
    with Envoy(program, tmp_path, route(routing, "envoy")).running() as envoy:
        plain = envoy.ask(["", *UNITS[:100]], "X-Account")
        insisting = envoy.ask(["", *UNITS[:100]], "X-Account", x_gatewright_arm="challenger")
    assert insisting == plain
    assert plain[""] == ("12", "12")


def test_after_the_end_everybody_sees_the_champion(program: Path, routing: Routing, tmp_path: Path) -> None:
    """One route and one cluster are left."""
    ended = replace(routing, challenger=None, parts=0)
    with Envoy(program, tmp_path, route(ended, "envoy")).running() as envoy:
        assert set(envoy.ask(UNITS[:200], "X-Account").values()) == {("12", "12")}


@pytest.mark.parametrize("model", ["a" * 200, "3rd model", "x\n- y: z", "日本", "}}", "*"])
def test_envoy_takes_a_split_of_any_models_name(program: Path, routing: Routing, tmp_path: Path, model: str) -> None:
    """`envoy --mode validate` on the whole configuration."""
    assert Envoy(program, tmp_path, route(replace(routing, model=model), "envoy")).check() == ""
