"""Small parts of pages, made of texts from anywhere."""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.report.cells import SIGNS
from gatewright.report.escape import html_text as text
from gatewright.verdict import Status


def signed(status: Status) -> str:
    """A status by sign and word."""
    sign, word = SIGNS[status]
    return f'<span class="{status}"><span aria-hidden="true">{sign}</span>&nbsp;{word}</span>'


def listed(lines: Iterable[str]) -> str:
    """Texts as a list."""
    return "<ul>" + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>"
