"""The page of a run, as it is, and that nothing of a registry's breaks out of its charts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright import gate as story
from gatewright.ledger.entry import Entry, Row
from gatewright.report.model import Failure, History, Report
from gatewright.report.summary import MOST_EVENTS, Point, Trend, chart, failed, label, past, standing, summary, way
from gatewright.report.summary import tried as tried_page
from gatewright.subject import Subject
from unit.report.examples import HOSTILE, NOW, PRINTABLE, approved, examples, gate, measured, tried
from unit.report.test_snapshots import compare

TREND = Trend("holdout.roc_auc", "production", (Point(3, 0.951, 0.95), Point(5, 0.958, 0.95), Point(9, 0.9692, 0.962)))
REPORTS = {name: thing for name, thing in examples().items() if isinstance(thing, Report)}


def fences(page: str) -> list[str]:
    """The mermaid blocks of a page."""
    return re.findall(r"```mermaid\n(.*?)\n```", page, re.DOTALL)


@pytest.mark.parametrize("name", REPORTS)
def test_the_summary(name: str) -> None:
    """Of every decision; the promoted one with its predecessors."""
    compare(f"{name}.summary.md", summary(REPORTS[name], NOW, trend=TREND if name == "promoted" else None))


def test_the_summary_of_what_could_not_begin() -> None:
    """It says nothing about the model."""
    thing = examples()["undetermined"]
    assert isinstance(thing, Failure)
    compare("undetermined.summary.md", failed(thing))


def test_the_standing_names_holders_and_what_waits() -> None:
    """As `/gate status` shows it."""
    ours = gate()
    story.promote(ours, Subject("fraud", 2), "production")
    compare("status.summary.md", standing(story.status(ours)))


def test_the_way_ends_in_red_where_a_version_is_refused() -> None:
    """And in green where it holds the target; a colour is never all that tells."""
    ends = {name: way(report).splitlines() for name, report in REPORTS.items()}
    assert any(line.endswith("failed") and "class " in line for line in ends["refused"])
    assert not any(line.endswith(" failed") for line in ends["promoted"])
    assert any("verdict: fail" in line for line in ends["refused"])


def test_an_approval_that_is_missing_is_open() -> None:
    """With the names of those who have agreed."""
    assert "approvals<br/>octo" in way(approved())


def test_the_past_is_told_where_a_history_is_given() -> None:
    """Of the candidate alone, day by day."""
    history, report = examples()["history"], REPORTS["promoted"]
    assert isinstance(history, History)
    page = summary(report, NOW, history=history)
    assert "### What the ledger remembers of v2" in page
    assert fences(page)[1].splitlines()[1:] == ["timeline", "    2026-11-09 : promoted to staging by octo"]
    assert past(history, 99) == past(None, 2) == ""
    assert "timeline" not in summary(report, NOW)


@given(st.text() | st.just(HOSTILE))
def test_a_timeline_keeps_its_lines(name: str) -> None:
    """A colon would be another event, a line break another day."""
    (row, _), *_ = [e for e in _events() if e[0].kind == "promoted"]
    block = past(History("fraud", ((replace(row, target=name, by=name, at="2026-11-09T"), None),)), 2).splitlines()
    assert (block[2], block[4]) == ("```mermaid", "timeline")
    assert re.fullmatch(r"    2026-11-09 : [^:#;]*", block[5])
    assert block[6:] == ["```"]


def test_a_timeline_ends_with_the_newest() -> None:
    """Of a version that has been through much."""
    (row, _), *_ = [e for e in _events() if e[0].kind == "promoted"]
    many = tuple((replace(row, n=n, at=f"2026-10-{n:02}T"), None) for n in range(1, 31))
    days = past(History("fraud", many), 2).splitlines()[5:-1]
    assert len(days) == MOST_EVENTS
    assert days[-1].startswith("    2026-10-30 : ")


def _events() -> tuple[tuple[Row, Entry | None], ...]:
    history = examples()["history"]
    assert isinstance(history, History)
    return history.events


def test_one_point_is_no_line() -> None:
    """Nor are two of which one is not finite."""
    first, second = TREND.points[:2]
    assert chart(None) == chart(replace(TREND, points=())) == chart(replace(TREND, points=(first,))) == ""
    assert chart(replace(TREND, points=(first, replace(second, value=float("nan"))))) == ""
    assert "line [0.951, 0.958]" in chart(replace(TREND, points=(first, second)))


@given(st.text() | st.just(HOSTILE))
def test_a_label_is_letters_digits_and_numbers_of_letters(name: str) -> None:
    """Nothing ends the quotation, begins Markdown or HTML, or is taken for a word of the chart's language."""
    assert re.fullmatch(r"(?:[A-Za-z0-9 .:,_/+-]|#\d+;)*", label(name))


def test_hostile_names_stay_inside_the_charts() -> None:
    """Of models, targets and metrics alike."""
    report = measured()
    evil = replace(
        report, target=replace(report.target, name=HOSTILE), candidate=replace(report.candidate, model=HOSTILE)
    )
    page = summary(evil, NOW, trend=replace(TREND, path=HOSTILE, target=HOSTILE))
    assert len(fences(page)) == 2
    assert all("<img" not in block and "```" not in block and "\x1b" not in block for block in fences(page))
    assert all(line.count('"') in (0, 2) for block in fences(page) for line in block.splitlines() if "init" not in line)


def test_a_splits_names_stay_what_they_are() -> None:
    """A metric may be called anything, within the tables, the sentences and the charts of a live split."""
    page = tried_page(tried(metric=PRINTABLE), NOW)
    assert "@octo" not in page and "<img" not in page and "\x1b" not in page
    assert len(fences(page)) == 2


def test_of_a_split_that_does_not_hold_only_who_came_is_drawn() -> None:
    """What came of its arms is not shown, in no form."""
    page = tried_page(tried(share=0.13), NOW)
    (chart,) = fences(page)
    assert "line [13, 13, 13, 13, 13, 13, 13, 13, 13]\n    line [10, 10," in chart
    assert "approved" not in page and "seconds" not in page


def test_the_first_days_do_not_flatten_the_picture_of_the_others() -> None:
    """Their bounds are many times as wide; that they are left out is said."""
    page = tried_page(tried(), NOW)
    assert "x-axis [1, 2, 3, 4, 5, 6, 7, 8, 9]" in fences(page)[0]
    assert "x-axis [3, 4, 5, 6, 7, 8, 9]" in fences(page)[1]
    assert "The bounds of the first 2 looks are wider still." in page
