"""Markdown as these tests read it: fences, headings, links, code."""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
FOLDERS = (".github", "benchmarks", "docs", "policies", "src", "tests")

_FENCE = re.compile(r"^ *```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(`+)(?P<text>.+?)\1", re.DOTALL)
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\((?P<to>[^)\s]*)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.*?) *#*$", re.MULTILINE)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}[^\n]*\n)+")


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """Everything but fenced blocks."""
        return _FENCE.sub("", self.text)

    def fences(self, *languages: str) -> Iterator[str]:
        """The content of fenced blocks in the given languages."""
        return (m["text"] for m in _FENCE.finditer(self.text) if m["language"] in languages)

    @property
    def code(self) -> Iterator[str]:
        """What stands between backticks in running text, in one line."""
        return (" ".join(m["text"].split()) for m in _CODE.finditer(self.prose))

    @property
    def indented(self) -> Iterator[str]:
        """Lines of indented blocks, outside fences."""
        return (line.strip() for m in _INDENTED.finditer(self.prose) for line in m[0].splitlines())

    @property
    def links(self) -> Iterator[str]:
        """Where links lead, as written."""
        return (m["to"] for m in _LINK.finditer(_CODE.sub("code", self.prose)))

    @property
    def anchors(self) -> set[str]:
        """The names that GitHub gives to the headings: the second of the same name ends in -1."""
        slugs = [slug(m["text"]) for m in _HEADING.finditer(self.prose)]
        seen: Counter[str] = Counter()
        found = set()
        for one in slugs:
            found.add(f"{one}-{seen[one]}" if seen[one] else one)
            seen[one] += 1
        return found

    def section(self, heading: str) -> str:
        """The text below a heading, to the next heading; fails where there is none."""
        match = re.search(rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#|\Z)", self.text, re.DOTALL | re.MULTILINE)
        assert match, f'{self} has no heading "{heading}"'
        return match[1]


def slug(heading: str) -> str:
    """A heading's anchor, by GitHub's rule."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def first_cells(text: str) -> list[str]:
    """The first cell of every row of the tables in a text, headings and rules left out."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", row)[1].strip() for row in rows]
    return [c for c in cells if c.startswith("`")]


def page(name: str) -> Page:
    """A page by its path from the root."""
    return Page(ROOT / name)


def reference() -> ModuleType:
    """docs/write_reference.py, which stands in no package."""
    folder = str(ROOT / "docs")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("write_reference")
    finally:
        sys.path.remove(folder)


_FILES = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]

#: every page that somebody wrote; snapshots are what the program wrote
PAGES = [Page(path) for path in sorted(_FILES) if ROOT / "tests" / "snapshots" not in path.parents]
