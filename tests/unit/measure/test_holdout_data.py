"""Where the holdout's rows come from, and what exactly they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from gatewright.measure.holdout.data import Table, locate
from gatewright.problem import Undetermined


def rows(n: int, start: int = 0) -> pa.Table:
    """A few columns of every kind that holdouts have."""
    numbers = list(range(start, start + n))
    return pa.table(
        {
            "amount": [float(i) for i in numbers],
            "country": [("DE", "PT")[i % 2] for i in numbers],
            "y": numbers,
        }
    )


def found(uri: str | Path, scratch: Path) -> Table:
    """Locates a holdout that is on this machine."""
    return locate(str(uri), scratch, lambda *_: pytest.fail("nothing is to be downloaded"))


def everything(table: Table, size: int = 65_536) -> pa.Table:
    """All rows."""
    return pa.Table.from_batches(table.batches(["amount", "country", "y"], size))


def test_a_parquet_file_is_read_whole_in_batches(tmp_path: Path) -> None:
    """No batch is larger than asked, and no row is lost or moved."""
    pq.write_table(rows(1000), tmp_path / "h.parquet", row_group_size=300)
    table = found(tmp_path / "h.parquet", tmp_path)
    batches = list(table.batches(["y"], 128))
    assert max(b.num_rows for b in batches) <= 128
    assert [y for b in batches for y in b["y"].to_pylist()] == list(range(1000))
    assert table.rows() == 1000


def test_the_digest_of_one_file_is_what_sha256sum_prints(tmp_path: Path) -> None:
    """So that a pin can be made without the gate."""
    file = tmp_path / "h.csv"
    pyarrow.csv.write_csv(rows(10), file)
    assert found(file, tmp_path).sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_csv_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    """The kind of file changes nothing."""
    pyarrow.csv.write_csv(rows(50), tmp_path / "h.csv")
    pq.write_table(rows(50), tmp_path / "h.parquet")
    tables = [everything(found(tmp_path / name, tmp_path)) for name in ("h.csv", "h.parquet")]
    assert tables[0].to_pydict() == tables[1].to_pydict()


def test_a_partitioned_folder_gives_its_folder_names_as_a_column(tmp_path: Path) -> None:
    """`country=PT/…` is how partitioned data is written."""
    pq.write_to_dataset(rows(20), tmp_path / "h", partition_cols=["country"])
    table = found(tmp_path / "h", tmp_path)
    assert sorted(everything(table)["country"].to_pylist()) == ["DE"] * 10 + ["PT"] * 10


def test_the_digest_of_a_folder_covers_names_and_contents(tmp_path: Path) -> None:
    """Renaming, adding or changing a file is other data; the folder's own name is not."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for part in range(3):
            pq.write_table(rows(5, part * 5), tmp_path / name / f"{part}.parquet")
    same = found(tmp_path / "one", tmp_path).sha256
    assert found(tmp_path / "two", tmp_path).sha256 == same
    (tmp_path / "two" / "2.parquet").rename(tmp_path / "two" / "3.parquet")
    assert found(tmp_path / "two", tmp_path).sha256 != same


def test_markers_and_hidden_files_are_no_data(tmp_path: Path) -> None:
    """What Spark leaves beside its parts."""
    folder = tmp_path / "h"
    (folder / "_temporary").mkdir(parents=True)
    pq.write_table(rows(5), folder / "part-0.parquet")
    pq.write_table(rows(5), folder / "_temporary" / "part-1.parquet")
    (folder / "_SUCCESS").touch()
    assert found(folder, tmp_path).rows() == 5


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("absent.parquet", "no such file"),
        ("empty", "no parquet or csv"),
        ("ftp://host/h.parquet", "ftp is no kind"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, why: str) -> None:
    """And names the policy's key."""
    (tmp_path / "empty").mkdir()
    uri = name if "://" in name else tmp_path / name
    with pytest.raises(Undetermined, match=why) as caught:
        found(uri, tmp_path)
    assert "holdout.data" in caught.value.fix


