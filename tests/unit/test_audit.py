"""What is folded from a ledger for an auditor: holders at a moment, times in a target, grounds."""

from __future__ import annotations

import json

import pytest

from gatewright.audit import (
    Moment,
    Place,
    Question,
    benchmark_of,
    chosen,
    clock_notes,
    founder,
    grounds,
    holders,
    parse_moment,
    places,
    tenures,
    until,
)
from gatewright.ledger.entry import Actor, Entry, Row
from gatewright.problem import UsageError


def rows(*told: dict[str, object]) -> tuple[Row, ...]:
    """Rows numbered from 0, one a day from 1 May on, unless they say otherwise."""
    made = []
    for n, fields in enumerate(told):
        made.append(Row(**{"n": n, "digest": f"{n:064d}", "at": f"2026-05-{n + 1:02d}T12:00:00.000Z", **fields}))  # type: ignore[arg-type]
    return tuple(made)


def moved(version: int, replaces: int | None = None, kind: str = "promoted", **fields: object) -> dict[str, object]:
    """A move to production."""
    return {"kind": kind, "version": version, "target": "production", "replaces": replaces, **fields}


OPENED: dict[str, object] = {"kind": "opened"}
COMMIT = {"who": "candidate", "path": "lineage.git_commit", "state": "known"}
STORY = rows(OPENED, moved(11), moved(12, 11), moved(11, 12, "rolled_back"), moved(13, 11, "overridden"))


def held(chain: tuple[Row, ...], at: str) -> int | None:
    """Who held production at a moment."""
    (found,) = holders(chain, parse_moment(at), ["production"], {})
    return found.version


@pytest.mark.parametrize(
    ("at", "version"),
    [("2026-05-01", None), ("2026-05-02", 11), ("2026-05-03", 12), ("2026-05-04", 11), ("2026-05-05", 13)],
)
def test_the_holder_of_a_day_is_who_held_it_when_the_day_ended(at: str, version: int | None) -> None:
    """What was in Production on 3 May; a rollback brings the one before back."""
    assert held(STORY, at) == version


def test_an_instant_counts_what_was_written_at_that_very_instant() -> None:
    """And nothing that was written a millisecond later."""
    assert held(STORY, "2026-05-03T12:00:00Z") == 12
    assert held(STORY, "2026-05-03T11:59:59.999Z") == 11
    assert held(STORY, "2026-05-03T14:00:00+02:00") == 12


def test_a_bare_date_says_that_it_means_the_end_of_the_day() -> None:
    """Nobody has to guess which half of 3 May the answer is about."""
    assert parse_moment("2026-05-03").text == "2026-05-03 (the end of that day, UTC)"
    assert parse_moment("2026-05-03T14:30:00+02:00").text == "2026-05-03 12:30:00 UTC"


@pytest.mark.parametrize("text", ["3 May", "2026-13-01", "2026-05-03T12:00:00", "yesterday", "", "2026-5-3"])
def test_what_is_no_moment_is_refused_with_the_two_spellings(text: str) -> None:
    """A time without a zone too: it would mean another instant on every machine."""
    with pytest.raises(UsageError, match="is no moment") as refused:
        parse_moment(text)
    assert "2026-05-03T14:30:00Z" in refused.value.hint


def test_a_ledger_that_has_said_nothing_does_not_say_that_nobody_was_there() -> None:
    """Not known and nobody are different answers."""
    (found,) = holders(STORY, parse_moment("2026-05-01"), ["production"], {})
    assert (found.version, found.known) == (None, False)


def test_a_holder_that_the_next_move_did_not_find_there_is_doubted() -> None:
    """Somebody moved by hand in between, and the ledger shows it only afterwards."""
    chain = rows(OPENED, moved(11), moved(13, 12))
    (found,) = holders(chain, parse_moment("2026-05-02"), ["production"], {})
    assert found.version == 11
    assert found.remark.startswith("the next move (entry 2, 2026-05-03T12:00:00.000Z) found v12 there: somebody moved")


