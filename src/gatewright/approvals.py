"""Who must agree, who has, and whose word does not count and why."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.policy.model import Rule


@dataclass(frozen=True, slots=True)
class Counted:
    """An approval that counts, and the rule whose place it fills."""

    login: str
    id: int
    rule: str
    at: str


@dataclass(frozen=True, slots=True)
class NotCounted:
    """An approval that does not count. `comment` is its address, `because` a reason code."""

    login: str
    comment: str
    because: str


@dataclass(frozen=True, slots=True)
class RuleStanding:
    """How far one rule is fulfilled."""

    rule: Rule
    have: int = 0

    @property
    def met(self) -> bool:
        return self.have >= self.rule.count


@dataclass(frozen=True, slots=True)
class Standing:
    """All rules of a target, and every approval that was given for this evidence."""

    rules: tuple[RuleStanding, ...] = ()
    counted: tuple[Counted, ...] = ()
    not_counted: tuple[NotCounted, ...] = ()

    @property
    def needed(self) -> bool:
        return bool(self.rules)

    @property
    def met(self) -> bool:
        return all(r.met for r in self.rules)

    @property
    def missing(self) -> tuple[RuleStanding, ...]:
        return tuple(r for r in self.rules if not r.met)


def count(rules: tuple[Rule, ...]) -> Standing:
    """The one place where approvals are counted.

    No thread of comments reaches the command line, so every rule stands at none: who owes an approval is known,
    who gave one is for the forge to say.
    """
    return Standing(tuple(RuleStanding(rule) for rule in rules))
