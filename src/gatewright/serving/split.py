"""The split of `gatewright live route --format json`, carried out in a process of one's own."""

from __future__ import annotations

import json
from dataclasses import dataclass

from gatewright.live.assignment import murmur2


@dataclass(frozen=True, slots=True)
class Split:
    """Which version each unit sees. key: what stands before the unit when it is hashed; below: see `assignment`."""

    champion: int
    challenger: int | None
    key: str
    below: int

    @classmethod
    def read(cls, text: str) -> Split:
        """Reads what the command prints; raises ValueError for anything else."""
        try:
            said = json.loads(text)
            versions = {arm["arm"]: int(arm["version"]) for arm in said["arms"]}
            rule = said["assignment"]
            if rule["function"] != "murmur2-32" or not rule["key"].endswith("UNIT"):
                raise ValueError(f"this release does not know the assignment {rule}")
            key, below = rule["key"].removesuffix("UNIT"), int(rule["challenger_below"])
            return cls(versions["champion"], versions.get("challenger"), key, below)
        except (AttributeError, KeyError, TypeError, ValueError) as e:
            raise ValueError(f"this is not what `gatewright live route --format json` prints: {e}") from e

    def version(self, unit: str | int | None) -> int:
        """The version that a unit sees; the champion for who has no unit."""
        if self.challenger is None or unit is None or unit == "":
            return self.champion
        drawn = murmur2(f"{self.key}{unit}".encode("utf-8", "surrogatepass")) < self.below
        return self.challenger if drawn else self.champion
