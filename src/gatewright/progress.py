"""What is going on while it takes long: a line that renews itself on a terminal, quiet lines in a log."""

from __future__ import annotations

import time
from typing import TextIO

from gatewright.report.escape import visible

#: seconds between two lines of a log, and between two looks of a terminal
_LOG, _TERMINAL = 15.0, 0.1


class Progress:
    """Writes to a stream: never more often than a reader follows, and nothing at all if quiet."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream, self._quiet, self._live = stream, quiet, stream.isatty()
        self._what, self._told = "", float("-inf")

    def __call__(self, what: str, done: int, total: int) -> None:
        """Tells of `done` of `total`, for example rows; 0 of 0 where nothing is counted."""
        every = _TERMINAL if self._live else _LOG
        if self._quiet or (what == self._what and time.monotonic() - self._told < every and done < total):
            return
        self._what, self._told = what, time.monotonic()
        share = f": {done:,} of {total:,} ({100 * done // total} %)".replace(",", " ") if total else ""
        line = f"{visible(what)}{share}"
        self._stream.write(f"\r\x1b[2K{line}{chr(10) if done >= total else ''}" if self._live else f"{line}\n")
        self._stream.flush()
