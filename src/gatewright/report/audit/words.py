"""What the report for auditors says in the same words on every surface."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatewright.audit import Account, AuditReport, Event, Holder, Line, Origin, Said, Tenure
from gatewright.ledger.entry import MOVED, Row
from gatewright.policy.explain import agreement
from gatewright.policy.model import Policy, Target
from gatewright.report.cells import SIGNS, instead
from gatewright.report.cells import who as doer
from gatewright.verdict import Status

_DIGEST = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")

NEVER = "The ledger has no entries yet: nothing has passed through the gate."
NO_RULE = "No rule of approval is recorded with it: nobody had to agree."
SILENT = "the ledger had said nothing of it yet"
DISBELIEVE = "What follows is what stands there now, and cannot be relied upon."


def title(report: AuditReport) -> str:
    """What the report is about."""
    asked = report.question
    models = report.accounts[0].model if len(report.accounts) == 1 else f"{len(report.accounts)} models"
    version = f" v{asked.version}" if asked.version is not None else ""
    target = f", {asked.target}" if asked.target else ""
    return f"{models}{version}{target}: audit report"


def moment(report: AuditReport) -> str:
    """The moment that the report is about."""
    asked = report.question.moment
    return f"as of {asked.text}" if asked else f"as of {at(report.written)}, when this was written"


def proof(account: Account) -> str:
    """Whether the ledger may be believed, in a sentence without its end."""
    if account.unreadable:
        return "the ledger could not be read"
    if account.breaks:
        count = len(account.breaks)
        return f"THE LEDGER IS BROKEN in {count} place{'s' * (count != 1)}"
    if not account.written:
        return "the ledger has no entries"
    signed = ", each under a signature" if account.signed else ""
    then = f", {account.entries} of them by then" if account.entries < account.written else ""
    return f"the ledger is unbroken, {account.written} entries{signed}{then}"


def wrong(account: Account) -> tuple[str, ...]:
    """Why it may not be, entry by entry."""
    return tuple(map(str, account.breaks)) or ((account.unreadable,) if account.unreadable else ())


def held_by(holder: Holder) -> str:
    """The version, nobody, or that it is not known."""
    if holder.version is not None:
        return f"v{holder.version}"
    return "nobody" if holder.known else "not known"


def since(holder: Holder) -> str:
    """When it came there, or nobody was there any more, and by whose doing."""
    if holder.since is None:
        return "" if holder.known else SILENT
    return _doing(holder.since, holder.target)


def at(stamp: str) -> str:
    """A time as entries have it, to the second: `2026-05-03 12:00:00 UTC`; anything else as it stands."""
    return f"{stamp[:10]} {stamp[11:19]} UTC" if _STAMP.fullmatch(stamp) else stamp


def said(kind: str) -> str:
    """A kind of entry, a status or a reason code as people read it."""
    return kind.replace("_", " ")


def what(event: Event) -> str:
    """`promoted v12 → production, was v11`."""
    row = event.row
    version = f" v{row.version}" if row.version is not None else ""
    return f"{said(row.kind)}{version}" + (f" → {row.target}" if row.target else "") + instead(row)


def why(event: Event) -> str:
    """The reason code and the words that were given."""
    if event.entry is None:
        return "its body is gone or cannot be read"
    return " · ".join(filter(None, (said(event.entry.reason), event.entry.text)))


def step(event: Event) -> bool:
    """Whether an entry only begins something, so that a later one tells what came of it."""
    return event.row.kind in ("opened", "intended")


#: kinds of entries that the summary counts, as they are called one by one and together
_COUNTED = {
    "promoted": ("promotion", "promotions"),
    "rolled_back": ("rollback", "rollbacks"),
    "overridden": ("override", "overrides"),
    "requested": ("request", "requests"),
    "refused": ("refusal", "refusals"),
    "adopted": ("adoption", "adoptions"),
    "archived": ("archival", "archivals"),
    "drift": ("report of drift", "reports of drift"),
}


def summary(account: Account) -> tuple[str, str]:
    """What happened in how many entries, and how much of it was overridden; "" where nothing was."""
    kinds = [e.row.kind for e in account.events]
    counts = ((kinds.count(kind), names) for kind, names in _COUNTED.items() if kind != "overridden")
    told = ", ".join(f"{n} {names[n != 1]}" for n, names in counts if n)
    forced = sum(overridden(e) and e.row.kind in MOVED for e in account.events)
    return told, f"{forced} {_COUNTED['overridden'][forced != 1]}" if forced else ""


def who(event: Event) -> str:
    """Who did it, with the id where it is known; beside an override without one, that nobody proved it."""
    if event.entry is None:
        return event.row.by
    actor = event.entry.actor
    return doer(event.entry) if actor.id is None else f"{actor.login} (id {actor.id})"


def overridden(event: Event) -> bool:
    """Whether it went ahead against the policy."""
    return event.row.kind == "overridden" or (event.entry is not None and "override" in event.entry.details)


def against(event: Event) -> tuple[str, ...]:
    """What of the policy was overridden, as recorded."""
    told = event.entry.details.get("override") if event.entry is not None else None
    listed = told.get("against") if isinstance(told, dict) else None
    return tuple(map(str, listed)) if isinstance(listed, list) else ()


def origin(found: Origin) -> str:
    """What is known of it, or that it is not."""
    return found.value if found.known else f"not known: {found.value}"


def number(value: object) -> str:
    """A recorded value, in the base unit of its check."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def status(line: Line) -> Status:
    """What a check came to; a word that is none of the known ones was not written by the gate, and proves nothing."""
    return next((s for s in SIGNS if s == line.status), "error")


