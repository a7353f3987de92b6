"""The holdout benchmark, end to end: real models, real rows, a real server, each model in a worker of its own."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from contracts.conftest import through_client
from gatewright.connection import Connection, connect
from gatewright.evidence import needs
from gatewright.measure import PATHS
from gatewright.measure.holdout.benchmark import Benchmark, Order, download, run
from gatewright.measure.holdout.data import locate
from gatewright.policy.load import read_policies
from gatewright.problem import Undetermined
from gatewright.registry.memory import MemoryRegistry
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.subject import Version
from real.command import Ended, within
from real.tracking import Store
from unit.measure.holdout import custom

POLICY = """\
version: 1
model: MODEL
holdout:
  data: holdout.parquet
  target: malignant
  task: binary
  slices: [size]
  min_slice_rows: 30
latency: {requests: 60, warmup: 5}
targets:
  staging:
    stage: Staging
    checks:
      - holdout.accuracy > 95%
      - latency.p95 < 100ms
  production:
    stage: Production
    checks:
      - holdout.roc_auc >= champion - 0.05 at 95%
      - holdout.recall by size >= 0.5
      - holdout.accuracy gap by size <= 0.5
      - latency.p50 <= champion * 50
      - memory.peak < 20GB
"""


@pytest.fixture(scope="module")
def data() -> tuple[pd.DataFrame, pd.DataFrame]:
    """569 tumours: every third one is held out."""
    frame, target = load_breast_cancer(return_X_y=True, as_frame=True)
    frame = frame.assign(malignant=(target == 0).astype("int64"))
    frame["size"] = ["large" if area > 600 else "small" for area in frame["mean area"]]
    held_out = frame.index % 3 == 0
    return frame[~held_out], frame[held_out]


@pytest.fixture
def model(mlflow_server: Store, unique: str, tmp_path: Path, data: tuple[pd.DataFrame, pd.DataFrame]) -> str:
    """Version 1 is good, version 2 learnt from labels that had slipped, version 3 is good again."""
    train, held_out = data
    held_out.to_parquet(tmp_path / "holdout.parquet")
    features = [c for c in train.columns if c not in ("malignant", "size")]
    good = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(train[features], train["malignant"])
    slipped = np.roll(train["malignant"], 1)
    poor = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[features], slipped)
    for estimator in (good, poor, good):
        register(mlflow_server, unique, estimator, train[features].head(5), tmp_path)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "policy.yaml").write_text(POLICY.replace("MODEL", unique))
    return unique


def register(store: Store, name: str, estimator: Any, example: pd.DataFrame, folder: Path) -> None:
    """Logs and registers, as a training script would."""
    import mlflow
    from mlflow.models import infer_signature

    client = store.client()
    run = client.create_run("0").info
    signature = infer_signature(example, estimator.predict(example))
    place = folder / f"model-{run.run_id}"
    mlflow.sklearn.save_model(estimator, place, signature=signature, pip_requirements=["scikit-learn"])
    client.log_artifacts(run.run_id, str(place), "model")
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run.run_id}/model", run.run_id)


def gate(store: Store, folder: Path, *arguments: str) -> Ended:
    """A command against the server."""
    return within(*arguments, uri=store.uri, folder=folder)


def by_check(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Results by the line of the policy."""
    return {c["check"]: c for c in told["checks"]}


