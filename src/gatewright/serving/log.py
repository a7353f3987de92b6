"""Rows on their way out of a serving process: a queue of bounded length, and the one thread that writes it."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 (needed by the last write; a process that ends cannot import it)
import logging
import math
import os
import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from types import TracebackType
from typing import NamedTuple, TypeAlias, TypeVar

_LOG = logging.getLogger("gatewright.serving")


_T = TypeVar("_T", bound="Log")

#: what traffic is split by; 7 and "7" are the same
Unit: TypeAlias = "str | int"

#: seconds that the end of a process waits for the last rows
_LAST_WORDS = 30.0


class NotWritten(Exception):
    """Rows could not be written so far. They are kept, as far as the queue holds them, and tried again."""


class Row(NamedTuple):
    """One thing known of a unit. version: None where only its outcome is told. at: UTC."""

    unit: str
    version: int | None
    at: datetime
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows so far.

    accepted: put into the queue; of those, written: stored. dropped: lost, because the queue was full, or the process
    ended before they could be written. refused: an unknown column, a number that is not finite, a unit without a place.
    """

    accepted: int = 0
    written: int = 0
    dropped: int = 0
    refused: int = 0

    def plus(self, **more: int) -> Counts:
        """The same with more of some of them."""
        return replace(self, **{name: getattr(self, name) + n for name, n in more.items()})