def test_a_file_that_is_no_parquet_is_undetermined(tmp_path: Path) -> None:
    """Not an exception of the library beneath."""
    (tmp_path / "h.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(Undetermined, match="cannot be read"):
        found(tmp_path / "h.parquet", tmp_path).schema()


@pytest.mark.parametrize(
    "uri",
    [
        "runs:/abc/holdout.parquet",
        "models:/fraud/1",
        "mlflow-artifacts:/0/abc/artifacts/holdout.parquet",
        "mlflow-artifacts://server:5000/0/abc/artifacts/holdout.parquet",
        "dbfs:/holdout.parquet",
    ],
)
def test_an_uri_of_mlflow_is_downloaded_first(uri: str, tmp_path: Path) -> None:
    """By whoever knows how; what it puts there is the holdout."""

    def download(asked: str, into: Path) -> Path:
        assert asked == uri
        pq.write_table(rows(7), into / "holdout.parquet")
        return into / "holdout.parquet"

    assert locate(uri, tmp_path, download).rows() == 7


def test_a_path_with_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what stands before `:/` names a store."""
    monkeypatch.chdir(tmp_path)
    for name in ("runs:x.parquet", "a:b.parquet"):
        pq.write_table(rows(7), tmp_path / name)
        assert found(name, tmp_path).rows() == 7
    assert found(f"file:{tmp_path}/a:b.parquet", tmp_path).rows() == 7


def test_what_is_broken_in_its_midst_is_undetermined(tmp_path: Path) -> None:
    """A file whose beginning is in order: a damaged page, and a text where hundreds of thousands were numbers."""
    pq.write_table(rows(200_000), tmp_path / "h.parquet")
    torn = bytearray((tmp_path / "h.parquet").read_bytes())
    torn[1000:2000] = b"\xff" * 1000
    (tmp_path / "h.parquet").write_bytes(torn)
    (tmp_path / "h.csv").write_text("amount,country,y\n" + "1.0,DE,1\n" * 300_000 + "much,DE,1\n")
    for name in ("h.parquet", "h.csv"):
        with pytest.raises(Undetermined, match=f"{name} cannot be read"):
            for _ in found(tmp_path / name, tmp_path).batches(["amount", "country"]):
                pass


def test_files_of_a_folder_may_differ_a_little(tmp_path: Path) -> None:
    """A number stored smaller, columns in another order, one that a file lacks: the first file's types hold."""
    (tmp_path / "h").mkdir()
    pq.write_table(rows(3), tmp_path / "h" / "a.parquet")
    narrow = pa.table({"y": pa.array([3, 4], pa.int8()), "amount": pa.array([3.0, 4.0], pa.float32())})
    pq.write_table(narrow, tmp_path / "h" / "b.parquet")
    whole = everything(found(tmp_path / "h", tmp_path))
    assert whole["y"].to_pylist() == [0, 1, 2, 3, 4] and whole["y"].type == pa.int64()
    assert whole["country"].to_pylist() == ["DE", "PT", "DE", None, None]
    assert whole["amount"].type == pa.float64()


def test_a_column_whose_name_begins_like_another_is_not_taken_for_it(tmp_path: Path) -> None:
    """Parquet's own paths have dots too."""
    pq.write_table(pa.table({"x": [1], "x.y": [2], "y": [3]}), tmp_path / "h.parquet")
    (batch,) = found(tmp_path / "h.parquet", tmp_path).batches(["y", "x.y", "x"])
    assert batch.to_pydict() == {"y": [3], "x.y": [2], "x": [1]}


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """What has been read is let go: of a hundred megabytes, a tenth is held at most."""
    with pq.ParquetWriter(tmp_path / "h.parquet", pa.schema({"y": pa.float64()}), compression="NONE") as sink:
        for part in range(100):
            sink.write_table(pa.table({"y": [part + n / 131_072 for n in range(131_072)]}))
    before, most = pa.total_allocated_bytes(), 0
    for _ in found(tmp_path / "h.parquet", tmp_path).batches(["y"]):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 10 << 20