def test_what_an_adoption_found_speaks_against_the_time_before_it() -> None:
    """`gatewright adopt` records who is there; whoever asks about the day before must hear of it."""
    chain = rows(OPENED, moved(11), moved(13, 11, "adopted"), {**moved(0, 13, "adopted"), "version": None})
    first, second = (holders(chain, parse_moment(f"2026-05-0{day}"), ["production"], {})[0] for day in (2, 3))
    assert first.version == 11 and "the next look (entry 2, " in first.remark and "found v13 there" in first.remark
    assert second.version == 13 and "found nobody there" in second.remark


def test_a_time_ends_when_the_version_is_archived() -> None:
    """`gatewright drift --fix` archives what is stale; then nobody holds the target, and that is known."""
    chain = rows(OPENED, moved(11), {**moved(11), "kind": "archived"})
    (found,) = holders(chain, None, ["production"], {})
    (time,) = tenures(chain, ["production"], {})
    assert (found.version, found.known) == (None, True)
    assert time.until is not None and time.until.kind == "archived"


def test_a_first_move_tells_who_was_there_before_the_ledger() -> None:
    """The ledger began when the registry had been in use for years."""
    chain = rows(OPENED, moved(11, 7))
    (found,) = holders(chain, parse_moment("2026-05-01"), ["production"], {})
    assert not found.known
    assert "found v7 there; who put it there, and when, the ledger does not know" in found.remark


def test_the_order_of_the_chain_decides_where_clocks_disagree() -> None:
    """A machine whose clock runs a day ahead hides nothing that came after it, and the report says so."""
    chain = rows(OPENED, moved(11, at="2026-05-09T00:00:00Z"), moved(12, 11, at="2026-05-03T00:00:00Z"))
    at = parse_moment("2026-05-04")
    assert held(chain, "2026-05-04") == 12
    assert list(clock_notes(chain, at)) == [
        "entry 1 says 2026-05-09T00:00:00Z, but a later entry was written before that; its place in the chain decides"
    ]


def test_an_entry_without_a_time_is_placed_by_the_chain() -> None:
    """Anybody who may write to MLflow can write a line with any time, or none."""
    chain = rows(OPENED, moved(11, at="soon"), moved(12, 11, at="2026-05-03T00:00:00Z"))
    assert [r.n for r in until(chain, parse_moment("2026-05-03"))] == [0, 1, 2]
    assert list(clock_notes(chain, None)) == ["entry 1 does not say when it was written; its place in the chain does"]


def test_times_in_a_target_follow_each_other() -> None:
    """From the entry that brought a version to the one that ended it."""
    told = [(t.version, t.since.n, t.until.n if t.until else None) for t in tenures(STORY, ["production"], {})]
    assert told == [(11, 1, 2), (12, 2, 3), (11, 3, 4), (13, 4, None)]


def climbed(*aliases: str) -> tuple[tuple[Row, ...], dict[int, Entry | None]]:
    """11 enters Staging and, two days later, Production; entries as the gate writes them.

    aliases: those by which staging is held besides its stage.
    """
    staging = {"stage": {"Staging": [11]}, "alias": dict.fromkeys(aliases, 11)}
    production = {"stage": {"Production": [11]}, "alias": {"champion": 11}}
    chain = rows(OPENED, {**moved(11), "target": "staging"}, {"kind": "requested", "target": "production"}, moved(11))
    shown = {1: staging, 3: production}
    bodies = {
        n: Entry(n, "", "promoted", "", Actor("anna"), "fraud", 11, chain[n].target, after={"model": "fraud", **after})
        for n, after in shown.items()
    }
    return chain, {**bodies}