@pytest.mark.server
def test_a_good_model_goes_to_staging_and_a_worse_one_does_not(
    model: str, mlflow_server: Store, tmp_path: Path, data: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    """More than 95 % right on rows that it has never seen, and an answer in less than 100 ms."""
    good = gate(mlflow_server, tmp_path, "promote", f"{model}/1", "--to", "staging", "--json").json
    assert good["decision"] == "promoted", good
    accuracy = by_check(good)["holdout.accuracy > 95%"]
    assert 0.95 < accuracy["value"] < 1
    assert accuracy["n"] == len(data[1])
    sha256 = hashlib.sha256((tmp_path / "holdout.parquet").read_bytes()).hexdigest()
    assert sha256[:12] in accuracy["source"]
    worse = gate(mlflow_server, tmp_path, "promote", f"{model}/2", "--to", "staging", "--json")
    assert (worse.code, worse.json["decision"]) == (1, "refused")
    assert by_check(worse.json)["holdout.accuracy > 95%"]["status"] == "fail"
    assert by_check(worse.json)["latency.p95 < 100ms"]["status"] == "pass"


@pytest.mark.server
def test_candidate_and_champion_are_scored_on_the_same_rows(model: str, mlflow_server: Store, tmp_path: Path) -> None:
    """Paired intervals, slices, spreads, speed and memory beside the champion's."""
    first = gate(mlflow_server, tmp_path, "promote", f"{model}/1", "--to", "production", "--json").json
    assert first["decision"] == "promoted", first
    worse = gate(mlflow_server, tmp_path, "evaluate", f"{model}/2", "--to", "production", "--json")
    told = by_check(worse.json)
    auc = told["holdout.roc_auc >= champion - 0.05 at 95%"]
    assert auc["status"] == "fail"
    assert auc["interval"][0] < auc["value"] - auc["champion"] < auc["interval"][1] < -0.05
    assert auc["method"]
    slices = told["holdout.recall by size >= 0.5"]["slices"]
    assert {s["slice"] for s in slices} == {"large", "small"}
    assert all(s["champion"] > s["value"] for s in slices), "shown, though this check does not compare"
    assert min(told["memory.peak < 20GB"][who] for who in ("value", "champion")) > 50e6
    same = gate(mlflow_server, tmp_path, "evaluate", f"{model}/3", "--to", "production", "--json")
    assert same.json["verdict"] == "pass", same.json


@pytest.mark.server
def test_a_benchmark_is_run_once_and_read_back(model: str, mlflow_server: Store, tmp_path: Path) -> None:
    """The same numbers, so the same digest, until somebody asks for new ones."""
    ask = ("evaluate", f"{model}/1", "--to", "staging", "--json")
    first, again = (gate(mlflow_server, tmp_path, *ask).json for _ in range(2))
    assert first["evidence_digest"] == again["evidence_digest"]
    anew = gate(mlflow_server, tmp_path, *ask, "--rebenchmark").json
    assert anew["evidence_digest"] != first["evidence_digest"]
    assert gate(mlflow_server, tmp_path, *ask).json["evidence_digest"] == anew["evidence_digest"]
    history = gate(mlflow_server, tmp_path, "history", model, "--json").json["events"]
    assert [e["kind"] for e in history] == ["opened", "benchmarked", "benchmarked"]
    assert gate(mlflow_server, tmp_path, "audit", "verify", model).code == 0


@pytest.mark.server
def test_weights_that_were_replaced_after_they_were_scored_are_not_promoted(
    model: str, mlflow_server: Store, tmp_path: Path
) -> None:
    """Whoever may write to the artifacts could else have any model promoted on the numbers of a good one."""
    ask = (f"{model}/1", "--to", "staging", "--json")
    judged = gate(mlflow_server, tmp_path, "evaluate", *ask).json
    assert judged["verdict"] == "pass"
    good, poor = (weights(mlflow_server, model, number) for number in "12")
    kept = good.read_bytes()
    good.write_bytes(poor.read_bytes())
    swapped = gate(mlflow_server, tmp_path, "promote", *ask)
    told = swapped.json
    assert (swapped.code, told["decision"], told["reason"]) == (3, "error", "candidate_changed")
    assert mlflow_server.client().get_model_version(model, "1").current_stage == "None"
    good.write_bytes(kept)
    again = gate(mlflow_server, tmp_path, "promote", *ask).json
    assert (again["decision"], again["evidence_digest"]) == ("promoted", judged["evidence_digest"])
    events = gate(mlflow_server, tmp_path, "history", model, "--json").json["events"]
    assert [e["kind"] for e in events] == ["opened", "benchmarked", "intended", "promoted"]


def weights(store: Store, model: str, version: str) -> Path:
    """The largest file of a version, where the server keeps it."""
    run = store.client().get_model_version(model, version).run_id
    (folder,) = store.artifacts.rglob(f"{run}/artifacts/model")
    return max((p for p in folder.iterdir() if p.is_file()), key=lambda p: p.stat().st_size)


@pytest.mark.server
@pytest.mark.parametrize(
    ("change", "because"),
    [
        (("data: holdout.parquet", "data: absent.parquet"), "there is no such file"),
        (("target: malignant", "target: benign"), "it lacks benign"),
        (("task: binary", f"task: binary\n  sha256: {'0' * 64}"), "the policy pins 0000"),
        (("slices: [size]", 'slices: ["mean area"]'), "more than 50 values"),
        (("task: binary", "task: binary\n  timeout: 1s"), "was ended"),
    ],
    ids=["no file", "no column", "another content", "too many slices", "no time"],
)
def test_a_holdout_that_cannot_be_used_is_undetermined(
    change: tuple[str, str], because: str, model: str, mlflow_server: Store, tmp_path: Path
) -> None:
    """Exit 3, nothing moved, nothing recorded, and the reason in words."""
    text = POLICY.partition("  production:")[0].replace("MODEL", model).replace(*change)
    (tmp_path / "policies" / "policy.yaml").write_text(text)
    end = gate(mlflow_server, tmp_path, "promote", f"{model}/1", "--to", "staging", "--json")
    assert end.code == 3, end
    assert because in by_check(end.json)[end.json["checks"][0]["check"]]["because"]
    assert end.json["ledger"] is None


def measured(
    folder: Path,
    table: pd.DataFrame,
    models: list[Any],
    lines: list[str],
    checks: list[str],
    takes: Sequence[pd.DataFrame | None] = (None, None),
) -> Benchmark:
    """The benchmark of one or two models on a table, without a server: files straight into the workers.

    takes: examples of what each takes, where that is not the table's own columns.
    """
    import mlflow
    from mlflow.models import infer_signature

    features = [c for c in table.columns if c not in ("y", "part", "who")]
    table.to_parquet(folder / "rows.parquet")
    files = {}
    for number, estimator in enumerate(models, 1):
        place = Path(tempfile.mkdtemp(dir=folder)) / f"m{number}"
        if isinstance(estimator, custom.Labels):
            custom.save(place, estimator)
        else:
            other = takes[number - 1]
            example = (table[features] if other is None else other).head(5)
            signature = infer_signature(example, estimator.predict(example))
            mlflow.sklearn.save_model(estimator, place, signature=signature, pip_requirements=["scikit-learn"])
        files["m", number] = {p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    text = "\n".join(
        ["version: 1", "model: m", "holdout:", f"  data: {folder}/rows.parquet", "  target: y"]
        + [f"  {line}" for line in lines]
        + ["targets:", "  t:", "    alias: a", "    checks:", *(f"      - {check}" for check in checks), ""]
    )
    (policy,) = read_policies({"policy.yaml": text}, PATHS)
    rival = Version("m", 2) if len(models) > 1 else None
    order = Order(policy, needs(policy.targets[0].checks), Version("m", 1), rival, 11)
    return run(order, MemoryRegistry(files=files), lambda *_: None)


def value(found: Benchmark, key: str, who: str = "candidate") -> float:
    """A metric over all rows."""
    fact = next(f for f in found.facts if f.who == who and f.path.key == key and f.slice is None)
    assert fact.state == "known", fact.why
    assert isinstance(fact.value, float)
    return fact.value


def test_a_regression_is_scored_as_scikit_learn_scores_it(tmp_path: Path) -> None:
    """Two models of the diabetes data, by unit, with rows that have no target left out."""
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge
    from sklearn.metrics import mean_absolute_error, r2_score

    table = load_diabetes(as_frame=True).frame.rename(columns={"target": "y"})
    features = list(table.columns.drop("y"))
    models = [Ridge(alpha=a).fit(table[features], table["y"]) for a in (0.1, 10.0)]
    table["who"] = table.index // 2
    holed = pd.concat([table, table.head(3).assign(y=float("nan"))], ignore_index=True)
    lines = ["task: regression", "unit: who", "drop_null_target: true"]
    found = measured(tmp_path, holed, models, lines, ["holdout.mae <= champion at 95%", "holdout.r2 > 0.1"])
    for who, model in zip(("candidate", "champion"), models, strict=True):
        told = model.predict(table[features])
        assert value(found, "mae", who) == pytest.approx(mean_absolute_error(table["y"], told), rel=1e-9)
    assert value(found, "r2") == pytest.approx(r2_score(table["y"], models[0].predict(table[features])), rel=1e-9)
    pair = next(f for f in found.facts if f.who == "pair")
    assert pair.intervals[0].low < value(found, "mae") - value(found, "mae", "champion") < pair.intervals[0].high
    assert found.rows == len(table)
    assert any("3 rows without a target were left out" in note for note in found.notes)


def test_several_classes_are_scored_as_scikit_learn_scores_them(tmp_path: Path) -> None:
    """Iris by name, with probabilities."""
    from sklearn.datasets import load_iris
    from sklearn.metrics import f1_score, log_loss

    data = load_iris(as_frame=True)
    table = data.frame.assign(y=[str(data.target_names[t]) for t in data.target]).drop(columns="target")
    features = list(table.columns.drop("y"))
    model = LogisticRegression(C=0.05).fit(table[features], table["y"])
    checks = ["holdout.f1_macro > 0.5", "holdout.log_loss < 1"]
    found = measured(tmp_path, table, [model], ["task: multiclass"], checks)
    told = model.predict_proba(table[features])
    assert value(found, "f1_macro") == pytest.approx(
        f1_score(table["y"], model.predict(table[features]), average="macro")
    )
    assert value(found, "log_loss") == pytest.approx(log_loss(table["y"], told), rel=1e-6)


def test_models_of_different_signatures_are_compared_on_the_same_rows(tmp_path: Path) -> None:
    """The candidate needs a column less, and learnt a whole number as a fraction: each gets what it takes."""
    from sklearn.metrics import accuracy_score

    rng = np.random.default_rng(4)
    table = pd.DataFrame({"a": rng.normal(size=400), "b": rng.integers(0, 9, 400), "c": rng.normal(size=400)})
    table["y"] = (table["a"] + table["c"] > 0).astype(int)
    fewer = table[["b", "a"]].astype("float64")
    candidate = LogisticRegression().fit(fewer, table["y"])
    champion = LogisticRegression().fit(table[["a", "b", "c"]], table["y"])
    checks = ["holdout.accuracy >= champion - 0.9 at 95%", "latency.p50 < 100s"]
    for asked in (checks, checks[:1]):
        found = measured(tmp_path, table, [candidate, champion], ["task: binary"], asked, takes=[fewer, None])
        right = accuracy_score(table["y"], candidate.predict(fewer))
        assert value(found, "accuracy") == pytest.approx(right, rel=1e-12)
        assert value(found, "accuracy", "champion") == pytest.approx(
            accuracy_score(table["y"], champion.predict(table[["a", "b", "c"]])), rel=1e-12
        )


def test_a_champion_whose_column_is_gone_is_told_by_name(tmp_path: Path) -> None:
    """It is not the candidate that cannot be scored, and there is a champion."""
    table = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "y": [0, 1, 0, 1]})
    more = table.assign(gone=1.0)[["a", "gone"]]
    models = [LogisticRegression().fit(x, table["y"]) for x in (table[["a"]], more)]
    with pytest.raises(Undetermined, match=r"m/2 cannot be scored on .*it lacks gone"):
        measured(tmp_path, table, models, ["task: binary"], ["holdout.accuracy >= champion"], takes=[None, more])


