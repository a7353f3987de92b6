"""What a serving process may rely on: it never waits, raises or grows, and loses nothing in silence."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from gatewright.serving import Counts, NotWritten, ParquetLog
from gatewright.serving.log import Log, Row


class Kept(Log):
    """Writes to a list, when it is let to."""

    def __init__(self, *, seconds: float = 60.0, batch: int = 10_000, most: int = 100_000) -> None:
        self.written: list[Row] = []
        self.open = threading.Event()
        self.open.set()
        self.fails: Exception | None = None
        super().__init__(["score", "sale"], batch=batch, seconds=seconds, most=most)

    def _write(self, rows: list[Row]) -> None:
        self.open.wait()
        if self.fails is not None:
            raise self.fails
        self.written += rows


def rows(folder: Path) -> list[dict[str, Any]]:
    """Everything in a folder of parquet files."""
    from pyarrow import dataset

    found: list[dict[str, Any]] = dataset.dataset(folder, format="parquet").to_table().to_pylist()
    return found


def test_importing_it_costs_a_serving_process_nothing() -> None:
    """No MLflow, pandas, numpy, pyarrow, YAML or HTTP before the first row is written."""
    heavy = ["mlflow", "numpy", "pandas", "pyarrow", "yaml", "requests", "sklearn"]
    code = f"import sys, gatewright.serving; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_store_that_hangs_does_not_hold_up_serving() -> None:
    """Rows are taken while the writer waits for a disk that does not answer; all are written when it does."""
    log = Kept(batch=1)
    log.open.clear()
    for unit in range(1000):
        log.exposed(unit, 12, score=0.5)
    assert log.counts == Counts(accepted=1000)
    log.open.set()
    log.flush()
    assert log.counts == Counts(accepted=1000, written=1000)
    assert [r.unit for r in log.written] == [str(u) for u in range(1000)]
    log.close()


def test_a_full_queue_drops_and_counts_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Memory is bounded; what was lost is no secret."""
    log = Kept(most=10)
    log.open.clear()
    for unit in range(25):
        log.exposed(unit, 12)
    assert log.counts == Counts(accepted=10, dropped=15)
    log.open.set()
    with caplog.at_level(logging.WARNING, "gatewright.serving"):
        log.flush()
        log.close()
        thread = log._thread
        assert thread is not None
        thread.join(60)
    assert "15 rows were dropped: 10 waited to be written" in caplog.messages
    assert len(log.written) == 10


def test_what_could_not_be_written_is_kept_and_written_later() -> None:
    """A server that is down for a while costs nothing, as long as the queue holds."""
    log = Kept()
    log.fails = OSError("no space left")
    log.exposed("a", 12)
    with pytest.raises(NotWritten, match="no space left"):
        log.flush()
    log.exposed("b", 13)
    log.fails = None
    log.flush()
    assert [r.unit for r in log.written] == ["a", "b"]
    assert log.counts == Counts(accepted=2, written=2)
    log.close()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"version": 12, "speed": 1.0}, "no column 'speed'"),
        ({"version": 12, "score": math.nan}, "finite"),
        ({"version": 12, "score": math.inf}, "finite"),
        ({"version": 12, "score": "high"}, "could not convert"),
        ({"version": "twelve"}, "invalid literal"),
        ({"version": 12, "at": datetime(2026, 10, 1)}, "time zone"),
    ],
)
def test_a_row_that_cannot_be_is_refused_and_does_not_raise(
    said: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake in logging is no reason to answer a customer with an error."""
    log = Kept()
    with caplog.at_level(logging.WARNING, "gatewright.serving"):
        log.exposed("a", **said)
        log.close()
        thread = log._thread
        assert thread is not None
        thread.join(60)
    assert log.counts == Counts(refused=1)
    assert why in caplog.text


def test_who_has_no_unit_is_not_logged() -> None:
    """A missing header is None or empty; neither is somebody called so."""
    log = Kept()
    log.exposed(None, 12)
    log.exposed("", 12)
    log.outcome(None, sale=1)
    assert log.counts == Counts()
    log.close()


def test_closing_before_a_store_that_hangs_ends_and_counts_what_was_lost() -> None:
    """A process that is told to stop stops."""
    log = Kept()
    log.open.clear()
    log.exposed("a", 12)
    log.close(seconds=0.05)
    assert log.counts.dropped == 1
    log.exposed("b", 12)
    assert log.counts.dropped == 2
    log.open.set()


def test_several_threads_lose_nothing() -> None:
    """As the workers of one server do."""
    log = Kept(batch=7)

    def serve(first: int) -> None:
        for unit in range(first, first + 500):
            log.exposed(unit, 12, score=1)

    threads = [threading.Thread(target=serve, args=(i * 500,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert sorted(int(r.unit) for r in log.written) == list(range(2000))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_every_forked_worker_writes_its_own_rows_once(tmp_path: Path) -> None:
    """A server that loads, logs and then forks its workers: the parent's rows are the parent's."""
    code = f"""
import os
from gatewright.serving import ParquetLog
log = ParquetLog({str(tmp_path)!r}, ["score"])
log.exposed("parent", 12)
children = []
for i in range(2):
    child = os.fork()
    if child == 0:
        log.exposed(f"child-{{i}}", 12)
        log.close()
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert sorted(r["unit"] for r in rows(tmp_path)) == ["child-0", "child-1", "parent"]


def test_what_is_logged_at_the_very_end_of_a_process_is_written(tmp_path: Path) -> None:
    """Nobody has to remember to close."""
    code = (
        f"from gatewright.serving import ParquetLog; ParquetLog({str(tmp_path)!r}, ['score']).exposed('a', 12, score=1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [r["unit"] for r in rows(tmp_path)] == ["a"]


def test_rows_come_back_as_they_were_told(tmp_path: Path) -> None:
    """Columns that the analysis reads by default, null where nothing was told, and no half-written file among them."""
    at = datetime(2026, 10, 1, 12, tzinfo=timezone.utc)
    with ParquetLog(tmp_path / "outcomes", ["score", "sale"], unit="account") as log:
        log.exposed(7, 12, at, score=0.25)
        log.outcome(7, at, sale=1)
    assert rows(tmp_path / "outcomes") == [
        {"account": "7", "version": 12, "time": at, "score": 0.25, "sale": None},
        {"account": "7", "version": None, "time": at, "score": None, "sale": 1.0},
    ]
    assert all(not p.name.startswith(".") for p in (tmp_path / "outcomes").iterdir())


def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    """A file stands where the folder should be; when it is gone, the rows are there."""
    folder = tmp_path / "outcomes"
    folder.write_text("in the way")
    log = ParquetLog(folder, ["score"])
    log.exposed("a", 12)
    with pytest.raises(NotWritten):
        log.flush()
    folder.unlink()
    log.close()
    assert [r["unit"] for r in rows(folder)] == ["a"]