def test_a_version_that_climbs_from_one_stage_to_the_next_has_left_the_first() -> None:
    """It has one stage: nobody is in Staging any more, since that move, although no entry about Staging says so."""
    chain, bodies = climbed()
    staging, production = holders(chain, None, ["staging", "production"], bodies)
    assert (staging.version, staging.known, staging.since, production.version) == (None, True, chain[3], 11)
    before = holders(chain, parse_moment("2026-05-03"), ["staging"], bodies)
    assert [h.version for h in before] == [11]
    told = [(t.target, t.since.n, t.until and t.until.n) for t in tenures(chain, ["staging", "production"], bodies)]
    assert told == [("staging", 1, 3), ("production", 3, None)]


def test_a_target_that_has_an_alias_is_held_wherever_the_version_goes_on_to() -> None:
    """Whoever follows the alias is still served that version."""
    chain, bodies = climbed("candidate")
    assert [h.version for h in holders(chain, None, ["staging", "production"], bodies)] == [11, 11]


def test_what_was_adopted_is_shown_where_the_registry_showed_it() -> None:
    """An adoption keeps every stage and alias of the model; those of its target are told."""
    after = {"model": "fraud", "stages": {"7": "Production", "8": "Staging"}, "aliases": {"champion": 7, "other": 8}}
    way = {"target": {"name": "production", "stage": "Production", "alias": "champion"}}
    entry = Entry(1, "", "adopted", "", Actor("anna"), "fraud", 7, "production", after=after, details=way)
    assert places(entry) == (Place("stage", "Production", "fraud", (7,)), Place("alias", "champion", "fraud", (7,)))


def test_a_question_about_a_version_finds_what_took_it_away() -> None:
    """The rollback names the version that came back; the one that left is its `replaces`."""
    assert [r.n for r in chosen(STORY, Question(version=12))] == [2, 3]
    assert [r.n for r in chosen(STORY, Question(version=12, moment=parse_moment("2026-05-03")))] == [2]
    assert [r.n for r in chosen(STORY, Question(target="staging"))] == []
    assert len(chosen(STORY, Question())) == len(STORY)


def test_the_grounds_of_a_move_stand_with_the_first_of_its_intents() -> None:
    """A run that died was taken over by another; what was judged was stored by the first."""
    chain = rows(
        OPENED,
        {**moved(12), "kind": "intended"},
        {**moved(12), "kind": "intended", "closes": 1},
        moved(12, closes=2),
    )
    assert founder(chain[3], chain).n == 1
    assert founder(chain[1], chain).n == 1


def test_entries_that_close_each_other_in_a_circle_end_the_search() -> None:
    """Nothing that somebody wrote into a line keeps the report from being written."""
    chain = rows(OPENED, {**moved(12), "kind": "intended", "closes": 2}, moved(12, closes=2), moved(12, closes=7))
    assert [founder(r, chain).n for r in chain] == [0, 1, 2, 3]


def test_the_benchmark_of_a_move_is_the_newest_before_it() -> None:
    """Of the same version and target."""
    benchmarked = {**moved(12), "kind": "benchmarked"}
    chain = rows(OPENED, benchmarked, benchmarked, {**benchmarked, "version": 13}, moved(12), benchmarked)
    found = benchmark_of(chain[4], chain)
    assert found is not None and found.n == 2


def test_places_are_what_the_registry_showed_after_the_move() -> None:
    """Stage, alias and copy, each with its version's number where it lives."""
    after = {"model": "prod.fraud", "stage": {"Production": [3]}, "alias": {"champion": 3}, "newest": {"version": 3}}
    entry = Entry(4, "", "promoted", "2026-05-02T12:00:00Z", Actor("anna"), "fraud", 12, "production", after=after)
    assert places(entry) == (
        Place("stage", "Production", "prod.fraud", (3,)),
        Place("alias", "champion", "prod.fraud", (3,)),
        Place("copy", "", "prod.fraud", (3,)),
    )


