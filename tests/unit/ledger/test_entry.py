"""An entry's two spellings, and what the index says."""

from __future__ import annotations

import json

import pytest

from gatewright.ledger.entry import (
    Actor,
    Entry,
    Row,
    body,
    digest,
    holder,
    last_good,
    line,
    open_intent,
    open_request,
    parse_body,
    parse_index,
    parse_row,
    row,
    seal,
    sha256,
)

ENTRY = Entry(4, "a" * 64, "promoted", "2026-11-23T10:00:00Z", Actor("anna", 7), "fraud", 12, "production", closes=3)


def rows(*told: tuple[str, int | None, str, int | None]) -> tuple[Row, ...]:
    """Rows from (kind, version, target, closes), numbered from 0."""
    return tuple(
        Row(n, "f" * 64, kind, version, target, closes) for n, (kind, version, target, closes) in enumerate(told)
    )


def test_a_line_reads_well_in_mlflows_page() -> None:
    """Digest first, then what a person wants to know."""
    assert line(row(ENTRY)) == (
        f"{digest(ENTRY)} promoted version=12 target=production closes=3 at=2026-11-23T10:00:00Z by=anna"
    )


def test_the_digest_is_that_of_the_stored_bytes() -> None:
    """So that everybody can check it with sha256sum."""
    assert digest(ENTRY) == sha256(body(ENTRY)) == row(ENTRY).digest


def test_a_body_comes_back_as_the_entry() -> None:
    """Nothing is lost on the way."""
    assert parse_body(body(ENTRY)) == ENTRY


def test_a_field_from_the_future_is_passed_over() -> None:
    """A later version may say more; its digest is of the bytes all the same."""
    later = json.dumps({**json.loads(body(ENTRY)), "mood": "fine"}).encode()
    assert parse_body(later) == ENTRY


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not an entry"),
        (b'{"n": 1}', "not an entry"),
        (body(ENTRY).replace(b'"n":4', b'"n":"4"'), 'no valid "n"'),
        (body(ENTRY).replace(b'"n":4', b'"n":true'), 'no valid "n"'),
        (body(ENTRY).replace(b'"model":"fraud",', b""), 'has no "model"'),
        (body(ENTRY).replace(b'"login":"anna",', b""), 'has no "login"'),
        (body(ENTRY).replace(b'"before":{}', b'"before":[]'), 'no valid "before"'),
    ],
)
def test_a_body_that_is_none_says_why(stored: bytes, why: str) -> None:
    """In words that `audit verify` can show."""
    with pytest.raises(ValueError, match=why):
        parse_body(stored)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "promoted",
        f"{'a' * 63} promoted",
        f"{'A' * 64} promoted",
        f"{'a' * 64} Promoted",
        f"{'a' * 64} promoted ",
        f"{'a' * 64} promoted  version=1",
        f"{'a' * 64} promoted version=01",
        f"{'a' * 64} promoted version=-1",
        f"{'a' * 64} promoted target=a b",
        f'{"a" * 64} promoted target="plain"',
        f'{"a" * 64} promoted target="\\x"',
        f"{'a' * 64} promoted target=x version=1",
        f"{'a' * 64} promoted version=1\n",
    ],
)
def test_a_line_has_one_spelling(text: str) -> None:
    """Whatever is not exactly what would be written is refused."""
    with pytest.raises(ValueError, match="line is"):
        parse_row(1, text)


def test_attachments_count_into_the_digest() -> None:
    """Another evidence, another entry."""
    one, other = seal(ENTRY, {"evidence.json": b"1"}), seal(ENTRY, {"evidence.json": b"2"})
    assert digest(one) != digest(other)
    assert one.attachments == {"evidence.json": sha256(b"1")}


def test_an_index_with_a_gap_is_none() -> None:
    """Nobody decides anything on it."""
    lines = {f"{n:06d}": line(Row(n, "f" * 64, "requested")) for n in (0, 1, 3)}
    with pytest.raises(ValueError, match="entry 2 is missing"):
        parse_index(lines)
    del lines["000003"]
    assert [r.n for r in parse_index({**lines, "note": "x", "12": "y"})] == [0, 1]


def test_an_intent_is_open_until_it_is_closed() -> None:
    """By whatever kind of entry closes it."""
    opened, intended = ("opened", None, "", None), ("intended", 3, "production", None)
    assert open_intent(rows(opened)) is None
    assert open_intent(found := rows(opened, intended)) == found[1]
    for end in ("promoted", "aborted", "rolled_back"):
        assert open_intent(rows(opened, intended, (end, 3, "production", 1))) is None
    again = rows(opened, intended, ("aborted", 3, "production", 1), intended)
    assert open_intent(again) == again[3]


def test_a_request_is_open_until_its_version_has_moved() -> None:
    """Refusals and other versions leave it standing."""
    asked = ("requested", 3, "production", None)
    assert open_request(found := rows(asked), 3, "production") == found[0]
    assert open_request(rows(asked), 4, "production") is None
    assert open_request(rows(asked), 3, "staging") is None
    assert open_request(rows(asked, ("promoted", 4, "production", None)), 3, "production") is not None
    assert open_request(rows(asked, ("refused", 3, "production", None)), 3, "production") is not None
    assert open_request(rows(asked, ("promoted", 3, "production", None)), 3, "production") is None
    assert open_request(rows(asked, ("withdrawn", 3, "production", 0)), 3, "production") is None
    assert open_request(found := rows(asked, asked), 3, "production") == found[1]


def test_the_holder_is_who_was_moved_last() -> None:
    """Each target has its own."""
    found = rows(("promoted", 1, "staging", None), ("promoted", 2, "staging", None), ("promoted", 1, "prod", None))
    assert (holder(found, "staging"), last_good(found, "staging")) == (2, 1)
    assert (holder(found, "prod"), last_good(found, "prod")) == (1, None)
    assert (holder(found, "edge"), last_good(found, "edge")) == (None, None)


def test_what_was_rolled_back_is_not_good() -> None:
    """After 1, 2, 3 and back to 2, the one before is 1, not 3."""
    moved = [("promoted", v, "prod", None) for v in (1, 2, 3)]
    back = rows(*moved, ("rolled_back", 2, "prod", None))
    assert (holder(back, "prod"), last_good(back, "prod")) == (2, 1)
    further = rows(*moved, ("rolled_back", 2, "prod", None), ("rolled_back", 1, "prod", None))
    assert (holder(further, "prod"), last_good(further, "prod")) == (1, None)
    onward = rows(*moved, ("rolled_back", 2, "prod", None), ("promoted", 4, "prod", None))
    assert (holder(onward, "prod"), last_good(onward, "prod")) == (4, 2)


def test_a_rollback_to_a_version_the_ledger_never_moved_is_one_step_back() -> None:
    """It may have held the target before there was a ledger."""
    found = rows(("promoted", 5, "prod", None), ("rolled_back", 4, "prod", None))
    assert (holder(found, "prod"), last_good(found, "prod")) == (4, None)


def test_promoting_the_holder_again_changes_nothing() -> None:
    """It is not its own predecessor."""
    found = rows(("promoted", 1, "prod", None), ("promoted", 2, "prod", None), ("promoted", 2, "prod", None))
    assert (holder(found, "prod"), last_good(found, "prod")) == (2, 1)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, json.dumps({**json.loads(body(ENTRY)), "attachments": {"a": 1}}).encode()]
)
def test_a_body_that_would_stop_a_reader_is_only_wrong(content: bytes) -> None:
    """Whoever may write files could else keep an auditor from ever hearing what is broken."""
    with pytest.raises(ValueError, match="its body"):
        parse_body(content)
