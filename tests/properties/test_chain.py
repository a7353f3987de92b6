"""Laws of the chain: what is written comes back, and whatever is changed is found."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gatewright.ledger.entry import (
    Actor,
    Entry,
    Row,
    body,
    digest,
    holder,
    key,
    last_good,
    line,
    open_intent,
    parse_body,
    parse_index,
    parse_row,
    row,
    verify,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.none() | st.integers(0, 10**9)
stamps = st.datetimes().map(lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, plain, max_size=3)
kinds: st.SearchStrategy[Any] = st.sampled_from(
    ["requested", "refused", "intended", "promoted", "aborted", "rolled_back"]
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any entry at all."""
    return Entry(
        draw(st.integers(0, 999_999)),
        draw(st.sampled_from(["", "a" * 64])),
        draw(kinds),
        draw(stamps),
        Actor(draw(texts), draw(numbers), draw(texts), draw(texts)),
        draw(texts),
        draw(numbers),
        draw(texts),
        draw(texts),
        draw(texts),
        before=draw(objects),
        after=draw(objects),
        steps=tuple(draw(st.lists(objects, max_size=2))),
        closes=draw(numbers),
        nonce=draw(texts),
        details=draw(objects),
        attachments=draw(st.dictionaries(texts, texts, max_size=2)),
    )


@st.composite
def chains(draw: st.DrawFn) -> tuple[dict[str, str], dict[int, bytes]]:
    """A whole chain: its index and its bodies."""
    lines: dict[str, str] = {}
    bodies: dict[int, bytes] = {}
    previous = ""
    for n in range(draw(st.integers(2, 6))):
        kind: Any = "opened" if n == 0 else draw(kinds)
        entry = Entry(n, previous, kind, f"2026-11-23T10:00:{n:02d}Z", Actor(draw(texts)), "m", draw(numbers))
        previous = digest(entry)
        lines[key(n)], bodies[n] = line(row(entry)), body(entry)
    return lines, bodies


@given(entries())
def test_a_body_comes_back_as_it_was(entry: Entry) -> None:
    """Reading undoes writing, and writing again gives the same digest."""
    assert parse_body(body(entry)) == entry
    assert digest(parse_body(body(entry))) == digest(entry)


@given(entries())
def test_a_line_comes_back_as_it_was(entry: Entry) -> None:
    """Whatever stands in target and name."""
    made = row(entry)
    assert parse_row(entry.n, line(made)) == made
    assert "\n" not in line(made)


@given(texts)
def test_only_lines_are_read_as_lines(text: str) -> None:
    """Any other text is refused."""
    with pytest.raises(ValueError, match="line is"):
        parse_row(1, text)


@given(entries(), st.sampled_from([f.name for f in fields(Entry)]), st.data())
def test_every_field_counts_into_the_digest(entry: Entry, name: str, data: st.DataObject) -> None:
    """Two entries that differ anywhere have different digests."""
    other = replace(entry, **{name: getattr(data.draw(entries()), name)})
    assume(getattr(other, name) != getattr(entry, name))
    assert digest(other) != digest(entry)


@given(chains())
def test_a_whole_chain_has_no_breaks(chain: tuple[dict[str, str], dict[int, bytes]]) -> None:
    """And its index can be read."""
    lines, bodies = chain
    assert verify("m", lines, bodies) == ()
    assert [r.n for r in parse_index(lines)] == sorted(bodies)


@given(chains(), st.data())
def test_a_changed_byte_of_a_body_is_found(chain: tuple[dict[str, str], dict[int, bytes]], data: st.DataObject) -> None:
    """In any entry, at any place: that entry is named."""
    lines, bodies = chain
    n = data.draw(st.sampled_from(sorted(bodies)))
    at = data.draw(st.integers(0, len(bodies[n]) - 1))
    byte = data.draw(st.integers(0, 255))
    assume(bodies[n][at] != byte)
    spoiled = bodies[n][:at] + bytes([byte]) + bodies[n][at + 1 :]
    assert n in {b.n for b in verify("m", lines, {**bodies, n: spoiled}) if not b.note}


@given(chains(), st.data())
def test_a_deleted_part_is_found(chain: tuple[dict[str, str], dict[int, bytes]], data: st.DataObject) -> None:
    """A line anywhere but at the end, a body anywhere."""
    lines, bodies = chain
    n = data.draw(st.sampled_from(sorted(bodies)))
    assert n in {b.n for b in verify("m", lines, {**bodies, n: None})}
    if n < max(bodies):
        rest = {k: v for k, v in lines.items() if k != key(n)}
        assert n in {b.n for b in verify("m", rest, bodies)}


@given(chains(), st.data())
def test_an_entry_made_anew_is_found_at_the_next(
    chain: tuple[dict[str, str], dict[int, bytes]], data: st.DataObject
) -> None:
    """Line and body fit each other again; the entry behind them still names the old one."""
    lines, bodies = chain
    n = data.draw(st.integers(0, max(bodies) - 1))
    forged = replace(parse_body(bodies[n]), text="another story")
    spoiled = {**lines, key(n): line(row(forged))}
    assert n + 1 in {b.n for b in verify("m", spoiled, {**bodies, n: body(forged)}) if not b.note}


@given(chains(), st.permutations(range(6)))
def test_entries_in_another_order_are_found(chain: tuple[dict[str, str], dict[int, bytes]], order: list[int]) -> None:
    """Any order but the true one."""
    lines, bodies = chain
    places = [n for n in order if n in bodies]
    assume(places != sorted(places))
    moved_lines = {key(n): lines[key(m)] for n, m in zip(sorted(bodies), places, strict=True)}
    moved_bodies = {n: bodies[m] for n, m in zip(sorted(bodies), places, strict=True)}
    assert any(not b.note for b in verify("m", moved_lines, moved_bodies))


@given(st.lists(st.tuples(kinds, st.integers(1, 4), numbers), max_size=12))
def test_what_the_index_says_is_among_what_it_holds(told: list[tuple[Any, int, Any]]) -> None:
    """Holder and predecessor were both moved there, differ, and an open intent is an intent nobody closed."""
    rows = [Row(n, "f" * 64, kind, version, "prod", closes) for n, (kind, version, closes) in enumerate(told)]
    moved = {r.version for r in rows if r.kind in ("promoted", "rolled_back")}
    now, before = holder(rows, "prod"), last_good(rows, "prod")
    assert (now is None) == (not moved)
    assert {now, before} - {None} <= moved
    assert before is None or before != now
    intent = open_intent(rows)
    assert intent is None or (intent.kind == "intended" and intent.n not in {r.closes for r in rows})


@given(chains())
def test_stored_bodies_are_canonical_json(chain: tuple[dict[str, str], dict[int, bytes]]) -> None:
    """Sorted, without blanks: one spelling, so that the digest can be made again by hand."""
    for content in chain[1].values():
        again = json.dumps(json.loads(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert again.encode() == content
