"""Which unit sees which version: a hash that a router, a serving process and the analysis all compute alike.

The rule, in full. `key` is salt, ":", unit, in UTF-8. `h` is the 32-bit MurmurHash2 of the key, with seed 0, as nginx's
split_clients has it. A share is a whole number of hundredths of a percent, s. The unit sees the challenger if

    h < floor(s · 4294967295 / 10000)

and else the champion. A request without a unit sees the champion, and is not counted. So the same unit always sees the
same arm; raising the share from s to t moves the units between the two bounds to the challenger and no other; lowering
it moves the same ones back. The salt belongs to one experiment: the next one draws anew.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from gatewright.canonical import digest_of
from gatewright.problem import UsageError

Arm = Literal["champion", "challenger"]

#: how many parts a share is counted in
PARTS = 10_000

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995


def arm_of(unit: str, salt: str, parts: int) -> Arm:
    """The arm that a unit sees. parts: the challenger's share in hundredths of a percent, 0 to 10,000."""
    if not unit:
        return "champion"
    return "challenger" if murmur2(f"{salt}:{unit}".encode()) < bound(parts) else "champion"


def bound(parts: int) -> int:
    """Hashes below it belong to the challenger."""
    return parts * _MASK // PARTS


def parts_of(share: Decimal) -> int:
    """A share (0.1) in hundredths of a percent; UsageError for one that is finer than that."""
    parts = share * PARTS
    if parts != parts.to_integral_value() or not 0 <= parts <= PARTS:
        raise UsageError(
            f"a share of {share * 100:f}% cannot be routed", "write whole hundredths of a percent, such as 12.25%"
        )
    return int(parts)


def salt_of(model: str, champion: int, challenger: int, started: str) -> str:
    """The salt of one experiment: 16 hexadecimal digits, safe in any configuration file. started: ISO 8601, UTC."""
    named = {"model": model, "champion": champion, "challenger": challenger, "started": started}
    return digest_of(named)[:16]


def murmur2(key: bytes) -> int:
    """The 32-bit MurmurHash2 of `key` with seed 0. A. Appleby (2008), MurmurHash2.cpp, public domain."""
    h, whole = len(key) & _MASK, len(key) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(key[i : i + 4], "little") * _MULTIPLIER & _MASK
        h = h * _MULTIPLIER & _MASK ^ (k ^ k >> 24) * _MULTIPLIER & _MASK
    if whole < len(key):
        h = (h ^ int.from_bytes(key[whole:], "little")) * _MULTIPLIER & _MASK
    h = (h ^ h >> 13) * _MULTIPLIER & _MASK
    return h ^ h >> 15