@pytest.mark.parametrize(
    ("task", "truth", "why"),
    [
        ("multiclass", ["yes", "yes", "maybe"], "it predicts 'no', and y holds 'maybe', 'yes'"),
        ("multiclass", [1, 0, 2], "it predicts 'yes', and y holds 0, 1, 2"),
        ("binary", [0, 0, 0, 1], "it predicts 'yes', and y holds 0"),
        ("binary", ["yes", "no", "no"], "no row has y = 1"),
    ],
)
def test_labels_of_another_vocabulary_are_no_verdict(tmp_path: Path, task: str, truth: list[Any], why: str) -> None:
    """Taken for negative, they would be right wherever the truth is: an accuracy that proves nothing."""
    pd.DataFrame({"a": [1.0, -1.0, 2.0, 3.0][: len(truth)], "y": truth}).to_parquet(tmp_path / "rows.parquet")
    place = custom.save(tmp_path / "m", custom.Labels())
    files = {p.relative_to(place).as_posix(): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    text = (
        "version: 1\nmodel: m\n"
        f"holdout: {{data: {tmp_path}/rows.parquet, target: y, task: {task}, features: [a]}}\n"
        "targets: {t: {alias: a, checks: [holdout.accuracy > 0.1]}}\n"
    )
    (policy,) = read_policies({"policy.yaml": text}, PATHS)
    order = Order(policy, needs(policy.targets[0].checks), Version("m", 1), None, 11)
    with pytest.raises(Undetermined) as caught:
        run(order, MemoryRegistry(files={("m", 1): files}), lambda *_: None)
    assert caught.value.why == why


def test_a_row_without_a_target_is_an_error_unless_the_policy_drops_it(tmp_path: Path) -> None:
    """With the number of such rows, and the remedy."""
    table = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [0, 1, 0, 1]})
    model = LogisticRegression().fit(table[["x"]], table["y"])
    holed = table.assign(y=pd.array([0, 1, None, 1], dtype="Int64"))
    with pytest.raises(Undetermined, match=r"1 of 4 rows have no y.*drop_null_target"):
        measured(tmp_path, holed, [model], ["task: binary"], ["holdout.accuracy > 0.5"])


