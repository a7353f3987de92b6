"""An entry's signature: what is signed, and what a public key proves of a chain."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gatewright.ledger import envelope
from gatewright.ledger.entry import Actor, Entry, Row, body, row
from gatewright.ledger.envelope import ENVELOPE, PAYLOAD_TYPE, Keys, Signer, encoded
from gatewright.ledger.keys import keyid
from gatewright.ledger.memory import MemoryLedger

MODEL = "fraud"


def made(seed: int = 1) -> tuple[Signer, Keys]:
    """A key that is the same every time, and its public half as verification takes it."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(bytes([seed])).digest())
    public = private.public_key()

    def fits(content: bytes, signature: bytes) -> bool:
        try:
            public.verify(signature, content)
        except Exception:
            return False
        return True

    return Signer(keyid(public), private.sign), {keyid(public): fits}


OURS, KEYS = made()
THEIRS, OTHER_KEYS = made(2)


def written(ledger: MemoryLedger, n: int, signer: Signer | None = OURS) -> None:
    """Appends entries until there are `n` besides the opening one."""
    ledger._signer = signer
    for number in range(len(ledger.rows(MODEL)) or 1, n + 1):
        rows = ledger.rows(MODEL)
        before = rows[-1].digest if rows else ""
        entry = Entry(number, before, "refused", "2026-11-23T10:00:00Z", Actor("anna"), MODEL, version=number)
        assert ledger.append(entry, {})


@pytest.fixture
def ledger() -> MemoryLedger:
    """Four entries, all of them signed."""
    found = MemoryLedger()
    written(found, 3)
    assert found.verify(MODEL, KEYS) == ()
    return found


def file(ledger: MemoryLedger, n: int, name: str = ENVELOPE) -> str:
    """Where a part of entry `n` is stored."""
    return next(path for path in ledger.files[MODEL] if path.startswith(f"{n:06d}-") and path.endswith(name))


def broken(ledger: MemoryLedger, keys: Keys = KEYS) -> list[tuple[int, str]]:
    """What verification finds that is more than a note."""
    return [(b.n, b.text) for b in ledger.verify(MODEL, keys) if not b.note]


