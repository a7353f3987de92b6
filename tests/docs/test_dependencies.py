"""Every package that pyproject.toml asks for has its reason on docs/dependencies.md, in the section of its kind."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs.pages import ROOT, first_cells, page

#: section of the page → dependency group; "" for what the package itself needs
SECTIONS = {
    "To run": "",
    "To build": "build",
    "To test": "test",
    "To keep the code in order": "lint",
    "In the Action's image, instead of `mlflow`": "image",
    "To install the others": "bootstrap",
}


def project() -> dict[str, Any]:
    """pyproject.toml; Python 3.10 reads it with tomli, which pytest brings along there."""
    try:
        toml = importlib.import_module("tomllib")
    except ModuleNotFoundError:
        toml = importlib.import_module("tomli")
    text: dict[str, Any] = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return text


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_has_a_row_for_every_package_and_no_other(section: str) -> None:
    """A new dependency needs a reason, and one that has gone leaves none."""
    found, group = project(), SECTIONS[section]
    asked = found["dependency-groups"][group] if group else found["project"]["dependencies"]
    rows = [cell.strip("`") for cell in first_cells(page("docs/dependencies.md").section(section))]
    assert sorted(rows) == sorted(canonicalize_name(Requirement(text).name) for text in asked)


def test_no_group_of_packages_is_left_out() -> None:
    """A group is in a section, or is made of others."""
    groups = project()["dependency-groups"]
    assert {name for name, members in groups.items() if any(isinstance(m, str) for m in members)} == (
        set(SECTIONS.values()) - {""}
    )
