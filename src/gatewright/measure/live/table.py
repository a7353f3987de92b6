"""Outcomes as rows: parquet, csv or a database's answer, read in batches, counted by unit.

A row says that a unit was served by a version at a time, what came of it, or both. A row without a version belongs to
the version that the unit was served by. A value that is null is not known (yet).
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gatewright.live.assignment import arm_of
from gatewright.live.judgement import MISMATCH
from gatewright.live.looks import DAY, Arm, Look
from gatewright.live.moments import Moments
from gatewright.measure.holdout.data import locate
from gatewright.measure.live import database
from gatewright.policy.model import Live, LiveMetric
from gatewright.problem import Undetermined

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Floats: TypeAlias = npt.NDArray[np.float64]
    Ints: TypeAlias = npt.NDArray[np.int64]

_VERSION = re.compile(r"(?:.*[/ ])?v?([0-9]{1,18})(?:\.0)?")
_BATCH = 65_536

#: of how many units it is looked up whether they were served as the assignment says
_SAMPLED = 2000

#: how long after the start a router may still know nothing of the split
_UNROUTED = DAY

_CHAMPION, _CHALLENGER, _UNKNOWN, _OTHER = 0, 1, -1, -2


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows since the start, in columns. Arrays have one element a row.

    names: the units; unit: which one each row is about. arm: 0 champion, 1 challenger, −1 not said. at: seconds since
    the start. y, x: for each metric the outcome and what it is counted per, NaN where there is none. span: seconds from
    the first to the last row. nameless, others, ahead: rows without a unit, of other versions, and of the future.
    """

    names: tuple[str, ...]
    unit: Ints
    arm: Ints
    at: Floats
    y: dict[str, Floats]
    x: dict[str, Floats]
    span: float = 0.0
    nameless: int = 0
    others: int = 0
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was observed. strayed: the share of units that were served otherwise than the assignment says.

    late: seconds from the start until the challenger was first served; what was before them does not count.
    """

    looks: tuple[Look, ...]
    strayed: float = 0.0
    nameless: int = 0
    others: int = 0
    ahead: int = 0
    late: float = 0.0


def read(live: Live, versions: tuple[int, int], since: datetime, until: datetime) -> Rows:
    """All rows between two times about the champion and the challenger; memory is about 40 bytes a row and metric.

    Raises Undetermined where there is no table, a column is missing, or a cell holds what it cannot.
    """
    gathered = _Gathered(live, versions, since.timestamp(), until.timestamp())
    with tempfile.TemporaryDirectory(prefix="gatewright-") as scratch:
        for batch in _batches(live, Path(scratch)):
            gathered.add(batch)
    return gathered.rows()


# -- where the rows come from ------------------------------------------------------------------------------------


def _columns(live: Live) -> list[str]:
    said = live.outcomes
    if said.metric:
        return [live.unit, said.version, said.time, said.metric, said.value]
    measured = [c for m in live.metrics for c in (m.column or m.name, m.per) if c]
    return list(dict.fromkeys([live.unit, said.version, said.time, *measured]))


def _batches(live: Live, scratch: Path) -> Iterator[pa.RecordBatch]:
    said = live.outcomes
    if said.is_database:
        yield from _from_database(live)
        return
    try:
        found = locate(said.data, scratch, _no_download)
        _expect(live, found.schema().names)
        yield from found.batches(_columns(live), _BATCH)
    except Undetermined as e:
        if e.what.startswith("the outcomes"):
            raise
        _unread(live, e.why)
    except (OSError, ValueError, TypeError) as e:
        _unread(live, str(e))


def _no_download(uri: str, scratch: Path) -> Path:
    raise Undetermined(uri, "outcomes are not read from MLflow's artifacts", "")


def _from_database(live: Live) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    try:
        yield from database.batches(live.outcomes, _columns(live), _BATCH)
    except database.NotRead as e:
        _unread(live, str(e), e.fix)
    except pa.ArrowException as e:
        _unread(live, str(e))


def _expect(live: Live, names: Sequence[str]) -> None:
    missing = [c for c in _columns(live) if c not in names]
    if missing:
        there = ", ".join(names[:30])
        _unread(live, f"there is no column {', '.join(missing)}; there is {there}")


def _unread(
    live: Live, why: str, fix: str = "Check live.outcomes in the policy, and that this machine may read it."
) -> NoReturn:
    raise Undetermined(f"the outcomes {live.outcomes.address} cannot be read", " ".join(why.split())[:300], fix)


# -- what the cells say ------------------------------------------------------------------------------------------


class _Gathered:
    """Batches so far, each reduced to what is counted."""

    def __init__(self, live: Live, versions: tuple[int, int], since: float, until: float) -> None:
        self._live, self._versions, self._since, self._until = live, versions, since, until
        self._parts: list[tuple[Any, ...]] = []
        self._names: list[pa.Array] = []
        self._nameless = self._others = self._ahead = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the rows that lie in the time and are about one of the versions, or say none."""
        import pyarrow as pa
        from pyarrow import compute

        said = self._live.outcomes
        names = _texts(batch.column(self._live.unit))
        at = self._times(batch.column(said.time))
        arm = self._arms(batch.column(said.version))
        named = compute.fill_null(compute.not_equal(names, ""), False).to_numpy(zero_copy_only=False)
        inside = (at >= self._since) & (at <= self._until)
        self._ahead += int((named & (at > self._until)).sum())
        self._nameless += int((inside & ~named).sum())
        self._others += int((inside & named & (arm == _OTHER)).sum())
        kept = inside & named & (arm != _OTHER)
        if not kept.any():
            return
        self._names.append(names.filter(pa.array(kept)))
        values = [self._metric(batch, m) for m in self._live.metrics]
        self._parts.append((arm[kept], at[kept] - self._since, *(column[kept] for pair in values for column in pair)))

    def rows(self) -> Rows:
        """All of it, joined."""
        import numpy as np
        import pyarrow as pa

        metrics = self._live.metrics
        told = pa.chunked_array(self._names, pa.large_string()).combine_chunks().dictionary_encode()
        unit, names = told.indices.to_numpy(zero_copy_only=False).astype(np.int64), tuple(told.dictionary.to_pylist())
        if self._parts:
            arm, at, *values = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        else:
            arm = np.zeros(0, np.int64)
            at, values = np.zeros(0), [np.zeros(0)] * (2 * len(metrics))
        y = {m.name: values[2 * i] for i, m in enumerate(metrics)}
        x = {m.name: values[2 * i + 1] for i, m in enumerate(metrics)}
        span = float(at.max() - at.min()) if len(at) else 0.0
        return Rows(names, unit, arm, at, y, x, span, self._nameless, self._others, self._ahead)

    def _times(self, column: Any) -> Floats:
        """Seconds since 1970. Numbers are seconds, or as fine as their size tells; text is ISO 8601."""
        import numpy as np
        import pandas as pd
        import pyarrow as pa
        from pyarrow import compute

        if column.null_count:
            _unread(self._live, f"{column.null_count} rows have no time")
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            numbers = compute.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            if unknown := int(np.isnan(numbers).sum()):
                _unread(self._live, f"{unknown} rows have no time")
            return np.asarray(
                numbers / np.select([numbers > 1e17, numbers > 1e14, numbers > 1e11], [1e9, 1e6, 1e3], 1.0)
            )
        try:
            stamps = pd.to_datetime(column.to_pandas(), utc=True, format="ISO8601" if _is_text(column) else None)
        except (ValueError, TypeError) as e:
            _unread(self._live, f"column {self._live.outcomes.time}: {e}")
        seconds: Floats = ((stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).to_numpy(float)
        return seconds

    def _arms(self, column: Any) -> Ints:
        import numpy as np

        told = _texts(column).dictionary_encode()
        arms = np.array([*map(self._arm, told.dictionary.to_pylist()), _UNKNOWN], np.int64)
        codes = told.indices.fill_null(len(arms) - 1).to_numpy(zero_copy_only=False)
        return np.asarray(arms[codes], np.int64)

    def _arm(self, text: str) -> int:
        if not text:
            return _UNKNOWN
        match = _VERSION.fullmatch(text)
        if match is None:
            _unread(self._live, f'column {self._live.outcomes.version} holds "{text[:40]}", which is no version')
        number = int(match[1])
        return self._versions.index(number) if number in self._versions else _OTHER

    def _metric(self, batch: pa.RecordBatch, metric: LiveMetric) -> tuple[Floats, Floats]:
        """Each row's outcome, and what it counts per; NaN in both where either is not there."""
        import numpy as np

        said = self._live.outcomes
        if said.metric:
            names = _texts(batch.column(said.metric)).to_numpy(zero_copy_only=False)
            value = self._numbers(batch.column(said.value))
            y = np.where(names == (metric.column or metric.name), value, np.nan)
            # In a long table what is counted per stands in rows of its own.
            x = np.where(names == metric.per, value, np.nan) if metric.per else np.where(np.isnan(y), np.nan, 1.0)
            return y, x
        y = self._numbers(batch.column(metric.column or metric.name))
        x = self._numbers(batch.column(metric.per)) if metric.per else np.where(np.isnan(y), np.nan, 1.0)
        known = ~(np.isnan(y) | np.isnan(x))
        return np.where(known, y, np.nan), np.where(known, x, np.nan)

    def _numbers(self, column: Any) -> Floats:
        """Floats, NaN for null; flags count as 0 and 1."""
        import numpy as np
        import pyarrow as pa
        from pyarrow import compute

        try:
            whole = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
            numbers = compute.cast(whole, pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowException as e:
            _unread(self._live, str(e))
        if np.isinf(numbers).any():
            _unread(self._live, "an outcome is infinite")
        return np.asarray(numbers, float)


def _is_text(column: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _texts(column: Any) -> Any:
    """Every cell as the text that a router would have hashed: 7 is "7", and never "7.0"."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_floating(column.type):
        column = compute.if_else(compute.is_nan(column), None, column)
        whole = compute.cast(column, pa.int64(), safe=False)
        if compute.all(compute.equal(compute.cast(whole, column.type), column)).as_py() is not False:
            column = whole
    return compute.cast(column, pa.large_string())


# -- counting by unit --------------------------------------------------------------------------------------------


def looks(live: Live, rows: Rows, times: Sequence[float], salt: str = "", parts: int = 0) -> Seen:
    """Both arms at each time. A unit counts in the arm that it was served by, once its first exposure is old enough.

    Until a unit has been seen in both arms it counts in the first; from then on in neither. Rows before the challenger
    was first served do not count: the router had not heard of the split yet. salt, parts: those of the assignment,
    where it is to be held against.
    """
    import numpy as np

    late = _late(live, rows)
    if late:
        rows = _since(rows, late)
    units, maturity = len(rows.names), float(live.label_maturity)
    first = np.full((2, units), np.inf)
    for arm in (_CHAMPION, _CHALLENGER):
        mine = rows.arm == arm
        np.minimum.at(first[arm], rows.unit[mine], rows.at[mine])
    slot = np.searchsorted(np.asarray(times), rows.at)
    order = np.argsort(slot, kind="stable")
    ends = np.searchsorted(slot[order], np.arange(len(times)), side="right")
    y = {m.name: np.zeros(units) for m in live.metrics}
    x = {m.name: np.zeros(units) for m in live.metrics}
    known = {m.name: np.zeros(units, bool) for m in live.metrics}
    found, begin = [], 0
    for time, end in zip(times, ends, strict=True):
        news, begin = order[begin:end], end
        for name in y:
            _add(y[name], rows.unit[news], rows.y[name][news])
            _add(x[name], rows.unit[news], rows.x[name][news])
            known[name][rows.unit[news][~np.isnan(rows.y[name][news])]] = True
        seen = first <= time
        both = seen.all(axis=0)
        arms = []
        for arm in (_CHAMPION, _CHALLENGER):
            due = seen[arm] & ~both & (first[arm] + maturity <= time)
            metrics = {name: _moments(y[name], x[name], due & known[name] & (x[name] > 0)) for name in y}
            arms.append(Arm(int((seen[arm] & ~both).sum()), metrics))
        found.append(Look(float(time), arms[0], arms[1], int(both.sum())))
    return Seen(tuple(found), _strayed(rows, first, salt, parts), rows.nameless, rows.others, rows.ahead, late)


def _late(live: Live, rows: Rows) -> float:
    """Seconds until the challenger was first served, where so many saw the champion before that it is no chance.

    0 where it is, or where it took longer than it takes any router to hear of a split.
    """
    import numpy as np

    served = rows.at[rows.arm == _CHALLENGER]
    first = float(served.min()) if len(served) else math.inf
    before = len(np.unique(rows.unit[(rows.arm == _CHAMPION) & (rows.at < first)]))
    chance = float(1 - live.split["challenger"]) ** before
    return first if first <= _UNROUTED and chance < MISMATCH else 0.0


def _since(rows: Rows, begin: float) -> Rows:
    kept = rows.at >= begin
    y, x = ({name: values[kept] for name, values in sums.items()} for sums in (rows.y, rows.x))
    return replace(rows, unit=rows.unit[kept], arm=rows.arm[kept], at=rows.at[kept], y=y, x=x)


def _add(sums: Floats, unit: Ints, values: Floats) -> None:
    """Adds each value that is known to the sum of its unit."""
    import numpy as np

    there = ~np.isnan(values)
    np.add.at(sums, unit[there], values[there])


def _moments(y: Floats, x: Floats, counted: Any) -> Moments:
    y, x = y[counted], x[counted]
    return Moments(
        float(len(y)), *map(float, (y.sum(), (y * y).sum(), x.sum(), (x * x).sum(), (x * y).sum(), (y != 0).sum()))
    )


def _strayed(rows: Rows, first: Any, salt: str, parts: int) -> float:
    """How many of the first units were served by the other arm than `assignment` says; 0 where there is no salt."""
    if not salt or not rows.names:
        return 0.0
    import numpy as np

    served = np.flatnonzero(np.isfinite(first).any(axis=0))[:_SAMPLED]
    wrong = sum((arm_of(rows.names[i], salt, parts) == "challenger") != bool(first[1][i] < first[0][i]) for i in served)
    return wrong / max(len(served), 1)
