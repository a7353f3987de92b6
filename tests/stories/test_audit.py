"""Every question of docs/audit.md, asked of a real server on which a version was approved, moved and taken back."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from docs.pages import first_cells, page
from docs.test_json import keys
from gatewright.connection import connect
from gatewright.ledger.layout import folder
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.report.audit.sheet import COLUMNS
from real.command import Ended, within
from real.github.server import GitHub
from real.tracking import Store, server, sqlite_store
from real.versions import make_version
from real.workflow import Workflow

PAGE = page("docs/audit.md")
COMMANDS = [line for block in PAGE.fences("sh") for line in block.splitlines()]
MODEL = "fraud-detector"
DAY = 86_400.0
#: so that no answer is broken into lines
WIDE = {"COLUMNS": "300"}
COMMIT = "c0ffee" * 6 + "c0de"

POLICY = f"""\
version: 1
model: {MODEL}
targets:
  production:
    stage: Production
    alias: champion
    checks:
      - run.accuracy > 90%
      - run.accuracy >= champion
      - lineage.git_commit
    approvals:
      - {{name: two leads, from: [ben, carla], count: 2}}
    override: {{from: [octo]}}
"""

pytestmark = pytest.mark.server


@dataclass(frozen=True)
class Scene:
    """A server of its own: 11 was put into production by force, 12 by agreement, and taken back a day later.

    day: when 12 came, as a date; noon: a moment of the day before it, with its zone.
    """

    store: Store
    folder: Path
    day: str
    noon: str

    def type(self, *words: str, clock: float = 0.0) -> Ended:
        """Runs a command as octo."""
        return within(*words, uri=self.store.uri, folder=self.folder, clock=clock, env={"LOGNAME": "octo", **WIDE})

    def ask(self, command: str) -> Ended:
        """Types a line of the page, with the day of this scene."""
        dated = command.replace("2026-05-03T14:30:00Z", self.noon).replace("2026-05-03", self.day)
        return self.type(*shlex.split(dated)[1:])

    def report(self, *words: str) -> Any:
        """What `--json` says of the one model."""
        (model,) = self.type("audit", "report", MODEL, "--json", *words).json["models"]
        return model


@pytest.fixture(scope="module")
def scene(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Played once; nobody changes it."""
    place = tmp_path_factory.mktemp("audit")
    store = sqlite_store(empty_store, place / "store", proxied=True)
    with server(store.database, place / "store") as uri, GitHub() as github:
        real = Store((uri,), store.database, store.artifacts)
        yield played(real, github, place)
        assert github.violations == []


def played(store: Store, github: GitHub, place: Path) -> Scene:
    """The story, as the people in it type it."""
    (place / "policies").mkdir()
    (place / "policies" / "fraud.yaml").write_text(POLICY, encoding="utf-8")
    for number in range(1, 13):
        lineage = {"run_tags": {"mlflow.source.git.commit": COMMIT}, "datasets": [("cards", "d1ge57")]}
        known = lineage if number == 12 else {}
        make_version(store.client(), MODEL, metrics={"accuracy": 0.9 + number / 1000}, model=False, **known)  # type: ignore[arg-type]
    begun = Scene(store, place, "", "")
    forced = ("promote", f"{MODEL}/11", "--to", "production", "--override", "--reason", "no lead is awake")
    assert begun.type(*forced, clock=-2 * DAY).code == 0
    approve(store, github, place)
    back = ("rollback", MODEL, "--from", "production", "--reason", "recall halved", "--fast")
    assert begun.type(*back, clock=DAY).code == 0
    (came,) = (r for r in MlflowLedger(connect(store.uri)).rows(MODEL) if r.kind == "promoted")
    return Scene(store, place, came.at[:10], came.at)


def approve(store: Store, github: GitHub, place: Path) -> None:
    """Anna asks for version 12 in a pull request; her own word does not count, those of two leads do."""
    world = github.world
    world.repository.permissions |= {"anna": "write", "ben": "write", "carla": "write"}
    world.commit({"policies/fraud.yaml": POLICY})
    workflow, thread = Workflow(github, store.uri, place), world.pull("anna", None)
    asked = workflow.commented(thread, world.comment(thread.number, "anna", f"/gate promote {MODEL}/12 to production"))
    line = f"/gate approve {MODEL}/12 to production digest {asked.outputs['evidence-digest'][:12]}"
    *_, step = [workflow.commented(thread, world.comment(thread.number, w, line)) for w in ("anna", "ben", "carla")]
    assert step.decision == ("promoted", "approvals_met"), step


