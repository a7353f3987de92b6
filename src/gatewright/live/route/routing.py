"""Who is to be served to whom, as the registry shows it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gatewright.live.assignment import PARTS, Arm, bound, murmur2

#: what routes tell the version by, what requests carry the unit in, and what answers say
ARM_HEADER = "x-gatewright-arm"
UNIT_HEADER = "x-gatewright-unit"
VERSION_HEADER = "x-gatewright-version"

#: the longest name of which nginx can still make a variable, and Kubernetes a service
_LONGEST = 26


@dataclass(frozen=True, slots=True)
class Routing:
    """A split to be carried out.

    challenger: None while no split runs: then everybody sees the champion. parts: the challenger's share in hundredths
    of a percent. unit: the policy's word for what traffic is split by; header: where requests carry it.
    addresses: arm → HOST:PORT, where they are known. sources: arm → where its files are. host: the name that clients
    ask for, the model's if "". gateway: NAMESPACE/NAME of a Kubernetes gateway.
    """

    model: str
    champion: int
    challenger: int | None = None
    parts: int = 0
    salt: str = ""
    unit: str = ""
    header: str = UNIT_HEADER
    addresses: Mapping[Arm, str] = field(default_factory=dict)
    sources: Mapping[Arm, str] = field(default_factory=dict)
    host: str = ""
    gateway: str = ""

    @property
    def versions(self) -> Mapping[Arm, int]:
        """Arm → version; only the champion's while no split runs."""
        both: dict[Arm, int] = {"champion": self.champion}
        return both if self.challenger is None or self.parts == 0 else {**both, "challenger": self.challenger}

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The champion, and the challenger while there is one to be seen."""
        return tuple(self.versions)

    @property
    def shares(self) -> Mapping[Arm, int]:
        """Arm → hundredths of a percent."""
        if "challenger" not in self.versions:
            return {"champion": PARTS}
        return {"champion": PARTS - self.parts, "challenger": self.parts}

    @property
    def below(self) -> int:
        """Hashes below it belong to the challenger."""
        return bound(self.shares.get("challenger", 0))

    @property
    def name(self) -> str:
        """The model's name as hosts and variables may spell it; two names never share one."""
        return slug(self.model)

    @property
    def about(self) -> str:
        """One line for people. A model's name may hold anything, and must not end the comment that it stands in."""
        arms = " · ".join(f"{arm} v{self.versions[arm]} {share / 100:g}%" for arm, share in self.shares.items())
        line = f"{self.model}: {arms}, by {self.unit or 'nothing'}"
        return " ".join("".join(c if c.isprintable() else " " for c in line).split())


def slug(name: str) -> str:
    """Lower-case letters, digits and dashes, a letter first; a name that had to be changed gets a mark of its own."""
    bare = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    bare = bare if bare[:1].isalpha() else f"model-{bare}".strip("-")
    if bare == name and len(bare) <= _LONGEST:
        return bare
    return f"{bare[: _LONGEST - 9].strip('-')}-{murmur2(name.encode('utf-8', 'surrogatepass')):08x}"
