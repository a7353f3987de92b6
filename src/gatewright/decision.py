"""What happens because of verdict and approvals, with a stable reason code for each way it can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from gatewright.approvals import Standing, about
from gatewright.verdict import Verdict

Kind = Literal[
    "promoted",
    "pending",
    "refused",
    "rolled_back",
    "evaluated",
    "started",
    "stopped",
    "adopted",
    "archived",
    "noop",
    "error",
]

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
    HELD = (
        "held",
        "Somebody who may hold it has asked to wait.",
        "Wait until whoever held it writes /gate unhold.",
    )
    EXPIRED = (
        "expired",
        "There were enough approvals, and some are older than the policy lets them be.",
        "Ask the same people to approve again.",
    )
    STALE_DIGEST = (
        "stale_digest",
        "The approval is for evidence that has changed since, or was not shown yet.",
        "Look at the evidence as it is now, and approve with the line that the report gives.",
    )
    SELF_APPROVAL = (
        "self_approval",
        "Nobody approves what they asked for or made themselves.",
        "Ask somebody else of those named under Approvals.",
    )
    EDITED_COMMENT = (
        "edited_comment",
        "The comment was edited or deleted, so it is not known what was agreed to.",
        "Write a new comment.",
    )
    BOT_COMMENT = (
        "bot_comment",
        "The comment was written by a program, and programs approve nothing.",
        "Ask a person named under Approvals.",
    )
    TEAM_UNREADABLE = (
        "team_unreadable",
        "Whether somebody is in a team could not be read, and that would decide.",
        "Pass a team-token that may read the organisation's members, then run again.",
    )
    RATE_LIMITED = (
        "rate_limited",
        "GitHub limits how much the token may ask, for longer than a run waits; that says nothing about the model.",
        "Run it again after the time that GitHub names; nothing was decided on a part of the answers.",
    )
    AMBIGUOUS_COMMAND = (
        "ambiguous_command",
        "The comment holds two commands, so none was taken.",
        "Write one command a comment.",
    )
    ALREADY_PROMOTED = ("already_promoted", "The version already holds the target.", "Nothing.")
    OUT_OF_ORDER = (
        "out_of_order",
        "The target comes after another one, which the version does not hold; or it holds a higher one already.",
        "Promote the version to the earlier target first; one that holds a higher target stays there.",
    )
    NO_PREVIOUS_VERSION = (
        "no_previous_version",
        "There is no earlier version to go back to that held the target and was not taken back from it.",
        "Name one with --to-version if you know better; gatewright history shows who held the target.",
    )
    VETOED = (
        "vetoed",
        "Somebody who may say no has said no, or the version was rolled back from this target.",
        "Register a better version, or ask whoever said no to write /gate unreject; --override is recorded for ever.",
    )
    OVERRIDDEN = (
        "overridden",
        "Somebody whom the policy names went ahead against it; the ledger says who, why and against what.",
        "Look into what was overridden: gatewright history shows it.",
    )
    CANDIDATE_CHANGED = (
        "candidate_changed",
        "The candidate's evidence changed while the decision was made.",
        "Run the same command again: it judges what is there now. Replaced files are scored anew with --rebenchmark.",
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
        "There is no such version, or the comment names another model, version or target.",
        "Name a version that the registry has, and that is asked about.",
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
    NO_COMMAND = ("no_command", "Nothing was asked, or not in the words of a command.", "Nothing, or /gate help.")
    NOT_AUTHORIZED = (
        "not_authorized",
        "Whoever asks for it may not start it, or it needs the word of others.",
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
    LIVE_RUNNING = (
        "live_running",
        "A live split runs, and what came of it so far decides nothing.",
        "Wait: gatewright live status says until when, and live stop --keep ends it.",
    )
    LIVE_SUPERIOR = (
        "live_superior",
        "The live split has shown that the challenger is what the policy asks for.",
        "Promote it: gatewright live stop --promote; the nightly live status --act does so by itself.",
    )
    LIVE_HARM = (
        "live_harm",
        "The challenger is clearly worse in production.",
        "Nothing: everybody sees the champion again. Look into the metric that the report names.",
    )
    LIVE_TIMED_OUT = (
        "live_timed_out",
        "The longest runtime is over and nothing was decided, so the champion stays.",
        "Try again with more traffic, a larger share, or a larger effect to look for.",
    )
    LIVE_INVALID = (
        "live_invalid",
        "The two arms are not what they were meant to be, so that comparing them would mislead.",
        "Look for what loses or doubles units: the router, the log, bots. Then start a new split.",
    )
    LIVE_KEPT = ("live_kept", "Somebody has ended the live split and kept the champion.", "Nothing.")
    LIVE_CANNOT_FINISH = (
        "live_cannot_finish",
        "The live split as planned cannot end in a decision.",
        "Change the live block as the report says, and start again.",
    )
    NO_LIVE = (
        "no_live",
        "No live split runs.",
        "Start one: gatewright live start MODEL/VERSION --against TARGET.",
    )
    ADOPTED = (
        "adopted",
        "Who holds what was recorded as the registry shows it; nobody judged it.",
        "Judge the holders when it suits: gatewright evaluate.",
    )
    REASON_OWED = (
        "reason_owed",
        "The ledger has another version in the target, so that to record this one owes a reason.",
        "Find out who moved it, then run the same command with --reason, or put it back.",
    )
    STALE = (
        "stale",
        "The version has been in the target for longer than the policy's stale_after, and has not climbed on.",
        "Promote it, or archive it: gatewright drift --fix archive-stale --apply.",
    )
    DRIFT = (
        "drift",
        "The registry shows what the ledger did not make, or what should not stand as it does.",
        "Do what the findings name; docs/drift.md tells of each.",
    )
    DRY_RUN = ("dry_run", "A rehearsal: this would be done, and nothing was.", "Run it without --dry-run.")

    def __init__(self, code: str, meaning: str, next_step: str) -> None:
        self.code, self.meaning, self.next_step = code, meaning, next_step

    def __str__(self) -> str:
        return self.code

    @classmethod
    def of(cls, code: str) -> Reason:
        """The reason that has a code; KeyError if none has."""
        return {reason.code: reason for reason in cls}[code]


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
    lost_rung: the higher target that it would leave.
    """

    holds: bool = False
    missing_rung: str = ""
    taken_back: str = ""
    lost_rung: str = ""


