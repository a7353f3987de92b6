"""What happens because of verdict and approvals, with a stable reason code for each way it can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from gatewright.approvals import Standing
from gatewright.verdict import Verdict

Kind = Literal["promoted", "pending", "refused", "rolled_back", "evaluated", "noop", "error"]

DONE, REFUSED, UNDETERMINED = 0, 1, 3


class Reason(Enum):
    """Why a decision is what it is: code, what it means, what to do next."""

    CHECKS_FAILED = (
        "checks_failed",
        "A check that must hold does not hold, or the data cannot show that it does.",
        "Fix what the failed checks name and register a new version.",
    )
    UNDETERMINED = (
        "undetermined",
        "A check could not be answered; that says nothing about the model.",
        "Repair what could not be read, then run the same command again.",
    )
    APPROVALS_MET = ("approvals_met", "Everybody who must agree has agreed.", "Nothing.")
    APPROVALS_MISSING = (
        "approvals_missing",
        "All checks pass, and people who must agree have not yet.",
        "Ask the people named under Approvals.",
    )
    NO_APPROVALS_NEEDED = (
        "no_approvals_needed",
        "All checks pass and the policy asks nobody.",
        "Nothing.",
    )
    ALREADY_PROMOTED = ("already_promoted", "The version already holds the target.", "Nothing.")
    OUT_OF_ORDER = (
        "out_of_order",
        "The target comes after another one, which the version does not hold.",
        "Promote the version to the earlier target first.",
    )
    NO_PREVIOUS_VERSION = (
        "no_previous_version",
        "There is no earlier version to go back to that held the target and was not taken back from it.",
        "Name one with --to-version if you know better; gatewright history shows who held the target.",
    )
    VETOED = (
        "vetoed",
        "Somebody who may say no has said no, or the version was rolled back from this target.",
        "Register a better version, or promote this one with --override --reason TEXT if the policy names you.",
    )
    OVERRIDDEN = (
        "overridden",
        "Somebody whom the policy names went ahead against it; the ledger says who, why and against what.",
        "Look into what was overridden: gatewright history shows it.",
    )
    CANDIDATE_CHANGED = (
        "candidate_changed",
        "The candidate's evidence changed while the decision was made.",
        "Run the same command again: it judges what is there now.",
    )
    CHAMPION_CHANGED = (
        "champion_changed",
        "Another version took the target while the decision was made.",
        "Run the same command again: it compares with the new champion.",
    )
    LOCK_HELD = (
        "lock_held",
        "Another run is moving a version of this model right now.",
        "Wait until it ends, at the latest when its lease does, and run the same command again.",
    )
    WRONG_VERSION = (
        "wrong_version",
        "There is no such version.",
        "Name a version that the registry has.",
    )
    AMBIGUOUS_SUBJECT = (
        "ambiguous_subject",
        "It is not clear which version is meant.",
        "Write MODEL/12, MODEL@alias or MODEL/latest.",
    )
    POLICY_ERROR = (
        "policy_error",
        "The policy cannot be used, or the command does not fit it.",
        "Repair what the error names; nothing was judged.",
    )
    NO_COMMAND = ("no_command", "Nothing was asked.", "Nothing.")
    NOT_AUTHORIZED = (
        "not_authorized",
        "Whoever asks for it may not start it.",
        "Ask somebody who may: write access starts a run, and only whom the policy names may override it.",
    )
    UNTRUSTED_CONTEXT = (
        "untrusted_context",
        "A fork or another branch than the default one is never trusted with a move.",
        "Ask for it from the default branch: by a comment, or by starting a workflow there.",
    )
    UNSAFE_EVENT = (
        "unsafe_event",
        "A workflow that this event starts may be anybody's, so that it is never trusted with a move.",
        "Ask for it by a comment, or by starting a workflow on the default branch.",
    )
    DRY_RUN = ("dry_run", "A rehearsal: this would be done, and nothing was.", "Run it without --dry-run.")

    def __init__(self, code: str, meaning: str, next_step: str) -> None:
        self.code, self.meaning, self.next_step = code, meaning, next_step

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True, slots=True)
class Decision:
    """The end of a command: what was done, why, and one line of detail where the reason alone is not enough."""

    kind: Kind
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What stands in the way of a promotion, or makes it needless.

    missing_rung: the target that the version must hold first. taken_back: when and by whom it was rolled back.
    """

    holds: bool = False
    missing_rung: str = ""
    taken_back: str = ""


def stopped(situation: Situation) -> Decision | None:
    """Whether a promotion ends before any evidence is gathered, because there is nothing to do or no way to do it."""
    if situation.holds:
        return Decision("noop", Reason.ALREADY_PROMOTED)
    if situation.missing_rung:
        return Decision("refused", Reason.OUT_OF_ORDER, f"it must hold {situation.missing_rung} first")
    if situation.taken_back:
        return Decision("refused", Reason.VETOED, situation.taken_back)
    return None


def decide(verdict: Verdict, standing: Standing) -> Decision:
    """What a promotion comes to: only a passed verdict with every approval moves anything."""
    if verdict.outcome == "error":
        return Decision("error", Reason.UNDETERMINED)
    if verdict.outcome != "pass":
        return Decision("refused", Reason.CHECKS_FAILED)
    if not standing.met:
        return Decision("pending", Reason.APPROVALS_MISSING)
    return Decision("promoted", Reason.APPROVALS_MET if standing.needed else Reason.NO_APPROVALS_NEEDED)


def exit_code(decision: Decision, verdict: Verdict | None) -> int:
    """0 done, nothing to do or pending; 1 the verdict is fail or inconclusive; 3 not determined, nothing changed."""
    if decision.kind == "error" or (verdict is not None and verdict.outcome == "error"):
        return UNDETERMINED
    if decision.kind == "refused" or (verdict is not None and verdict.outcome != "pass"):
        return REFUSED
    return DONE
