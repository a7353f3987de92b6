"""Outcomes that serving processes log to MLflow as totals, read back as both arms of a split."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from gatewright.connection import connect
from gatewright.live.moments import Moments
from gatewright.live.trial import Trial
from gatewright.measure import live as measured
from gatewright.policy.model import Live, LiveMetric, Outcomes
from gatewright.problem import Undetermined
from gatewright.serving import MlflowLog
from real.tracking import Store

pytestmark = pytest.mark.server

HALVES = {"champion": Decimal("0.5"), "challenger": Decimal("0.5")}
PLAN = Live(HALVES, "user", Outcomes("mlflow"), LiveMetric("sale"))


def begun(model: str) -> Trial:
    """A split of versions 12 and 13 that begins now."""
    return Trial(model, 12, 13, datetime.now(timezone.utc))


def test_both_arms_are_the_sums_of_every_process_since_the_start(mlflow_server: Store, unique: str) -> None:
    """What a process had counted before is taken off, whichever arm it serves."""
    uri = mlflow_server.uri
    with MlflowLog(unique, ["sale"], tracking_uri=uri) as first, MlflowLog(unique, ["sale"], tracking_uri=uri) as other:
        first.exposed("early", 12, sale=1)
        first.flush()
        trial = begun(unique)
        for n in range(3):
            first.exposed(f"a{n}", 12, sale=n % 2)
            other.exposed(f"b{n}", 13, sale=1)
        other.exposed("c", 12, sale=1)
    soon = datetime.now(timezone.utc) + timedelta(seconds=5)
    (look,) = measured.observe(PLAN, trial, soon, connect(uri)).looks
    assert (look.champion.exposed, look.challenger.exposed) == (4, 3)
    champion, challenger = look.moments("sale")
    assert (champion.units, champion.y, champion.events) == (4, 2, 2)
    assert (challenger.units, challenger.y, challenger.are_flags) == (3, 3, True)


def log(store: Store, model: str, version: int, **totals: float) -> None:
    """What docs/serving.md tells whoever is not Python to log."""
    client = store.client()
    place = client.get_experiment_by_name(f"gatewright live: {model}")
    experiment = place.experiment_id if place else client.create_experiment(f"gatewright live: {model}")
    run = client.create_run(experiment, tags={"gatewright.live.version": str(version)}).info.run_id
    for name, value in totals.items():
        client.log_metric(run, f"live/{name}" if name == "exposed" else f"live/sale/{name}", value)


def test_counts_sums_and_squares_are_enough(mlflow_server: Store, unique: str) -> None:
    """As any serving layer may log them, with a client of its own."""
    trial = begun(unique)
    log(mlflow_server, unique, 12, exposed=9, units=8, y=10, yy=20)
    log(mlflow_server, unique, 13, exposed=7, units=6, y=3, yy=3)
    soon = datetime.now(timezone.utc) + timedelta(seconds=5)
    (look,) = measured.observe(PLAN, trial, soon, connect(mlflow_server.uri)).looks
    assert (look.champion.exposed, look.challenger.exposed) == (9, 7)
    assert look.moments("sale") == (Moments.of_values(8, 10, 20), Moments.of_proportion(3, 6))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_totals_that_cannot_be_are_undetermined(mlflow_server: Store, unique: str, value: float) -> None:
    """No comparison with NaN holds, the sample-ratio check's neither: they must not get that far."""
    trial = begun(unique)
    log(mlflow_server, unique, 13, exposed=value, units=6, y=3, yy=3)
    soon = datetime.now(timezone.utc) + timedelta(seconds=5)
    with pytest.raises(Undetermined, match=r"live/exposed .* is no count"):
        measured.observe(PLAN, trial, soon, connect(mlflow_server.uri))


def test_a_model_that_nothing_was_logged_of_has_two_empty_arms(mlflow_server: Store, unique: str) -> None:
    """That is an experiment without traffic yet, and nothing is wrong with the server."""
    trial = begun(unique)
    (look,) = measured.observe(PLAN, trial, trial.started + timedelta(hours=1), connect(mlflow_server.uri)).looks
    assert (look.champion.exposed, look.challenger.exposed) == (0, 0)


def test_totals_tell_nobodys_age(mlflow_server: Store, unique: str) -> None:
    """Whoever waits for labels to mature needs rows."""
    late = Live(HALVES, "user", Outcomes("mlflow"), LiveMetric("sale"), label_maturity=Decimal(86_400))
    with pytest.raises(Undetermined, match="how old each unit is"):
        measured.observe(late, begun(unique), datetime.now(timezone.utc), connect(mlflow_server.uri))


def test_a_server_that_is_away_is_undetermined(unique: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no experiment without traffic."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Undetermined, match="cannot be read"):
        measured.observe(PLAN, begun(unique), datetime.now(timezone.utc), connect("http://127.0.0.1:9"))
