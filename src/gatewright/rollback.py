"""Going back: which version a target returns to, whether it still works there, and how that is put in order."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gatewright.case import Case, Gate, find, survey
from gatewright.decision import Decision, Reason, leaves
from gatewright.evidence import Evidence, Fact, Scalar
from gatewright.ladder import MARK, Holding, Leaving, loses
from gatewright.ledger.entry import MOVED, Row, ever_held, good, known_from_the_start, taken_back
from gatewright.measure import measure
from gatewright.measure.loading import LOADS
from gatewright.paths import Path
from gatewright.policy.model import Check, Target
from gatewright.problem import Undetermined, UsageError
from gatewright.record import stamp
from gatewright.subject import Model, Subject, Version
from gatewright.verdict import Result, Verdict, judge

#: how much of a reason the tag on the version repeats
_TAGGED = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """What a rollback is asked for.

    why: the reason, which is owed. to: the version to return to, None for the last good one. fast: do not look
    whether it still loads and fits. override: go ahead against the policy.
    """

    target: str
    why: str
    to: int | None = None
    fast: bool = False
    override: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The version to return to, and where that is known from; or why there is none to return to.

    number: None where no version can be named at all.
    """

    number: int | None
    note: str = ""
    stop: Decision | None = None


def find_way(gate: Gate, target: Target, wish: Wish) -> tuple[Case, Choice]:
    """The version to return to and the holder, or the holder alone and why there is no way back."""
    name = gate.policy.model
    models, held = survey(gate, target)
    wanted = find(gate, Subject(name, wish.to), models)
    lost = ((v.number, loses(target, v, models, gate.policy.targets)) for v in models[name].versions)
    above = {number: rung for number, rung in lost if rung}
    choice = choose(target, models[name], held, gate.ledger.rows(name), above, wish.to and wanted.number)
    if choice.number is None:
        raise UsageError(
            f"nobody holds {target.name} of {name}, and no version is known that ever did",
            f"promote a version: gatewright promote {name}/{wanted.number} --to {target.name}",
            "no_previous_version",
        )
    there = models[name].version(choice.number) or Version(name, choice.number)
    candidate = there if choice.stop else find(gate, Subject(name, choice.number), models)
    return Case(target, candidate, held, models), choice


def choose(
    target: Target, model: Model, held: Holding, rows: Sequence[Row], above: Mapping[int, str], wanted: int | None
) -> Choice:
    """The version to return to: the one that is wanted, else the last good one.

    model: the policy's own, with its versions as they are. rows: the ledger. above: versions that hold a higher target,
    whose stage they would leave, with its name.
    """
    if wanted is not None:
        return Choice(wanted, stop=_unfit(wanted, target, model, held, rows, above))
    known = _of_ledger(target, model, held, rows, above)
    if known.stop is None or known_from_the_start(rows, target.name):
        return known
    return _of_archive(target, model, held, rows)


def _unfit(
    wanted: int, target: Target, model: Model, held: Holding, rows: Sequence[Row], above: Mapping[int, str]
) -> Decision | None:
    """Why a version that was asked for by number may not come back; None if it may."""
    if wanted == held.number:
        return Decision("noop", Reason.ALREADY_PROMOTED)
    told = said_of(rows, target, wanted)
    if told:
        return Decision("refused", Reason.VETOED, told)
    if wanted in above:
        return Decision("refused", Reason.OUT_OF_ORDER, leaves(above[wanted]))
    version = model.version(wanted)
    if wanted in ever_held(rows, target.name):
        return None
    archived = version is not None and version.stage == "Archived" and wanted not in _left_another(rows, target)
    if archived and not known_from_the_start(rows, target.name):
        return None
    why = f"v{wanted} never held {target.name}, as far as the ledger knows: promote it instead"
    return Decision("refused", Reason.NO_PREVIOUS_VERSION, why)


def _of_ledger(target: Target, model: Model, held: Holding, rows: Sequence[Row], above: Mapping[int, str]) -> Choice:
    before = good(rows, target.name, held.number)
    there = [v for v in before if model.version(v) is not None and v not in above]
    if not there:
        return Choice(held.number, stop=Decision("refused", Reason.NO_PREVIOUS_VERSION))
    passed = (f"v{v}, which {f'holds {above[v]}' if v in above else 'is deleted'}" for v in before)
    told = "; ".join(itertools.islice(passed, before.index(there[0])))
    return Choice(there[0], f"The last good version would have been {told}." if told else "")


