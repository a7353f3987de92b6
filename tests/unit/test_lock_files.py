"""The lock files hold what pyproject.toml asks for, each package with its hashes, and nothing else."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ("run", "dev", "image", "bootstrap")

_PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[0-9][\w.!+]*)(?: ; (?P<marker>[^\\]+?))? \\")
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


@dataclass(frozen=True)
class Pin:
    """One line of a lock: a package at a version, for the machines that its marker names."""

    name: str
    version: Version
    marker: str

    @property
    def here(self) -> bool:
        return not self.marker or Marker(self.marker).evaluate()


def lines(lock: str) -> list[str]:
    """A lock's lines."""
    return (ROOT / "requirements" / f"{lock}.lock").read_text().splitlines()


def pins(lock: str) -> list[Pin]:
    """A lock's pins."""
    matches = filter(None, map(_PIN.fullmatch, lines(lock)))
    return [Pin(m["name"], Version(m["version"]), m["marker"] or "") for m in matches]


def project() -> dict[str, Any]:
    """pyproject.toml; Python 3.10 reads it with tomli, which pytest brings along there."""
    try:
        toml = importlib.import_module("tomllib")
    except ModuleNotFoundError:
        toml = importlib.import_module("tomli")
    text: dict[str, Any] = toml.loads((ROOT / "pyproject.toml").read_text())
    return text


def asked_for(lock: str) -> list[Requirement]:
    """What pyproject.toml lists for a lock."""
    groups: dict[str, list[Any]] = project()["dependency-groups"]
    packages = [] if lock == "bootstrap" else list(project()["project"]["dependencies"])
    of_lock = {"run": ["build"], "image": ["build", "image"]}.get(lock, [lock])
    packages += [member for name in of_lock for member in _members(groups, name)]
    wanted = map(Requirement, packages)
    return [r for r in wanted if (lock, r.name) != ("image", "mlflow")]  # as requirements/image.overrides has it


def _members(groups: dict[str, list[Any]], name: str) -> Iterator[str]:
    for member in groups[name]:
        if isinstance(member, dict):
            yield from _members(groups, member["include-group"])
        else:
            yield member


def reachable(requirements: Iterable[Requirement]) -> set[str]:
    """The names of all packages that these need on this machine, by what the installed ones say of themselves."""
    found: dict[str, set[str]] = {}
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        fresh = {"", *one.extras} - found.get(name, set())
        if fresh:
            found.setdefault(name, set()).update(fresh)
            waiting += [r for r in _needs(name) if any(_applies(r, extra) for extra in fresh)]
    return set(found)


def _needs(name: str) -> list[Requirement]:
    return [Requirement(text) for text in distribution(name).requires or []]


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_names_versions_and_hashes_alone(lock: str) -> None:
    """No address, no path, no option: where packages come from is the business of whoever installs them."""
    strange = [text for text in lines(lock) if not _PIN.fullmatch(text) and not _HASH.fullmatch(text)]
    assert strange == []
    assert pins(lock)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    """A pin is followed by at least one hash, so that nothing unchecked is ever installed."""
    text = lines(lock)
    followers = [text[n + 1 : n + 2] for n, line in enumerate(text) if _PIN.fullmatch(line)]
    assert all(next_ and _HASH.fullmatch(next_[0]) for next_ in followers)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_in_step_with_pyproject(lock: str) -> None:
    """Each requirement is pinned, by every one of its pins at a version that it allows."""
    for requirement in asked_for(lock):
        versions = [p.version for p in pins(lock) if p.name == canonicalize_name(requirement.name)]
        assert versions, f"{requirement} is not in {lock}.lock: run `python3 dev lock`"
        assert all(v in requirement.specifier for v in versions), f"{requirement}: run `python3 dev lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_exactly_what_is_needed_here(lock: str) -> None:
    """Following the installed packages' own requirements ends at the pins for this machine: none too many or few."""
    try:
        needed = reachable(asked_for(lock))
    except PackageNotFoundError as missing:
        pytest.skip(f"{missing} is not installed: `python3 dev test` runs from the lock")
    assert {p.name for p in pins(lock) if p.here} == needed


def test_the_development_lock_contains_the_run_lock() -> None:
    """Whatever the tests run with, users run with; tests may need a package on more machines."""
    dev = set(pins("dev"))
    assert [p for p in pins("run") if not {p, replace(p, marker="")} & dev] == []


def test_the_image_has_nothing_that_the_tests_did_not_run_with() -> None:
    """It is what users run with, less MLflow's server and more drivers for databases; the tests ran with both."""
    ours = {(p.name, p.version) for p in pins("image")}
    assert ours <= {(p.name, p.version) for p in pins("dev")}
    assert {"mlflow", "alembic", "flask", "matplotlib"} & {name for name, _ in ours} == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_package_has_one_version_on_each_machine(lock: str) -> None:
    """Several pins of a name are for different machines."""
    here = [p.name for p in pins(lock) if p.here]
    assert len(here) == len(set(here))
