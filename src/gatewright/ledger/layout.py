"""Where the parts of an entry are stored, and how an entry is joined to a chain: what all adapters share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from gatewright.ledger import entry as chain
from gatewright.ledger.entry import Entry, Row, sha256
from gatewright.ledger.envelope import ENVELOPE, Signer, seal
from gatewright.problem import Undetermined

#: the file that holds an entry's body
BODY = "entry.json"

T = TypeVar("T")


def folder(row: Row) -> str:
    """Where an entry and its attachments are stored: named by content, so the loser of a race harms nobody."""
    return f"{chain.key(row.n)}-{row.digest[:16]}"


def at(lines: Mapping[str, str], n: int) -> str:
    """The folder of entry `n`, by the index as stored."""
    return f"{chain.key(n)}-{lines[chain.key(n)][:16]}"


def checked(name: str) -> str:
    """The name of an attachment, if it is one."""
    if not is_name(name):
        raise ValueError(f'"{name}" cannot be the name of an attachment')
    return name


def is_name(name: str) -> bool:
    """Whether an attachment may be called so."""
    plain = name and not name.startswith(".") and all(c.isalnum() or c in "._-" for c in name)
    return bool(plain) and name not in (BODY, ENVELOPE)


def stored(entry: Entry, row: Row, attachments: Mapping[str, bytes], signer: Signer | None) -> dict[str, bytes]:
    """All that is stored of an entry before its line makes it count (name → content); the body comes last."""
    body = chain.body(entry)
    sealed = {ENVELOPE: seal(row, body, signer)} if signer else {}
    return {**attachments, **sealed, BODY: body}


def opening(first: Entry, nonce: str, details: Mapping[str, object]) -> Entry:
    """Entry 0, written by whoever writes the first event."""
    return Entry(0, "", "opened", first.at, first.actor, first.model, nonce=nonce, details=details)


def joined(entry: Entry, rows: Sequence[Row], attachments: Mapping[str, bytes], new_id: Callable[[], str]) -> Entry:
    """The entry as it will stand behind `rows`; Undetermined if it does not fit there."""
    last = rows[-1]
    if entry.n == 1 and not entry.previous:
        entry = replace(entry, previous=last.digest)
    if entry.n != last.n + 1 or entry.previous != last.digest:
        raise Undetermined(
            f"could not append entry {entry.n} to the ledger of {entry.model}",
            f"it was not made for the chain that now ends with entry {last.n}",
            "Run the command again.",
        )
    return chain.seal(entry if entry.nonce else replace(entry, nonce=new_id()), attachments)


def opened(model: str, row: Row, content: bytes | None) -> Entry | None:
    """A body as it was written, None where it is gone; Undetermined for any other bytes than the index names.

    The index cannot be rewritten through MLflow, while files can: what decides is held against it at every reading.
    """
    if content is None:
        return None
    if sha256(content) != row.digest:
        raise broken(model, f"entry {row.n}: its body was changed after it was written")
    try:
        return chain.parse_body(content)
    except ValueError as e:
        raise broken(model, f"entry {row.n}: {e}") from e


def attached(model: str, entry: Entry | None, name: str, read: Callable[[str], bytes | None]) -> bytes | None:
    """What was stored with an entry, None where nothing was or it is gone; Undetermined for any other bytes."""
    meant = entry.attachments.get(name) if entry else None
    content = None if meant is None else read(name)
    if entry and content is not None and sha256(content) != meant:
        raise broken(model, f"entry {entry.n}: its {name} was changed after it was written")
    return content


def attempted(read: Callable[[str], T], model: str) -> T | Undetermined:
    """What can be read of a model's ledger, or why it cannot."""
    try:
        return read(model)
    except Undetermined as e:
        return e


def broken(model: str, why: str) -> Undetermined:
    """The chain cannot be relied upon."""
    return Undetermined(
        f"could not read the ledger of {model}",
        why,
        f"Run `gatewright audit verify {model}` and find out who changed it.",
    )
