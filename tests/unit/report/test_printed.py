"""Tables that fit the terminal that they are printed on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gatewright.problem import PolicyError, Problem
from gatewright.report import terminal
from gatewright.report.model import Failure
from gatewright.report.printed import fitted, table, text

DRAWING = "┊ ├───┼───┤"
CHECKS = (
    ("✔", "holdout.accuracy at 95%", "0.9737", "≥ 0.9268", "0.9368", "+0.0368", DRAWING),
    ("✘", "run.a_metric_of_a_very_long_name_indeed", "19.2 ms", "< 500ms", "16.4 ms", "+2.76 ms", ""),
)
EVENTS = (("10", "2026-11-28 22:32:54", "you", "promoted v1 → staging", "approvals_met · closes 1", "2ebe7351"),)


def printed(names: tuple[str, ...], rows: tuple[tuple[str, ...], ...], numbers: tuple[int, int], width: int) -> str:
    """A table on a terminal of so many columns."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(table(names, [tuple(map(text, row)) for row in rows], numbers))
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 60, 79, 80, 81, 100, 200])
def test_a_drawing_is_shown_whole_or_not_at_all(width: int) -> None:
    """Half an interval says another thing than the whole one."""
    names = ("", "Check", "Candidate", "Needs", "Champion", "Difference", "")
    told = printed(names, CHECKS, (2, 6), width)
    assert max(map(len, told.splitlines())) <= width
    assert (DRAWING in told) is (width >= 79)
    assert all(char not in told for char in "├┼┤") or DRAWING in told


@pytest.mark.parametrize("width", [60, 79, 80, 81, 100, 200])
def test_no_column_loses_its_last_characters(width: int) -> None:
    """A digest that is cut off is another digest."""
    told = printed(("#", "When (UTC)", "Who", "What", "Why", "Digest"), EVENTS, (0, 0), width)
    assert max(map(len, told.splitlines())) <= width
    assert "2ebe7351" in told and "Digest" in told


def test_numbers_stand_on_one_line() -> None:
    """The sign of a bound and its number belong together."""
    told = printed(("", "Check", "Needs"), (("✔", "a check of many words in a row", "≥ 0.9268"),), (2, 3), 30)
    assert "≥ 0.9268" in told


def test_room_goes_to_columns_that_want_little_more() -> None:
    """And what is missing is taken from the widest."""
    assert fitted([1, 10, 10], [1, 12, 40], 100) == [1, 12, 40]
    assert fitted([1, 10, 10], [1, 12, 40], 30) == [1, 12, 17]
    assert fitted([1, 10, 20], [1, 12, 40], 20) == [1, 9, 10]
    assert fitted([5, 5], [5, 5], 0) == [1, 1]


def test_a_policy_error_is_one_line_however_narrow_the_terminal() -> None:
    """`file:line:col: …` is what editors and grep look for."""
    stream = io.StringIO()
    fault = Problem("policies/fraud.yaml", 14, 7, 'unknown key "treshold"', 'did you mean "threshold"?')
    terminal.render(Failure(PolicyError([fault])), Console(file=stream, width=40))
    assert str(fault) in stream.getvalue().splitlines()