def _of_archive(target: Target, model: Model, held: Holding, rows: Sequence[Row]) -> Choice:
    """Where the ledger does not reach: the newest archived version older than the holder; a newer one was left."""
    mark, bad = MARK + target.name, {held.number, *taken_back(rows, target.name), *_left_another(rows, target)}
    archived = [v.number for v in model.staged("Archived") if v.number not in bad and mark not in v.tags]
    older = [n for n in archived if held.number is None or n < held.number]
    if not older:
        return Choice(held.number, stop=Decision("refused", Reason.NO_PREVIOUS_VERSION))
    newest, earlier = max(older), "earlier " if ever_held(rows, target.name) else ""
    said = f"The ledger knows no {earlier}holder of {target.name}: v{newest} is the newest archived version."
    return Choice(newest, said)


def _left_another(rows: Sequence[Row], target: Target) -> frozenset[int]:
    """Versions that the ledger knows to have held other targets alone: that is where they were archived from."""
    others = {r.target for r in rows if r.kind in MOVED} - {target.name}
    return frozenset().union(*(ever_held(rows, other) for other in others)) - ever_held(rows, target.name)


def said_of(rows: Sequence[Row], target: Target, version: int) -> str:
    """When a version was rolled back from the target, and by whom; "" if it was not."""
    row = taken_back(rows, target.name).get(version)
    if row is None:
        return ""
    return f"v{version} was rolled back from {target.name} by {row.by} at {row.at} (ledger entry {row.n})"


def checks(target: Target) -> tuple[Check, ...]:
    """What a version must show before it comes back."""
    fits = Path("signature", "compatible")
    return (
        Check("model.loads", LOADS, target.place),
        Check("signature.compatible", fits, target.place, paired=True, if_missing="skip"),
    )


def gathered(gate: Gate, case: Case, loads: Fact | None) -> Evidence:
    """What the checks of a rollback ask for; without `loads` nothing is read at all."""
    digest = gate.policy.digest(case.target)
    if loads is None:
        return Evidence(_subject(case), digest)
    asked = replace(case.target, checks=checks(case.target)[1:])
    try:
        found = measure(gate.policy, asked, case.candidate, case.champion, gate.registry, gate.now())
    except Undetermined as e:
        raise Undetermined(e.what, e.why, f"{e.fix} In a hurry, go back without looking: --fast.") from e
    return replace(found, policy_digest=digest, facts=(loads, *found.facts))


def judged(target: Target, found: Evidence) -> Verdict:
    """What the checks say; those that were not to be made are waived."""
    if not found.facts:
        said = "it was not looked at, as --fast asks"
        return Verdict(tuple(Result(check, "waived", said) for check in checks(target)))
    return judge(checks(target), found)


def worded(case: Case, wish: Wish, made: Decision) -> Decision:
    """What `decide` made of verdict and approvals, in the words of a rollback."""
    if made.kind == "promoted":
        held = f" from v{case.holding.number}" if case.holding.number else ""
        made = Decision("rolled_back", made.reason, f"back{held} to v{case.candidate.number}: {wish.why}")
    if made.reason in (Reason.UNDETERMINED, Reason.CHECKS_FAILED):
        hurry = f"v{case.candidate.number} may not work there; --fast goes back without looking"
        return replace(made, detail=hurry)
    return made


def taken_from(gate: Gate, case: Case, wish: Wish) -> Leaving | None:
    """The holder that is taken back, and what its tag is to say; None if nobody holds the target."""
    faulty = case.holding.version
    if faulty is None:
        return None
    why = " ".join(wish.why.split())[:_TAGGED]
    mark = f"back to v{case.candidate.number} by {gate.actor.login} at {stamp(gate.now())}: {why}"
    return Leaving(faulty.model, faulty.number, mark)


def _subject(case: Case) -> dict[str, Scalar | None]:
    return {
        "model": case.candidate.model,
        "version": case.candidate.number,
        "target": case.target.name,
        "champion": None if case.champion is None else case.champion.number,
    }
