"""What serving processes log to MLflow: totals from which the analysis has every moment again."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from gatewright.connection import connect
from gatewright.live import logged
from gatewright.live.moments import Moments
from gatewright.measure.live import logs
from gatewright.policy.model import Live, LiveMetric, Outcomes
from gatewright.serving import Counts, MlflowLog, NotWritten
from real.faults import Answer, Faults
from real.tracking import Store

pytestmark = pytest.mark.server


def totals(store: Store, model: str) -> dict[int, dict[str, float]]:
    """Version → every total of its runs, added up."""
    client = store.client()
    place = client.get_experiment_by_name(logged.experiment(model))
    assert place is not None
    found: dict[int, dict[str, float]] = {}
    for run in client.search_runs([place.experiment_id]):
        assert run.data.tags[logged.MODEL] == model
        held = found.setdefault(int(run.data.tags[logged.VERSION]), {})
        for name, value in run.data.metrics.items():
            held[name] = held.get(name, 0.0) + value
    return found


def test_moments_are_those_of_units_however_often_each_comes(mlflow_server: Store, unique: str) -> None:
    """Three visits of one unit are one outcome of three; an outcome told later belongs to the version that served."""
    with MlflowLog(unique, {"sale": "", "clicks": "views"}, tracking_uri=mlflow_server.uri) as log:
        for views in (1, 2, 3):
            log.exposed("a", 12, clicks=1, views=views)
        log.exposed("b", 12)
        log.exposed("c", 13, sale=0)
        log.flush()
        log.outcome("a", sale=1)
        log.outcome("nobody", sale=1)
    assert log.counts == Counts(accepted=6, written=6, refused=1)
    found = totals(mlflow_server, unique)
    assert (found[12][logged.EXPOSED], found[13][logged.EXPOSED]) == (2, 1)
    assert logged.read("sale", found[12]) == Moments(1, 1, 1, 1, 1, 1, 1)
    assert logged.read("clicks", found[12]) == Moments(1, 3, 9, 6, 36, 18, 1)
    assert logged.read("sale", found[13]) == Moments(1, 0, 0, 1, 1, 0, 0)


def test_a_server_that_was_away_has_every_unit_once(faults: Faults, mlflow_server: Store, unique: str) -> None:
    """A refused write is made up for by the next; nobody is counted twice."""
    log = MlflowLog(unique, ["sale"], tracking_uri=faults.uri)
    log.exposed("a", 12, sale=1)
    faults.when(lambda r: r.path.endswith("log-batch"), Answer(400))
    with pytest.raises(NotWritten):
        log.flush()
    faults.reset()
    log.exposed("b", 12, sale=0)
    log.close()
    found = totals(mlflow_server, unique)
    assert found[12][logged.EXPOSED] == 2
    assert logged.read("sale", found[12]) == Moments(2, 1, 1, 2, 2, 1, 1)


def test_processes_that_begin_together_share_an_experiment(mlflow_server: Store, unique: str) -> None:
    """Each has runs of its own, and whoever comes second to create the experiment finds it."""
    code = f"""
import sys
from gatewright.serving import MlflowLog
log = MlflowLog({unique!r}, ["sale"], tracking_uri={mlflow_server.uri!r})
log.exposed(sys.argv[1], 12, sale=1)
"""
    argv: list[Any] = [sys.executable, "-c", code]
    both = [subprocess.Popen([*argv, name]) for name in ("a", "b")]
    assert [process.wait() for process in both] == [0, 0]
    assert totals(mlflow_server, unique)[12][logged.EXPOSED] == 2


def test_memory_for_units_is_bounded(mlflow_server: Store, unique: str) -> None:
    """Those that do not fit are refused and counted, and those that are known go on counting."""
    with MlflowLog(unique, ["sale"], tracking_uri=mlflow_server.uri, units=2) as log:
        for unit in ("a", "b", "c", "a"):
            log.exposed(unit, 12, sale=1)
    assert log.counts == Counts(accepted=3, written=3, refused=1)
    assert logged.read("sale", totals(mlflow_server, unique)[12]) == Moments(2, 3, 5, 3, 5, 5, 2)


def test_the_analysis_reads_what_was_logged(mlflow_server: Store, unique: str) -> None:
    """Two processes, two versions: units and moments of each arm, as `live status` looks at them."""
    started = datetime.now(timezone.utc)
    live = Live(
        {"champion": Decimal("0.8"), "challenger": Decimal("0.2")},
        "account",
        Outcomes("mlflow"),
        LiveMetric("sale"),
        (LiveMetric("clicks", per="views"),),
    )
    for process in range(2):
        with MlflowLog(unique, {"sale": "", "clicks": "views"}, tracking_uri=mlflow_server.uri) as log:
            for unit in range(10):
                log.exposed(f"{process}-{unit}", 13 if unit % 5 == 0 else 12, clicks=1, views=4)
                log.outcome(f"{process}-{unit}", sale=unit % 2)
    found = logs.read(live, connect(mlflow_server.uri), unique, (12, 13))
    (look,) = logs.looks(live, found, started - timedelta(days=1), (2 * 86_400.0,))
    assert (look.champion.exposed, look.challenger.exposed) == (16, 4)
    assert look.moments("sale") == (Moments.of_proportion(8, 16), Moments.of_proportion(2, 4))
    assert [m.value for m in look.moments("clicks")] == [0.25, 0.25]
