"""Tests that may be looked at again and again: confidence sequences, planned looks, and the sample-ratio test.

Numbers in, numbers out; no test here knows what it is about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]

_NORMAL = NormalDist()

#: how many units a confidence sequence is narrowest at, where nobody says what traffic to expect
TUNED_FOR = 5000

#: how firmly the sample-ratio test expects a mismatch near the split: prior units, spread as the split says
_PRIOR_UNITS = 1000.0

#: a look that adds less than this share to what is known is no look of its own
LEAST_NEWS = 0.01

_FARTHEST = 8.5
_POINTS = 501


# -- confidence sequences ----------------------------------------------------------------------------------------


def mixture(alpha: float, tuned_for: float = TUNED_FOR) -> float:
    """The mixture's ρ that makes a two-sided sequence narrowest at `tuned_for` units; of one sided ones, at 2·alpha.

    ρ = √((−2 ln α + ln(−2 ln α + 1))/n): I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas,
    Time-uniform central limit theory and asymptotic confidence sequences, arXiv 2103.06476, appendix B.
    It has to be fixed before the outcomes are seen; whatever it is, the sequence holds.
    """
    return math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuned_for)


def two_sided(error: float, units: float, alpha: float, rho: float) -> float:
    """Half the width of a two-sided confidence sequence: estimate ± it holds the truth at every look at once.

    error: standard error of the estimate from `units` units. With k = nρ² + 1 it is
    error · √n · √(2k/(nρ)² · ln(√k/α)), the same paper's theorem 2.2.
    """
    k = units * rho**2 + 1
    return error * math.sqrt(units) * math.sqrt(2 * k / (units * rho) ** 2 * math.log(math.sqrt(k) / alpha))


def one_sided(error: float, units: float, alpha: float, rho: float) -> float:
    """How far below (or above) an estimate its one-sided confidence sequence runs; either side alone errs at `alpha`.

    As `two_sided`, with ln(1 + √k/(2α)) for ln(√k/α): the same paper's one-sided sequences, appendix B.
    """
    k = units * rho**2 + 1
    return error * math.sqrt(units) * math.sqrt(2 * k / (units * rho) ** 2 * math.log1p(math.sqrt(k) / (2 * alpha)))


def always_valid_p(estimate: float, error: float, units: float, rho: float) -> float:
    """The smallest α at which `two_sided` leaves zero out: valid at whatever time one stops.

    R. Johari, P. Koomen, L. Pekelis, D. Walsh (2022), Always valid inference, Operations Research 70, 1806–1821.
    """
    if error == 0:
        return 1.0 if estimate == 0 else 0.0
    k = units * rho**2 + 1
    return min(1.0, math.sqrt(k) * math.exp(-((rho * estimate / error) ** 2) * units / (2 * k)))


def units_until(width: Callable[[float], float], distance: float, most: float = 1e12) -> float:
    """The fewest units at which a width that shrinks with them comes down to `distance`; infinite beyond `most`."""
    if not distance > 0 or width(most) > distance:
        return math.inf
    low, high = 1.0, most
    while high / low > 1.0005:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if width(middle) > distance else (low, middle)
    return high


# -- planned looks -----------------------------------------------------------------------------------------------


def spent(alpha: float, time: float) -> float:
    """The risk that may be used up by `time` (0 to 1): little at first, as O'Brien and Fleming would have it.

    2 − 2 Φ(z(1 − α/2)/√t) for one side that errs at `alpha`. K. K. G. Lan, D. L. DeMets (1983), Discrete sequential
    boundaries for clinical trials, Biometrika 70, 659–663.
    """
    if time <= 0:
        return 0.0
    return 2 * (1 - _NORMAL.cdf(_NORMAL.inv_cdf(1 - alpha / 2) / math.sqrt(min(time, 1.0))))


def critical_values(alpha: float, times: Sequence[float], information: Sequence[float]) -> tuple[float, ...]:
    """How many standard errors each look must exceed, on one side, for all looks together to err at `alpha`.

    times: when the looks are, as shares of the longest runtime, ascending; they say what may be spent. information:
    1/error² at each look; only ratios matter. The two need not agree: K. K. G. Lan, D. L. DeMets (1989), Group
    sequential procedures: calendar versus information time, Statistics in Medicine 8, 1191–1198.
    The density of looks so far is carried from one to the next: P. Armitage, C. K. McPherson, B. C. Rowe (1969),
    Repeated significance tests on accumulating data, JRSS A 132, 235–244. Nothing is taken off for crossing the
    other side, so that ignoring a bound there does no harm.
    """
    whole = tuple(times), tuple(information)
    return tuple(_look(alpha, whole[0][:k], whole[1][:k]).limit for k in range(1, len(whole[0]) + 1))


@dataclass(frozen=True, slots=True)
class _Look:
    """The last of several looks: its limit, the risk used up, and the density of what has not crossed."""

    limit: float
    used: float
    state: tuple[Floats, Floats] | None


@lru_cache(maxsize=512)
def _look(alpha: float, times: tuple[float, ...], information: tuple[float, ...]) -> _Look:
    """Kept, since every look rests on those before it."""
    if not times:
        return _Look(math.inf, 0.0, None)
    before = _look(alpha, times[:-1], information[:-1])
    known = information[-2] if len(times) > 1 else 0.0
    if len(times) > 1 and information[-1] < known * (1 + LEAST_NEWS):
        raise ValueError("each look must know more than the one before it")
    target, kept = spent(alpha, times[-1]), math.sqrt(known / information[-1])
    limit = _limit(before.state, max(target - before.used, 0.0), kept)
    return _Look(limit, max(target, before.used), _carried(before.state, limit, kept))


def _limit(state: tuple[Floats, Floats] | None, risk: float, kept: float) -> float:
    """The bound that exactly `risk` exceeds, out of what has not crossed yet."""
    low, high = -_FARTHEST, _FARTHEST
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _beyond(state, middle, kept) > risk else (low, middle)
    return high


def _beyond(state: tuple[Floats, Floats] | None, limit: float, kept: float) -> float:
    if state is None:
        return _NORMAL.cdf(-limit)
    from scipy import special

    z, mass = state
    return float((mass * special.ndtr((kept * z - limit) / math.sqrt(1 - kept**2))).sum())


def _carried(state: tuple[Floats, Floats] | None, limit: float, kept: float) -> tuple[Floats, Floats]:
    """What stays below the limit: points of the standardised estimate and the probability at each (Simpson's rule)."""
    import numpy as np

    z = np.linspace(-_FARTHEST, max(limit, -_FARTHEST + 1e-6), _POINTS)
    weights = np.where(np.arange(_POINTS) % 2 == 1, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    weights *= (z[1] - z[0]) / 3
    if state is None:
        return z, weights * _density(z)
    before, mass = state
    width = math.sqrt(1 - kept**2)
    return z, weights * (_density((z[:, None] - kept * before) / width) @ mass) / width


def _density(z: Any) -> Any:
    import numpy as np

    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


# -- several claims ----------------------------------------------------------------------------------------------


def holm(claims: Sequence[Callable[[float], bool]], alpha: float) -> frozenset[int]:
    """Which of several claims hold when all of them together may err at `alpha`.

    Each claim tells whether it holds at a given risk of its own. S. Holm (1979), Scandinavian Journal of Statistics
    6, 65–70.
    """
    held: set[int] = set()
    while len(held) < len(claims):
        risk = alpha / (len(claims) - len(held))
        more = {i for i, claim in enumerate(claims) if i not in held and claim(risk)}
        if not more:
            break
        held |= more
    return frozenset(held)


# -- the sample ratio --------------------------------------------------------------------------------------------


def sample_ratio_p(counts: Sequence[float], shares: Sequence[float]) -> float:
    """How well the units that arrived in each arm fit the split, however often that is asked: an always-valid p.

    One over the Bayes factor of a Dirichlet-multinomial alternative around the split:
    Γ(Σa)/Γ(Σa + n) · ∏ Γ(a + x)/Γ(a) · ∏ share^−x. M. Lindon, A. Malek (2022), Anytime-valid inference for
    multinomial count data, NeurIPS 35.
    """
    prior = [_PRIOR_UNITS * s for s in shares]
    total = sum(counts)
    factor = math.lgamma(_PRIOR_UNITS) - math.lgamma(_PRIOR_UNITS + total)
    for a, x, share in zip(prior, counts, shares, strict=True):
        factor += math.lgamma(a + x) - math.lgamma(a) - x * math.log(share)
    return math.exp(-max(factor, 0.0))
