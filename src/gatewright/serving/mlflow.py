"""Counts, sums and sums of squares in MLflow, for `outcomes: {data: mlflow}`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gatewright.live.logged import EXPOSED, MODEL, VERSION, experiment, written
from gatewright.live.moments import Moments
from gatewright.serving.log import Log, Row


@dataclass(slots=True)
class _Unit:
    """A unit's version, and its part in each metric: Σy and Σx."""

    version: int
    parts: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class _Totals:
    """A version's moments so far, and the run that holds them."""

    run: str = ""
    exposed: int = 0
    moments: dict[str, Moments] = field(default_factory=dict)
    step: int = 0


class MlflowLog(Log):
    """Totals of each version in a run of its own, made anew by each process; memory is some 500 bytes a unit.

    metrics: names, or name → what it is counted per, "" for nothing (clicks per view: {"clicks": "views"}).
    units: how many are remembered; rows of further ones are refused. A unit's rows must come to one process, else it
    counts once in each: where several processes serve the same units, write parquet. The time of a row is not kept.
    """

    def __init__(
        self,
        model: str,
        metrics: Mapping[str, str] | Iterable[str],
        *,
        tracking_uri: str | None = None,
        units: int = 1_000_000,
        batch: int = 10_000,
        seconds: float = 60.0,
        most: int = 100_000,
    ) -> None:
        self._metrics = dict(metrics) if isinstance(metrics, Mapping) else dict.fromkeys(metrics, "")
        columns = dict.fromkeys([*self._metrics, *filter(None, self._metrics.values())])
        self._model, self._uri, self._most_units = model, tracking_uri, units
        super().__init__(columns, batch=batch, seconds=seconds, most=most)

    def _reset(self) -> None:
        super()._reset()
        self._units: dict[str, _Unit] = {}
        self._totals: dict[int, _Totals] = {}
        self._counted = 0

    def _write(self, rows: list[Row]) -> None:
        """Counts each row once, however often the totals have to be sent."""
        for row in rows[self._counted :]:
            self._count(row)
        self._counted = len(rows)
        for version in sorted({self._units[row.unit].version for row in rows if row.unit in self._units}):
            self._log(version, self._totals[version])
        self._counted = 0

    def _count(self, row: Row) -> None:
        unit = self._units.get(row.unit) or self._new(row)
        if unit is None:
            return
        # Who saw both versions cannot be told by totals: such a unit stays with the one that it saw first.
        totals = self._totals[unit.version]
        for metric, per in self._metrics.items():
            if metric in row.values and (not per or per in row.values):
                _add(totals, unit, metric, row.values[metric], row.values[per] if per else 1.0)

    def _new(self, row: Row) -> _Unit | None:
        if row.version is None:
            self._unplaced("this process did not serve its unit, so that the version is not known here")
            return None
        if len(self._units) >= self._most_units:
            self._unplaced(f"{self._most_units} units are as many as are remembered")
            return None
        self._totals.setdefault(row.version, _Totals()).exposed += 1
        unit = self._units[row.unit] = _Unit(row.version)
        return unit

    def _log(self, version: int, totals: _Totals) -> None:
        import mlflow
        from mlflow.entities import Metric

        client = mlflow.MlflowClient(self._uri)
        if not totals.run:
            tags = {MODEL: self._model, VERSION: str(version)}
            totals.run = client.create_run(_experiment(client, self._model), tags=tags).info.run_id
        values = {EXPOSED: float(totals.exposed)}
        for metric, moments in totals.moments.items():
            values |= written(metric, moments)
        now = int(time.time() * 1000)
        client.log_batch(totals.run, metrics=[Metric(name, v, now, totals.step) for name, v in values.items()])
        totals.step += 1


def _add(totals: _Totals, unit: _Unit, metric: str, y: float, x: float) -> None:
    """A unit's part grows, and the moments change by what its new part adds to them over its old one."""
    before = unit.parts.get(metric, (0.0, 0.0))
    unit.parts[metric] = now = before[0] + y, before[1] + x
    held, new, old = totals.moments.get(metric, Moments()), _moments(*now), _moments(*before)
    sums = (getattr(held, f.name) + getattr(new, f.name) - getattr(old, f.name) for f in fields(Moments))
    totals.moments[metric] = Moments(*sums)


def _moments(y: float, x: float) -> Moments:
    """Those of one unit; a unit without an outcome is none."""
    return Moments(1, y, y * y, x, x * x, x * y, float(y != 0)) if x else Moments()


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
