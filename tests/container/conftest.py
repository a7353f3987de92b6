"""The image, built once. Where nothing can run it, its tests are skipped, and the run ends with a section about it."""

from __future__ import annotations

import pytest

from real.container import REMEDY, Engine, find_engine
from real.process import absent

NOT_HERE = "No container can be run on this machine, so that the Action's image was not tested"

_said: list[str] = []


@pytest.fixture(scope="session")
def found() -> Engine | str:
    """What there is to run containers with, or why there is nothing; looked for once."""
    return find_engine()


@pytest.fixture(scope="session")
def engine(found: Engine | str) -> Engine:
    """Docker or Podman. What is not installed may be required; what this machine forbids cannot be."""
    if isinstance(found, Engine):
        return found
    if not found:
        absent("containers", REMEDY)
    _said[:] = [f"{NOT_HERE}. {found}"]
    pytest.skip(_said[0])


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The Action's image."""
    return engine.build("localhost/gatewright:test")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was skipped on this account shall not be overlooked."""
    for text in _said:
        terminalreporter.section("NOT TESTED: the container", sep="!", red=True, bold=True)
        terminalreporter.line(text)
