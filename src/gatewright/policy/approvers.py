"""Who must agree: logins, teams and rules as a policy writes them, and whether enough people are named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, combinations

from gatewright.policy.document import Node
from gatewright.policy.fields import Faults, Fields, entries_of, items_of, text_of
from gatewright.policy.model import Approver, Place, Rule
from gatewright.policy.schema import LOGIN, PERSON, RULE, TEAM

MAX_RULES = 10

_ID = re.compile(rf"(?P<login>{LOGIN})#(?P<id>.*)")


class Roll:
    """Everyone named in one file; a login that is pinned twice must be pinned to one id."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._pins: dict[str, tuple[int, Place]] = {}

    def people(self, node: Node | None) -> dict[str, Approver]:
        """MLflow user → person."""
        found: dict[str, Approver] = {}
        for user, value in entries_of(node, '"people"', self._faults) if node else ():
            person = self._approver(value, f'"{user.text}"')
            if person is not None and person.team:
                self._faults.add(value.place, f"{person} is a team", "an MLflow user is one person: write a login")
            elif person is not None:
                found[user.text] = person
        return found

    def approvers(self, node: Node | None, what: str) -> tuple[Approver, ...]:
        """A list of people and teams, each once."""
        found: dict[str, Approver] = {}
        for item in items_of(node, what, self._faults, required=True) if node else ():
            approver = self._approver(item, what)
            if approver is None:
                continue
            key = (approver.team or approver.login).casefold()
            if key in found:
                self._faults.add(item.place, f"{approver} is named twice", "letter case makes no other person")
            found.setdefault(key, approver)
        return tuple(found.values())

    def _approver(self, node: Node, what: str) -> Approver | None:
        text = text_of(node, what, self._faults)
        if text is None:
            return None
        if re.fullmatch(TEAM, text, re.ASCII):
            return Approver(team=text[1:])
        if not re.fullmatch(PERSON, text, re.ASCII):
            self._faults.add(node.place, f'"{text}" is no GitHub login or team', _remedy(text))
            return None
        login, _, pin = text.partition("#")
        approver = Approver(login, int(pin) if pin else None)
        self._pin(approver, node.place)
        return approver

    def _pin(self, approver: Approver, place: Place) -> None:
        if approver.id is None:
            return
        known, first = self._pins.setdefault(approver.login.casefold(), (approver.id, place))
        if known != approver.id:
            text = f"{approver.login} is pinned to {approver.id} here and to {known} in line {first.line}"
            self._faults.add(place, text, "one login has one id")

    def rules(self, node: Node | None) -> tuple[Rule, ...]:
        """The rules of one list; together they must not ask for more people than they name."""
        found: list[Rule] = []
        items = items_of(node, '"approvals"', self._faults, empty_is_fine=True) if node else ()
        if len(items) > MAX_RULES:
            self._faults.add(items[MAX_RULES].place, f"more than {MAX_RULES} rules", "nobody could follow them")
        for item in items[:MAX_RULES]:
            rule = self._rule(item)
            if rule is None:
                continue
            if any(rule.name == other.name for other in found):
                self._faults.add(item.place, f'two rules are called "{rule.name}"', "give each its own name")
            found.append(rule)
        short = shortage(found)
        if node is not None and short:
            text = f"these rules together need {short} more people than they name"
            self._faults.add(node.place, text, "nobody fills two places; name more people, or a team")
        return tuple(found)

    def _rule(self, node: Node) -> Rule | None:
        fields = Fields(RULE, node, "an approval rule", self._faults)
        count = fields.whole("count", 1)
        before = len(self._faults)
        approvers = self.approvers(fields.node("from"), '"from"')
        if not approvers or len(self._faults) > before:
            return None
        rule = Rule(fields.text("name", ", ".join(map(str, approvers))), approvers, count)
        if not any(a.team for a in approvers) and count > len(approvers):
            named = f"{len(approvers)} {'person' if len(approvers) == 1 else 'people'}"
            text = f"this rule can never be met: it needs {count} and names {named}"
            self._faults.add(fields.at("count"), text, "name more people or a team, or lower the count")
            return None
        return rule


def shortage(rules: Sequence[Rule]) -> int:
    """How many places stay empty when everyone named approves and fills one place; a team fills any number.

    By Hall's theorem in Ore's form it is the worst that any group of rules wants beyond the people it names.
    """
    closed = [
        (r.count, {a.login.casefold() for a in r.approvers}) for r in rules if not any(a.team for a in r.approvers)
    ]
    groups = chain.from_iterable(combinations(closed, size) for size in range(len(closed) + 1))
    return max(sum(count for count, _ in group) - len(set().union(*(named for _, named in group))) for group in groups)


def _remedy(text: str) -> str:
    """What is meant by a name that GitHub does not have."""
    pinned = _ID.fullmatch(text)
    if pinned:
        return f"the id after # is a number: {pinned['login']}#583231"
    if text.endswith("[bot]"):
        return "a bot approves nothing; name a person or a team"
    if not text.isascii():
        return "GitHub's names are ASCII; this may be a look-alike"
    if re.fullmatch(r"[^@\s/]+/[^@\s/]+", text) and re.fullmatch(TEAM, f"@{text}"):
        return f'a team is written "@{text}"'
    if text.startswith("@") and re.fullmatch(PERSON, text[1:]):
        return f'a person is written {text[1:]}, a team "@org/{text[1:]}"'
    if text.startswith("@") and " " in text:
        return f'a team is written by its slug: "{text.lower().replace(" ", "-")}"'
    if "@" in text[1:]:
        return "write the GitHub login, not the address"
    return 'write octo, octo#583231 or "@acme/ml-leads"'
