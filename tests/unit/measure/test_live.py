"""Outcomes read from every kind of table, and the facts that checks read of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gatewright.evidence import Fact, Need
from gatewright.live.assignment import arm_of
from gatewright.live.judgement import judge
from gatewright.live.looks import DAY, Look
from gatewright.live.trial import Trial
from gatewright.measure import live as measured
from gatewright.measure.live import table
from gatewright.paths import Path as FactPath
from gatewright.policy.model import Live, LiveMetric, Outcomes
from gatewright.problem import Undetermined
from real.outcomes import Traffic, keep

START = datetime(2026, 11, 1, tzinfo=timezone.utc)
TRIAL = Trial("shop", 3, 4, START, 5000, "5a17")
HALVES = {"champion": Decimal("0.5"), "challenger": Decimal("0.5")}


def plan(data: str, query: str = "", **other: Any) -> Live:
    """Halves by user, on one metric: whether they bought."""
    return Live(HALVES, "user", Outcomes(data, query), LiveMetric("bought"), **other)


def seen(live: Live, days: float = 2) -> Look:
    """The last look, so many days after the start."""
    return measured.observe(live, TRIAL, START + timedelta(days=days)).looks[-1]


def write(folder: Path, **columns: list[Any]) -> str:
    """A parquet file of columns as they are."""
    import pandas as pd

    file = folder / "outcomes.parquet"
    pd.DataFrame(columns).to_parquet(file, index=False)
    return str(file)


def at(*days: float) -> list[datetime]:
    """Times, in days after the start."""
    return [START + timedelta(days=d) for d in days]


@pytest.mark.parametrize("form", ["parquet", "csv", "sqlite"])
def test_every_kind_of_table_tells_the_same(form: str, tmp_path: Path) -> None:
    """Parquet, csv and a database, to the last unit."""
    rows = Traffic(a_day=400).rows(TRIAL, 2)
    live = plan(*keep(rows, tmp_path, form))
    found = seen(live)
    tried = [b for b, v in zip(rows["bought"], rows["version"], strict=True) if v == 4]
    assert found.challenger.exposed == len(tried)
    assert found.moments("bought")[1].y == sum(tried)
    assert found.champion.exposed + found.challenger.exposed == 800 and found.mixed == 0
    assert measured.observe(live, TRIAL, START + timedelta(days=2)).strayed == 0


def test_a_unit_counts_once_however_often_it_comes(tmp_path: Path) -> None:
    """Three rows of one person are one unit whose outcome is their sum, counted per row."""
    file = write(
        tmp_path, user=["a", "a", "a", "b"], version=[3, 3, 3, 4], time=at(0.1, 0.2, 0.3, 0.1), bought=[1, 0, 1, 1]
    )
    champion, challenger = seen(plan(file)).moments("bought")
    assert (champion.units, champion.y, champion.x) == (1, 2, 3)
    assert champion.value == pytest.approx(2 / 3)
    assert (challenger.units, challenger.events) == (1, 1)


def test_an_outcome_without_a_version_belongs_to_the_version_that_served_the_unit(tmp_path: Path) -> None:
    """A chargeback does not know which model let the payment through."""
    file = write(tmp_path, user=["a", "b", "a"], version=[3, 4, None], time=at(0.1, 0.1, 1), bought=[None, None, 1.0])
    champion, challenger = seen(plan(file)).moments("bought")
    assert (champion.units, champion.y, challenger.units) == (1, 1, 0)


def test_young_units_do_not_count_before_their_outcome_is_due(tmp_path: Path) -> None:
    """With a label maturity of a day, only those first seen more than a day ago."""
    file = write(tmp_path, user=["a", "b"], version=[3, 3], time=at(0.5, 1.5), bought=[1, 1])
    live = plan(file, label_maturity=Decimal(86_400))
    assert [seen(live, days).moments("bought")[0].units for days in (1, 2, 3)] == [0, 1, 2]
    assert seen(live, 2).champion.exposed == 2


def test_a_unit_that_saw_both_versions_counts_in_neither(tmp_path: Path) -> None:
    """And how many there are is told."""
    file = write(tmp_path, user=["a", "a", "b"], version=[3, 4, 4], time=at(0.1, 0.2, 0.1), bought=[1, 1, 1])
    found = seen(plan(file))
    assert (found.champion.exposed, found.challenger.exposed, found.mixed) == (0, 1, 1)


def test_rows_before_the_start_and_after_now_are_passed_over(tmp_path: Path) -> None:
    """The table may hold the whole past, and clocks may run ahead."""
    file = write(tmp_path, user=list("abc"), version=[3, 3, 3], time=at(-1, 1, 3), bought=[1, 1, 1])
    assert seen(plan(file)).champion.exposed == 1


@pytest.mark.parametrize("scale", [1, 1e3, 1e6, 1e9])
def test_times_as_numbers_are_seconds_or_finer(scale: float, tmp_path: Path) -> None:
    """Of whatever a serving layer writes: seconds, milliseconds, microseconds, nanoseconds, each row by itself."""
    times = [int(t.timestamp() * scale) for t in at(-30, 1, 1)]
    file = write(tmp_path, user=list("abc"), version=[3, 3, 4], time=times, bought=[1, 1, 1])
    found = seen(plan(file))
    assert (found.champion.exposed, found.challenger.exposed) == (1, 1)


def test_clocks_that_run_ahead_are_told_of(tmp_path: Path) -> None:
    """Rows of the future wait until it is there, which nobody should have to guess."""
    file = write(tmp_path, user=list("abc"), version=[3, 4, 4], time=at(1, 1, 3), bought=[1, 1, 1])
    found = measured.observe(plan(file), TRIAL, START + timedelta(days=2))
    assert (found.ahead, found.looks[-1].challenger.exposed) == (1, 1)


def test_what_came_before_the_router_knew_of_the_split_does_not_count(tmp_path: Path) -> None:
    """Everybody saw the champion until it had read its new configuration: a few hours' rows spoil no split."""
    users = [f"u{n}" for n in range(300)]
    first = write(tmp_path, user=users, version=[3] * 300, time=at(*[0.05] * 300), bought=[1.0] * 300)
    late = tmp_path / "late.parquet"
    write(tmp_path, user=users, version=[3 + n % 2 for n in range(300)], time=at(*[0.1] * 300), bought=[0.0] * 300)
    (tmp_path / "outcomes.parquet").rename(late)
    write(tmp_path, user=users, version=[3] * 300, time=at(*[0.05] * 300), bought=[1.0] * 300)
    folder = tmp_path / "both"
    folder.mkdir()
    Path(first).rename(folder / "a.parquet")
    late.rename(folder / "b.parquet")
    found = measured.observe(plan(str(folder)), TRIAL, START + timedelta(days=2))
    last = found.looks[-1]
    assert (last.champion.exposed, last.challenger.exposed, last.mixed) == (150, 150, 0)
    assert last.moments("bought")[0].y == 0
    assert found.late == pytest.approx(0.1 * 86_400)


