"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

import gatewright

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "gatewright"

#: What may reach the outside world. Every other module must stand in the contract of the pure ones.
EFFECTS = {
    *("__main__", "action", "cli", "connection", "demo", "forge", "ledger", "measure", "policy_files"),
    *("progress", "registry", "relay", "serving", "webhook"),
}

# Spelt so that this file does not hold what it looks for.
_REGISTRY_HOST = re.compile(r"\b(?:pypi|pythonhosted|npmjs|anaconda|debian)\.(?:org|com|net)\b")
_SOMEBODYS_PATH = re.compile(r"/(?:work/(?:main|shared)|tmp/w/|root/\.|Users/\w)")


def own_files() -> list[Path]:
    """Every text file of the project that git knows or would know."""
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    paths = (ROOT / name for name in listed.split("\0") if name)
    return [p for p in paths if p.is_file() and b"\0" not in p.read_bytes()[:1024]]


@pytest.mark.parametrize("forbidden", [_REGISTRY_HOST, _SOMEBODYS_PATH], ids=["registry host", "machine path"])
def test_no_file_names_a_registry_host_or_a_machines_path(forbidden: re.Pattern[str]) -> None:
    """Packages come from wherever the user's pip is told to fetch them."""
    found = [
        f"{path.relative_to(ROOT)}:{n}: {line.strip()}"
        for path in own_files()
        for n, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_first_party_imports_are_never_lazy() -> None:
    """An import inside a function would hide a cycle from the layers' contract."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gatewright")
    ]
    assert found == []


def test_every_module_without_effects_is_in_the_pure_contract() -> None:
    """A new pure module is not forgotten."""
    modules = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or any(p.glob("*.py"))} - {"__init__"}
    listed = set(re.findall(r'^    "gatewright\.(\w+)",$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    assert modules - EFFECTS == listed - EFFECTS


def test_ci_runs_the_two_commands_that_the_readme_gives() -> None:
    """What newcomers are told to type is what CI types."""
    ci, readme = (ROOT / ".ci" / "run").read_text(), (ROOT / "README.md").read_text()
    (default,) = re.findall(r"steps=\((\w[\w ]+)\)", ci)
    for verb in ("demo", "test"):
        assert verb in default.split()
        assert f"python3 dev {verb}" in readme


def test_contributing_tells_of_every_verb() -> None:
    """`python3 dev help` and the guide agree."""
    told = set(re.findall(r"python3 dev (\w+)", (ROOT / "CONTRIBUTING.md").read_text()))
    offered = set(re.findall(r'^    "(\w+)": \w+,$', (ROOT / "dev").read_text(), re.MULTILINE))
    assert offered - {"help"} <= told <= offered


def test_every_dependency_is_accounted_for() -> None:
    """docs/dependencies.md has a row for each package that pyproject.toml names."""
    text = (ROOT / "pyproject.toml").read_text()
    start, end = text.index("dependencies = ["), text.index("[tool.")
    named = set(re.findall(r'"([a-z][\w-]*)(?:\[[\w,]+\])?[>=<]', text[start:end])) - {"gatewright"}
    rows = set(re.findall(r"^\| `([\w-]+)`", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE))
    assert named == rows


def test_the_changelog_has_this_version() -> None:
    """A release without an entry is not ready."""
    assert f"## [{gatewright.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
