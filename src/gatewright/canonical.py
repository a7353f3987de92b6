"""One spelling for every value, and its sha256: what digests and chains are made of."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gatewright.quantity import is_finite


def canonical(value: object) -> str:
    """JSON with sorted keys, no spaces, shortest floats; dataclasses are read as objects, tuples as arrays.

    A number that is not finite has no JSON spelling; it is written as text (`"nan"`), so that it still counts.
    """
    bare = plain(value)
    return json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """The sha256 of a value's canonical spelling, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def plain(value: object) -> Any:
    """The same value in nothing but dict, list, str, int, float, bool and None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(v) for v in value), key=canonical)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, Decimal)):
        return _number(value)
    raise TypeError(f"{type(value).__name__} has no canonical spelling")


def _number(value: float | Decimal) -> float | int | str:
    if not is_finite(value):
        return str(value).lower()
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