class Log:
    """Takes rows without waiting, and writes them when there are enough, or some time has passed.

    columns: everything that is ever logged. batch: rows that are worth a write at once. seconds: between writes else,
    and after one that failed. most: rows kept while they cannot be written; more are dropped.
    """

    def __init__(self, columns: Iterable[str], *, batch: int, seconds: float, most: int) -> None:
        self._columns = tuple(columns)
        self._batch, self._seconds, self._most = batch, seconds, most
        self._reset()
        _forgotten_in_children(self)
        atexit.register(self.close)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._rows: list[Row] = []
        self._writing = 0
        self._counts = self._told = Counts()
        self._refusal = ""
        self._thread: threading.Thread | None = None
        self._asked = self._answered = 0
        self._error: Exception | None = None
        self._closed = False

    # -- what a serving process calls ----------------------------------------------------------------------------

    def exposed(self, unit: Unit | None, version: int, at: datetime | None = None, **values: float) -> None:
        """A unit was served by a version. at: when, with its time zone; now, if it is left out.

        Who has no unit is in no experiment, and is not logged.
        """
        self._add(unit, version, at, values)

    def outcome(self, unit: Unit | None, at: datetime | None = None, **values: float) -> None:
        """Something became known about a unit that was served before. at: when it became known."""
        self._add(unit, None, at, values)

    @property
    def counts(self) -> Counts:
        """What became of the rows so far, for a service's own metrics."""
        with self._changed:
            return self._counts

    def flush(self, seconds: float = 30.0) -> None:
        """Waits until everything logged so far is written; raises NotWritten where it is not. Not while serving."""
        with self._changed:
            if not self._closed:
                self._settle(seconds)

    def close(self, seconds: float = _LAST_WORDS) -> None:
        """Writes what is left, within some seconds; what could not be written by then is dropped, counted and said."""
        atexit.unregister(self.close)
        with self._changed:
            if self._closed:
                return
            self._closed = True
            try:
                if self._thread is not None:
                    self._settle(seconds)
            except NotWritten as error:
                lost, self._rows = len(self._rows) + self._writing, []
                self._counts = self._counts.plus(dropped=lost)
                _LOG.warning("%d rows were not recorded: %s", lost, error)

    def _settle(self, seconds: float) -> None:
        """With the lock held: waits for a write that begins after this."""
        self._start()
        self._asked = mine = self._asked + 1
        self._changed.notify_all()
        if not self._changed.wait_for(lambda: self._answered >= mine, seconds):
            raise NotWritten(f"they were not written within {seconds:g} s")
        if self._error is not None:
            raise NotWritten(str(self._error)) from self._error

    def __enter__(self: _T) -> _T:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # -- what an adapter says ------------------------------------------------------------------------------------

    def _write(self, rows: list[Row]) -> None:
        """Stores rows, none of them where it raises: they then come again, at the head of the next ones."""
        raise NotImplementedError

    def _unplaced(self, why: str) -> None:
        """A row that was accepted turns out to be none."""
        with self._changed:
            self._refusal = why
            self._counts = self._counts.plus(refused=1, accepted=-1, written=-1)

    # -- taking --------------------------------------------------------------------------------------------------

    def _add(self, unit: Unit | None, version: int | None, at: datetime | None, values: Mapping[str, float]) -> None:
        if unit is None or unit == "":
            return
        row, why = None, ""
        try:
            row = self._row(unit, version, at, values)
        except Exception as error:
            why = str(error)
        with self._changed:
            if row is None:
                self._refusal = why
                self._counts = self._counts.plus(refused=1)
            elif self._closed or len(self._rows) + self._writing >= self._most:
                self._counts = self._counts.plus(dropped=1)
            else:
                self._rows.append(row)
                self._counts = self._counts.plus(accepted=1)
            if not self._closed:
                self._start()
            if len(self._rows) >= self._batch:
                self._changed.notify_all()

    def _row(self, unit: Unit, version: int | None, at: datetime | None, values: Mapping[str, float]) -> Row:
        unknown = sorted(set(values) - set(self._columns))
        if unknown:
            raise ValueError(f"there is no column {unknown[0]!r}; this log has {', '.join(self._columns)}")
        if at is not None and at.tzinfo is None:
            raise ValueError("a time needs its time zone")
        if version is None and not values:
            raise ValueError("an outcome needs a value")
        numbers = {name: float(value) for name, value in values.items()}
        if not all(math.isfinite(number) for number in numbers.values()):
            raise ValueError("a value must be a finite number; what is unknown is left out")
        return Row(str(unit), None if version is None else int(version), at or datetime.now(timezone.utc), numbers)

    # -- writing -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """The thread begins with the first row: a process that forks its workers after loading has one in each."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._run, name=f"gatewright-{type(self).__name__}", daemon=True)
        # A machine that has no thread to spare now may have one for the next row.
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None

    def _run(self) -> None:
        while not (self._closed and self._asked == self._answered):
            self._wait()
            self._turn()
            self._tell()

    def _wait(self) -> None:
        """Until there is something to write, or somebody waits for it; after a failure, until it is time again."""

        def asked() -> bool:
            return self._asked > self._answered

        def due() -> bool:
            return asked() or len(self._rows) >= self._batch

        with self._changed:
            self._changed.wait_for(asked if self._error else due, self._seconds)

    def _turn(self) -> None:
        """One write of everything that waits."""
        with self._changed:
            asked, rows, self._rows = self._asked, self._rows, []
            self._writing = taken = len(rows)
        error = None
        try:
            if rows:
                self._write(rows)
                rows = []
        except Exception as e:
            error = e
        with self._changed:
            if self._error is None and error is not None:
                _LOG.warning("what was served cannot be recorded now, and is kept: %s", error)
            self._rows, self._writing = rows + self._rows, 0
            self._counts = self._counts.plus(written=taken - len(rows))
            self._error, self._answered = error, asked
            self._changed.notify_all()

    def _tell(self) -> None:
        """What was lost since it was said last: at most a line a turn, and never on a serving thread."""
        with self._changed:
            before, now, refusal = self._told, self._counts, self._refusal
            self._told = now
        if now.dropped > before.dropped:
            _LOG.warning("%d rows were dropped: %d waited to be written", now.dropped - before.dropped, self._most)
        if now.refused > before.refused:
            _LOG.warning("%d rows were refused, the last because %s", now.refused - before.refused, refusal)


def _forgotten_in_children(log: Log) -> None:
    """A child process has a copy of the queue and no thread; the rows are its parent's to write."""
    of = weakref.ref(log)

    def forget() -> None:
        held = of()
        if held is not None:
            held._reset()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