def test_rows_without_a_target_are_counted_in_the_whole_holdout(tmp_path: Path) -> None:
    """However many batches it comes in: who mends the file wants to know of all of them."""
    y = pd.Series(np.arange(150_000) % 2, dtype="float64")
    table = pd.DataFrame({"x": np.arange(150_000.0), "y": y})
    model = LogisticRegression().fit(table[["x"]].head(100), table["y"].head(100))
    holed = table.assign(y=y.where(table.index % 50_000 != 7))
    with pytest.raises(Undetermined, match=r"3 of 150000 rows have no y"):
        measured(tmp_path, holed, [model], ["task: binary"], ["holdout.accuracy > 0.5"])


@pytest.mark.server
@pytest.mark.parametrize(
    "form", ["runs:/RUN/data/h.parquet", "runs:/RUN/data/h.csv", "runs:/RUN/data/parts", "PROXY/data/h.csv"]
)
@pytest.mark.parametrize("connection", [connect, through_client], ids=["plain requests", "MLflow's client"])
def test_a_holdout_among_mlflows_artifacts_is_read(
    form: str, connection: Callable[[str], Connection], mlflow_server: Store, tmp_path: Path
) -> None:
    """A file of either kind or a folder, by its run or by the address that the server gave it."""
    client = mlflow_server.client()
    run = client.create_run("0").info
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0, 1, 0]})
    made = tmp_path / "made"
    (made / "parts").mkdir(parents=True)
    table.to_parquet(made / "h.parquet")
    table.to_csv(made / "h.csv", index=False)
    table.to_parquet(made / "parts" / "one.parquet")
    client.log_artifacts(run.run_id, str(made), "data")
    assert run.artifact_uri.startswith("mlflow-artifacts:")
    uri = form.replace("RUN", run.run_id).replace("PROXY", run.artifact_uri)
    registry = MlflowRegistry(connection(mlflow_server.uri))
    found = locate(uri, tmp_path / "scratch", lambda uri, into: download(registry, uri, into))
    assert sum(batch.num_rows for batch in found.batches(["x", "y"])) == found.rows() == 3
    if form.endswith("h.csv"):
        assert found.sha256 == hashlib.sha256((made / "h.csv").read_bytes()).hexdigest()