def test_a_challenger_that_nobody_sees_for_days_is_no_late_router(tmp_path: Path) -> None:
    """After a day its absence is evidence."""
    file = write(tmp_path, user=list("ab"), version=[3, 4], time=at(0.5, 1.5), bought=[1, 1])
    found = measured.observe(plan(file), TRIAL, START + timedelta(days=2))
    assert (found.looks[-1].champion.exposed, found.late) == (1, 0.0)


def test_units_that_were_never_served_are_not_said_to_be_served_wrongly(tmp_path: Path) -> None:
    """Late outcomes of those who came before the start are about nobody of this split."""
    users = [f"u{n}" for n in range(50)]
    served = [3 if arm_of(u, TRIAL.salt, TRIAL.parts) == "champion" else 4 for u in users]
    olds = [f"old{n}" for n in range(50)]
    file = write(
        tmp_path,
        user=[*olds, *users],
        version=[*[None] * 50, *served],
        time=at(*[1.0] * 50, *[0.9] * 50),
        bought=[1.0] * 100,
    )
    assert measured.observe(plan(file), TRIAL, START + timedelta(days=2)).strayed == 0


def test_other_versions_and_rows_without_a_unit_are_counted_apart(tmp_path: Path) -> None:
    """They take part in nothing; a person is told of them."""
    file = write(tmp_path, user=["a", None, "c"], version=[9, 3, 3], time=at(1, 1, 1), bought=[1, 1, 1])
    found = measured.observe(plan(file), TRIAL, START + timedelta(days=2))
    assert (found.others, found.nameless, found.looks[-1].champion.exposed) == (1, 1, 1)


