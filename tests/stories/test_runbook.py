"""Every command of docs/runbook.md, in the situation that the page gives it for."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.pages import page
from real.command import Ended
from real.tracking import Store
from stories.test_rollback import MARK, Desk

RUNBOOK = page("docs/runbook.md")
COMMANDS = [line for block in RUNBOOK.fences("sh") for line in block.splitlines()]
MODEL = "fraud-detector"


def climbed(desk: Desk) -> None:
    """Versions 1, 2 and 3 have held production, 3 does."""
    desk.climb(0.91, 0.95, 0.97, model=False)


def loadable(desk: Desk) -> None:
    """The same with models that can be loaded."""
    desk.climb(0.91, 0.95, 0.97)


def first_only(desk: Desk) -> None:
    """Version 1 holds production and nobody before it; version 2 fails its check."""
    desk.register(0.91, 0.5, model=False)
    desk.promote(1)


def taken_back(desk: Desk) -> None:
    """Version 3 was rolled back."""
    climbed(desk)
    desk.back("--fast")


def holds(*versions: int) -> Callable[[Desk, Ended], bool]:
    """The registry shows this version in production; the ledger is whole."""
    return lambda desk, end: desk.shown() == ([versions[0]], versions[-1]) and desk.proved()


def says(*words: str) -> Callable[[Desk, Ended], bool]:
    """The command printed this."""
    return lambda desk, end: all(w in " ".join(end.out.split()) for w in words)


Scene = tuple[Callable[[Desk], None], Callable[[Desk, Ended], bool]]

#: how each command begins or ends, as far as tells it apart → what has happened before, and what must be so afterwards
SCENES: dict[str, Scene] = {
    'since 02:10"': (loadable, holds(2)),
    'since 02:10" --fast': (climbed, holds(2)),
    "--dry-run": (climbed, lambda desk, end: holds(3)(desk, end) and says("would be brought back")(desk, end)),
    'bad as 3" --fast': (climbed, holds(1)),
    'currency"': (first_only, holds(2)),
    "gatewright status fraud-detector": (climbed, says("v3", "by octo")),
    'archive_existing_versions=True)"': (climbed, holds(1, 3)),
    "'champion', '1')\"": (climbed, holds(3, 1)),
    "gatewright history fraud-detector": (taken_back, says("rolled_back v2 → production, was v3", "it is slow")),
    "gatewright audit verify fraud-detector": (taken_back, says("the ledger is unbroken")),
    'late"': (taken_back, holds(3)),
}


def typed(command: str, desk: Desk) -> Ended:
    """Runs a line as a shell would, against the desk's model."""
    words = shlex.split(command.replace(MODEL, desk.model))
    if words[0] == "gatewright":
        return desk.type(*words[1:])
    environment = {**os.environ, "MLFLOW_TRACKING_URI": desk.store.uri}
    done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, env=environment, timeout=120)
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.server
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_runbook_does_what_the_page_says(
    command: str, mlflow_server: Store, unique: str, tmp_path: Path
) -> None:
    """It ends with 0 and leaves the registry as promised."""
    ((before, promised),) = (scene for end, scene in SCENES.items() if command.endswith(end))
    desk = Desk(mlflow_server, unique, tmp_path)
    before(desk)
    end = typed(command, desk)
    assert end.code == 0, end
    assert promised(desk, end), (end, desk.shown())


def test_no_scene_is_left_without_its_command() -> None:
    """A line that left the page leaves this file, too."""
    assert all(any(command.endswith(end) for command in COMMANDS) for end in SCENES)


@pytest.mark.server
def test_the_tag_has_the_name_that_the_page_gives_it(mlflow_server: Store, unique: str, tmp_path: Path) -> None:
    """Somebody will look for it in MLflow's page."""
    desk = Desk(mlflow_server, unique, tmp_path)
    taken_back(desk)
    assert MARK in desk.client.get_model_version(unique, "3").tags
    assert f"`{MARK}`" in RUNBOOK.text
