"""The demo, scene by scene: why, what the reader would type, and what must come of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.decision import exit_code
from gatewright.report.model import Audit, History, Report, Status

MODEL = "tumours"
POLICY = f"policies/{MODEL}.yaml"
DATABASE = "mlflow.db"
HOLDOUT = "holdout.parquet"
POINT = f"export MLFLOW_TRACKING_URI=sqlite:///{DATABASE}"

Shown = Report | Status | History | Audit


class Differs(Exception):
    """A command came to something else than the demo says it does."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene. ends: what `outcome` has to say of it. first: a command of the shell's that goes before."""

    title: str
    why: str
    command: str
    ends: str
    first: str = ""


SCENES = (
    Scene(
        "A good version goes to staging",
        "Version 1 does what staging asks for, and the policy asks nobody to agree, so it is moved at once. What was "
        "seen, and the move itself, are written to the ledger.",
        f"gatewright promote {MODEL}/1 --to staging",
        "promoted (no_approvals_needed), exit 0: tumours/1 → stage Staging",
    ),
    Scene(
        "… and on to production",
        "Production asks for the same and more. Here the gate does not take training's word: it scores the model on "
        "rows that it has never seen, in a process without credentials or network, and times its calls. Two checks "
        "compare with the champion; there is none yet, so they are skipped. Stage and alias move together.",
        f"gatewright promote {MODEL}/1 --to production",
        "promoted (no_approvals_needed), exit 0: tumours/1 → stage Production, tumours/1 → @champion",
    ),
    Scene(
        "A better version comes",
        "Version 2 takes the same way. Staging first: production says `after: staging`.",
        f"gatewright promote {MODEL}/2 --to staging",
        "promoted (no_approvals_needed), exit 0: tumours/2 → stage Staging",
    ),
    Scene(
        "… and takes the champion's place",
        "Now there is a champion: both are scored on the same rows, and version 2 must take every input that version 1 "
        "takes. `at 95%` asks that the accuracy is no worse for all that chance can do: the whole interval of the "
        "difference must lie above the limit. Version 1 is archived in the same call.",
        f"gatewright promote {MODEL}/2 --to production",
        "promoted over v1 (no_approvals_needed), exit 0: tumours/2 → stage Production, tumours/2 → @champion",
    ),
    Scene(
        "A worse version is refused",
        "Version 3 learnt from labels that had slipped by a row. Nothing is moved, the exit code is 1, so a pipeline "
        "stops here, and every reason is given at once.",
        f"gatewright promote {MODEL}/3 --to staging",
        "refused (checks_failed), exit 1: run.accuracy > 90%, run.recall > 85%",
    ),
    Scene(
        "The best score of all is refused as well",
        "Version 4 predicts best, but was logged without a signature: nobody can tell what it takes and returns.",
        f"gatewright promote {MODEL}/4 --to staging",
        "refused (checks_failed), exit 1: signature",
    ),
    Scene(
        "At night, production goes back",
        "One command, and nobody has to look up a number: the ledger knows who held production before. Version 1 is "
        "tried first, whether it still loads and takes the same inputs. Version 2 is archived and tagged, and does not "
        "return unless somebody overrides that.",
        f"gatewright rollback {MODEL} --from production --reason 'misses small tumours'",
        "rolled_back over v2 (no_approvals_needed), exit 0: tumours/1 → stage Production, tumours/1 → @champion, "
        "tag tumours/2 gatewright.rolled_back.production",
    ),
    Scene(
        "Where people must agree, it waits",
        "The hospital's own model takes a copy of version 1 once two radiologists agree. All checks pass, so the "
        "request is recorded and the exit code is 0. Nothing sits waiting: whoever runs promote next counts again.",
        f"gatewright promote {MODEL}/1 --to hospital",
        "pending (approvals_missing), exit 0",
    ),
    Scene(
        "Who holds what",
        "Read from the registry itself, beside what the ledger remembers and what waits.",
        f"gatewright status {MODEL}",
        "staging nobody, production v1, hospital nobody; 1 waits",
    ),
    Scene(
        "What happened, and why",
        "Every event is one entry: who, what, when, why, and the digest of the evidence it rests on. A move has two: "
        "`intended` locks the model, `promoted` says that it is done. `benchmarked` keeps what was measured, so "
        "that later steps read the same.",
        f"gatewright history {MODEL}",
        "opened, intended v1, promoted v1, benchmarked v1, intended v1, promoted v1, intended v2, promoted v2, "
        "benchmarked v2, intended v2, promoted v2, refused v3, refused v4, intended v1, rolled_back v1, requested v1",
    ),
    Scene(
        "Has anybody changed the record?",
        "Each entry holds the digest of the entry before it, so a changed, missing or exchanged one shows.",
        "gatewright audit verify",
        "unbroken, 16 entries",
    ),
)

#: the entry that is forged in the end: the refusal of version 3
FORGED = 11

FORGERY = Scene(
    "Somebody would like a refusal to have been a promotion",
    "The ledger lies in MLflow, and whoever may write there may rewrite a file. One word of the refusal of version 3 "
    "is changed behind the gate's back; the audit names the entry, and its exit code is 1.",
    "gatewright audit verify",
    f"broken at entry {FORGED}",
    first=f"""sed -i 's/"refused"/"promoted"/' mlruns/*/*/artifacts/{FORGED:06d}-*/entry.json""",
)


KEPT = "Registry, policy and ledger (with the word put back) are yours to look at, and to try to fool:"
LOOK = (
    POINT,
    f"gatewright evaluate {MODEL}/3 --to production",
    "gatewright audit verify",
    f"mlflow ui --backend-store-uri sqlite:///{DATABASE}",
)

GONE = (
    "Nothing of this is left on your machine; `gatewright demo --keep FOLDER` leaves it to be looked at. For a model "
    "of your own, write policies/MODEL.yaml like the one above, point to your MLflow, and ask (which changes nothing):"
)
BEGIN = (
    "gatewright policy check",
    "export MLFLOW_TRACKING_URI=https://mlflow.example.com",
    "gatewright evaluate MODEL/latest --to staging",
)


def check(scene: Scene, things: tuple[Shown, ...]) -> None:
    """Raises Differs unless the scene came to what it says."""
    found = "; ".join(map(outcome, things))
    if found != scene.ends:
        raise Differs(f"`{scene.command}` should have come to “{scene.ends}” and came to “{found}”")


def outcome(thing: Shown) -> str:
    """What a command came to, in one line."""
    if isinstance(thing, Report):
        return _report(thing)
    if isinstance(thing, Status):
        held = (f"{r.target.name} {_version(r.holding.number) or 'nobody'}" for r in thing.rungs)
        return f"{', '.join(held)}; {len(thing.requests)} waits"
    if isinstance(thing, History):
        return ", ".join(f"{row.kind} {_version(row.version)}".strip() for row, _ in thing.events)
    if thing.breaks:
        return f"broken at entry {', '.join(dict.fromkeys(str(b.n) for b in thing.breaks))}"
    return f"unbroken, {thing.entries} entries"


def _report(report: Report) -> str:
    decision = report.decision
    over = f" over {_version(report.holding.number)}" if report.holding.number and report.steps else ""
    failed = [r.check.text for r in report.verdict.results if r.status in ("fail", "error")] if report.verdict else []
    details = ", ".join([*map(str, report.steps), *failed])
    ended = f"{decision.kind}{over} ({decision.reason}), exit {exit_code(decision, report.verdict)}"
    return f"{ended}: {details}" if details else ended


def _version(number: int | None) -> str:
    return "" if number is None else f"v{number}"
