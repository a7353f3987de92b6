"""Policy files → policies: all is read, and all that is wrong is said at once, with its place and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatewright.paths import Paths
from gatewright.policy.approvers import Roll
from gatewright.policy.checks import Vocabulary
from gatewright.policy.document import Entries, Node, Scalar, read_document
from gatewright.policy.fields import Faults, Fields
from gatewright.policy.holdout import read_holdout, read_latency
from gatewright.policy.live import read_live
from gatewright.policy.model import Holdout, Latency, Live, Place, Policy, Target
from gatewright.policy.schema import POLICY
from gatewright.policy.targets import model_name, read_targets
from gatewright.problem import PolicyError, Problem


def read_policies(files: Mapping[str, str | Problem], paths: Paths) -> tuple[Policy, ...]:
    """The policies of several files (name → text, or why it has none), in the order of their names.

    Raises PolicyError with every problem of every file.
    """
    faults = Faults()
    read = [found for name, text in sorted(files.items()) if (found := _policy(name, text, paths, faults))]
    _one_file_each(read, faults)
    if faults:
        raise PolicyError(faults)
    return tuple(policy for policy, _ in read)


def _one_file_each(read: list[tuple[Policy, Place]], faults: Faults) -> None:
    first: dict[str, Place] = {}
    for policy, place in read:
        if policy.model in first:
            faults.add(place, f'model "{policy.model}" has a policy already', f"in {first[policy.model]}")
        elif policy.model:
            first[policy.model] = place


def _policy(file: str, text: str | Problem, paths: Paths, faults: Faults) -> tuple[Policy, Place] | None:
    """The policy and the place of its model's name; None if there is no text, or it is no mapping at all."""
    if isinstance(text, Problem):
        faults.append(text)
        return None
    root, problems = read_document(file, text)
    faults.extend(problems)
    if root is None:
        if not problems:
            faults.append(Problem(file, 1, 1, "this file is empty", 'a policy begins with "version: 1"'))
        return None
    fields = Fields(POLICY, root, "the policy", faults)
    if not isinstance(root, Entries):
        return None
    _version(fields, faults)
    model = fields.text("model")
    model_name(model, fields.at("model"), faults)
    blocks = _Blocks.read(fields, faults)
    roll = Roll(faults)
    people = roll.people(fields.node("people"))
    known = Vocabulary.of(paths, fields, blocks.holdout, blocks.latency, blocks.live)
    targets = read_targets(fields.node("targets"), model, known, roll, faults)
    latency = blocks.latency or _default_latency(targets)
    return Policy(file, model, targets, blocks.holdout, latency, blocks.live, people), fields.at("model")


@dataclass(frozen=True, slots=True)
class _Blocks:
    """What checks are measured with."""

    holdout: Holdout | None
    latency: Latency | None
    live: Live | None

    @staticmethod
    def read(fields: Fields, faults: Faults) -> _Blocks:
        holdout, latency, live = map(fields.node, ("holdout", "latency", "live"))
        return _Blocks(
            read_holdout(holdout, faults) if holdout else None,
            read_latency(latency, faults) if latency else None,
            read_live(live, faults) if live else None,
        )


def _version(fields: Fields, faults: Faults) -> None:
    node: Node | None = fields.node("version")
    if node is not None and not (isinstance(node, Scalar) and node.kind == "whole" and node.value == 1):
        faults.add(node.place, "this version of the format is not known here", "write version: 1")


def _default_latency(targets: tuple[Target, ...]) -> Latency | None:
    asked = any(check.path.family == "latency" for target in targets for check in target.checks)
    return Latency() if asked else None