def test_what_is_signed_is_encoded_as_dsse_says() -> None:
    """The example of the DSSE specification."""
    assert encoded("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_count_bytes_and_not_letters() -> None:
    """A type or payload beyond ASCII is as long as its UTF-8."""
    assert encoded("é", "ü".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xbc"


def test_the_statement_names_the_sha256_of_the_stored_body(ledger: MemoryLedger) -> None:
    """So that any tool for in-toto statements can check entry.json with it."""
    found = json.loads(ledger.files[MODEL][file(ledger, 2)])
    statement = json.loads(base64.b64decode(found["payload"]))
    stored = ledger.files[MODEL][file(ledger, 2, "entry.json")]
    assert found["payloadType"] == PAYLOAD_TYPE
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0]["digest"] == {"sha256": hashlib.sha256(stored).hexdigest()}
    assert statement["predicate"] == json.loads(stored)


@given(st.text(max_size=60), st.integers(0, 10**6), st.text(max_size=200))
def test_whatever_was_sealed_is_proved(model: str, version: int, text: str) -> None:
    """Names and reasons may hold anything."""
    entry = Entry(0, "", "opened", "2026-11-23T10:00:00Z", Actor("anna"), model, version=version, text=text)
    content, line = body(entry), row(entry)
    sealed = envelope.seal(line, content, OURS)
    assert envelope.verify([line], {0: content}, {0: sealed}, KEYS) == ()


def test_a_body_rewritten_with_its_whole_chain_does_not_fit_its_signature() -> None:
    """Whoever may write everything can recompute every digest, but not a signature."""
    honest, forged = MemoryLedger(new_id=lambda: "1"), MemoryLedger(new_id=lambda: "2")
    written(honest, 2)
    written(forged, 2, None)
    for n in range(3):
        folder = file(forged, n, "entry.json").removesuffix("entry.json")
        forged.files[MODEL][folder + ENVELOPE] = honest.files[MODEL][file(honest, n)]
    assert forged.verify(MODEL) == ()
    assert broken(forged) == [(n, "another entry was signed in its place") for n in range(3)]


def test_another_hands_signature_is_named_by_its_key(ledger: MemoryLedger) -> None:
    """Signed well, but by a key that nobody vouches for."""
    written(ledger, 4, THEIRS)
    assert broken(ledger) == [(4, f"it is signed by key {THEIRS.keyid[:12]}, which was not given")]
    assert broken(ledger, {**KEYS, **OTHER_KEYS}) == []


def test_a_key_id_that_lies_proves_nothing(ledger: MemoryLedger) -> None:
    """The id is a hint and no proof."""
    written(ledger, 4, replace(THEIRS, keyid=OURS.keyid))
    assert broken(ledger) == [(4, f"its signature by key {OURS.keyid[:12]} does not fit")]


def test_once_entries_are_signed_every_later_one_must_be(ledger: MemoryLedger) -> None:
    """Leaving the signature out is no way around it."""
    written(ledger, 4, None)
    ((n, text),) = broken(ledger)
    assert (n, text.startswith("it is not signed")) == (4, True)


def test_a_removed_signature_is_named(ledger: MemoryLedger) -> None:
    """In the middle of the chain, too."""
    del ledger.files[MODEL][file(ledger, 1)]
    assert [n for n, _ in broken(ledger)] == [1]


def test_entries_from_before_the_first_signature_stand_under_it() -> None:
    """Signing may begin with any entry; what came before is covered by the chain, and said to be."""
    ledger = MemoryLedger()
    written(ledger, 2, None)
    written(ledger, 4)
    (note,) = ledger.verify(MODEL, KEYS)
    assert (note.n, note.note) == (3, True)


def test_a_chain_without_any_signature_is_not_proved() -> None:
    """Whoever asks with a key wants a proof; to have removed all signatures is none."""
    ledger = MemoryLedger()
    written(ledger, 2, None)
    assert broken(ledger) == [(2, "no entry up to this one is signed")]
    assert MemoryLedger().verify(MODEL, KEYS) == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"{}", b'{"payload": 7}', b'{"payload": "!", "signatures": []}', b"\xff"],
)
def test_what_is_no_envelope_breaks_the_proof_and_nothing_else(ledger: MemoryLedger, content: bytes) -> None:
    """Whatever lies there, verification ends with a sentence."""
    ledger.files[MODEL][file(ledger, 2)] = content
    assert broken(ledger) == [(2, "its signature cannot be read: it is not a DSSE envelope")]


def test_an_envelope_of_another_type_is_not_taken_for_ours(ledger: MemoryLedger) -> None:
    """The type is part of what is signed; another one is another thing."""
    found = json.loads(ledger.files[MODEL][file(ledger, 2)])
    ledger.files[MODEL][file(ledger, 2)] = json.dumps({**found, "payloadType": "text/plain"}).encode()
    assert broken(ledger) == [(2, f"its signature cannot be read: its payload is not {PAYLOAD_TYPE}")]


def test_no_signature_at_all_in_an_envelope_proves_nothing(ledger: MemoryLedger) -> None:
    """An empty list is not a pass."""
    found = json.loads(ledger.files[MODEL][file(ledger, 2)])
    ledger.files[MODEL][file(ledger, 2)] = json.dumps({**found, "signatures": []}).encode()
    assert broken(ledger) == [(2, "it is signed by key (none), which was not given")]


def test_a_lost_body_cannot_be_compared(ledger: MemoryLedger) -> None:
    """The signature alone does not stand for what is gone."""
    rows: tuple[Row, ...] = ledger.rows(MODEL)
    seals = {r.n: ledger.files[MODEL][file(ledger, r.n)] for r in rows}
    bodies: dict[int, bytes | None] = {r.n: ledger.files[MODEL][file(ledger, r.n, "entry.json")] for r in rows}
    (found,) = envelope.verify(rows, {**bodies, 1: None}, seals, KEYS)
    assert found.n == 1


@pytest.mark.parametrize("content", [b"{}", b"[]", b"no JSON", b"[" * 100_000])
def test_a_body_that_is_no_entry_breaks_the_proof_and_nothing_else(ledger: MemoryLedger, content: bytes) -> None:
    """A line and a body of anybody's making beside an envelope that was copied from elsewhere: named, not a crash."""
    row = replace(ledger.rows(MODEL)[2], digest=hashlib.sha256(content).hexdigest())
    copied = ledger.files[MODEL][file(ledger, 2)]
    found = envelope.verify([row], {2: content}, {2: copied}, KEYS)
    assert [b.text for b in found] == ["another entry was signed in its place"]
