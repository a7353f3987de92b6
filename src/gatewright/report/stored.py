"""What the ledger keeps beside an entry: the evidence and the verdict, for whoever asks in a year."""

from __future__ import annotations

from gatewright.canonical import canonical, plain
from gatewright.report.model import Report
from gatewright.verdict import Result


def attachments(report: Report) -> dict[str, bytes]:
    """`evidence.json` and `verdict.json`, as far as there are any."""
    found = {}
    if report.evidence is not None:
        facts = [{**plain(f), "path": str(f.path)} for f in report.evidence.facts]
        document = {**plain(report.evidence), "facts": facts, "digest": report.evidence.digest}
        found["evidence.json"] = canonical(document).encode()
    if report.verdict is not None:
        results = [_result(r) for r in report.verdict.results]
        found["verdict.json"] = canonical({"outcome": report.verdict.outcome, "checks": results}).encode()
    return found


def _result(result: Result) -> dict[str, object]:
    check = result.check
    told = {k: v for k, v in plain(result).items() if k != "check"}
    return {**told, "check": check.text, "severity": check.severity, "policy_line": str(check.place)}
