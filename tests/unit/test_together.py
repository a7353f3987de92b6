"""Requests side by side: many, in their order, and never more at once than a server should notice."""

from __future__ import annotations

import threading

import pytest

from gatewright.connection.together import AT_ONCE, side_by_side


class Crowd:
    """Counts how many are inside at once; whoever is inside waits until no more can come."""

    def __init__(self, expected: int) -> None:
        self._room, self._inside, self.most = threading.Condition(), 0, 0
        self._expected = expected

    def visit(self, number: int) -> int:
        with self._room:
            self._inside += 1
            self.most = max(self.most, self._inside)
            self._room.notify_all()
            self._room.wait_for(lambda: self.most >= self._expected, timeout=30)
            self._inside -= 1
        return number


def test_answers_come_in_the_order_of_the_questions() -> None:
    """Whichever was answered first."""
    crowd = Crowd(AT_ONCE)
    assert side_by_side(crowd.visit, range(3 * AT_ONCE)) == list(range(3 * AT_ONCE))
    assert crowd.most == AT_ONCE


def test_what_is_read_for_one_of_many_is_read_one_by_one() -> None:
    """Eight ledgers of which each reads eight files are eight requests under way, not sixty-four."""
    crowd = Crowd(AT_ONCE)
    found = side_by_side(lambda n: side_by_side(crowd.visit, [n, n]), range(2 * AT_ONCE))
    assert found == [[n, n] for n in range(2 * AT_ONCE)]
    assert crowd.most == AT_ONCE


def test_a_failure_is_raised() -> None:
    """Nothing is left out of an answer in silence."""
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda n: 1 // n, [1, 0, 1])
