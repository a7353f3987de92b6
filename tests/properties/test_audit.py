"""Laws of the auditor's view: the past is what the chain said then."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gatewright.audit import Moment, Question, chosen, holders, tenures, until
from gatewright.ledger.entry import Row, holder

BEGIN = datetime(2026, 5, 1, tzinfo=timezone.utc)
TARGETS = ("staging", "production")
KINDS = ("promoted", "overridden", "rolled_back", "adopted", "archived", "requested", "refused", "approved", "intended")
MOVES = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(1, 4),
        st.sampled_from(TARGETS),
        st.none() | st.integers(1, 4),
        st.integers(0, 5),
    ),
    max_size=12,
)


def chain(moves: list[tuple[str, int, str, int | None, int]]) -> tuple[Row, ...]:
    """An index whose clock never runs backwards; some entries share a minute."""
    rows, at = [Row(0, "0" * 64, "opened", at=spelled(BEGIN))], BEGIN
    for n, (kind, version, target, replaces, minutes) in enumerate(moves, 1):
        at += timedelta(minutes=minutes)
        rows.append(Row(n, f"{n:064d}", kind, version, target, at=spelled(at), replaces=replaces))
    return tuple(rows)


def spelled(at: datetime) -> str:
    """As entries have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@given(MOVES, st.integers(-1, 60))
def test_what_held_at_a_moment_is_what_replaying_the_chain_until_then_gives(
    moves: list[tuple[str, int, str, int | None, int]], minutes: int
) -> None:
    """Whatever came later changes nothing of the answer about a moment in the past."""
    rows, at = chain(moves), BEGIN + timedelta(minutes=minutes)
    replayed = tuple(r for r in rows if r.at <= spelled(at))
    found = holders(rows, Moment("", at), TARGETS, {})
    assert until(rows, Moment("", at)) == replayed
    assert [h.version for h in found] == [holder(replayed, target) for target in TARGETS]


@given(MOVES, st.integers(-1, 60))
def test_times_in_a_target_and_holders_tell_the_same_story(
    moves: list[tuple[str, int, str, int | None, int]], minutes: int
) -> None:
    """At every moment the one tenure that lasts is the holder's; they neither overlap nor run backwards."""
    rows, at = chain(moves), Moment("", BEGIN + timedelta(minutes=minutes))
    then = until(rows, at)
    for found in holders(rows, at, TARGETS, {}):
        spans = tenures(then, [found.target], {})
        assert [t.version for t in spans if t.until is None] == ([] if found.version is None else [found.version])
        for one, after in pairwise(spans):
            assert one.until is not None and one.since.n < one.until.n <= after.since.n


@given(MOVES, st.integers(1, 4), st.sampled_from(TARGETS))
def test_a_narrower_question_only_leaves_out(
    moves: list[tuple[str, int, str, int | None, int]], version: int, target: str
) -> None:
    """Every entry that an answer shows is about what was asked, and none about it is left out."""
    rows = chain(moves)
    about = [r for r in rows if version in (r.version, r.replaces) and r.target == target]
    assert list(chosen(rows, Question(version, target))) == about
