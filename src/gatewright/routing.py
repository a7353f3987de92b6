"""What a router is told: the split that the ledger knows of, and only where the registry shows the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gatewright.case import Gate, survey
from gatewright.ladder import Holding, Models
from gatewright.live.assignment import Arm
from gatewright.live.route import Routing
from gatewright.live.trial import Trial, next_label
from gatewright.measure.lineage import location, public
from gatewright.measure.reading import Once, Reading
from gatewright.policy.model import Target
from gatewright.problem import Undetermined, UsageError
from gatewright.trials import Known, newest, trial


def routing(gate: Gate) -> Routing:
    """The split that runs, or the champion alone while none does.

    Raises Undetermined where ledger and registry differ: a router keeps what it has until they agree.
    """
    name, live = gate.policy.model, gate.policy.live
    known = newest(gate.ledger.rows(name))
    running = trial(gate, known) if known is not None and known.runs else None
    target = _target(gate, known)
    models, held = survey(gate, target)
    champion = _champion(gate, target, held, running)
    if next_label(models, name, running) is not None:
        raise _torn(gate, "its aliases and tags show another split than the ledger, or what is left of one")
    unit = live.unit if live is not None else ""
    found = Routing(name, champion, unit=unit)
    if running is not None:
        found = replace(found, challenger=running.challenger, parts=running.parts, salt=running.salt)
    return replace(found, sources=_sources(gate, models, found.versions))


def _target(gate: Gate, known: Known | None) -> Target:
    """The target of the newest split; the last of the ladder where there never was one."""
    found = gate.policy.target(known.started.target) if known is not None else None
    return found or gate.policy.targets[-1]


def _champion(gate: Gate, target: Target, held: Holding, running: Trial | None) -> int:
    if held.number is None:
        raise UsageError(f"nobody holds {target.name} of {gate.policy.model}", "there is nothing to route to")
    if running is not None and held.number != running.champion:
        raise _torn(gate, f"v{held.number} holds {target.name}, and the split began against v{running.champion}")
    return held.number


def _torn(gate: Gate, why: str) -> Undetermined:
    what = f"who is to be served by {gate.policy.model} cannot be told"
    return Undetermined(what, why, f"Run gatewright live status {gate.policy.model} --act, which finishes or ends it.")


def _sources(gate: Gate, models: Models, versions: Mapping[Arm, int]) -> Mapping[Arm, str]:
    """Where the files of each arm are, without passwords."""
    found: dict[Arm, str] = {}
    for arm, number in versions.items():
        version = models[gate.policy.model].version(number)
        if version is not None:
            uri, _ = location(Reading("candidate", version, Once(gate.registry), gate.now()))
            found[arm] = public(uri)
    return found
