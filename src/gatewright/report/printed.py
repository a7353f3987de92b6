"""What everything on a terminal is made of: texts that it cannot obey, lines, tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gatewright.report.escape import terminal as safe

#: characters of a word that a column makes room for
_LONG_WORD = 24
#: a column that makes room for a drawing keeps so many
_CRAMPED = 12
#: characters between two columns; one fewer where it is tight
_GAP = 3


def text(text: str, style: str = "") -> Text:
    """Text from anywhere, with nothing in it that a terminal would obey."""
    return Text(safe(text), style)


def line(*parts: str | tuple[str, str]) -> Text:
    """Texts in a row, some with a style of their own."""
    return Text.assemble(*(safe(p) if isinstance(p, str) else (safe(p[0]), p[1]) for p in parts))


def whole(text: str) -> Text:
    """A line that is never broken, however narrow the terminal: an editor or grep finds its place in it."""
    return Text(safe(text), no_wrap=True)


def indented(part: RenderableType) -> Padding:
    """What belongs to the line above it."""
    return Padding(part, (0, 0, 0, 2), expand=False)


@dataclass(frozen=True, slots=True)
class Columns:
    """A table that fits the terminal it is printed on.

    Columns without anything to say are left out. The others wrap between words, and within a word only where it is
    very long or nothing else helps; a drawing never wraps: where there is no room for it, it is left out.

    numbers: the columns that are set to the right, as a range. A column without a name, but the first, is a drawing.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[Text]]
    numbers: tuple[int, int] = (0, 0)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        told = [i for i in range(len(self.names)) if self._tells(i)]
        least, natural = ({i: size(i) for i in told} for size in (self._least, self._natural))
        gap = _GAP if sum(natural.values()) + _GAP * (len(told) - 1) <= options.max_width else _GAP - 1
        room = options.max_width - gap * (len(told) - 1)
        drawn = {i for i in told if self._drawn(i)}
        if drawn and sum(least[i] if i in drawn else min(least[i], _CRAMPED) for i in told) > room:
            told = [i for i in told if i not in drawn]
            room += gap * len(drawn)
        widths = fitted([least[i] for i in told], [natural[i] for i in told], room)
        padding = (0, 1, 0, gap - 2)
        table = Table(box=SIMPLE_HEAD, padding=padding, pad_edge=False, show_edge=False, header_style="bold")
        for i, width in zip(told, widths, strict=True):
            side: Literal["left", "right"] = "right" if i in range(*self.numbers) else "left"
            table.add_column(self.names[i], justify=side, overflow="fold", width=width)
        for row in self.rows:
            table.add_row(*(row[i] for i in told))
        yield table

    def _drawn(self, column: int) -> bool:
        return column > 0 and not self.names[column]

    def _tells(self, column: int) -> bool:
        return not column or not self.rows or any(row[column].plain for row in self.rows)

    def _natural(self, column: int) -> int:
        return max(1, cell_len(self.names[column]), *(row[column].cell_len for row in self.rows))

    def _least(self, column: int) -> int:
        if self._drawn(column):
            return self._natural(column)
        cells = (row[column].plain for row in self.rows)
        words = cells if column in range(*self.numbers) else (word for cell in cells for word in cell.split(" "))
        longest = min(max(map(cell_len, words), default=0), _LONG_WORD)
        return max(1, longest, *map(cell_len, self.names[column].split(" ")))


def fitted(least: Sequence[int], natural: Sequence[int], room: int) -> list[int]:
    """A width for each column: what it wants if there is room for all, else at least `least` where that can be.

    What is left beyond the least goes to those first that want little more; what is missing is taken from the widest.
    """
    widths = list(least)
    spare = room - sum(widths)
    for i in sorted(range(len(widths)), key=lambda i: natural[i] - least[i]):
        given = max(0, min(spare, natural[i] - least[i]))
        widths[i] += given
        spare -= given
    while sum(widths) > max(room, len(widths)):
        widths[widths.index(max(widths))] -= 1
    return widths


def table(names: Sequence[str], rows: Iterable[Sequence[Text]], numbers: tuple[int, int] = (0, 0)) -> Columns:
    """Rows under their names."""
    return Columns(names, tuple(rows), numbers)
