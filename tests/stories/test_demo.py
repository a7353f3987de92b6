"""`gatewright demo` from outside: the whole story, without a network, without noise, without a trace."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from gatewright.demo import demo
from gatewright.demo.scenes import SCENES, Differs, check
from gatewright.problem import UsageError
from gatewright.report.model import Audit
from real.command import Ended, gatewright

# Nothing is looked up or connected to, not even on this machine: whoever tries ends the process.
_ALONE = """
import os, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        os.write(2, f"{event}: {arguments[-1]!r}".encode())
        os._exit(97)
sys.addaudithook(refuse)
from gatewright import cli
raise SystemExit(cli.main(["demo", *sys.argv[1:]]))
"""

#: what would lead MLflow elsewhere, or into a run that does not exist
HOSTILE = {
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    "MLFLOW_REGISTRY_URI": "http://127.0.0.1:9",
    "MLFLOW_EXPERIMENT_NAME": "somebody else's",
    "MLFLOW_RUN_ID": "0" * 32,
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "true",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A demo that ended, and the folders that it could have littered."""

    end: Ended
    working: Path
    home: Path
    temporary: Path


def run_demo(where: Path, width: int, *arguments: str) -> Told:
    """Runs the demo as a process that has folders of its own and no network."""
    working, home, temporary = where / "working", where / "home", where / "temporary"
    for folder in (working, home, temporary):
        folder.mkdir()
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV")}
    own = {"HOME": str(home), "TMPDIR": str(temporary), "COLUMNS": str(width), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, *arguments],
        cwd=working,
        env={**kept, **HOSTILE, **own},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    return Told(Ended(done.returncode, done.stdout, done.stderr), working, home, temporary)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The demo in a log of 80 columns."""
    return run_demo(tmp_path_factory.mktemp("told"), 80)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The demo in 120 columns, its registry kept in `working/kept here`."""
    return run_demo(tmp_path_factory.mktemp("kept"), 120, "--keep", "kept here")


@pytest.fixture
def folder(kept: Told) -> Path:
    """The folder in which everything was kept."""
    return kept.working / "kept here"


def test_the_demo_needs_no_network_and_no_settings(told: Told) -> None:
    """It comes to its good end while every socket is refused and the variables point elsewhere."""
    assert told.end.code == 0, told.end


def test_the_demo_tells_the_whole_story_in_order(told: Told) -> None:
    """Promoted, refused for two reasons, taken back, waiting, remembered, proved, forged and found out."""
    milestones = (
        "tumours/1 → staging: promoted",
        "tumours/1 → production: promoted",
        "tumours/2 → staging: promoted",
        "tumours/2 → production: promoted",
        "tumours/3 → staging: refused",
        "run.accuracy > 90%: 62.11 % is not above 90%",
        "tumours/4 → staging: refused",
        "tumours/4 was logged without a signature",
        "tumours/1 → production (rollback): rolled back",
        "tumours/1 → hospital: pending",
        "0 of 2 two radiologists",
        "$ gatewright history tumours",
        "the ledger is unbroken, 16 entries",
        "entry 11: its body was changed",
        "What to do next",
    )
    said = " ".join(told.end.out.split())
    assert sorted(milestones, key=said.find) == list(milestones)
    assert all(m in said for m in milestones), [m for m in milestones if m not in said]


def test_every_scene_shows_what_the_reader_would_type(told: Told) -> None:
    """The commands stand on lines of their own, ready to be copied."""
    lines = told.end.out.splitlines()
    assert all(f"$ {scene.command}" in lines for scene in SCENES)


@pytest.mark.parametrize("width", [80, 120])
def test_a_log_gets_plain_lines_that_fit(width: int, told: Told, kept: Told) -> None:
    """No control characters, nothing on stderr, no line wider than the terminal says it is."""
    end = told.end if width == 80 else kept.end
    assert end.err == ""
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", end.out) == []
    assert [line for line in end.out.splitlines() if len(line) > width] == []


def test_mlflow_keeps_its_notes_to_itself(told: Told) -> None:
    """No log lines, warnings or links to runs between the lines of the story."""
    assert re.findall(r"INFO|WARNING|Warning:|mlflow\.store|View run|Created version|it/s", told.end.out) == []


def test_the_demo_leaves_nothing_behind(told: Told) -> None:
    """The working folder, the home folder and the temporary folder are as empty as before."""
    for folder in (told.working, told.home, told.temporary):
        assert list(folder.iterdir()) == []


def test_what_is_kept_is_all_in_one_folder(kept: Told) -> None:
    """Registry, artifacts and policy lie in the folder that was named, and nowhere else."""
    assert kept.end.code == 0, kept.end
    assert [p.name for p in kept.working.iterdir()] == ["kept here"]
    found = {p.name for p in (kept.working / "kept here").iterdir()}
    assert found == {"holdout.parquet", "mlflow.db", "mlruns", "policies"}
    assert list(kept.temporary.iterdir()) == []
    assert "$ cd 'kept here'" in kept.end.out


def test_the_kept_registry_is_as_the_story_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow itself shows the champion in Production, the one taken back archived, the others where they were."""
    from mlflow import MlflowClient

    monkeypatch.chdir(folder)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    stages = {int(v.version): v.current_stage for v in client.search_model_versions("name='tumours'")}
    assert stages == {1: "Production", 2: "Archived", 3: "None", 4: "None"}
    assert int(client.get_model_version_by_alias("tumours", "champion").version) == 1
    assert [m.name for m in client.search_registered_models()] == ["tumours"]


def test_the_kept_registry_answers_the_commands_that_the_demo_names(folder: Path) -> None:
    """The ledger is whole again, and the kept policy is found where the commands look for it."""
    uri = "sqlite:///mlflow.db"
    proved = gatewright("audit", "verify", uri=uri, folder=folder)
    assert (proved.code, "unbroken, 16 entries" in proved.out) == (0, True), proved
    assert gatewright("policy", "check", uri=uri, folder=folder).code == 0
    judged = gatewright("evaluate", "tumours/3", "--to", "production", "--json", uri=uri, folder=folder)
    assert (judged.code, judged.json["champion"]) == (1, 1)


def test_a_folder_that_holds_something_is_not_touched(tmp_path: Path) -> None:
    """--keep makes a new folder; it never mixes with what is there."""
    (tmp_path / "precious.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is not empty"):
        demo(Console(quiet=True), str(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_a_folder_that_no_address_can_hold_is_refused(tmp_path: Path) -> None:
    """A database's address would end at the question mark, and the registry would lie somewhere else."""
    with pytest.raises(UsageError, match="database's address"):
        demo(Console(quiet=True), str(tmp_path / "what?"))
    assert list(tmp_path.iterdir()) == []


def test_a_scene_that_comes_to_something_else_is_named() -> None:
    """The command, what it should have come to, and what it came to."""
    with pytest.raises(Differs, match=r"`gatewright audit verify` should .*16 entries.* came to “unbroken, 3 entries”"):
        check(SCENES[-1], (Audit("tumours", 3),))


def test_a_demo_that_does_not_go_as_told_fails(tmp_path: Path) -> None:
    """The first scene is said to end otherwise than it does: the exit code says so, and nothing is left behind."""
    program = (
        "from dataclasses import replace; from rich.console import Console; from gatewright import demo\n"
        "demo.SCENES = (replace(demo.SCENES[0], ends='refused'),)\n"
        "raise SystemExit(demo.demo(Console(), None))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 1
    assert "This is not the demo as it should be" in done.stdout
    assert list(tmp_path.iterdir()) == []