def brief(value: object) -> str:
    """The same, a commit or a digest by its first characters."""
    said = number(value)
    return said[:12] if _DIGEST.fullmatch(said) else said


def numbers(line: Line) -> str:
    """`holdout.roc_auc >= champion: pass, 0.931 (bound 0.925, champion 0.927)`."""
    beside = [
        f"{name} {number(x)}" for name, x in (("bound", line.bound), ("champion", line.champion)) if x is not None
    ]
    value = f", {number(line.value)}" if line.value is not None else ""
    return f"{line.check}: {line.status}{value}" + (f" ({', '.join(beside)})" if beside else "")


def became(word: Said) -> str:
    """What became of somebody's word."""
    if word.rule and not word.detail:
        return f"counted for {word.rule}"
    if word.because:
        return f"not counted: {said(word.because)}" + (f" ({word.detail})" if word.detail else "")
    return word.detail if word.verb == "approve" else "stood in the way" + (f": {word.detail}" if word.detail else "")


def held_until(account: Account, event: Event) -> str:
    """When the time in its target ended that an entry began; "" if it lasts, or it began none."""
    row = event.row
    ends = (t.until for t in account.tenures if t.since.n == row.n and t.target == row.target)
    ended = next(ends, None)
    return ended.at if ended is not None and row.kind in MOVED else ""


def began(tenure: Tenure) -> str:
    """The entry that brought a version to its target."""
    return _doing(tenure.since, tenure.target)


def ended(tenure: Tenure) -> str:
    """The entry that took it away, or that it still is there."""
    return "held still" if tenure.until is None else _doing(tenure.until, tenure.target)


def _doing(row: Row, target: str) -> str:
    """Who did it and when; where it ended something by moving to another target, to which."""
    elsewhere = f" to {row.target}" if row.target != target else ""
    return f"{at(row.at)} by {row.by} (entry {row.n}, {said(row.kind)}{elsewhere})"


def rules(account: Account) -> Iterator[tuple[Target, str]]:
    """Who may approve, target by target, as the policy has it today."""
    for target in account.policy.targets if account.policy else ():
        if any(h.target == target.name for h in account.holders):
            yield target, " ".join(agreement(target)).removeprefix("Then ")


def rules_from(report: AuditReport, policy: Policy | None) -> str:
    """Which policy the rules are from, or that there is none."""
    if policy is None:
        return report.no_policy
    return f"{policy.file}, as it is today. The ledger keeps the digest of the rules that each decision was made by."


def changed_rules(account: Account) -> Iterator[str]:
    """Targets whose present holder came there under rules that are not those of today."""
    for holder in account.holders:
        target = account.policy.target(holder.target) if account.policy else None
        if account.policy is None or target is None or not holder.policy_digest or holder.version is None:
            continue
        today = account.policy.digest(target)
        if today != holder.policy_digest:
            yield (
                f"v{holder.version} came to {target.name} under other rules (digest {holder.policy_digest[:12]}) "
                f"than those of today (digest {today[:12]})."
            )
