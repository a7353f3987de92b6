"""Lists of checks: each line parsed, includes taken over, nothing asked for that the file cannot measure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from gatewright.paths import Path, Paths
from gatewright.policy.document import Entries, Node, Scalar, did_you_mean
from gatewright.policy.fields import Faults, Fields, items_of, said, wrong
from gatewright.policy.grammar import parse_check, same_rule
from gatewright.policy.model import Champion, Check, Holdout, Latency, Live, Place, Severity, Task
from gatewright.policy.schema import CHECK, INCLUDE, keys_of

#: the families of paths that are measured with rows of the holdout
ON_THE_HOLDOUT = ("holdout", "latency", "memory")

_PERCENTILE = re.compile(r"p([1-9][0-9])")


@dataclass(frozen=True, slots=True)
class Include:
    """`{include: staging}` in a list of checks."""

    target: str
    place: Place


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the checks of one file may speak of. None stands for what cannot be known: its block is broken."""

    paths: Paths
    blocks: frozenset[str]
    columns: frozenset[str] | None
    task: Task | None
    metrics: tuple[str, ...] | None
    requests: int

    @staticmethod
    def of(
        paths: Paths, fields: Fields, holdout: Holdout | None, latency: Latency | None, live: Live | None
    ) -> Vocabulary:
        """The words that a file's blocks give."""
        return Vocabulary(
            paths,
            frozenset(key for key in ("holdout", "live") if key in fields),
            frozenset(holdout.slices) if holdout else None,
            holdout.task if holdout and holdout.task in get_args(Task) else None,
            tuple(m.name for m in live.metrics if m.name) if live else None,
            (latency or Latency()).requests,
        )


class CheckList:
    """The `checks:` or `warnings:` of one target, in order; lines that cannot be read are reported."""

    def __init__(self, known: Vocabulary, faults: Faults) -> None:
        self._known, self._faults = known, faults

    def read(self, node: Node | None, severity: Severity) -> list[Check | Include]:
        """The entries of one list."""
        what = '"checks"' if severity == "block" else '"warnings"'
        items = items_of(node, what, self._faults, required=severity == "block") if node else ()
        return [entry for item in items if (entry := self._entry(item, severity))]

    def _entry(self, node: Node, severity: Severity) -> Check | Include | None:
        if isinstance(node, Scalar):
            return self._line(node, severity)
        if not isinstance(node, Entries):
            self._faults.add(node.place, f"a check must be one line, not {said(node)}", "put the line in quotes")
            return None
        if node.get("include") is not None:
            return self._include(node, severity)
        if self._is_long_form(node):
            return self._long(node, severity)
        text = 'YAML reads the ": " in this line as a key and its value'
        self._faults.add(node.place, text, "put the whole line in quotes")
        return None

    def _is_long_form(self, node: Entries) -> bool:
        known = list(keys_of(CHECK)) + list(keys_of(INCLUDE))
        return any(key.text in known or did_you_mean(key.text, known) for key, _ in node.pairs)

    def _include(self, node: Entries, severity: Severity) -> Include | None:
        name = Fields(INCLUDE, node, '"include"', self._faults).text("include")
        if severity == "warn":
            self._faults.add(node.place, '"include" stands under checks only', "an included check always blocks")
        return Include(name, node.place) if name and severity == "block" else None

    def _long(self, node: Entries, severity: Severity) -> Check | None:
        fields = Fields(CHECK, node, "a check", self._faults)
        line = fields.node("check")
        check = self._line(line, severity) if line else None
        if check is None:
            return None
        self._options_matter(check, fields)
        return replace(
            check,
            name=fields.text("name"),
            if_no_champion=fields.choice("if_no_champion", check.if_no_champion),
            if_inconclusive=fields.choice("if_inconclusive", check.if_inconclusive),
            if_missing=fields.choice("if_missing", check.if_missing),
        )

    def _options_matter(self, check: Check, fields: Fields) -> None:
        if "if_no_champion" in fields and not check.needs_champion:
            self._faults.add(fields.at("if_no_champion"), "this check does not ask for the champion", "leave it out")
        if "if_inconclusive" in fields and check.level is None and not isinstance(check.operand, Champion):
            self._faults.add(fields.at("if_inconclusive"), "this check is never inconclusive", "leave it out")

    def _line(self, node: Node, severity: Severity) -> Check | None:
        if not isinstance(node, Scalar) or node.kind == "null":
            wrong(node, "a check", "a line of text", self._faults)
            return None
        known = self._known
        read = parse_check(node.text, known.paths, node.at(0), columns=known.columns, task=known.task, where=node.at)
        if isinstance(read, list):
            self._faults.extend(replace(p, hint=_comment(node)) if "never closed" in p.text else p for p in read)
            return None
        self._can_be_measured(read)
        return replace(read, severity=severity)

    def _can_be_measured(self, check: Check) -> None:
        path, blocks = check.path, self._known.blocks
        if path.family in ON_THE_HOLDOUT and "holdout" not in blocks:
            self._faults.add(check.place, f"{path} is measured on a holdout, and there is none", "add a holdout block")
        if path.family == "live":
            self._live(path, check.place)
        needed = calls_needed(check)
        if needed > self._known.requests:
            text = f"{check.text} can never be decided by {self._known.requests} calls"
            self._faults.add(check.place, text, f"set latency: {{requests: {needed}}} or more")

    def _live(self, path: Path, place: Place) -> None:
        if "live" not in self._known.blocks:
            self._faults.add(place, f"{path} is measured in a live split, and there is none", "add a live block")
        elif self._known.metrics is not None and path.key not in self._known.metrics:
            hint = did_you_mean(path.key, self._known.metrics) or "name it as primary or as a guardrail"
            self._faults.add(place, f'the live block has no metric "{path.key}"', hint)