def stopped(situation: Situation) -> Decision | None:
    """Whether a promotion ends before any evidence is gathered, because there is nothing to do or no way to do it."""
    if situation.holds:
        return Decision("noop", Reason.ALREADY_PROMOTED)
    if situation.missing_rung:
        return Decision("refused", Reason.OUT_OF_ORDER, f"it must hold {situation.missing_rung} first")
    if situation.lost_rung:
        return Decision("refused", Reason.OUT_OF_ORDER, leaves(situation.lost_rung))
    if situation.taken_back:
        return Decision("refused", Reason.VETOED, situation.taken_back)
    return None


def leaves(rung: str) -> str:
    """Why a version that has climbed higher does not come down."""
    return f"it holds {rung}, whose stage it would leave: a version has one stage"


def decide(verdict: Verdict, standing: Standing) -> Decision:
    """What a promotion comes to: only a passed verdict with every approval moves anything."""
    if verdict.outcome == "error":
        return Decision("error", Reason.UNDETERMINED)
    if verdict.outcome != "pass":
        return Decision("refused", Reason.CHECKS_FAILED)
    if not standing.met:
        return _unagreed(standing)
    return Decision("promoted", Reason.APPROVALS_MET if standing.needed else Reason.NO_APPROVALS_NEEDED)


def _unagreed(standing: Standing) -> Decision:
    """What stands in the way of a version that passed: a veto before a hold, what is known before what is not."""
    if standing.vetoed_by:
        return Decision("refused", Reason.VETOED, "by " + ", ".join(o.login for o in standing.vetoed_by))
    if standing.held_by:
        return Decision("pending", Reason.HELD, "by " + ", ".join(o.login for o in standing.held_by))
    if standing.undetermined:
        return Decision("error", Reason.TEAM_UNREADABLE, "; ".join(standing.undetermined))
    return Decision("pending", Reason.of(standing.lapsed) if standing.lapsed else Reason.APPROVALS_MISSING)


def answered(decision: Decision, standing: Standing, comment: int) -> Decision:
    """The decision of a run that a comment set off: if that comment's word does not count, this is what it ends in.

    Only where approvals are missing anyway: whatever was decided without the comment stays decided.
    """
    told = about(standing, comment)
    if told is None or decision.kind != "pending" or decision.reason is Reason.HELD:
        return decision
    return Decision("pending", Reason.of(told.because), told.detail)


#: how a live split ends, by what it came to
ENDS: Mapping[str, Reason] = {
    "running": Reason.LIVE_RUNNING,
    "superior": Reason.LIVE_SUPERIOR,
    "harm": Reason.LIVE_HARM,
    "timed_out": Reason.LIVE_TIMED_OUT,
    "invalid": Reason.LIVE_INVALID,
}


def exit_code(decision: Decision, verdict: Verdict | None) -> int:
    """0 done, nothing to do or pending; 1 the verdict is fail or inconclusive; 3 not determined, nothing changed."""
    if decision.kind == "error" or (verdict is not None and verdict.outcome == "error"):
        return UNDETERMINED
    if decision.reason in (Reason.LIVE_HARM, Reason.LIVE_INVALID):
        return REFUSED
    if decision.kind == "refused" or (verdict is not None and verdict.outcome != "pass"):
        return REFUSED
    return DONE