def says(*words: str) -> Callable[[Scene, Ended], bool]:
    """The command printed this, wherever its lines were broken."""
    return lambda scene, end: all(w in " ".join(end.out.split()) for w in words)


def wrote(*files: str) -> Callable[[Scene, Ended], bool]:
    """The command wrote these."""
    return lambda scene, end: all((scene.folder / f).stat().st_size > 1000 for f in files)


#: how each command ends, as far as tells it apart → what must be in the answer
ANSWERS: dict[str, Callable[[Scene, Ended], bool]] = {
    "--version 12": says(
        *("promoted v12 → production, was v11", "run.accuracy > 90% 0.912 0.9", "2 of 2 two leads"),
        *("ben: approve, counted for two leads", "carla: approve, counted for two leads"),
        *("anna: approve, not counted: self approval", COMMIT, "d1ge57"),
    ),
    "--as-of 2026-05-03": says("production v12", "(the end of that day, UTC)", "alias champion of fraud-detector: v12"),
    "--as-of 2026-05-03T14:30:00Z": says("production v12"),
    "--target production": says("2 of ben or carla (two leads) must agree", "octo may overrule all this"),
    "--csv overruled.csv": wrote("overruled.csv"),
    "--json audit.json": wrote("audit.html", "audit.csv", "audit.json"),
    "audit verify": says("fraud-detector: the ledger is unbroken"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_question_of_the_page_is_answered_by_its_command(scene: Scene, command: str) -> None:
    """By that one line, which ends with 0."""
    (answered,) = (answer for end, answer in ANSWERS.items() if command.endswith(end))
    end = scene.ask(command)
    assert end.code == 0, end
    assert answered(scene, end), end.out


def test_no_answer_is_left_without_its_question() -> None:
    """A line that left the page leaves this file, too."""
    assert all(any(command.endswith(end) for command in COMMANDS) for end in ANSWERS)


def test_every_day_has_its_holder(scene: Scene) -> None:
    """Before the ledger nobody knows; then 11 by force, 12 by agreement, 11 again after the rollback."""
    held = {}
    for name, moment in (("long ago", "2001-01-01"), ("the day", scene.day), ("at last", "2999-01-01")):
        (production,) = scene.report("--as-of", moment)["holders"]
        held[name] = (production["version"], production["known"])
    assert held == {"long ago": (None, False), "the day": (12, True), "at last": (11, True)}


def test_the_table_has_one_row_an_entry_and_the_columns_of_the_page(scene: Scene) -> None:
    """What a script reads today it reads in a year."""
    end = scene.type("audit", "report", MODEL, "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(end.out)))
    assert tuple(rows[0]) == COLUMNS
    told = [name for cell in first_cells(PAGE.section("The table")) for name in cell.replace("`", "").split(", ")]
    assert tuple(told) == COLUMNS
    assert [int(r["entry"]) for r in rows] == list(range(len(rows)))
    forced, agreed, back = (r for r in rows if r["kind"] in ("overridden", "promoted", "rolled_back"))
    assert "approvals of two leads: 0 of 2" in forced["overridden"] and forced["who"] == "octo"
    assert agreed["approvals_counted"].startswith("ben approve: counted for two leads; carla approve: counted")
    assert agreed["approvals_not_counted"].startswith("anna approve: not counted: self approval")
    assert (agreed["verdict"], agreed["git_commit"]) == ("pass", COMMIT)
    assert agreed["held_until"] == back["at"] and back["held_until"] == ""
    assert {r["proof"] for r in rows} == {"unbroken"}


def test_what_no_check_asked_for_is_read_from_mlflow_and_told_apart(scene: Scene) -> None:
    """The commit was judged and is in the ledger; the data set was not."""
    (lineage,) = scene.report("--version", "12")["lineage"]
    told = {o["what"]: (o["value"], o["told"], o["known"]) for o in lineage["origins"]}
    value, by, known = told["git commit"]
    assert (value, known) == (COMMIT, True) and by.startswith("ledger entry ")
    value, by, known = told["training data"]
    assert (value, known) == ("d1ge57", True) and by.startswith("MLflow today, not the ledger")


def test_the_page_shows_the_json_that_the_report_prints(scene: Scene) -> None:
    """Key by key, down to the last level."""
    found = scene.type("audit", "report", MODEL, "--version", "12", "--json").json
    (model,) = found["models"]
    model["events"] = [e for e in model["events"] if e["kind"] == "promoted"]
    model["tenures"] = model["tenures"][:1]
    assert keys(found) == keys(json.loads(PAGE.section("The JSON").partition("```json\n")[2].partition("```")[0]))


def test_without_the_policy_the_rest_is_told_and_that_it_is_missing(scene: Scene, tmp_path: Path) -> None:
    """An auditor has the server's address, and seldom the repository."""
    end = within("audit", "report", MODEL, uri=scene.store.uri, folder=tmp_path, env=WIDE)
    assert end.code == 0
    assert "There is no policies folder here, so who may approve is not known" in " ".join(end.out.split())
    assert "rolled back v11 → production, was v12" in end.out


def test_all_ledgers_are_in_one_report(scene: Scene) -> None:
    """One run, however many models."""
    found = json.loads(scene.type("audit", "report", "--json").out)
    assert (found["unbroken"], [m["model"] for m in found["models"]]) == (True, [MODEL])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuch",), 'there is no ledger of "nosuch"'),
        ((MODEL, "--as-of", "3 May"), '"3 May" is no moment'),
        ((MODEL, "--version", "twelve"), '"twelve" is no version number'),
        ((MODEL, "--policy", "elsewhere"), "there is no policy at elsewhere"),
        ((MODEL, "--csv", "no/such/folder.csv"), "no/such/folder.csv cannot be written"),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(scene: Scene, words: tuple[str, ...], said: str) -> None:
    """With what is wrong, and exit code 2."""
    end = scene.type("audit", "report", *words)
    assert end.code == 2, end
    assert said in " ".join(end.err.split())


def test_a_name_that_has_no_ledger_is_not_called_unbroken(scene: Scene) -> None:
    """A nightly job with a typo would prove nothing for ever; a model that has a policy may be without entries yet."""
    end = scene.type("audit", "verify", "frued")
    assert (end.code, end.out) == (2, ""), end
    assert 'there is no ledger of "frued"' in " ".join(end.err.split())


def test_a_changed_entry_is_told_before_anything_else(scene: Scene) -> None:
    """The report shows what stands there, in red, never as if it were true, and ends with 1."""
    ledger = MlflowLedger(connect(scene.store.uri))
    (row,) = (r for r in ledger.rows(MODEL) if r.kind == "promoted")
    (body,) = scene.store.artifacts.rglob(f"{folder(row)}/entry.json")
    whole = body.read_bytes()
    try:
        body.write_bytes(whole.replace(b'"replaces":11', b'"replaces":10'))
        end = scene.type("audit", "report", MODEL, "--html", "broken.html", "--csv", "broken.csv")
        verified = scene.type("audit", "verify")
    finally:
        body.write_bytes(whole)
    assert (end.code, verified.code) == (1, 1)
    assert end.out.startswith(f"✘ {MODEL}: THE LEDGER IS BROKEN in 2 places")
    shown = (scene.folder / "broken.html").read_text(encoding="utf-8")
    assert shown.index('class="alarm"') < shown.index("Who held what")
    rows = list(csv.DictReader((scene.folder / "broken.csv").open(encoding="utf-8", newline="")))
    assert {r["proof"] for r in rows if int(r["entry"]) != row.n} == {"the ledger is broken"}
    assert rows[row.n]["proof"].startswith("broken: its body was changed")


def test_a_report_writes_nothing(scene: Scene) -> None:
    """The right to read is enough."""
    before = scene.store.sql("SELECT count(*) FROM params"), scene.store.sql("SELECT count(*) FROM tags")
    files = sorted(scene.store.artifacts.rglob("*"))
    assert scene.type("audit", "report").code == 0
    after = scene.store.sql("SELECT count(*) FROM params"), scene.store.sql("SELECT count(*) FROM tags")
    assert (after, sorted(scene.store.artifacts.rglob("*"))) == (before, files)
