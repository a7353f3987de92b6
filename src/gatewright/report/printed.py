"""What everything on a terminal is made of: texts that it cannot obey, lines, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gatewright.report.escape import terminal as safe

#: characters of a word that a column makes room for
_LONG_WORD = 24


def text(text: str, style: str = "") -> Text:
    """Text from anywhere, with nothing in it that a terminal would obey."""
    return Text(safe(text), style)


def line(*parts: str | tuple[str, str]) -> Text:
    """Texts in a row, some with a style of their own."""
    return Text.assemble(*(safe(p) if isinstance(p, str) else (safe(p[0]), p[1]) for p in parts))


def indented(part: RenderableType) -> Padding:
    """What belongs to the line above it."""
    return Padding(part, (0, 0, 0, 2))


def table(names: Sequence[str], rows: Iterable[Sequence[Text]], numbers: tuple[int, int] = (0, 0)) -> Table:
    """Columns that say something; one wraps between words, and within a word only where that is very long.

    numbers: the columns that are set to the right, as a range.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    every = list(rows)
    told = [i for i, name in enumerate(names) if not i or not every or any(row[i].plain for row in every)]
    for i in told:
        widest = max((len(word) for row in every for word in row[i].plain.split(" ")), default=0)
        side: Literal["left", "right"] = "right" if i in range(*numbers) else "left"
        table.add_column(names[i], justify=side, overflow="fold", min_width=min(widest, _LONG_WORD))
    for row in every:
        table.add_row(*(row[i] for i in told))
    return table
