"""The stores and servers that other tests stand on are real, apart from each other, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.outcomes import Failed, Skipped

from real.faults import HTML, Answer, Drop, Faults
from real.process import PATIENCE, DidNotStart, absent, running
from real.tracking import Store
from real.versions import make_version

if TYPE_CHECKING:
    from mlflow import MlflowClient


def _winners(clients: list[MlflowClient], run_id: str, writers: int) -> int:
    from mlflow.exceptions import MlflowException

    def write(n: int) -> bool:
        try:
            clients[n % len(clients)].log_param(run_id, "0001", f"writer {n}")
        except MlflowException:
            return False
        return True

    with ThreadPoolExecutor(writers) as pool:
        return sum(pool.map(write, range(writers)))


def test_an_embedded_store_is_empty_and_its_own(embedded: Store, unique: str) -> None:
    """A copy of the template: the first version is number 1, artifacts lie in the test's folder."""
    client = embedded.client()
    assert client.search_registered_models() == []
    assert make_version(client, unique, metrics={"auc": 0.9}) == 1
    assert Path.cwd() in embedded.artifacts.parents
    assert list(Path.cwd().rglob("MLmodel"))


def test_the_template_stays_empty(empty_store: Path, embedded: Store, unique: str) -> None:
    """What one test registers, the next does not find."""
    make_version(embedded.client(), unique, model=False)
    template = Store((f"sqlite:///{empty_store}",), f"sqlite:///{empty_store}", empty_store.parent)
    assert template.sql("SELECT count(*) FROM registered_models") == [(0,)]


def test_sql_changes_what_mlflow_shows(embedded: Store, unique: str) -> None:
    """Tampering goes behind MLflow's back and is seen by it."""
    client = embedded.client()
    make_version(client, unique, model=False)
    embedded.sql("UPDATE model_versions SET current_stage = 'Production' WHERE name = :name", name=unique)
    assert client.get_model_version(unique, "1").current_stage == "Production"


