"""When outcomes are looked at, and what is seen then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gatewright.live.moments import Moments
from gatewright.policy.model import Live

DAY = 86400.0

#: the most looks that an experiment is cut into, however long it runs
MOST_LOOKS = 60


@dataclass(frozen=True, slots=True)
class Arm:
    """What one arm has shown: units exposed at all, and for each metric the moments of those whose outcome is due."""

    exposed: float = 0
    metrics: Mapping[str, Moments] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """Both arms as of one time. at: seconds since the start. mixed: units seen in both arms, counted in neither."""

    at: float
    champion: Arm = field(default_factory=Arm)
    challenger: Arm = field(default_factory=Arm)
    mixed: float = 0

    def moments(self, metric: str) -> tuple[Moments, Moments]:
        """The champion's and the challenger's."""
        return self.champion.metrics.get(metric, Moments()), self.challenger.metrics.get(metric, Moments())


def look_times(live: Live, elapsed: float) -> tuple[float, ...]:
    """When an experiment that began `elapsed` seconds ago is looked at, in seconds since its start.

    Every day, or as often as makes 60 looks of the longest runtime. With planned looks those alone count, whenever
    somebody asks: asking at noon and at night gives the same answer. A confidence sequence is read now, too.
    """
    longest = float(live.max_runtime)
    period = max(DAY, longest / MOST_LOOKS)
    until = min(elapsed, longest)
    planned = [k * period for k in range(1, math.floor(until / period) + 1)]
    if elapsed >= longest and planned[-1:] != [longest]:
        planned.append(longest)
    if live.method == "always_valid" and planned[-1:] != [elapsed]:
        planned.append(elapsed)
    return tuple(planned)
