"""Holdouts in an object store, on a real server of the S3 protocol that checks signatures and rights."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from mlflow.pyfunc.model import PythonModel
from sklearn.linear_model import LogisticRegression

from gatewright.measure.holdout.cloud import ENDPOINTS
from gatewright.measure.holdout.data import Table, locate
from gatewright.problem import Undetermined
from real.command import Ended, within
from real.s3 import Login, ObjectStore
from real.tracking import Store

ROWS = pa.table({"x": [0.0, 1.0, 2.0, 3.0], "country": ["DE", "PT", "DE", "PT"], "y": [0, 0, 1, 1]})


@pytest.fixture
def bucket(s3: ObjectStore, unique: str, tmp_path: Path) -> str:
    """A bucket with the same rows in every form that a holdout may have."""
    here = tmp_path / "bucket"
    (here / "folder").mkdir(parents=True)
    pq.write_table(ROWS, here / "one.parquet")
    pyarrow.csv.write_csv(ROWS, here / "one.csv")
    pq.write_table(ROWS.slice(0, 3), here / "folder" / "a.parquet")
    pq.write_table(ROWS.slice(3), here / "folder" / "b.parquet")
    (here / "folder" / "_SUCCESS").write_text("")
    pq.write_to_dataset(ROWS, here / "parts", partition_cols=["country"])
    s3.put(here, unique)
    return unique


@pytest.fixture
def enter(s3: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the variables of a login, and where the store is."""

    def enter(login: Login, endpoint: str = "AWS_ENDPOINT_URL") -> None:
        for name, value in {**login.variables, endpoint: s3.uri}.items():
            monkeypatch.setenv(name, value)

    return enter


def found(uri: str, scratch: Path) -> Table:
    """The holdout, on this machine's disk."""
    return locate(uri, scratch / "data", lambda *_: pytest.fail("no registry holds it"))


@pytest.mark.parametrize("form", ["one.parquet", "one.csv", "folder", "folder/", "parts"])
def test_every_form_is_read_from_a_store(form: str, bucket: str, s3: ObjectStore, enter: Any, tmp_path: Path) -> None:
    """A file, a folder of files, a folder whose names are a column: the same rows."""
    enter(s3.reader)
    table = found(f"s3://{bucket}/{form}", tmp_path)
    rows = pa.Table.from_batches(table.batches(["x", "country", "y"])).sort_by("x")
    assert rows.to_pydict() == ROWS.to_pydict()
    local = locate(str(tmp_path / "bucket" / form), tmp_path, lambda *_: tmp_path)
    assert table.sha256 == local.sha256


@pytest.mark.parametrize("variable", ENDPOINTS)
def test_each_variable_of_an_endpoint_is_read(
    variable: str, bucket: str, s3: ObjectStore, enter: Any, tmp_path: Path
) -> None:
    """AWS's own two, and the one that MLflow's users have set already."""
    enter(s3.reader, variable)
    assert found(f"s3://{bucket}/one.parquet", tmp_path).rows() == 4


@pytest.mark.parametrize("who", ["nobody", "a wrong secret", "a stranger"])
def test_without_the_right_credentials_access_is_refused(
    who: str, bucket: str, s3: ObjectStore, enter: Any, tmp_path: Path
) -> None:
    """A key that does not exist, a signature that is wrong, a user who may not: none of it is a missing file."""
    enter({"nobody": Login("AKIANOBODY", "x"), "a wrong secret": Login(s3.reader.key, "x" * 40)}.get(who, s3.stranger))
    with pytest.raises(Undetermined, match="access was refused") as caught:
        found(f"s3://{bucket}/one.parquet", tmp_path)
    assert "AWS_ACCESS_KEY_ID" in caught.value.fix
    assert s3.reader.secret not in str(caught.value)