@pytest.mark.parametrize("layout", ["logged", "run"])
def test_a_made_version_can_be_loaded_and_predicts(
    embedded: Store, unique: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both layouts, MLflow 3's logged model and MLflow 2's run artifact, end in a model that works."""
    import mlflow.pyfunc
    import pandas

    make_version(embedded.client(), unique, layout="logged" if layout == "logged" else "run")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", embedded.uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", embedded.uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{unique}/1")
    assert list(loaded.predict(pandas.DataFrame({"amount": [1.0, 4.0], "age": [30.0, 40.0]}))) == [0.0, 1.0]
    assert loaded.metadata.signature is not None


def test_a_made_version_has_what_was_asked_for(embedded: Store, unique: str) -> None:
    """Metrics, params, tags, datasets; and neither model nor signature where none was asked for."""
    client = embedded.client()
    number = make_version(
        client,
        unique,
        metrics={"auc": 0.875},
        params={"depth": 3},
        tags={"risk": "low"},
        run_tags={"mlflow.source.git.commit": "c0ffee"},
        datasets=[("train", "abc123")],
        model=False,
    )
    version = client.get_model_version(unique, str(number))
    run_id = str(version.run_id)
    run = client.get_run(run_id)
    assert (run.data.metrics, run.data.params, version.tags) == ({"auc": 0.875}, {"depth": "3"}, {"risk": "low"})
    assert run.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert [(i.dataset.name, i.dataset.digest) for i in getattr(run.inputs, "dataset_inputs", [])] == [
        ("train", "abc123")
    ]
    assert client.list_artifacts(run_id) == []


@pytest.mark.parametrize(("signature", "stands"), [("inferred", True), (None, False)])
def test_a_signature_stands_in_the_model_file_or_not(
    embedded: Store, unique: str, signature: str | None, stands: bool
) -> None:
    """`signature=None` makes the version that a policy refuses."""
    make_version(embedded.client(), unique, signature=signature)
    (model_file,) = Path.cwd().rglob("MLmodel")
    assert ("signature:" in model_file.read_text()) is stands


@pytest.mark.server
def test_the_server_is_real_and_proxies_artifacts(mlflow_server: Store, unique: str) -> None:
    """Two versions through REST; the model's files end in the server's folder."""
    client = mlflow_server.client()
    assert [make_version(client, unique, metrics={"auc": v}) for v in (0.8, 0.9)] == [1, 2]
    assert mlflow_server.uri.startswith("http://127.0.0.1:")
    assert list(mlflow_server.artifacts.rglob("MLmodel"))
    assert mlflow_server.sql("SELECT version FROM model_versions WHERE name = :n", n=unique) == [(1,), (2,)]


@pytest.mark.server
def test_the_proxy_stands_before_the_server(faults: Faults, unique: str) -> None:
    """An MLflow client works through it, and every one of its requests is on record."""
    client = Store((faults.uri,), "", Path()).client()
    assert make_version(client, unique) == 1
    assert "POST /api/2.0/mlflow/model-versions/create" in faults.paths()
    assert {r.number for r in faults.requests} == set(range(1, faults.count + 1))


@pytest.mark.server
@pytest.mark.parametrize("fault", [Answer(500), HTML, Drop()], ids=["500", "html", "drop"])
def test_a_fault_reaches_an_mlflow_client(
    faults: Faults, fault: Answer | Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's client sees each kind of fault as an error, not as an empty registry."""
    from mlflow.exceptions import MlflowException

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = Store((faults.uri,), "", Path()).client()
    faults.always(fault)
    with pytest.raises(MlflowException):
        client.get_registered_model("any")
    assert faults.paths() == ["GET /api/2.0/mlflow/registered-models/get"]


@pytest.mark.server
def test_an_own_server_knows_nothing_of_the_shared_one(own_mlflow_server: Store) -> None:
    """Tests that spoil the database do it there."""
    assert own_mlflow_server.client().search_registered_models() == []


@pytest.mark.postgres
def test_two_servers_share_one_postgres(mlflow_postgres_server: Store, unique: str) -> None:
    """What is written through the one is read through the other, and lies in PostgreSQL."""
    first, second = mlflow_postgres_server.client(0), mlflow_postgres_server.client(1)
    assert mlflow_postgres_server.uris[0] != mlflow_postgres_server.uris[1]
    make_version(first, unique, model=False)
    assert second.get_model_version(unique, "1").name == unique
    ((version,),) = mlflow_postgres_server.sql("SELECT version()")
    assert version.startswith("PostgreSQL")


@pytest.mark.postgres
def test_of_many_writers_of_one_param_one_wins(mlflow_postgres_server: Store) -> None:
    """The compare-and-set that the ledger stands on: eight writers, two servers, one winner, ten times."""
    clients = [mlflow_postgres_server.client(n) for n in (0, 1)]
    for _ in range(10):
        run_id = clients[0].create_run("0").info.run_id
        assert _winners(clients, run_id, 8) == 1


def test_a_server_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    """A start that fails says why, instead of waiting."""
    argv = [sys.executable, "-c", "raise SystemExit('no such database')"]
    with (
        pytest.raises(DidNotStart, match="no such database"),
        running(argv, ready=lambda: False, log=tmp_path / "log"),
    ):
        pytest.fail("it never was ready")


def test_a_process_and_its_children_end_with_the_block(tmp_path: Path) -> None:
    """Even when the test fails, and even a child that its parent forgot."""
    pids = tmp_path / "pids"
    script = (
        "import os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{child.pid}} end')\n"
        "time.sleep(600)\n"
    )
    started = running(
        [sys.executable, "-c", script],
        ready=lambda: pids.exists() and pids.read_text().endswith("end"),
        log=tmp_path / "log",
    )
    with pytest.raises(RuntimeError, match="the test fails"), started:
        raise RuntimeError("the test fails")
    parent, child, _ = pids.read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(parent), 0)
    assert _ends(int(child))


def test_a_server_ends_with_tests_that_were_killed(tmp_path: Path) -> None:
    """An interrupted run leaves nothing behind that listens."""
    pid = tmp_path / "pid"
    server = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(f'{{os.getpid()}} end'); time.sleep(600)"
    script = (
        "import os, pathlib, signal, sys\n"
        "from real.process import running\n"
        f"pid = pathlib.Path({str(pid)!r})\n"
        "ready = lambda: pid.exists() and pid.read_text().endswith('end')\n"
        f"with running([sys.executable, '-c', {server!r}], ready=ready, log=pathlib.Path({str(tmp_path / 'log')!r})):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    tests = str(Path(__file__).parents[1])
    killed = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": tests}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert _ends(int(pid.read_text().split()[0]))


def _ends(pid: int) -> bool:
    """Whether a process that was killed is gone: soon, since the kernel takes its time on a busy machine."""
    deadline = time.monotonic() + PATIENCE
    while not _gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return _gone(pid)


def _gone(pid: int) -> bool:
    """Ended: without a trace, or as a zombie that waits for whoever adopted it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] in {"Z", "X"}


def test_an_absent_part_skips_and_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a contributor's machine a missing part is a skip with a remedy."""
    monkeypatch.delenv("GATEWRIGHT_REQUIRE", raising=False)
    with pytest.raises(Skipped, match="install it"):
        absent("postgres", "install it")


def test_an_absent_part_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI a missing part is a failure: a skipped test proves nothing."""
    monkeypatch.setenv("GATEWRIGHT_REQUIRE", "docker, postgres")
    with pytest.raises(Failed, match="install it"):
        absent("postgres", "install it")
