"""A page that loads nothing, runs nothing, and can be read without seeing it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.decision import Decision, Reason
from gatewright.live.plan import Forecast
from gatewright.problem import PolicyError, Problem, UsageError
from gatewright.quantity import Interval
from gatewright.report.course import both, course
from gatewright.report.html import drawing, page
from gatewright.report.model import Failure, History, Report, Shown, Split
from gatewright.report.picture import Picture
from unit.report.examples import HOSTILE, PRINTABLE, approved, examples, hostile, measured, tried

THINGS: dict[str, Shown] = {
    **examples(),
    "hostile split": tried(metric=PRINTABLE),
    "policy": Failure(PolicyError([Problem("p.yaml", 1, 2, HOSTILE)])),
    "nothing": History("fraud", ()),
    "hostile": hostile(),
    "strange": Failure(UsageError(HOSTILE, HOSTILE), HOSTILE),
}
VOID = {"meta", "line", "path", "br", "circle"}
NUMBERS = st.floats(allow_nan=False, allow_infinity=True, width=32)


class Reader(HTMLParser):
    """What a page holds: every element, whether all are closed, and what their attributes say."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attrs for name, attrs in self.seen if name == tag]


@pytest.mark.parametrize("name", THINGS)
def test_every_element_is_closed_and_known(name: str) -> None:
    """Whatever a registry holds, the page has no element but its own."""
    read = Reader(page(THINGS[name]))
    assert read.open == []
    known = "html head meta title style body main h1 h2 p div strong ul li code span br table thead tbody tr th td"
    drawn = "svg line path g text tspan circle rect"
    assert {tag for tag, _ in read.seen} <= {*known.split(), "time", *drawn.split()}


