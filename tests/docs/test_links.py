"""Links lead somewhere, and files that are named exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from docs.pages import PAGES, ROOT, Page

#: where a file that a page names may be looked for
HOMES = (ROOT, ROOT / "src" / "gatewright", ROOT / "tests")

_FILE = re.compile(r"[\w.*-]+(?:/[\w.*-]+)*/?")
_OURS = (".py", ".md", ".toml", ".lock")


def broken(page: Page) -> Iterator[str]:
    """Relative links of a page that lead nowhere."""
    for link in page.links:
        if re.match(r"[a-z][a-z+.-]*:", link):
            continue
        file, _, anchor = unquote(link).partition("#")
        there = page.path.parent / file if file else page.path
        leads_there = there.exists() and not file.startswith("/")
        if not leads_there or ("#" in link and (there.suffix != ".md" or anchor not in Page(there).anchors)):
            yield link


def missing(page: Page) -> Iterator[str]:
    """Files and folders that a page names as ours and that are not there."""
    homes = (*HOMES, page.path.parent)
    for name in page.code:
        if not _FILE.fullmatch(name) or name.startswith("./"):
            continue
        first = name.split("/")[0]
        ours = name.endswith(_OURS) or ("/" in name and any((home / first).exists() for home in homes))
        if ours and not any(any(home.glob(name.rstrip("/"))) for home in homes):
            yield name


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_and_anchor_leads_somewhere(page: Page) -> None:
    """Files exist; anchors are headings there."""
    assert list(broken(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_that_is_named_exists(page: Page) -> None:
    """Between backticks: modules, pages, folders, lock files."""
    assert list(missing(page)) == []


def test_every_page_of_docs_is_linked_from_the_readme() -> None:
    """Nobody has to guess that it is there."""
    pages = {f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")}
    assert pages <= {link.partition("#")[0] for link in Page(ROOT / "README.md").links}
