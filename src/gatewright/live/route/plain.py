"""For a serving layer of one's own: everything that the rule of `assignment` asks for."""

from __future__ import annotations

import json
from typing import Any

from gatewright.live.assignment import PARTS, Arm
from gatewright.live.route.routing import Routing


def write(routing: Routing) -> str:
    """A JSON document."""
    rule = {"function": "murmur2-32", "seed": 0, "key": f"{routing.salt}:UNIT", "challenger_below": routing.below}
    document = {
        "schema": 1,
        "model": routing.model,
        "unit": routing.unit,
        "header": routing.header,
        "parts_of": PARTS,
        "arms": [_arm(routing, arm) for arm in routing.arms],
        "assignment": rule,
    }
    return json.dumps(document, indent=2) + "\n"


def _arm(routing: Routing, arm: Arm) -> dict[str, Any]:
    version = routing.versions[arm]
    about = {"arm": arm, "version": version, "uri": f"models:/{routing.model}/{version}", "parts": routing.shares[arm]}
    return {**about, "address": routing.addresses[arm]} if arm in routing.addresses else about
