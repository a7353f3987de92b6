"""A dry run: the same commands on a registry and a ledger whose writes are remembered and never sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from gatewright.case import Gate
from gatewright.decision import Decision, Reason
from gatewright.ledger import Ledger
from gatewright.ledger.entry import Break, Entry, Proof, Row, row
from gatewright.ledger.envelope import Keys
from gatewright.ledger.layout import attempted
from gatewright.problem import Undetermined
from gatewright.registry.memory import Rehearsal
from gatewright.report.model import Report

T = TypeVar("T")


def rehearse(gate: Gate, command: Callable[[Gate], Report]) -> Report:
    """Runs a command without sending a write; what it would have done is in the report's steps."""
    rehearsed = replace(gate, registry=Rehearsal(gate.registry), ledger=RehearsedLedger(gate.ledger))
    report = command(rehearsed)
    if report.moved:
        would = "brought back" if report.rollback else "promoted"
        decision = Decision("evaluated", Reason.DRY_RUN, f"it would be {would}")
        return replace(report, decision=decision, entry=None)
    return replace(report, entry=None)


class RehearsedLedger:
    """Reads the real ledger; what is appended is readable here and nowhere else."""

    def __init__(self, real: Ledger) -> None:
        self.address, self._real = real.address, real
        self._added: dict[str, list[Entry]] = {}
        self._stored: dict[tuple[str, int, str], bytes] = {}

    def models(self) -> tuple[str, ...]:
        return self._real.models()

    def rows(self, model: str) -> tuple[Row, ...]:
        return (*self._real.rows(model), *map(row, self._added.get(model, ())))

    def indexes(self, models: Sequence[str]) -> Mapping[str, tuple[Row, ...] | Undetermined]:
        return {model: attempted(self.rows, model) for model in models}

    def entry(self, model: str, row: Row) -> Entry | None:
        mine = (e for e in self._added.get(model, ()) if e.n == row.n)
        return next(mine, None) or self._real.entry(model, row)

    def entries(self, model: str, rows: Sequence[Row]) -> tuple[Entry | None, ...]:
        return tuple(self.entry(model, row) for row in rows)

    def attachment(self, model: str, row: Row, name: str) -> bytes | None:
        mine = self._stored.get((model, row.n, name))
        return self._real.attachment(model, row, name) if mine is None else mine

    def append(self, entry: Entry, attachments: Mapping[str, bytes]) -> Row | None:
        rows = self.rows(entry.model)
        if entry.n != (rows[-1].n + 1 if rows else 1):
            return None
        self._added.setdefault(entry.model, []).append(entry)
        self._stored |= {(entry.model, entry.n, name): content for name, content in attachments.items()}
        return row(entry)

    def prove(self, model: str, keys: Keys | None = None) -> Proof:
        return self._real.prove(model, keys)

    def prove_all(
        self, models: Sequence[str], tell: Callable[[str, Proof], T], keys: Keys | None = None
    ) -> list[T | Undetermined]:
        """Many chains."""
        return [attempted(lambda one: tell(one, self.prove(one, keys)), model) for model in models]

    def verify(self, model: str, keys: Keys | None = None) -> tuple[Break, ...]:
        return self._real.verify(model, keys)

    def repair(self, model: str) -> tuple[str, ...]:
        return ()
