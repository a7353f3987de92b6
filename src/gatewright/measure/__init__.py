"""Evidence: what the checks of a target ask for, read once from the registry and frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from gatewright.evidence import Evidence, Fact, Need, Scalar, needs
from gatewright.measure import benchmarked, lineage, live, model, run, signature
from gatewright.measure.lineage import public
from gatewright.measure.mlmodel import MLmodel
from gatewright.measure.quoting import storable
from gatewright.measure.reading import Once, Reading
from gatewright.paths import Path, Paths
from gatewright.policy.model import Policy, Target
from gatewright.registry import Registry
from gatewright.subject import Version

#: every family of facts: its rows are the paths that a policy may name, its `collect` reads them
_FAMILIES = (run, signature, model, lineage, benchmarked, live)

PATHS = Paths(row for family in _FAMILIES for row in family.ROWS)

_COLLECTORS: Mapping[str, Callable[[Path, Reading], Fact]] = {
    row.family: family.collect for family in _FAMILIES for row in family.ROWS
}


def measure(
    policy: Policy,
    target: Target,
    candidate: Version,
    champion: Version | None,
    registry: Registry,
    now: datetime,
    given: tuple[Fact, ...] = (),
    notes: tuple[str, ...] = (),
) -> Evidence:
    """Gathers what the checks of `target` ask for, and no more; ages count to `now`, which has a time zone.

    given: facts that were gathered before and not here, of the holdout and of the live split; notes: remarks on
    them.
    Raises Undetermined where the registry or its artifact store cannot be read.
    """
    had = {fact.path.family for fact in given}
    asked = tuple(n for n in needs(target.checks) if n.path.family not in had)
    once = Once(registry)
    rival = None if champion is None else Reading("champion", champion, once, now)
    mine = Reading("candidate", candidate, once, now, rival)
    compared = _paths(n for n in asked if n.factor is not None)
    with ThreadPoolExecutor(max_workers=3) as pool:
        file = pool.submit(lambda: mine.mlmodel)
        theirs = pool.submit(_facts, rival, compared)
        facts = (*_facts(mine, _paths(asked)), *theirs.result(), *given)
        subject = _subject(target, mine, file.result(), rival)
    return Evidence(subject, policy.digest(target), facts, notes)


def _paths(asked: Iterable[Need]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(n.path for n in asked))


def _facts(reading: Reading | None, paths: tuple[Path, ...]) -> tuple[Fact, ...]:
    return () if reading is None else tuple(_COLLECTORS[p.family](p, reading) for p in paths)


def _subject(target: Target, mine: Reading, file: MLmodel | None, rival: Reading | None) -> dict[str, Scalar | None]:
    """What was judged. The champion's files count only where a check read them."""
    judged: dict[str, Scalar | None] = {
        "model": mine.version.model,
        "version": mine.version.number,
        "run": mine.version.run_id or None,
        "source": public(mine.version.source),
        "model_id": mine.model_id or None,
        "artifact": _digest(file),
        "target": target.name,
        "champion": None if rival is None else rival.version.number,
        "champion_model": None if rival is None else rival.version.model,
        "champion_source": None if rival is None else public(rival.version.source),
        "champion_artifact": _digest(rival.mlmodel) if rival is not None and rival.has_read_mlmodel else None,
    }
    return {k: storable(v) if isinstance(v, str) else v for k, v in judged.items()}


def _digest(file: MLmodel | None) -> str:
    return "absent" if file is None else f"sha256:{file.sha256}"