@pytest.mark.parametrize("key", ["absent.parquet", "absent/"])
def test_a_missing_object_is_missing(key: str, bucket: str, s3: ObjectStore, enter: Any, tmp_path: Path) -> None:
    """And so is a bucket."""
    enter(s3.reader)
    for uri in (f"s3://{bucket}/{key}", f"s3://{bucket}-absent/{key}"):
        with pytest.raises(Undetermined, match="there is no such object"):
            found(uri, tmp_path)


class Teller(PythonModel):
    """Answers with all that it can learn of its surroundings."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """An error whose text is the worker's variables."""
        import os

        raise RuntimeError(f"I see {sorted(os.environ)}")


cloudpickle.register_pickle_by_value(sys.modules[__name__])


POLICY = """\
version: 1
model: MODEL
holdout: {data: "s3://BUCKET/one.parquet", target: y, task: binary, features: [x]}
targets:
  staging:
    stage: Staging
    checks: [holdout.accuracy > 95%]
"""


@pytest.fixture
def asked(mlflow_server: Store, bucket: str, unique: str, tmp_path: Path) -> Any:
    """Registers a model, and evaluates it on the bucket's holdout with the variables that are given."""

    def ask(model: Any, login: Login, s3: ObjectStore) -> Ended:
        client = mlflow_server.client()
        run = client.create_run("0").info.run_id
        if isinstance(model, PythonModel):
            mlflow.pyfunc.save_model(str(tmp_path / "m"), python_model=model, pip_requirements=["mlflow"])
        else:
            mlflow.sklearn.save_model(model, tmp_path / "m", pip_requirements=["scikit-learn"])
        client.log_artifacts(run, str(tmp_path / "m"), "model")
        client.create_registered_model(unique)
        client.create_model_version(unique, f"runs:/{run}/model", run)
        (tmp_path / "policies").mkdir()
        text = POLICY.replace("MODEL", unique).replace("BUCKET", bucket)
        (tmp_path / "policies" / "p.yaml").write_text(text)
        env = {**login.variables, "AWS_ENDPOINT_URL": s3.uri}
        arguments = ("evaluate", f"{unique}/1", "--to", "staging", "--json")
        return within(*arguments, uri=mlflow_server.uri, folder=tmp_path, env=env)

    return ask


@pytest.mark.server
def test_a_model_is_evaluated_on_a_holdout_in_a_store(s3: ObjectStore, asked: Any) -> None:
    """From the policy's address to the verdict, and the report says which content was scored."""
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    ended = asked(LogisticRegression(C=1e6).fit(frame, [0, 0, 1, 1]), s3.reader, s3)
    assert (ended.code, ended.json["verdict"]) == (0, "pass"), ended
    (check,) = ended.json["checks"]
    assert (check["value"], check["n"]) == (1.0, 4)
    assert hashlib.sha256(_bytes_of(ROWS)).hexdigest()[:12] in check["source"]


def _bytes_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


@pytest.mark.server
def test_wrong_credentials_end_in_words_and_code_3(s3: ObjectStore, asked: Any) -> None:
    """Nothing is known of the model, so nothing is said against it."""
    frame = pd.DataFrame({"x": [0.0, 1.0]})
    ended = asked(LogisticRegression(C=1e6).fit(frame, [0, 1]), Login(s3.reader.key, "wrong" * 8), s3)
    assert (ended.code, ended.json["verdict"]) == (3, "error"), ended
    assert "access was refused" in ended.json["checks"][0]["because"]
    assert any("AWS_ACCESS_KEY_ID" in note for note in ended.json["notes"])
    assert "wrongwrong" not in ended.out + ended.err


@pytest.mark.server
def test_the_stores_credentials_never_reach_a_model(s3: ObjectStore, asked: Any) -> None:
    """The gate reads the rows; the worker gets rows alone."""
    ended = asked(Teller(), s3.reader, s3)
    assert ended.code == 3, ended
    told = ended.json["checks"][0]["because"]
    assert "I see ['" in told and "'HOME'" in told
    assert "AWS" not in told
    assert s3.reader.key not in ended.out and s3.reader.secret not in ended.out + ended.err
