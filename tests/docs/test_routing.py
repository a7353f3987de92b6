"""docs/routing.md against the code: whoever builds a router after it gets the same arms."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from docs.pages import ROOT
from gatewright.live.assignment import arm_of, bound, murmur2, parts_of, salt_of
from gatewright.live.route import Routing, route
from gatewright.serving import Split

PAGE = (ROOT / "docs" / "routing.md").read_text(encoding="utf-8")
SALT = "5f2b8c7d9e0a1b3c"


def test_every_vector_of_the_page_holds() -> None:
    """Hash, bound and arm of each unit at each share."""
    table = PAGE.split("<!-- vectors")[1].split("<!-- /vectors")[0]
    shares = [(parts_of(Decimal(p) / 100), int(b)) for p, b in re.findall(r"at (\d+)% \(bound (\d+)\)", table)]
    rows = re.findall(r"^\| `(.+)` \| (\d+) \| (\w+) \| (\w+) \| (\w+) \|$", table, re.MULTILINE)
    assert len(rows) == 7 and [bound(parts) for parts, _ in shares] == [b for _, b in shares]
    for unit, hash_, *arms in rows:
        assert murmur2(f"{SALT}:{unit}".encode()) == int(hash_)
        assert [arm_of(unit, SALT, parts) for parts, _ in shares] == arms
    alone = re.findall(r"`([a-e]+)` (\d+)", table)
    assert len(alone) == 5 and all(murmur2(key.encode()) == int(hash_) for key, hash_ in alone)
    assert murmur2(b"") == 0


def test_the_salt_of_the_page_is_made_as_it_says() -> None:
    """Of the model, both versions and the start."""
    named, salt = re.findall(r"`(\{.+\})`, here\s+`(\w{16})`", PAGE)[0]
    said = json.loads(named)
    assert salt_of(said["model"], said["champion"], said["challenger"], said["started"]) == salt


def test_the_json_of_the_page_is_what_the_command_writes() -> None:
    """Key by key, and readable by whoever serves."""
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    addresses = {"champion": "10.0.0.12:8080", "challenger": "10.0.0.13:8080"}
    routing = Routing("fraud-detector", 12, 13, 1000, SALT, "account", "X-Account", addresses)  # type: ignore[arg-type]
    assert json.loads(block) == json.loads(route(routing, "json"))
    assert Split.read(block).version("account-5") == 13


def test_the_variables_of_the_page_are_those_of_nginx() -> None:
    """Whoever pastes the location gets what the file sets."""
    text = route(Routing("fraud-detector", 12, 13, 1000, SALT, "account"), "nginx")
    (block,) = re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)
    used = set(re.findall(r"\$gatewright\w+", block))
    assert used and used <= set(re.findall(r"\$gatewright\w+", text))