def test_versions_are_known_by_any_of_their_names(tmp_path: Path) -> None:
    """4, "4", "v4", "shop/4" and "models:/shop/4"."""
    names = ["4", "v4", "shop/4", "models:/shop/4", "4.0"]
    file = write(tmp_path, user=list("abcde"), version=names, time=at(*[1] * 5), bought=[1] * 5)
    assert seen(plan(file)).challenger.exposed == 5


def test_a_whole_number_as_a_unit_is_what_a_router_hashes(tmp_path: Path) -> None:
    """A missing unit turns a column of numbers into 7.0, which nobody has ever hashed."""
    file = write(tmp_path, user=[7.0, None], version=[3, 3], time=at(1, 1), bought=[1, 1])
    live = plan(file)
    assert table.read(live, (3, 4), START, START + timedelta(days=2)).names == ("7",)


def test_a_long_table_has_a_row_for_each_metric(tmp_path: Path) -> None:
    """With a ratio's two sums in rows of their own."""
    file = write(
        tmp_path,
        user=["a"] * 4,
        version=[3] * 4,
        time=at(1, 1, 1, 1),
        what=["clicks", "views", "views", "odd"],
        value=[1.0, 3.0, 2.0, 9.0],
    )
    outcomes = Outcomes(file, metric="what")
    live = Live(HALVES, "user", outcomes, LiveMetric("rate", column="clicks", per="views"))
    champion, _ = seen(live).moments("rate")
    assert (champion.y, champion.x, champion.units) == (1, 5, 1)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"version": [3], "time": at(1), "bought": [1]}, "there is no column user"),
        ({"user": ["a"], "version": ["blue"], "time": at(1), "bought": [1]}, '"blue", which is no version'),
        ({"user": ["a"], "version": [3], "time": ["soon"], "bought": [1]}, "column time"),
        ({"user": ["a"], "version": [3], "time": [None], "bought": [1]}, "1 rows have no time"),
        ({"user": ["a"], "version": [3], "time": at(1), "bought": ["yes"]}, "yes"),
        ({"user": ["a"], "version": [3], "time": at(1), "bought": [float("inf")]}, "infinite"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(columns: dict[str, list[Any]], says: str, tmp_path: Path) -> None:
    """Undetermined, with the column and the remedy; never an empty experiment."""
    with pytest.raises(Undetermined, match=says) as refused:
        seen(plan(write(tmp_path, **columns)))
    assert "live.outcomes" in refused.value.fix


def test_a_databases_password_is_never_told(tmp_path: Path) -> None:
    """Not in the address and not in the driver's own words."""
    with pytest.raises(Undetermined) as refused:
        seen(plan("sqlite://anna:hunt@er2@nowhere/x", "select 1"))
    assert "hunt" not in str(refused.value) and "er2" not in str(refused.value)
    with pytest.raises(Undetermined, match="a database needs a query"):
        seen(plan(f"sqlite:///{tmp_path}/x.db"))


def test_a_databases_password_is_in_no_evidence(tmp_path: Path) -> None:
    """What a number comes from stands in comments, in reports and in the ledger."""
    live = plan(*keep(Traffic().rows(TRIAL, 3), tmp_path, "parquet"))
    looks = measured.observe(live, TRIAL, START + timedelta(days=3)).looks
    named = replace(live, outcomes=replace(live.outcomes, data="postgresql://anna:hunter2@db.example/shop"))
    found = measured.facts(named, TRIAL, looks, judge(live, looks, 3 * DAY), [Need(PATH, factor=1.0, level=0.95)])
    assert found and not [f for f in found if "hunter2" in f.source]
    assert all("db.example/shop" in f.source for f in found)


def test_a_database_without_its_packages_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the Action's image."""
    with pytest.raises(Undetermined, match="psycopg") as refused:
        seen(plan("postgresql+psycopg://db/x", "select 1"))
    assert "the database's driver" in refused.value.fix
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(Undetermined, match="sqlalchemy"):
        seen(plan("postgresql://db/x", "select 1"))


def test_a_table_that_is_not_there_is_undetermined(tmp_path: Path) -> None:
    """It is not an experiment without traffic."""
    with pytest.raises(Undetermined, match="no such file"):
        seen(plan(str(tmp_path / "none.parquet")))


# -- facts -------------------------------------------------------------------------------------------------------

PATH = FactPath("live", "bought")


def facts(traffic: Traffic, folder: Path, need: Need, days: int = 3, **other: Any) -> tuple[Fact, ...]:
    """What a check that needs `need` reads after some days of traffic."""
    live = plan(*keep(traffic.rows(TRIAL, days), folder, "parquet"), **other)
    looks = measured.observe(live, TRIAL, START + timedelta(days=days)).looks
    return measured.facts(live, TRIAL, looks, judge(live, looks, days * DAY), [need])


def test_a_check_against_the_champion_gets_both_arms_and_their_difference(tmp_path: Path) -> None:
    """The pair's bounds are those of the confidence sequence, at the level that was asked for."""
    found = facts(Traffic(challenger=0.15), tmp_path, Need(PATH, factor=1.0, level=0.95))
    mine, theirs, pair = found
    assert [f.who for f in found] == ["candidate", "champion", "pair"]
    assert pair.value == pytest.approx(float(mine.value or 0) - float(theirs.value or 0))
    bounds = pair.bounds(0.95)
    assert bounds is not None and 0 < bounds.low < 0.1 < bounds.high
    assert "confidence sequence" in bounds.method and pair.n == 3000


def test_a_factor_on_the_champion_is_part_of_the_statistic(tmp_path: Path) -> None:
    """`>= champion * 1.1` asks for challenger − 1.1 · champion."""
    _, theirs, pair = facts(Traffic(champion=0.3, challenger=0.3), tmp_path, Need(PATH, factor=1.1, level=0.9))
    (mine,) = facts(Traffic(champion=0.3, challenger=0.3), tmp_path, Need(PATH, level=0.9))
    assert pair.value == pytest.approx(float(mine.value or 0) - 1.1 * float(theirs.value or 0))


def test_of_a_split_that_does_not_hold_no_value_is_given(tmp_path: Path) -> None:
    """Not even to a check that asks for none of the bounds."""
    for fact in facts(Traffic(lost=0.3), tmp_path, Need(PATH, factor=1.0)):
        assert (fact.state, fact.value) == ("unreadable", None)
        assert "where 50 % were meant" in fact.why


def test_too_few_units_are_no_answer(tmp_path: Path) -> None:
    """Undetermined until each arm has what the policy asks for."""
    found = facts(Traffic(a_day=100), tmp_path, Need(PATH, level=0.95), days=1, min_units=500)
    assert found[0].state == "unreadable" and "each arm needs 500 units" in found[0].why


def test_the_past_tells_what_to_expect(tmp_path: Path) -> None:
    """A thousand new users a day, and the deviation of one in twenty."""
    before = replace(TRIAL, started=START - timedelta(days=14), parts=0)
    live = plan(*keep(Traffic().rows(before, 14), tmp_path, "parquet"))
    found = measured.history(live, 3, START)
    assert found.units_a_day == pytest.approx(1000, rel=0.01)
    assert found.deviation == pytest.approx((0.05 * 0.95) ** 0.5, rel=0.1)


def test_without_a_past_nothing_is_expected(tmp_path: Path) -> None:
    """A plan can then only be refused for what needs no traffic to see."""
    live = plan(*keep(Traffic().rows(TRIAL, 1), tmp_path, "parquet"))
    assert measured.history(live, 3, START).units_a_day is None
