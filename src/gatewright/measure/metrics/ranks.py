"""Metrics that need the order of scores or errors: ROC area, average precision, median absolute error.

They keep the rows: 17 to 40 bytes each. Exact up to CAP kept rows, of each class where there are two. Beyond, the rows
with the lowest hashes are kept, a random sample that every run draws alike; memory stays flat, the method is then called
approximate, and the interval is that of the sample, so that it covers what the sampling added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gatewright import statistics
from gatewright.measure.metrics.rows import GROUPS, Estimate, Rows

if TYPE_CHECKING:
    from gatewright.statistics import Bounds, Flags, Floats, Ints

#: rows kept of each class of a binary task, or of all
CAP = 1 << 20

METRICS = (
    *("roc_auc", "average_precision", "median_ae"),
    *(f"{kind}_{average}" for kind in ("roc_auc", "average_precision") for average in ("macro", "weighted")),
)


class Ranks:
    """The state: the rows' truth, scores or errors, slices, group and hash.

    classes: 2 for a binary task, 0 for a regression. cap: how many rows (of each class where there are two) are kept
    as they are.
    """

    def __init__(
        self, classes: int, models: int, columns: tuple[str, ...], *, unit: bool, cap: int = CAP
    ) -> None:
        self.classes, self.models, self.unit = classes, models, unit
        self.columns = columns
        self.cap = cap if classes <= 2 else max(cap * 2 // classes, 1)
        self.sizes: dict[str | None, int] = {None: 1, **dict.fromkeys(columns, 1)}
        self._parts: list[dict[str, Any]] = []
        self._held = 0
        self._limit: dict[int, Any] = {}
        self._seen: dict[str | None, Any] = {}
        self._orders: dict[object, Ints] = {}
