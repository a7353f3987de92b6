"""A ledger in memory, for tests and rehearsals."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from gatewright.ledger import entry as chain
from gatewright.ledger import envelope
from gatewright.ledger.entry import Break, Entry, Proof, Row
from gatewright.ledger.envelope import ENVELOPE, Keys, Signer
from gatewright.ledger.layout import (
    BODY,
    at,
    attached,
    attempted,
    broken,
    checked,
    folder,
    joined,
    opened,
    opening,
    stored,
)
from gatewright.problem import Undetermined

T = TypeVar("T")


class MemoryLedger:
    """Chains as dictionaries: `lines[model]` is the index, `files[model]` what is stored (path → content)."""

    def __init__(
        self,
        address: str = "memory",
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        signer: Signer | None = None,
    ) -> None:
        self.address, self._new_id, self._signer = address, new_id, signer
        self.lines: dict[str, dict[str, str]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self._lock = threading.Lock()

    def models(self) -> tuple[str, ...]:
        """Every model that has a ledger."""
        return tuple(sorted(self.lines))

    def rows(self, model: str) -> tuple[Row, ...]:
        """The chain's index."""
        try:
            return chain.parse_index(self.lines.get(model, {}))
        except ValueError as e:
            raise broken(model, str(e)) from e

    def indexes(self, models: Sequence[str]) -> dict[str, tuple[Row, ...] | Undetermined]:
        """Many indexes."""
        return {model: attempted(self.rows, model) for model in models}

    def entry(self, model: str, row: Row) -> Entry | None:
        """One body."""
        return opened(model, row, self._file(model, row, BODY))

    def entries(self, model: str, rows: Sequence[Row]) -> tuple[Entry | None, ...]:
        """Many bodies."""
        return tuple(self.entry(model, row) for row in rows)

    def attachment(self, model: str, row: Row, name: str) -> bytes | None:
        """What was stored with an entry."""
        return attached(model, self.entry(model, row), checked(name), lambda name: self._file(model, row, name))

    def _file(self, model: str, row: Row, name: str) -> bytes | None:
        return self.files.get(model, {}).get(f"{folder(row)}/{name}")

    def append(self, entry: Entry, attachments: Mapping[str, bytes]) -> Row | None:
        """Adds an entry, or leaves everything as it is."""
        for name in attachments:
            checked(name)
        with self._lock:
            if entry.model not in self.lines:
                self._add(opening(entry, self._new_id(), {}), {})
            rows = self.rows(entry.model)
            if entry.n < len(rows):
                return None
            sealed = joined(entry, rows, attachments, self._new_id)
            return self._add(sealed, attachments)

    def _add(self, entry: Entry, attachments: Mapping[str, bytes]) -> Row:
        row = chain.row(entry)
        files = self.files.setdefault(entry.model, {})
        parts = stored(entry, row, attachments, self._signer)
        files.update({f"{folder(row)}/{name}": content for name, content in parts.items()})
        self.lines.setdefault(entry.model, {})[chain.key(entry.n)] = chain.line(row)
        return row

    def prove_all(
        self, models: Sequence[str], tell: Callable[[str, Proof], T], keys: Keys | None = None
    ) -> list[T | Undetermined]:
        """Many chains."""
        return [attempted(lambda one: tell(one, self.prove(one, keys)), model) for model in models]

    def verify(self, model: str, keys: Keys | None = None) -> tuple[Break, ...]:
        """What is wrong with a chain."""
        return self.prove(model, keys).breaks

    def prove(self, model: str, keys: Keys | None = None) -> Proof:
        """A chain, and everything that is wrong with it."""
        lines, files = self.lines.get(model, {}), self.files.get(model, {})
        rows = tuple(chain.readable_rows(lines))
        bodies = {row.n: files.get(f"{folder(row)}/{BODY}") for row in rows}
        found = chain.verify(model, lines, bodies)
        entries = ((n, chain.readable(content)) for n, content in bodies.items())
        names = [(n, name) for n, entry in entries if entry for name in entry.attachments]
        beside = {(n, name): files.get(f"{at(lines, n)}/{name}") for n, name in names}
        found += chain.verify_attachments(bodies, lambda n, name: beside.get((n, name)))
        if keys is not None:
            seals = {row.n: files.get(f"{folder(row)}/{ENVELOPE}") for row in rows}
            found += envelope.verify(rows, bodies, seals, keys)
        return Proof(tuple(sorted(found, key=lambda b: b.n)), dict(lines), bodies, beside)

    def repair(self, model: str) -> tuple[str, ...]:
        """Nothing is ever left half done here."""
        return ()
