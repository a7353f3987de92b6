"""Outcomes read out of real databases, through the drivers that the Action's image has and through others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gatewright.live.trial import Trial
from gatewright.measure import live as measured
from gatewright.measure.live.database import PASSWORD
from gatewright.policy.model import Live, LiveMetric, Outcomes
from gatewright.problem import Undetermined
from real.postgres import REMEDY, find_postgres, postgres
from real.process import absent

START = datetime(2026, 11, 1, tzinfo=timezone.utc)
TRIAL = Trial("shop", 3, 4, START, 5000, "5a17")
HALVES = {"champion": Decimal("0.5"), "challenger": Decimal("0.5")}
#: every type in which a column of outcomes may come: identifiers, clocks with and without a zone, decimals, flags
TABLE = """
create table outcomes (account uuid, version int, seen timestamptz, paid numeric(12, 2), back boolean);
insert into outcomes
  select md5(n::text)::uuid, 3 + n % 2, timestamptz '2026-11-01 12:00:00+00' + n * interval '1 second', 1.5, n % 4 = 0
  from generate_series(1, 4000) n;
create role reader login password 'hunter2 :/@ %';
create sequence counter;
grant select on outcomes to reader;
grant all on counter to reader;
"""
QUERY = "select account::text as unit, version, seen as time, paid, back from outcomes where ':x' <> '%'"

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """HOST:PORT of a PostgreSQL with 4,000 outcomes, which `reader` may read."""
    import psycopg2

    programs = find_postgres()
    if programs is None:
        absent("postgres", REMEDY)
    assert programs is not None
    with postgres(programs) as address:
        connection = psycopg2.connect(address.replace("+psycopg2", ""))
        with connection, connection.cursor() as cursor:
            cursor.execute(TABLE)
        connection.close()
        yield address.rpartition("@")[2].partition("/")[0]


def plan(server: str, driver: str = "", query: str = QUERY, more: str = "") -> Live:
    """Halves by account, read by `reader`."""
    address = f"postgresql{driver}://reader@{server}/postgres{more}"
    return Live(
        HALVES, "unit", Outcomes(address, query), LiveMetric("back"), (LiveMetric("paid", require="non_inferior"),)
    )


def seen(live: Live) -> Any:
    """Both arms after two days."""
    return measured.observe(live, TRIAL, START + timedelta(days=2)).looks[-1]


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    """As a step of a workflow sets it."""
    monkeypatch.setenv(PASSWORD, "hunter2 :/@ %")
    return "hunter2 :/@ %"


@pytest.mark.parametrize("driver", ["", "+psycopg2", "+pg8000"])
def test_every_driver_reads_the_same(driver: str, server: str, password: str) -> None:
    """Decimals, flags and clocks; a colon and a percent sign in a query are no placeholders."""
    found = seen(plan(server, driver))
    assert (found.champion.exposed, found.challenger.exposed) == (2000, 2000)
    assert [m.y for m in found.moments("back")] == [1000, 0]
    assert [m.y for m in found.moments("paid")] == [3000, 3000]


@pytest.mark.parametrize("driver", ["+psycopg2", "+pg8000"])
def test_an_identifier_is_the_text_that_a_router_hashed(driver: str, server: str, password: str) -> None:
    """A driver may give a UUID as an object of its own."""
    live = plan(server, driver, "select account as unit, version, seen as time, paid, back from outcomes")
    assert seen(live).champion.exposed == 2000
    rows = measured.table.read(live, (3, 4), START, START + timedelta(days=2))
    assert re.fullmatch("[0-9a-f-]{36}", rows.names[0])


def test_a_password_comes_from_the_databases_own_variable_too(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the driver: pg8000 does not look there by itself."""
    monkeypatch.setenv("PGPASSWORD", "hunter2 :/@ %")
    assert seen(plan(server, "+pg8000")).champion.exposed == 2000


@pytest.mark.parametrize("driver", ["+psycopg2", "+pg8000"])
def test_what_the_database_refuses_is_said_without_the_password(
    driver: str, server: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password, a missing right, a table that is not there, a query that would write."""

    def refused(query: str = QUERY) -> str:
        with pytest.raises(Undetermined) as caught:
            seen(plan(server, driver, query))
        told = "".join(map(str, (caught.value, caught.value.fix, caught.value.__cause__, caught.value.__context__)))
        assert "hunter2" not in told and "hunter3" not in told and "reader@" not in told
        return str(caught.value)

    assert "no_such" in refused("select * from no_such")
    assert "permission denied" in refused("select * from pg_authid")
    assert "read-only" in refused("select nextval('counter')")
    assert "there is no column back" in refused("select account as unit, version, seen as time, paid from outcomes")
    monkeypatch.setenv(PASSWORD, "hunter3")
    assert "password authentication failed" in refused()


def test_encryption_is_asked_for_in_the_words_of_postgresql(server: str, password: str) -> None:
    """This server has none: who insists on it is refused, by either driver."""
    for driver in ("+psycopg2", "+pg8000"):
        assert seen(plan(server, driver, more="?sslmode=disable")).champion.exposed == 2000
        with pytest.raises(Undetermined, match="SSL"):
            seen(plan(server, driver, more="?sslmode=require"))
    with pytest.raises(Undetermined, match='sslmode cannot be "sometimes"'):
        seen(plan(server, "+pg8000", more="?sslmode=sometimes"))


def test_a_server_that_is_not_there_is_undetermined(password: str, tmp_path: Path) -> None:
    """And its address is told, for whoever has to find it."""
    live = plan("127.0.0.1:1", "+pg8000")
    with pytest.raises(Undetermined, match=r"the outcomes postgresql\+pg8000://127\.0\.0\.1:1/postgres cannot be read"):
        seen(live)
    with pytest.raises(Undetermined, match="user"):
        seen(replace(live, outcomes=Outcomes("postgresql+pg8000://127.0.0.1:1/x", "select 1")))
