"""What has drifted, as Markdown: the body of the one issue that lists it, and the page of the run.

Nothing in it changes from one night to the next unless the findings do, so an issue is edited only when they do.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.drift import Drift, Finding
from gatewright.report.escape import code
from gatewright.report.escape import markdown as text
from gatewright.report.model import Inspection

_ABOUT = (
    "Each finding is one thing that the registry shows and the ledger did not make, or that should not stand as it "
    "does. The ledger has them too. This issue is brought up to date by every run, and closed once nothing is left."
)


def title(found: Inspection) -> str:
    """The issue's title."""
    models = sum(bool(d.findings) for d in found.drifts)
    counts = f"{found.findings} finding{'s' * (found.findings != 1)}"
    return f"Model registry drift: {counts} in {models} model{'s' * (models != 1)}"


def body(found: Inspection) -> str:
    """What was found, model by model; what could not be read follows its model."""
    parts = [f"**{text(found.headline)}.** {_ABOUT}", *_models(found.drifts)]
    return "\n\n".join(parts) + "\n"


def page(found: Inspection) -> str:
    """The page of the run."""
    parts = [f"## {text(found.headline)}", *_models(found.drifts)]
    quiet = [d for d in found.drifts if not d.findings and not d.unread]
    if quiet and len(found.drifts) > 1:
        parts.append(f"{len(quiet)} of {len(found.drifts)} models show no drift.")
    return "\n\n".join(parts) + "\n"


def gone(found: Inspection) -> str:
    """What is said when the issue is closed."""
    return f"{text(found.headline)}: nothing is left of what this issue listed.\n"


def _models(drifts: tuple[Drift, ...]) -> Iterator[str]:
    for drift in drifts:
        if drift.findings or drift.unread:
            yield "\n\n".join(filter(None, (f"### {text(drift.model)}", _findings(drift), _unread(drift))))


def _findings(drift: Drift) -> str:
    if not drift.findings:
        return ""
    rows = ("| Finding | What is there | What to do |", "|:--|:--|:--|", *map(_row, drift.findings))
    recorded = f"\n\nLedger entry {drift.entry.n} {code(drift.entry.digest[:12])}" if drift.entry else ""
    return "\n".join(rows) + recorded


def _row(finding: Finding) -> str:
    return f"| {code(finding.code)} | {text(finding.sentence)} | {text(finding.fix)} |"


def _unread(drift: Drift) -> str:
    return "\n".join(f"- **Not determined:** {text(u.what)}: {text(u.why)}. {text(u.fix)}" for u in drift.unread)
