"""Many requests side by side, and few enough of them that a server hardly notices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

#: requests that may be under way at once
AT_ONCE = 8
#: up to this many things each is asked for by itself; for more, lists are read page by page
FEW = 16

T = TypeVar("T")
R = TypeVar("R")

_thread = threading.local()


def side_by_side(read: Callable[[T], R], of: Sequence[T]) -> list[R]:
    """What `read` says of each, in their order; the first failure is raised.

    What `read` in its turn would read side by side it reads one by one, so that no more than AT_ONCE are under way.
    """
    if len(of) < 2 or getattr(_thread, "is_one_of_many", False):
        return [read(one) for one in of]
    with ThreadPoolExecutor(AT_ONCE, initializer=_mark) as pool:
        return list(pool.map(read, of))


def _mark() -> None:
    _thread.is_one_of_many = True


def chunks(of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The same in pieces of at most `size`."""
    return (of[n : n + size] for n in range(0, len(of), size))