@pytest.mark.parametrize("name", THINGS)
def test_nothing_is_loaded_or_run(name: str) -> None:
    """No address, no handler; and the browser is told to refuse what an attack might bring."""
    text = page(THINGS[name])
    read = Reader(text)
    attributes = {key for _, attrs in read.seen for key in attrs}
    assert not attributes & {"src", "href", "srcset", "action", "style"}
    assert not any(key.startswith("on") for key in attributes)
    assert "url(" not in text
    assert "@import" not in text
    policy = next(m["content"] for m in read.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@pytest.mark.parametrize("name", THINGS)
def test_a_table_has_names_for_rows_and_columns_and_itself(name: str) -> None:
    """Every row one, every column one that is not empty."""
    text = page(THINGS[name])
    assert not re.search(r'<th scope="col"[^>]*></th>', text)
    for body in re.findall(r"<tbody>(.*?)</tbody>", text, re.DOTALL):
        assert all(row.count('scope="row"') == 1 for row in body.split("\n") if row)
    regions = [a for a in Reader(text).all("div") if a.get("role") == "region"]
    assert len(regions) == len(Reader(text).all("table"))
    assert all(a["aria-label"] and a["tabindex"] == "0" for a in regions)


def test_both_arms_are_drawn_over_time_and_told_in_numbers() -> None:
    """Two panels: the arms, and their difference within the band, on which nobody has to see a colour."""
    text = page(THINGS["split"])
    (drawn,) = [a for a in Reader(text).all("svg") if a.get("class") == "course"]
    assert "approved over 9 days: champion 71.22 %, challenger 73.78 %" in str(drawn["aria-label"])
    assert "the difference lies from −2.27 pt to +7.38 pt" in str(drawn["aria-label"])
    assert text.count('<path class="band open"') == 1 and text.count('<path class="challenger"') == 2
    assert "+2.56 pt ≈ not decided yet</text>" in text
    assert "day 9: champion 71.22 %, challenger 73.78 %, difference +2.56 pt (−2.27 pt … +7.38 pt)</title>" in text
    assert '<path class="band worse"' in page(THINGS["split_harm"])


def test_a_split_that_does_not_hold_shows_who_came_and_nothing_of_what_came_of_it() -> None:
    """The challenger's share of the units, against what was meant."""
    text = page(THINGS["split_invalid"])
    (drawn,) = [a for a in Reader(text).all("svg") if a.get("class") == "course"]
    assert drawn["aria-label"] == "the challenger's share of the units over 9 days: 13 % where 10 % were meant"
    assert "approved" not in text and "seconds" not in text and '<path class="band' not in text


def test_the_days_of_the_plan_are_in_the_picture() -> None:
    """While it runs, how far it may still go; when it is over, only what was."""
    running, over = page(THINGS["split"]), page(THINGS["split_harm"])
    assert ">a benefit may be called</text>" in running
    assert ">day 10</text>" in running and ">day 10</text>" not in over


def test_words_of_the_plan_never_stand_upon_each_other() -> None:
    """What is expected before what is allowed, and that before the end; the lines are drawn all the same."""
    split = THINGS["split"]
    assert isinstance(split, Split)
    soon = page(replace(split, forecast=Forecast(9_000.0, 9.0 * 86400)))
    assert ">as it goes, decided</text>" in soon and ">a benefit may be called</text>" not in soon
    assert soon.count('<path class="mark"') == 4


@pytest.mark.parametrize("values", [(0.0, 0.0), (1e-300, 2e-300), (-3e9, 3e9), (0.71, 0.7100001)])
def test_every_range_has_round_numbers_beside_it(values: tuple[float, float]) -> None:
    """However small, large or flat it is; never more than a handful."""
    drawn = course(tried())
    assert drawn is not None
    shown = [replace(p, champion=values[0], challenger=values[1]) for p in drawn.points]
    picture = both(replace(drawn, points=tuple(shown)))
    assert "nan" not in picture and "inf" not in picture
    assert 1 <= picture.partition("challenger − champion")[0].count('class="grid"') <= 6


def test_every_drawing_is_told_in_numbers() -> None:
    """Five of them: two checks and three slices."""
    drawn = Reader(page(measured())).all("svg")
    assert len(drawn) == 5
    assert all(svg["role"] == "img" and "limit -0.0" in str(svg["aria-label"]) for svg in drawn)
    assert "from -0.0031 to 0.0009, estimate -0.0011, limit -0.002" in [svg["aria-label"] for svg in drawn]


def test_a_status_has_its_word() -> None:
    """A sign is hidden from who hears it, a colour from who does not see it."""
    text = page(measured())
    for word in ("failed", "undetermined", "inconclusive", "passed", "skipped"):
        assert re.search(rf"</span>&nbsp;{word}</span>", text)


@given(NUMBERS, NUMBERS, st.floats(allow_nan=False, allow_infinity=False, width=32), NUMBERS)
def test_marks_stand_in_the_order_of_their_numbers(a: float, b: float, limit: float, c: float) -> None:
    """Within the drawing, whatever they are."""
    low, estimate, high = sorted((a, b, c))
    text = drawing(Picture(Interval(low, high, 0.95, ""), limit, estimate))
    lines = {a.get("class"): float(str(a["x1"])) for a in Reader(text).all("line") if a.get("class")}
    whole = next(a for a in Reader(text).all("line") if a.get("x1") is not None and a.get("y1") == a.get("y2"))
    assert 0 <= float(str(whole["x1"])) <= float(str(whole["x2"])) <= 120
    assert (limit <= low) <= (lines["limit"] <= float(str(whole["x1"])))
    assert (limit >= high) <= (lines["limit"] >= float(str(whole["x2"])))
    if "estimate" in lines:
        assert float(str(whole["x1"])) <= lines["estimate"] <= float(str(whole["x2"]))


def test_what_is_no_number_is_not_drawn() -> None:
    """A picture would be a lie."""
    assert drawing(None) == ""
    assert drawing(Picture(Interval(math.nan, 1.0, 0.95, ""), 0.0)) == ""
    assert drawing(Picture(Interval(0.0, 1.0, 0.95, ""), math.inf)) == ""


def test_the_colour_follows_the_decision() -> None:
    """And what was overridden is red."""
    assert '<div class="said pending">' in page(approved())
    assert '<div class="said overridden">' in page(THINGS["overridden"])
    report = measured()
    refused = Report(Decision("refused", Reason.CHECKS_FAILED), report.policy, report.target, report.candidate)
    assert '<div class="said refused">' in page(refused)


def test_every_cell_says_what_it_is_where_there_is_no_room_for_columns() -> None:
    """On a phone each row is a card; the names of the columns are read from the cells."""
    read = Reader(page(measured()))
    cells = [*read.all("td"), *(th for th in read.all("th") if th["scope"] == "row")]
    named = {
        th for table in re.findall(r"<thead>(.*?)</thead>", page(measured())) for th in re.findall(r">([^<]+)<", table)
    }
    assert {cell["data-name"] for cell in cells} == named


def test_a_column_without_anything_to_say_is_left_out() -> None:
    """Nobody is shown a champion where there is none."""
    told = page(examples()["refused"])
    assert "run.accuracy" in told
    assert [name for name in ("Champion", "Difference", "Interval") if f">{name}<" in told] == []
