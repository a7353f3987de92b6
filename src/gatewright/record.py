"""Writing to the ledger: an entry built on the newest one, again if somebody else was faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gatewright.case import Case, Gate
from gatewright.ledger import Ledger
from gatewright.ledger.entry import Entry, Kind, Row
from gatewright.problem import Undetermined

#: how often an append may lose against others before the ledger is called too busy
TRIES = 40

Build = Callable[[tuple[Row, ...]], "Entry | None"]


def stamp(moment: datetime) -> str:
    """A time as entries spell it: UTC, to the millisecond."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def draft(gate: Gate, kind: Kind, case: Case, **fields: Any) -> Entry:
    """An entry about a case; `append` gives it its number and its predecessor."""
    return Entry(
        n=0,
        previous="",
        kind=kind,
        at=stamp(gate.now()),
        actor=gate.actor,
        model=gate.policy.model,
        version=case.candidate.number,
        target=case.target.name,
        policy_digest=gate.policy.digest(case.target),
        nonce=gate.nonce(),
        **fields,
    )


def append(gate: Gate, build: Build, attachments: Mapping[str, bytes] | None = None) -> Row | None:
    """Appends what `build` makes of the chain as it stands; None, and nothing written, where it makes nothing."""
    return append_to(gate.ledger, gate.policy.model, build, attachments)


def append_to(ledger: Ledger, model: str, build: Build, attachments: Mapping[str, bytes] | None = None) -> Row | None:
    """The same for any model, one without a policy too."""
    for _ in range(TRIES):
        rows = ledger.rows(model)
        entry = build(rows)
        if entry is None:
            return None
        entry = replace(entry, n=rows[-1].n + 1 if rows else 1, previous=rows[-1].digest if rows else "")
        row = ledger.append(entry, attachments or {})
        if row is not None:
            return row
    raise Undetermined(
        f"the ledger of {model} could not be written",
        f"{TRIES} others wrote first, one after the other",
        "Run the same command again.",
    )
