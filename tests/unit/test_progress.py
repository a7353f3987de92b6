"""What is said while a holdout is scored: one line that renews itself, or a few quiet ones in a log."""

from __future__ import annotations

import io

import pytest

from gatewright.progress import Progress


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be moved on by hand."""
    now = [100.0]
    monkeypatch.setattr("gatewright.progress.time.monotonic", lambda: now[0])
    return now


def scoring(told: Progress, clock: list[float], every: float) -> None:
    """A million rows in a hundred batches, one each so many seconds."""
    told("fetching fraud/2", 0, 0)
    for batch in range(1, 101):
        clock[0] += every
        told("scoring rows", batch * 10_000, 1_000_000)
    told("timing calls", 0, 0)


def test_a_log_has_a_line_for_each_step_and_then_one_in_a_quarter_of_a_minute(clock: list[float]) -> None:
    """Fifty seconds of scoring: the first batch, three on the way, the last one; no codes for a terminal."""
    log = io.StringIO()
    scoring(Progress(log), clock, 0.5)
    lines = log.getvalue().splitlines()
    assert lines == [
        "fetching fraud/2",
        "scoring rows: 10 000 of 1 000 000 (1 %)",
        "scoring rows: 310 000 of 1 000 000 (31 %)",
        "scoring rows: 610 000 of 1 000 000 (61 %)",
        "scoring rows: 910 000 of 1 000 000 (91 %)",
        "scoring rows: 1 000 000 of 1 000 000 (100 %)",
        "timing calls",
    ]


def test_a_terminal_has_one_line_that_renews_itself(clock: list[float]) -> None:
    """Ten times a second at most; the finished step stays, the next one begins below."""
    screen = Screen()
    scoring(Progress(screen), clock, 0.01)
    shown = screen.getvalue()
    assert shown.splitlines()[-1] == "\r\x1b[2Ktiming calls".lstrip("\r")
    rows = [line for line in shown.split("\r\x1b[2K") if line.startswith("scoring rows")]
    assert 8 <= len(rows) <= 13
    assert [line.endswith("\n") for line in rows] == [False] * (len(rows) - 1) + [True]


def test_quiet_means_nothing_at_all(clock: list[float]) -> None:
    """On a terminal too."""
    screen = Screen()
    scoring(Progress(screen, quiet=True), clock, 1)
    assert screen.getvalue() == ""


def test_a_models_name_cannot_move_the_cursor(clock: list[float]) -> None:
    """It stands in a line that is written with codes for the terminal."""
    log = io.StringIO()
    Progress(log)("fetching a\x1b[2J\r\nb", 0, 0)
    (line,) = log.getvalue().splitlines()
    assert "\x1b" not in line and "\r" not in line
