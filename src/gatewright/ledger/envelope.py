"""A signed entry: an in-toto statement about its stored body, in a DSSE envelope.

Statement and envelope follow in-toto Attestation v1 and DSSE v1.0, so that other tools can check them as well. What is
proved is the sha256 of the body; the body holds that of the entry before it, so one signature covers all before it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatewright.canonical import canonical
from gatewright.ledger.entry import Break, Row, sha256

#: the file that holds an entry's envelope, beside its body
ENVELOPE = "entry.dsse.json"

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://github.com/gatewright/gatewright/ledger-entry/v1"

#: bytes → signature
Sign = Callable[[bytes], bytes]
#: (bytes, signature) → whether it was made with the key
Check = Callable[[bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key as far as it is needed here. keyid: the sha256 of the public key (DER, SubjectPublicKeyInfo)."""

    keyid: str
    sign: Sign


#: keyid → how a signature of that key is checked
Keys = Mapping[str, Check]


def seal(row: Row, body: bytes, signer: Signer) -> bytes:
    """The envelope of an entry, as it is stored."""
    payload = canonical(statement(row, body)).encode()
    signature = signer.sign(encoded(PAYLOAD_TYPE, payload))
    return canonical(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": signer.keyid, "sig": base64.b64encode(signature).decode()}],
        }
    ).encode()


def statement(row: Row, body: bytes) -> dict[str, Any]:
    """What is signed: the body's digest, and the body itself for whoever has the envelope alone."""
    entry = json.loads(body)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": f"{entry['model']}/ledger/{row.n:06d}", "digest": {"sha256": row.digest}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": entry,
    }


def encoded(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the bytes that are signed (DSSE v1.0, "Signature Definition")."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def verify(
    rows: Sequence[Row], bodies: Mapping[int, bytes | None], envelopes: Mapping[int, bytes | None], keys: Keys
) -> tuple[Break, ...]:
    """What public keys do not prove of a chain, entry by entry; () if they prove all of it.

    rows: ascending. Entries before the first signed one are covered by it, since it holds their digests; from there on
    every entry must be signed.
    """
    signed = [r.n for r in rows if envelopes.get(r.n) is not None]
    if not signed:
        return (Break(rows[-1].n, "no entry up to this one is signed"),) if rows else ()
    found = []
    if signed[0] > rows[0].n:
        why = "from here on entries are signed; those before stand under this signature"
        found.append(Break(signed[0], why, note=True))
    for row in rows:
        if row.n >= signed[0]:
            wrong = _wrong(row, bodies.get(row.n), envelopes.get(row.n), keys)
            found += [Break(row.n, wrong)] if wrong else []
    return tuple(found)


def _wrong(row: Row, body: bytes | None, envelope: bytes | None, keys: Keys) -> str:
    if envelope is None:
        return "it is not signed, though an entry before it is: a run without the key wrote it, or another hand did"
    try:
        payload, signatures = _opened(envelope)
    except ValueError as e:
        return f"its signature cannot be read: {e}"
    known = [(keyid, sig) for keyid, sig in signatures if keyid in keys]
    if not known:
        return f"it is signed by key {', '.join(k[:12] for k, _ in signatures) or '(none)'}, which was not given"
    if not any(keys[keyid](encoded(PAYLOAD_TYPE, payload), sig) for keyid, sig in known):
        return f"its signature by key {known[0][0][:12]} does not fit"
    if body is None or sha256(body) != row.digest:
        return "what is signed cannot be compared, for its body is not the one of the index"
    try:
        same = json.loads(payload) == statement(row, body)
    except (ValueError, KeyError, TypeError, RecursionError):  # the body is no entry, so that none was signed
        same = False
    return "" if same else "another entry was signed in its place"


def _opened(envelope: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """(payload, [(keyid, signature)]); ValueError where it is no envelope of ours."""
    try:
        found = json.loads(envelope)
        payload = base64.b64decode(found["payload"], validate=True)
        signatures = [(str(s["keyid"]), base64.b64decode(s["sig"], validate=True)) for s in found["signatures"]]
    except (ValueError, TypeError, KeyError, binascii.Error):
        raise ValueError("it is not a DSSE envelope") from None
    if found.get("payloadType") != PAYLOAD_TYPE:
        raise ValueError(f"its payload is not {PAYLOAD_TYPE}")
    return payload, signatures
