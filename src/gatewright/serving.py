"""For a serving process: which version a unit sees, and a record of who saw what and how it turned out.

    split = Split.read(Path("split.json").read_text())        # gatewright live route … --format json
    log = ParquetLog("/var/log/fraud", columns=["score", "chargeback"])

    version = split.version(account_id)
    log.exposed(account_id, version, score=0.31)              # as it is served
    log.outcome(account_id, chargeback=0)                     # when it is known, perhaps weeks later

An outcome that did not happen is written as 0: what is not written is taken to be unknown. A log may be used from
several threads. A full disk or an unreachable server does not stop serving: what could not be written is kept, said
once to the logger `gatewright.serving`, and written with what follows; `flush` and `close` raise.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from gatewright.live.assignment import murmur2
from gatewright.live.logged import EXPOSED, MODEL, VERSION, experiment, written
from gatewright.live.moments import Moments

_LOG = logging.getLogger("gatewright.serving")

_T = TypeVar("_T", bound="_Log")

Row = tuple[str, "int | None", datetime, "dict[str, float]"]


@dataclass(frozen=True, slots=True)
class Split:
    """Which version each unit sees, as `gatewright live route --format json` prints it."""

    champion: int
    challenger: int | None
    key: str
    below: int

    @classmethod
    def read(cls, text: str) -> Split:
        """Raises ValueError for what is no such file."""
        try:
            said = json.loads(text)
            versions = {arm["arm"]: int(arm["version"]) for arm in said["arms"]}
            rule = said["assignment"]
            if rule["function"] != "murmur2-32" or not rule["key"].endswith(":UNIT"):
                raise ValueError(f"this release does not know the assignment {rule}")
            return cls(
                versions["champion"],
                versions.get("challenger"),
                rule["key"].removesuffix("UNIT"),
                int(rule["challenger_below"]),
            )
        except (KeyError, TypeError) as e:
            raise ValueError(f"this is not what `gatewright live route --format json` prints: {e}") from e

    def version(self, unit: str | int) -> int:
        """The version that a unit sees; the champion for who has no unit."""
        drawn = str(unit) != "" and murmur2(f"{self.key}{unit}".encode()) < self.below
        return self.challenger if drawn and self.challenger is not None else self.champion


class _Log:
    """Keeps rows until there are enough of them, or they are old enough, to be written in one go."""

    def __init__(self, columns: Iterable[str], rows: int, seconds: float) -> None:
        self._columns = tuple(columns)
        self._most, self._oldest = rows, seconds
        self._rows: list[Row] = []
        self._since = time.monotonic()
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._failing = False

    def exposed(self, unit: str | int, version: int, at: datetime | None = None, **values: float) -> None:
        """A unit was served by a version. at: when, with its time zone; now, if it is left out."""
        self._add(unit, version, at, values)

    def outcome(self, unit: str | int, at: datetime | None = None, **values: float) -> None:
        """Something became known about a unit that was served before; its version is looked up by the analysis."""
        if not values:
            raise ValueError("an outcome needs a value")
        self._add(unit, None, at, values)

    def flush(self) -> None:
        """Writes what is kept; raises what the disk or the server raises, and then keeps it."""
        with self._writing:
            with self._lock:
                rows, self._rows, self._since = self._rows, [], time.monotonic()
            try:
                if rows:
                    self._write(rows)
            except BaseException:
                with self._lock:
                    self._rows = rows + self._rows
                raise

    def close(self) -> None:
        """Writes what is left."""
        self.flush()

    def __enter__(self: _T) -> _T:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _add(self, unit: str | int, version: int | None, at: datetime | None, values: Mapping[str, float]) -> None:
        unknown = set(values) - set(self._columns)
        if unknown:
            raise ValueError(f"no column {sorted(unknown)[0]!r}: this log has {', '.join(self._columns)}")
        if at is not None and at.tzinfo is None:
            raise ValueError("a time needs its time zone")
        numbers = {name: float(value) for name, value in values.items()}
        if not all(math.isfinite(number) for number in numbers.values()):
            raise ValueError("a value must be a finite number; what is unknown is left out")
        if str(unit) == "":
            return
        with self._lock:
            self._rows.append((str(unit), version, at or datetime.now(timezone.utc), numbers))
            due = len(self._rows) >= self._most or time.monotonic() - self._since >= self._oldest
        if due:
            self._try()

    def _try(self) -> None:
        try:
            self.flush()
            self._failing = False
        except Exception as error:
            if not self._failing:
                _LOG.warning("what was served could not be recorded yet: %s", error)
            self._failing = True

    def _write(self, rows: list[Row]) -> None:
        raise NotImplementedError


class ParquetLog(_Log):
    """Rows in parquet files, one a flush, in a folder that `live.outcomes.data` names.

    columns: everything that is ever logged, so that all files are alike. unit: the column that `live.unit` names.
    rows, seconds: a file is written when so many are kept, or with the first row after so long.
    """

    def __init__(
        self, folder: str | Path, columns: Iterable[str], *, unit: str = "unit", rows: int = 10_000, seconds: float = 60
    ) -> None:
        super().__init__(columns, rows, seconds)
        self._folder, self._unit = Path(folder), unit
        self._folder.mkdir(parents=True, exist_ok=True)

    def _write(self, rows: list[Row]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        units, versions, times, values = zip(*rows, strict=True)
        table = pa.table(
            {
                self._unit: pa.array(units, pa.string()),
                "version": pa.array(versions, pa.int64()),
                "time": pa.array(times, pa.timestamp("us", "UTC")),
                **{c: pa.array([v.get(c) for v in values], pa.float64()) for c in self._columns},
            }
        )
        name = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}.parquet"
        # Readers pass over hidden files, so that they never see half of one.
        hidden = self._folder / f".{name}"
        parquet.write_table(table, hidden)
        os.replace(hidden, self._folder / name)


@dataclass(slots=True)
class _Sums:
    """A version's moments so far, and each unit's part in them."""

    run: str = ""
    units: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)
    step: int = 0

    def add(self, unit: str, metric: str, y: float, x: float) -> None:
        of_unit = self.units.setdefault(unit, {})
        before_y, before_x = of_unit.get(metric, (0.0, 0.0))
        of_unit[metric] = now_y, now_x = before_y + y, before_x + x
        change = _moments(now_y, now_x), _moments(before_y, before_x)
        held = self.moments.get(metric, Moments())
        parts = (getattr(held, p) + getattr(change[0], p) - getattr(change[1], p) for p in Moments.__slots__)
        self.moments[metric] = Moments(*parts)


def _moments(y: float, x: float) -> Moments:
    """Those of one unit; a unit without an outcome is none."""
    return Moments(1, y, y * y, x, x * x, x * y) if x else Moments()


class MlflowLog(_Log):
    """Counts, sums and sums of squares in MLflow, for `outcomes: {data: mlflow}`: one run a process and version.

    metrics: name → the name of what it is counted per, or "" (clicks per view: {"clicks": "views"}). Every process keeps
    the sums of its units, about 300 bytes each. All rows of a unit must come to one process, or each unit has one
    row; where neither is so, write parquet. A time `at` is not kept: MLflow's own stamp is that of the flush.
    """

    def __init__(
        self,
        model: str,
        metrics: Mapping[str, str] | Iterable[str],
        *,
        tracking_uri: str | None = None,
        rows: int = 10_000,
        seconds: float = 60,
    ) -> None:
        self._metrics = dict(metrics) if isinstance(metrics, Mapping) else dict.fromkeys(metrics, "")
        super().__init__(dict.fromkeys([*self._metrics, *filter(None, self._metrics.values())]), rows, seconds)
        self._model, self._uri = model, tracking_uri
        self._sums: dict[int, _Sums] = {}
        self._version: dict[str, int] = {}
        self._owed: set[int] = set()

    def _add(self, unit: str | int, version: int | None, at: datetime | None, values: Mapping[str, float]) -> None:
        if version is None and str(unit) not in self._version:
            raise ValueError(
                f"this process did not serve {unit!r}, so that its version is not known here: write parquet"
            )
        if version is not None and str(unit):
            self._version.setdefault(str(unit), version)
        super()._add(unit, version, at, values)

    def _write(self, rows: list[Row]) -> None:
        """Counts rows once, and logs the totals; if that fails, rows are not counted again."""
        for unit, version, _, values in rows:
            self._count(unit, self._version[unit] if version is None else version, values)
        rows.clear()
        for version in sorted(self._owed):
            self._log(version, self._sums[version])
            self._owed.discard(version)

    def _count(self, unit: str, version: int, values: Mapping[str, float]) -> None:
        sums = self._sums.setdefault(version, _Sums())
        sums.units.setdefault(unit, {})
        self._owed.add(version)
        for metric, per in self._metrics.items():
            if metric in values and (not per or per in values):
                sums.add(unit, metric, values[metric], values[per] if per else 1.0)

    def _log(self, version: int, sums: _Sums) -> None:
        import mlflow
        from mlflow.entities import Metric

        client = mlflow.MlflowClient(self._uri)
        if not sums.run:
            tags = {MODEL: self._model, VERSION: str(version)}
            sums.run = client.create_run(_experiment(client, self._model), tags=tags).info.run_id
        totals = {EXPOSED: float(len(sums.units))}
        for metric, moments in sums.moments.items():
            totals |= written(metric, moments)
        stamp = int(time.time() * 1000)
        client.log_batch(sums.run, metrics=[Metric(name, value, stamp, sums.step) for name, value in totals.items()])
        sums.step += 1

    def flush(self) -> None:
        """Logs the totals so far; raises what the server raises, and logs them with the next ones then."""
        super().flush()
        if self._owed:
            with self._writing:
                self._write([])


def _experiment(client: Any, model: str) -> str:
    """The id of the model's live experiment, which whoever comes first creates."""
    from mlflow.exceptions import MlflowException

    name = experiment(model)
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)
