"""The image, built once. Where nothing can run it, its tests are skipped, and the run ends with a section about it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from real.container import REMEDY, Engine, find_engine
from real.process import absent

NOT_HERE = "No container can be run on this machine, so that the Action's image was not tested"


@contextmanager
def alone(factory: pytest.TempPathFactory) -> Iterator[None]:
    """One process at a time: of those that run side by side, the others find what the first has made."""
    with (factory.getbasetemp().parent / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Engine | str:
    """What there is to run containers with, or why there is nothing; looked for once."""
    with alone(tmp_path_factory):
        return find_engine()


@pytest.fixture(scope="session")
def engine(found: Engine | str) -> Engine:
    """Docker or Podman. What is not installed may be required; what this machine forbids cannot be."""
    if isinstance(found, Engine):
        return found
    if not found:
        absent("containers", REMEDY)
    pytest.skip(f"{NOT_HERE}. {found}")


@pytest.fixture(scope="session")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Action's image."""
    with alone(tmp_path_factory):
        return engine.build("localhost/gatewright:test")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was skipped on this account shall not be overlooked; it may have been skipped in another process."""
    skipped = (str(r.longrepr[2]) for r in terminalreporter.stats.get("skipped", ()) if isinstance(r.longrepr, tuple))
    for text in dict.fromkeys(s.removeprefix("Skipped: ") for s in skipped if NOT_HERE in s):
        terminalreporter.section("NOT TESTED: the container", sep="!", red=True, bold=True)
        terminalreporter.line(text)
