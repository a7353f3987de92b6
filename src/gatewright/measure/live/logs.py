"""Outcomes as sums: what serving processes log to MLflow with `gatewright.serving.MlflowLog`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gatewright.connection import Connection
from gatewright.live import logged
from gatewright.live.looks import Arm, Look
from gatewright.live.moments import Moments
from gatewright.policy.model import Live
from gatewright.problem import Undetermined
from gatewright.quantity import is_finite

#: (milliseconds since 1970, total so far), ascending
Series = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Process:
    """The totals that one run logged: metric → how it grew."""

    series: Mapping[str, Series]

    def at(self, milliseconds: float) -> dict[str, float]:
        """Every total as it stood then."""
        return {
            name: s[i - 1][1] for name, s in self.series.items() if (i := bisect_right(s, (milliseconds, float("inf"))))
        }


Logged = Mapping[int, tuple[Process, ...]]


def read(live: Live, connection: Connection, model: str, versions: Sequence[int]) -> Logged:
    """What was logged for each version; Undetermined where the server cannot be read."""
    if live.label_maturity:
        raise Undetermined(
            "the outcomes logged to MLflow cannot be read",
            "sums do not tell how old each unit is, and label_maturity asks for it",
            "Write outcomes as rows instead, in parquet or a database.",
        )
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        client = mlflow.MlflowClient(connection.tracking_uri)
        place = client.get_experiment_by_name(logged.experiment(model))
        if place is None:
            return dict.fromkeys(versions, ())
        return {version: _processes(client, place.experiment_id, live, version) for version in versions}
    except MlflowException as e:
        why = " ".join(str(e).split())[:300]
        raise Undetermined("the outcomes logged to MLflow cannot be read", why, "Check the tracking URI.") from e


def _processes(client: Any, experiment: str, live: Live, version: int) -> tuple[Process, ...]:
    names = [logged.EXPOSED, *(logged.key(m.name, part) for m in live.metrics for part in logged.PARTS)]
    found: list[Process] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment], f"tags.`{logged.VERSION}` = '{version}'", max_results=1000, page_token=token
        )
        found += [Process({n: _series(client, run, n) for n in names if n in run.data.metrics}) for run in page]
        token = page.token
        if not token:
            return tuple(found)


def _series(client: Any, run: Any, name: str) -> Series:
    """Undetermined where a total is none: NaN would pass every comparison by failing it."""
    history = client.get_metric_history(run.info.run_id, name)
    counts = name.rpartition("/")[2] not in ("y", "x", "xy")
    for m in history:
        if not is_finite(m.value) or (counts and m.value < 0):
            raise Undetermined(
                "the outcomes logged to MLflow cannot be read",
                f"{name} of run {run.info.run_id} is {m.value}, which is no {'count' if counts else 'sum'}",
                "Mend what logs it, delete the run, and start a new split.",
            )
    return tuple(sorted((m.timestamp, m.value) for m in history))


def looks(live: Live, found: Logged, started: datetime, times: Sequence[float]) -> tuple[Look, ...]:
    """Both arms at each time: what every process has added since the start."""
    begin = started.timestamp() * 1000
    made = []
    for time in times:
        arms = [_arm(live, processes, begin, begin + time * 1000) for processes in found.values()]
        made.append(Look(float(time), arms[0], arms[1]))
    return tuple(made)


def _arm(live: Live, processes: Sequence[Process], begin: float, end: float) -> Arm:
    exposed, metrics = 0.0, {m.name: Moments() for m in live.metrics}
    for process in processes:
        before, after = process.at(begin), process.at(end)
        since = {name: total - before.get(name, 0.0) for name, total in after.items()}
        exposed += since.get(logged.EXPOSED, 0.0)
        for name in metrics:
            metrics[name] += logged.read(name, since)
    return Arm(exposed, metrics)
