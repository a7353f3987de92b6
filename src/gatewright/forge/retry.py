"""When to ask a busy or broken server again, how long to wait first, and when to give up."""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: what GitHub asks for when it limits a client without saying for how long, in seconds
UNSAID = 60.0

_LIMITS = ("rate limit", "abuse detection", "too many requests")


class Again(Exception):
    """An answer that may be a better one next time.

    least: seconds to wait before that. unsent: the server has surely not carried the request out. reason: the stable
    code of what it comes to if patience ends.
    """

    def __init__(
        self, why: str, fix: str, *, least: float = 0.0, unsent: bool = False, reason: str = "undetermined"
    ) -> None:
        self.why, self.fix, self.least, self.unsent, self.reason = why, fix, least, unsent, reason
        super().__init__(why)


class Patience:
    """The waiting that one run allows itself, over all its requests: `budget` seconds, `tries` for each request.

    sleep takes seconds, random gives [0, 1), now gives seconds since 1970.
    """

    def __init__(
        self,
        sleep: Callable[[float], object],
        random: Callable[[], float],
        now: Callable[[], float],
        *,
        budget: float = 150.0,
        tries: int = 6,
    ) -> None:
        self._sleep, self._random, self.now = sleep, random, now
        self.left, self._tries = budget, tries

    def wait(self, attempt: int, least: float = 0.0) -> bool:
        """Waits after the failed `attempt` (from 0); False, at once, if no further one is allowed.

        Doubles from half a second to at most 30, with jitter over its upper half, and never below `least`: several
        runs that were turned away together come back one by one.
        """
        backoff = min(2.0**attempt, 30.0) * (0.5 + self._random() / 2)
        seconds = max(backoff, least + self._random() if least else 0.0)
        if attempt + 1 >= self._tries or seconds > self.left:
            return False
        self.left -= seconds
        self._sleep(seconds)
        return True


def limited(status: int, headers: Mapping[str, str], text: str, now: float) -> float | None:
    """Seconds to wait if an answer is a rate limit, primary or secondary; None if it is anything else.

    headers: names in any case, as `requests` gives them.
    """
    if status not in (403, 429):
        return None
    after = headers.get("Retry-After", "").strip()
    if after:
        return float(after) if after.isdigit() else UNSAID
    if headers.get("X-RateLimit-Remaining", "").strip() == "0":
        reset = headers.get("X-RateLimit-Reset", "").strip()
        return max(float(reset) - now, 0.0) + 1.0 if reset.isdigit() else UNSAID
    if status == 429 or any(word in text.lower() for word in _LIMITS):
        return UNSAID
    return None