@pytest.mark.server
def test_a_holdout_that_no_run_has_is_undetermined(mlflow_server: Store, tmp_path: Path) -> None:
    """The run is there, the file is not."""
    run = mlflow_server.client().create_run("0").info
    registry = MlflowRegistry(connect(mlflow_server.uri))
    for uri in (f"runs:/{run.run_id}/h.csv", f"runs:/{'0' * 32}/h.csv", f"{run.artifact_uri}/h.parquet"):
        with pytest.raises(Undetermined):
            locate(uri, tmp_path / "scratch", lambda uri, into: download(registry, uri, into))


def test_a_model_that_does_not_think_when_it_is_timed_has_no_time(tmp_path: Path) -> None:
    """The times of other answers than those that were scored say nothing: whoever need not think is always fast."""
    table = pd.DataFrame({"a": np.random.default_rng(1).normal(size=200)})
    table["y"] = ["yes" if a > 0 else "no" for a in table["a"]]
    lines = ["task: binary", "positive: 'yes'", "features: [a]"]
    checks = ["holdout.accuracy > 0.5", "latency.p95 < 1s"]
    assert measured(tmp_path, table, [custom.Labels()], lines, checks).rows == 200
    with pytest.raises(Undetermined, match="could not be timed") as refused:
        measured(tmp_path, table, [custom.Hasty()], lines, checks)
    assert "calls otherwise than the same rows in a batch" in refused.value.why
