"""Outcomes as a serving layer would have logged them: who was served by which version, when, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gatewright.live.assignment import arm_of
from gatewright.live.trial import Trial

#: how a table may be kept: the policy's `data` and `query` for it
Kept = tuple[str, str]


@dataclass(frozen=True)
class Traffic:
    """New users of every day and how many of a hundred buy, by arm. slow: seconds from the visit to its outcome.

    lost: the share of the challenger's visits that nobody logged, as a faulty router would lose them. even: in either
    arm the buyers come at regular intervals, so that chance makes no difference between equal arms.
    """

    a_day: int = 1000
    champion: float = 0.05
    challenger: float = 0.05
    slow: float = 0.0
    lost: float = 0.0
    seed: int = 20240601
    even: bool = False

    def rows(self, trial: Trial, days: int) -> dict[str, list[Any]]:
        """Columns user, version, time, bought and seconds: a visit is a row, and a late outcome another one."""
        import numpy as np

        rng = np.random.default_rng(self.seed)
        start = trial.started.timestamp()
        made: dict[str, list[Any]] = {"user": [], "version": [], "time": [], "bought": [], "seconds": []}

        def add(*row: object) -> None:
            for column, value in zip(made.values(), row, strict=True):
                column.append(value)

        visits = {False: 0, True: 0}
        for n in range(days * self.a_day):
            user, at = f"user-{n}", start + 60 + n * 86_400 / self.a_day
            tried = arm_of(user, trial.salt, trial.parts) == "challenger"
            draws = rng.random(2)
            if tried and draws[0] < self.lost:
                continue
            number = trial.challenger if tried else trial.champion
            visits[tried] += 1
            rate = self.challenger if tried else self.champion
            bought = float(visits[tried] * rate % 1 < rate if self.even else draws[1] < rate)
            took = float(rng.gamma(4, 0.05))
            add(user, number, at, None if self.slow else bought, took)
            if self.slow:
                add(user, number, at + self.slow, bought, None)
        return made


def keep(rows: dict[str, list[Any]], into: Path, form: str) -> Kept:
    """Writes rows as parquet, csv or a SQLite database; returns what a policy says to read them."""
    import pandas as pd

    table = pd.DataFrame(rows)
    table["time"] = pd.to_datetime(table["time"], unit="s", utc=True)
    into.mkdir(parents=True, exist_ok=True)
    return _FORMS[form](table, into)


def _parquet(table: Any, into: Path) -> Kept:
    table.to_parquet(into / "outcomes.parquet", index=False)
    return str(into / "outcomes.parquet"), ""


def _csv(table: Any, into: Path) -> Kept:
    table.to_csv(into / "outcomes.csv", index=False)
    return str(into / "outcomes.csv"), ""


def _sqlite(table: Any, into: Path) -> Kept:
    import sqlite3
    from contextlib import closing

    file = into / "outcomes.db"
    with closing(sqlite3.connect(file)) as database:
        table.assign(time=table["time"].astype(str)).to_sql("outcomes", database, index=False, if_exists="replace")
    return f"sqlite:///{file}", "select * from outcomes"


_FORMS: dict[str, Callable[[Any, Path], Kept]] = {"parquet": _parquet, "csv": _csv, "sqlite": _sqlite}


def day(started: datetime, n: float) -> datetime:
    """The time n days after the start."""
    from datetime import timedelta

    return started + timedelta(days=n)
