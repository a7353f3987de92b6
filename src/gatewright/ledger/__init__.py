"""The seam to the ledger: an append-only chain of entries, one a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from gatewright.ledger.entry import Break, Entry, Proof, Row
from gatewright.ledger.envelope import Keys
from gatewright.problem import Undetermined

T = TypeVar("T")


class Ledger(Protocol):
    """What every ledger adapter offers. Whatever cannot be read or written raises Undetermined."""

    #: the server, for people, without credentials
    address: str

    def models(self) -> tuple[str, ...]:
        """Every model that has a ledger here, by name."""

    def rows(self, model: str) -> tuple[Row, ...]:
        """The chain's index, ascending: number, digest and headline of each entry; empty where there is none.

        The opening entry is row 0. An index with a gap or an unreadable line raises Undetermined.
        """

    def indexes(self, models: Sequence[str]) -> Mapping[str, tuple[Row, ...] | Undetermined]:
        """The rows of many models, read together; where one's cannot be read, why not."""

    def entry(self, model: str, row: Row) -> Entry | None:
        """The body that a row stands for; None where it is gone, Undetermined where it was changed."""

    def entries(self, model: str, rows: Sequence[Row]) -> tuple[Entry | None, ...]:
        """The bodies of many rows, in their order, read side by side."""

    def attachment(self, model: str, row: Row, name: str) -> bytes | None:
        """What was stored under `name` with an entry; None where there is no such thing, Undetermined if changed."""

    def append(self, entry: Entry, attachments: Mapping[str, bytes]) -> Row | None:
        """Adds `entry` as number `entry.n`; None, and nothing added, if that number is already taken.

        True compare-and-set: of any number of writers at once exactly one gets its row. Attachments (name → content)
        are stored before the entry counts, and their digests become part of it. Creates the ledger, with its
        opening entry 0, where there is none: the first event is entry 1, with `previous` left empty. An empty nonce
        is filled.
        """

    def prove(self, model: str, keys: Keys | None = None) -> Proof:
        """All there is of a model's ledger, and what is wrong with it, entry by entry; empty if it is not there.

        keys: public keys with which the entries' signatures are checked as well.
        """

    def prove_all(
        self, models: Sequence[str], tell: Callable[[str, Proof], T], keys: Keys | None = None
    ) -> list[T | Undetermined]:
        """What `tell` makes of each of many ledgers, read together, in their order; why, where one cannot be read.

        `tell` is called from several threads. What it need not keep of a proof is let go.
        """

    def verify(self, model: str, keys: Keys | None = None) -> tuple[Break, ...]:
        """What is wrong with a model's ledger, alone."""

    def repair(self, model: str) -> tuple[str, ...]:
        """Puts right what an interrupted writer left behind; returns what was done, in sentences."""
