"""Facts that a policy may name and that nothing measures yet: whatever rests on them is not promoted."""

from __future__ import annotations

from gatewright.evidence import Fact
from gatewright.measure.reading import Reading
from gatewright.paths import Path, PathRow

ROWS = (
    PathRow(
        "live",
        "*",
        "number",
        "an outcome metric of the live A/B split",
        "declare the split in the live block",
        sampled=True,
        comparable=True,
    ),
)


def collect(path: Path, reading: Reading) -> Fact:
    """An unreadable fact that says so."""
    return reading.unreadable(path, "this version of Gatewright does not read live outcomes yet")
