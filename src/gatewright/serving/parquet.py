"""Rows in parquet files, one a write, in a folder that `live.outcomes.data` names."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from gatewright.serving.log import Log, Row


class ParquetLog(Log):
    """Units, versions, times and outcomes as rows. Any number of processes may write to one folder.

    columns: everything that is ever logged, so that all files are alike. unit: the column that `live.unit` names.
    """

    def __init__(
        self,
        folder: str | Path,
        columns: Iterable[str],
        *,
        unit: str = "unit",
        batch: int = 10_000,
        seconds: float = 60.0,
        most: int = 100_000,
    ) -> None:
        super().__init__(columns, batch=batch, seconds=seconds, most=most)
        self._folder, self._unit = Path(folder), unit

    def _write(self, rows: list[Row]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        units, versions, times, values = zip(*rows, strict=True)
        table = pa.table(
            {
                self._unit: pa.array(units, pa.string()),
                "version": pa.array(versions, pa.int64()),
                "time": pa.array(times, pa.timestamp("us", "UTC")),
                **{c: pa.array([v.get(c) for v in values], pa.float64()) for c in self._columns},
            }
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}.parquet"
        # Readers pass over hidden files, so that they never see half of one.
        hidden = self._folder / f".{name}"
        try:
            parquet.write_table(table, hidden)
            os.replace(hidden, self._folder / name)
        finally:
            hidden.unlink(missing_ok=True)
