"""What the ledger keeps beside an entry: evidence, verdict and approvals, for whoever asks in a year."""

from __future__ import annotations

from gatewright.approvals import Standing
from gatewright.canonical import canonical, plain
from gatewright.report.model import Report
from gatewright.verdict import Result


def attachments(report: Report) -> dict[str, bytes]:
    """`evidence.json`, `verdict.json` and `approvals.json`, as far as there are any."""
    found = {}
    if report.evidence is not None:
        facts = [{**plain(f), "path": str(f.path)} for f in report.evidence.facts]
        document = {**plain(report.evidence), "facts": facts, "digest": report.evidence.digest}
        found["evidence.json"] = canonical(document).encode()
    if report.verdict is not None:
        results = [_result(r) for r in report.verdict.results]
        found["verdict.json"] = canonical({"outcome": report.verdict.outcome, "checks": results}).encode()
    if report.standing.needed:
        found["approvals.json"] = canonical(_standing(report.standing)).encode()
    return found


def _standing(standing: Standing) -> dict[str, object]:
    """Who had to agree, and every word that was said, whether it counted or not."""
    words = ("counted", "not_counted", "vetoed_by", "held_by", "undetermined")
    rules = [{"name": r.rule.name, "by": str(r.rule), "need": r.rule.count, "have": r.have} for r in standing.rules]
    return {"rules": rules, **{name: getattr(standing, name) for name in words}}


def _result(result: Result) -> dict[str, object]:
    check = result.check
    told = {k: v for k, v in plain(result).items() if k != "check"}
    return {**told, "check": check.text, "severity": check.severity, "policy_line": str(check.place)}
