"""A real nginx before two real `mlflow models serve`, told by `route` whom to send where."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gatewright.live.assignment import PARTS, Arm, arm_of, bound, murmur2
from gatewright.live.route import Routing, route
from real.nginx import REMEDY, Nginx, find_nginx
from real.process import absent
from real.served import constant, served

SALT = "5f2b8c7d9e0a1b3c"
UNITS = [f"account-{i}" for i in range(1000)]
ROW = json.dumps({"dataframe_split": {"columns": ["amount"], "data": [[1.0]]}}).encode()

PROXY = """\
            proxy_pass http://$gatewright_fraud_upstream;
            add_header X-Gatewright-Version $gatewright_fraud_version always;
"""
#: the same without servers behind it, for more units than a model could answer
ALONE = """\
            add_header X-Gatewright-Version $gatewright_fraud_version always;
            return 200 $gatewright_fraud_arm;
"""

FRAUD = Routing("fraud", 12, 13, 2000, SALT, "account", "X-Account")


@pytest.fixture(scope="module")
def program() -> Path:
    """nginx; skipped where there is none, save where it must be there."""
    found = find_nginx()
    if found is None:
        absent("nginx", REMEDY)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def addresses(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Arm, str]]:
    """Versions 12 and 13, both up."""
    folder = tmp_path_factory.mktemp("served")
    both = (constant(folder / f"v{version}", version) for version in (12, 13))
    with served(next(both)) as champion, served(next(both)) as challenger:
        yield {"champion": champion, "challenger": challenger}


def within_chance(count: int, share: float, of: int) -> bool:
    """Within four standard errors: the units and the salt are fixed, so that this is so always or never."""
    return abs(count - share * of) <= 4 * math.sqrt(share * (1 - share) * of)


def expected(parts: int, units: list[str]) -> dict[str, int]:
    """The version that the analysis expects each unit to have seen."""
    return {u: 13 if arm_of(u, SALT, parts) == "challenger" else 12 for u in units}


def test_two_served_models_share_the_units_as_the_analysis_expects(
    program: Path, addresses: Mapping[Arm, str], tmp_path: Path
) -> None:
    """Shares within chance, every unit at the same arm again, and the answer is that version's own."""
    routing = replace(FRAUD, addresses=addresses)
    with Nginx(program, tmp_path, PROXY).running(route(routing, "nginx")) as nginx:
        first = nginx.ask(UNITS, "X-Account", ROW)
        again = nginx.ask(UNITS[:200], "X-Account", ROW)
    assert all(json.loads(a.body)["predictions"] == [a.version] for a in first.values())
    seen = {u: a.version for u, a in first.items()}
    assert seen == expected(2000, UNITS)
    assert {u: a.version for u, a in again.items()} == {u: seen[u] for u in again}
    assert within_chance(sum(v == 13 for v in seen.values()), 0.2, len(UNITS))


def test_changing_the_split_moves_only_as_many_units_as_it_must(
    program: Path, addresses: Mapping[Arm, str], tmp_path: Path
) -> None:
    """20 % to 30 % in a running nginx: nobody leaves the challenger, a tenth joins it; and back again."""
    routing = replace(FRAUD, addresses=addresses)
    with Nginx(program, tmp_path, PROXY).running(route(routing, "nginx")) as nginx:
        before = nginx.ask(UNITS, "X-Account", ROW)
        nginx.reload(route(replace(routing, parts=3000), "nginx"))
        after = nginx.ask(UNITS, "X-Account", ROW)
        nginx.reload(route(routing, "nginx"))
        back = nginx.ask(UNITS[:200], "X-Account", ROW)
    moved = {u for u in UNITS if before[u] != after[u]}
    assert {(before[u].version, after[u].version) for u in moved} == {(12, 13)}
    assert within_chance(len(moved), 0.1, len(UNITS))
    assert back == {u: before[u] for u in back}


def test_who_has_no_unit_and_who_comes_after_the_end_sees_the_champion(program: Path, tmp_path: Path) -> None:
    """Requests without the header are in no experiment, and after it nobody is."""
    with Nginx(program, tmp_path, ALONE).running(route(replace(FRAUD, parts=9999), "nginx")) as nginx:
        assert nginx.ask([""], "X-Account")[""].version == 12
        nginx.reload(route(replace(FRAUD, challenger=None, parts=0), "nginx"))
        assert {a.version for a in nginx.ask(UNITS, "X-Account").values()} == {12}


@pytest.mark.parametrize("parts", [1, 1225, 5000, 9999, PARTS])
def test_nginx_and_the_analysis_agree_on_every_unit_at_every_share(program: Path, tmp_path: Path, parts: int) -> None:
    """Ten thousand of all lengths and alphabets; and those whose hash lies at the bound itself."""
    units = [f"{'x' * (i % 37)}{i}" for i in range(9_000)] + [f"Kundin Jürgen 東京 {i}" for i in range(1_000)]
    with Nginx(program, tmp_path, ALONE).running(route(replace(FRAUD, parts=parts), "nginx")) as nginx:
        found = {u: a.version for u, a in nginx.ask(units, "X-Account").items()}
    assert found == expected(parts, units)
    if parts == PARTS:
        assert set(found.values()) == {13}


def test_nginx_hashes_as_documented_to_the_hundredth_of_a_percent(program: Path, tmp_path: Path) -> None:
    """Which of a hundred equal parts a unit falls into, by nginx's own `split_clients` without a line of ours."""
    buckets = "".join(f"    1% {i};\n" for i in range(99))
    split = f'split_clients "{SALT}:$http_x_account" $bucket {{\n{buckets}    * 99;\n}}\n'
    location = "            add_header X-Gatewright-Version $bucket always;\n            return 200;\n"
    with Nginx(program, tmp_path, location).running(split) as nginx:
        found = {u: a.version for u, a in nginx.ask(UNITS, "X-Account").items()}
    for unit, bucket in found.items():
        low, high = bound(bucket * 100), bound((bucket + 1) * 100) if bucket < 99 else 2**32
        # A part's bound is nginx's running sum of whole parts, at most one below ours for each.
        assert low - 100 <= murmur2(f"{SALT}:{unit}".encode()) < high


@pytest.mark.parametrize(
    "model",
    ["fraud", "a" * 26, "a" * 200, "3rd model", "Betrug & Söhne", "x\nreturn 500;\n#", "}", '"$request_uri"', "日本"],
)
def test_nginx_takes_a_split_of_any_models_name(program: Path, tmp_path: Path, model: str) -> None:
    """`nginx -t` on the file itself: names may hold anything, and end no line and no block."""
    addresses: dict[Arm, str] = {"champion": "127.0.0.1:8081", "challenger": "[::1]:8082"}
    nginx = Nginx(program, tmp_path, "            return 204;\n")
    assert nginx.check(route(Routing(model, 12, 13, 1225, SALT, "account", addresses=addresses), "nginx")) == ""
    assert nginx.check(route(Routing(model, 12), "nginx")) == ""