def _comment(node: Scalar) -> str:
    """The remedy for a quote that YAML cut off: " #" begins a comment."""
    cut = not node.style and node.rest_of_line.strip().startswith("#")
    return 'YAML reads " #" as a comment: put the whole line in quotes' if cut else "close it"


def calls_needed(check: Check) -> int:
    """How many calls it takes before an upper bound of a latency percentile exists at the check's confidence.

    The largest of n values bounds the q-quantile from above with confidence 1 − q^n, so that
    n ≥ log(1 − level) / log(q).
    """
    percentile = _PERCENTILE.fullmatch(check.path.key)
    if check.path.family != "latency" or check.level is None or percentile is None:
        return 0
    if isinstance(check.operand, Champion) or check.op not in ("<", "<="):
        return 0
    return math.ceil(math.log(1 - float(check.level)) / math.log(int(percentile[1]) / 100))


def resolved(lists: Mapping[str, Sequence[Check | Include]], faults: Faults) -> dict[str, tuple[Check, ...]]:
    """Each target's blocking checks with its includes taken over; what is taken over twice stands once."""
    done: dict[str, tuple[Check, ...]] = {}
    trail: list[str] = []

    def checks_of(target: str) -> tuple[Check, ...]:
        if target not in done:
            trail.append(target)
            found: dict[Check, Check] = {}
            for entry in lists[target]:
                for check in taken(entry) if isinstance(entry, Include) else (entry,):
                    found.setdefault(same_rule(check), check)
            trail.pop()
            done[target] = tuple(found.values())
        return done[target]

    def taken(include: Include) -> tuple[Check, ...]:
        if include.target in trail:
            circle = " → ".join([*trail[trail.index(include.target) :], include.target])
            faults.add(include.place, f"this include goes round in a circle: {circle}", "take one of them out")
        elif include.target not in lists:
            hint = did_you_mean(include.target, lists) or f"there is {', '.join(lists)}"
            faults.add(include.place, f'there is no target "{include.target}" to include', hint)
        else:
            return checks_of(include.target)
        return ()

    for target in lists:
        checks_of(target)
    return done


def stand_once(entries: Sequence[Check | Include], faults: Faults) -> None:
    """Reports a line that one target has twice."""
    first: dict[str, Place] = {}
    for entry in entries:
        text = f"include {entry.target}" if isinstance(entry, Include) else entry.text
        if text in first:
            faults.add(entry.place, f"this check stands in line {first[text].line} already", "one of them is enough")
        first.setdefault(text, entry.place)
