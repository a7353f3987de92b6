"""Who fills which place, when nobody may fill two."""

from __future__ import annotations

from collections.abc import Sequence


def fill(places: Sequence[int], fits: Sequence[Sequence[int]]) -> dict[int, int]:
    """A largest assignment of people to groups of places: person → group.

    places: how many places each group has. fits: for each person, the groups that they may sit in. A person sits in
    one group at most, and no other assignment seats more people. Augmenting paths, as in H. W. Kuhn, "The Hungarian
    method for the assignment problem" (1955): whoever arrives may move others who are seated already, so that nobody
    who is seated ever loses their seat, and earlier people and groups come first.
    """
    seated: dict[int, int] = {}
    for person in range(len(fits)):
        _seat(person, places, fits, seated, set())
    return seated


def _seat(
    person: int, places: Sequence[int], fits: Sequence[Sequence[int]], seated: dict[int, int], tried: set[int]
) -> bool:
    """Gives a person a seat, moving others if need be; `tried` holds the groups that were found full."""
    for group in fits[person]:
        if group in tried:
            continue
        tried.add(group)
        holders = [other for other, taken in seated.items() if taken == group]
        if len(holders) < places[group] or any(_seat(h, places, fits, seated, tried) for h in holders):
            seated[person] = group
            return True
    return False
