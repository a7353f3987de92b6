"""Holdouts in object stores that cannot be reached: words in good time. Real stores: stories/test_object_store.py."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyarrow import fs

from gatewright.measure.holdout import cloud
from gatewright.measure.holdout.data import locate
from gatewright.problem import Undetermined
from real.process import free_port

AZURE = (
    "abfss://c@account.dfs.core.windows.net/h.parquet"
    "?blob_storage_authority={at}&dfs_storage_authority={at}&enable_tls=false&credential_kind=anonymous"
)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where nobody listens, and where Amazon's and Google's clients look."""
    at = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", f"http://{at}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{at}")
    return at


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b/h.parquet",
        "gs://anonymous@b/h.parquet?retry_limit_seconds=1",
        "gcs://anonymous@b/h.parquet?retry_limit_seconds=1",
        AZURE,
    ],
    ids=["s3", "gs", "gcs", "abfss"],
)
def test_a_store_that_does_not_answer_is_undetermined(uri: str, nowhere: str, tmp_path: Path) -> None:
    """Each by its own client, none of which gets to wait for a quarter of an hour."""
    uri = uri.format(at=nowhere)
    with pytest.raises(Undetermined) as caught:
        locate(uri, tmp_path / "data", lambda *_: pytest.fail("no registry holds it"))
    told = caught.value
    assert told.what == f"the holdout {uri} cannot be read"
    assert "connect" in told.why.lower()
    assert told.fix.startswith("Check that this machine reaches the store")
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").iterdir())


def test_googles_client_is_told_when_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own limit is 15 minutes; the policy's address may name another."""
    asked: list[str] = []

    def from_uri(uri: str) -> tuple[None, str]:
        asked.append(uri)
        return None, ""

    monkeypatch.setattr(fs, "FileSystem", SimpleNamespace(from_uri=from_uri))
    for uri in ("gs://b/h", "gs://b/h?anonymous=true", "gs://b/h?retry_limit_seconds=90", "abfss://c@a/h"):
        cloud._opened(uri)
    assert asked == [
        "gs://b/h?retry_limit_seconds=20",
        "gs://b/h?anonymous=true&retry_limit_seconds=20",
        "gs://b/h?retry_limit_seconds=90",
        "abfss://c@a/h",
    ]


@pytest.mark.parametrize(
    ("scheme", "said", "variable"),
    [
        ("s3", OSError("AWS Error ACCESS_DENIED during HeadObject operation"), "AWS_ACCESS_KEY_ID"),
        ("gs", OSError("google::cloud::Status(UNAUTHENTICATED: no)"), "GOOGLE_APPLICATION_CREDENTIALS"),
        ("abfss", pa.ArrowException("Failed to get token from DefaultAzureCredential."), "AZURE_CLIENT_ID"),
    ],
)
def test_refused_access_names_the_variables_of_the_store(scheme: str, said: Exception, variable: str) -> None:
    """What each client says differs; the remedy is the same, under other names."""
    told = cloud._refused(f"{scheme}://c/h", said)
    assert told.why.startswith("access was refused") and variable in told.fix


def test_an_objects_name_leads_to_no_folder_but_its_own(tmp_path: Path) -> None:
    """Stores take any text for a name; a file system goes up at `..`."""
    listed = [SimpleNamespace(path="b/h/../../evil.parquet", type=fs.FileType.File)]
    remote = SimpleNamespace(get_file_info=lambda _: listed)
    with pytest.raises(Undetermined, match=r"has \.\. in its name"):
        cloud._make_room("s3://b/h", remote, "b/h", tmp_path / "data")
