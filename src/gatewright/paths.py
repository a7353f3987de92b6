"""The vocabulary of facts that a check may name. Rows are declared beside the code that collects them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gatewright.quantity import Dimension

_PLAIN_KEY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

#: what MLflow's own searches call a family
_MLFLOW = {"metrics": "run", "metric": "run", "parameters": "params", "param": "params", "tag": "tags"}

Kind = Literal["number", "text", "flag", "any"]


@dataclass(frozen=True, slots=True)
class PathRow:
    """One nameable fact, or a family of them where `key` is "*" (any metric name, any tag).

    kind: what values it has; "any" may be a number or text (params, tags).
    sliceable: `by column` makes sense. sampled: it is an estimate, so `at 95%` makes sense.
    comparable: `champion` may stand on the right. paired: it is itself a comparison with the champion.
    """

    family: str
    key: str
    kind: Kind
    about: str
    fix: str
    dimension: Dimension = "number"
    sliceable: bool = False
    sampled: bool = False
    comparable: bool = False
    paired: bool = False
    higher_is_better: bool | None = None
    tasks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How documentation writes it: `run.NAME`, `latency.p95`, `signature`."""
        if self.key == "*":
            return f"{self.family}.NAME"
        return f"{self.family}.{self.key}" if self.key else self.family


@dataclass(frozen=True, slots=True)
class Path:
    """A fact's name: `signature`, `latency.p95`, `run["val/auc"]`."""

    family: str
    key: str = ""

    def __str__(self) -> str:
        if not self.key:
            return self.family
        if _PLAIN_KEY.fullmatch(self.key):
            return f"{self.family}.{self.key}"
        escaped = self.key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.family}["{escaped}"]'


class Paths:
    """All rows, by name."""

    def __init__(self, rows: Iterable[PathRow]) -> None:
        self.rows = tuple(rows)
        self._exact = {(r.family, r.key): r for r in self.rows}
        self._families = {r.family for r in self.rows}

    def row(self, path: Path) -> PathRow | None:
        """The row that a path belongs to; None if nothing collects such a fact."""
        return self._exact.get((path.family, path.key)) or (self._exact.get((path.family, "*")) if path.key else None)

    def suggest(self, path: Path) -> str:
        """A remedy for an unknown path: the closest name, or what the family offers."""
        if path.family in self._families:
            return self._offer(path)
        if path.family in _MLFLOW and _MLFLOW[path.family] in self._families:
            return f'did you mean "{Path(_MLFLOW[path.family], path.key)}"?'
        close = _closest(str(path), [r.name for r in self.rows], 0.7)
        family = _closest(path.family, sorted(self._families), 0.6)
        if close or family:
            return f'did you mean "{close or Path(family, path.key)}"?'
        return f"a path begins with one of {', '.join(sorted(self._families))}"

    def _offer(self, path: Path) -> str:
        rows = [r for r in self.rows if r.family == path.family]
        close = _closest(path.key, [r.key for r in rows if r.key not in ("", "*")], 0.6)
        if close:
            return f'did you mean "{Path(path.family, close)}"?'
        if [r.key for r in rows] == [""]:
            return f"{path.family} stands alone"
        return f"there is {', '.join(r.name for r in rows)}"


def _closest(word: str, names: list[str], cutoff: float) -> str:
    folded = {n.casefold(): n for n in reversed(names)}
    close = difflib.get_close_matches(word.casefold()[:100], folded, n=1, cutoff=cutoff)
    return folded[close[0]] if close else ""