def test_grounds_hold_the_numbers_and_every_word() -> None:
    """Who approved version 12, on what numbers, and whose word did not count and why."""
    found = grounds(
        3,
        {
            "verdict.json": {
                "outcome": "pass",
                "checks": [
                    {
                        "check": "holdout.roc_auc >= champion - 0.002 at 95%",
                        "status": "pass",
                        "severity": "block",
                        "value": 0.931,
                        "bound": 0.925,
                        "champion": 0.927,
                        "interval": {"low": 0.001, "high": 0.007, "level": 0.95, "method": "DeLong"},
                        "limit": -0.002,
                        "n": 5000,
                        "because": "it reaches the bound",
                        "policy_line": "policies/fraud.yaml:9",
                    }
                ],
            },
            "evidence.json": {
                "subject": {"run": "r1", "source": "runs:/r1/model", "model_id": None},
                "facts": [
                    {**COMMIT, "value": "c0ffee", "source": "run r1"},
                    {**COMMIT, "who": "champion", "value": "bad"},
                    {**COMMIT, "path": "lineage.dataset", "state": "missing", "value": None},
                    {**COMMIT, "path": "benchmark.files", "value": "sha256:f1", "source": "models:/fraud/12"},
                ],
            },
            "approvals.json": {
                "rules": [{"name": "two leads", "by": "any 2 of anna, ben", "need": 2, "have": 2}],
                "counted": [{"login": "anna", "id": 7, "rule": "two leads", "at": "2026-05-03T10:00:00Z"}],
                "not_counted": [{"login": "carl", "comment": "v", "because": "self_approval", "verb": "approve"}],
                "vetoed_by": [{"login": "dora", "id": 9, "at": "2026-05-03T09:00:00Z", "reason": "too slow"}],
                "held_by": [],
            },
        },
        Entry(
            2, "", "benchmarked", "", Actor("anna"), "fraud", 12, "production",
            details={"data": "holdout.parquet", "sha256": "ab12", "rows": 5000},
        ),
    )  # fmt: skip
    assert found is not None and found.verdict == "pass"
    (line,) = found.lines
    assert (line.value, line.bound, line.champion, line.n) == (0.931, 0.925, 0.927, 5000)
    assert (line.interval, line.limit) == ((0.001, 0.007), -0.002)
    assert [(q.name, q.need, q.have) for q in found.rules] == [("two leads", 2, 2)]
    assert [(s.login, s.verb, s.rule, s.because, s.detail) for s in found.agreed] == [
        ("anna", "approve", "two leads", "", ""),
        ("dora", "reject", "", "", "too slow"),
        ("carl", "approve", "", "self_approval", ""),
    ]
    assert [(o.what, o.value, o.told) for o in found.origins] == [
        ("run", "r1", "ledger entry 3"),
        ("source", "runs:/r1/model", "ledger entry 3"),
        ("git commit", "c0ffee", "ledger entry 3, run r1"),
        ("scored files", "sha256:f1", "ledger entry 3, models:/fraud/12"),
        ("holdout", "5000 rows of holdout.parquet, sha256 ab12", "ledger entry 2"),
    ]


@pytest.mark.parametrize(
    "stored",
    ["null", "[]", "1", '{"checks": 1, "outcome": []}', '{"checks": [1, {"interval": [1]}], "facts": {}}',
     '{"rules": [{"need": "all"}], "counted": ["anna"], "subject": [1]}'],
)  # fmt: skip
def test_nothing_that_was_stored_keeps_the_report_from_being_written(stored: str) -> None:
    """Whoever may write to MLflow's artifacts can write any JSON there."""
    document = json.loads(stored)
    grounds(1, dict.fromkeys(("verdict.json", "evidence.json", "approvals.json"), document))


def test_an_entry_with_nothing_beside_it_has_no_grounds() -> None:
    """A hand-written entry is shown without numbers, not with empty ones."""
    assert grounds(1, {}) is None


def test_a_moment_keeps_its_instant() -> None:
    """The last instant of the day, so that everything of that day is before it."""
    assert parse_moment("2026-05-03") == Moment(
        "2026-05-03 (the end of that day, UTC)", parse_moment("2026-05-03T23:59:59.999999Z").at
    )
