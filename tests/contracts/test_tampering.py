"""Whoever changes the ledger behind its back is found out, by the number of the entry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gatewright.connection import connect
from gatewright.connection.together import FEW
from gatewright.ledger.entry import Actor, Break, Entry, Row, body, line, row
from gatewright.ledger.mlflow import RUN_TAG, TIP_TAG, MlflowLedger, experiment_name
from gatewright.problem import Undetermined
from real.tracking import Store

MODEL = "fraud"


@dataclass(frozen=True)
class Scene:
    """A ledger of six entries on a database, each with an attachment, and the means to spoil it."""

    store: Store
    rows: tuple[Row, ...]
    run: str
    experiment: str
    folder: Path

    def verify(self) -> tuple[Break, ...]:
        """What is found; it is the same where many ledgers are listed together."""
        ledger = MlflowLedger(connect(self.store.uri))
        many = [MODEL, *(f"missing {n}" for n in range(FEW))]
        together, *_ = ledger.prove_all(many, lambda model, proof: proof.breaks)
        if isinstance(together, Undetermined):
            raise together
        assert together == ledger.verify(MODEL)
        return together

    def broken(self) -> set[int]:
        return {b.n for b in self.verify() if not b.note}

    def entry(self, n: int) -> Entry:
        found = MlflowLedger(connect(self.store.uri)).entry(MODEL, self.rows[n])
        assert found is not None
        return found

    def param(self, n: int, value: str) -> None:
        self.store.sql("UPDATE params SET value = :v WHERE run_uuid = :r AND key = :k", v=value, **self._at(n))

    def drop_param(self, n: int) -> None:
        self.store.sql("DELETE FROM params WHERE run_uuid = :r AND key = :k", **self._at(n))

    def add_param(self, key: str, value: str) -> None:
        statement = "INSERT INTO params (run_uuid, key, value) VALUES (:r, :k, :v)"
        self.store.sql(statement, r=self.run, k=key, v=value)

    def _at(self, n: int) -> dict[str, str]:
        return {"r": self.run, "k": f"{n:06d}"}

    def files(self, n: int) -> Path:
        return next(self.folder.glob(f"{n:06d}-*"))

    def write(self, entry: Entry, attachments: Mapping[str, bytes] | None = None) -> Row:
        """Stores a body as a writer would, and returns the row that belongs to it."""
        made = row(entry)
        where = self.folder / f"{entry.n:06d}-{made.digest[:16]}"
        where.mkdir(exist_ok=True)
        (where / "entry.json").write_bytes(body(entry))
        for name, content in (attachments or {}).items():
            (where / name).write_bytes(content)
        return made


@pytest.fixture
def scene(embedded: Store) -> Scene:
    """Entries 0 to 5, whole."""
    ledger = MlflowLedger(connect(embedded.uri))
    kinds = ("requested", "intended", "promoted", "intended", "aborted")
    for n, kind in enumerate(kinds, start=1):
        rows = ledger.rows(MODEL)
        closes = n - 1 if kind in ("promoted", "aborted") else None
        entry = Entry(
            n,
            rows[-1].digest if rows else "",
            kind,  # type: ignore[arg-type]
            f"2026-11-23T10:00:0{n}Z",
            Actor("anna"),
            MODEL,
            version=n,
            target="production",
            closes=closes,
        )
        assert ledger.append(entry, {"evidence.json": b'{"entry":%d}' % n})
    rows = ledger.rows(MODEL)
    client = embedded.client()
    experiment = client.get_experiment_by_name(experiment_name(MODEL))
    assert experiment is not None
    run = client.get_run(experiment.tags[RUN_TAG])
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    made = Scene(embedded, rows, run.info.run_id, experiment.experiment_id, folder)
    assert made.verify() == ()
    return made


def test_a_changed_line_is_named(scene: Scene) -> None:
    """Another digest in the index: the body no longer fits, nor does the next entry."""
    scene.param(3, line(scene.rows[3]).replace(scene.rows[3].digest, "f" * 64))
    assert scene.broken() == {3, 4}


def test_a_changed_headline_is_named(scene: Scene) -> None:
    """The digest was left alone, the version in the line was not."""
    scene.param(3, line(scene.rows[3]).replace("version=3", "version=4"))
    assert [(b.n, "different stories" in b.text) for b in scene.verify()] == [(3, True)]


def test_an_unreadable_line_is_named_and_stops_every_decision(scene: Scene) -> None:
    """Nobody decides anything on a chain that cannot be read."""
    scene.param(3, "nonsense")
    assert 3 in scene.broken()
    with pytest.raises(Undetermined, match="entry 3: its line is unreadable"):
        MlflowLedger(connect(scene.store.uri)).rows(MODEL)


def test_a_changed_body_is_named(scene: Scene) -> None:
    """One word of it is enough."""
    file = scene.files(2) / "entry.json"
    file.write_bytes(file.read_bytes().replace(b"anna", b"anne"))
    assert scene.broken() == {2}
    assert "its body was changed" in scene.verify()[0].text


def test_a_word_smuggled_into_a_body_is_named(scene: Scene) -> None:
    """A field that no reader knows still counts: the digest is of what is stored."""
    file = scene.files(2) / "entry.json"
    file.write_bytes(json.dumps({**json.loads(file.read_bytes()), "extra": 1}).encode())
    assert scene.broken() == {2}


def test_a_deleted_body_is_named(scene: Scene) -> None:
    """The line remains and says what is missing."""
    (scene.files(2) / "entry.json").unlink()
    assert [(b.n, "its body is gone" in b.text) for b in scene.verify()] == [(2, True)]


def test_a_changed_attachment_is_named(scene: Scene) -> None:
    """The evidence of an entry cannot be exchanged later."""
    (scene.files(4) / "evidence.json").write_bytes(b"{}")
    assert [(b.n, "evidence.json was changed" in b.text) for b in scene.verify()] == [(4, True)]


def test_a_deleted_attachment_is_named(scene: Scene) -> None:
    """Nor can it be lost unnoticed."""
    (scene.files(4) / "evidence.json").unlink()
    assert [(b.n, "evidence.json is gone" in b.text) for b in scene.verify()] == [(4, True)]


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_a_deleted_entry_is_named(scene: Scene, n: int) -> None:
    """A gap shows, wherever it is, and no decision is made on it."""
    scene.drop_param(n)
    assert (n, "is missing from the index: it was deleted") in [(b.n, b.text) for b in scene.verify()]
    with pytest.raises(Undetermined, match=f"entry {n} is missing"):
        MlflowLedger(connect(scene.store.uri)).rows(MODEL)


def test_the_last_entry_deleted_is_named(scene: Scene) -> None:
    """No later entry misses it, but the run remembers how far it reached."""
    scene.drop_param(5)
    assert scene.broken() == {5}


def test_the_last_entry_deleted_with_all_memory_of_it_leaves_a_note(scene: Scene) -> None:
    """Only its body is left: it may be the trace of an interrupted writer, and the note says so."""
    scene.drop_param(5)
    scene.store.sql("DELETE FROM tags WHERE run_uuid = :r AND key = :k", r=scene.run, k=TIP_TAG)
    assert [(b.n, b.note) for b in scene.verify()] == [(5, True)]


def test_the_last_entries_deleted_with_all_memory_of_them_are_named(scene: Scene) -> None:
    """A writer who died leaves one body behind the end; a second one was written when the index reached further."""
    for n in (4, 5):
        scene.drop_param(n)
    scene.store.sql("DELETE FROM tags WHERE run_uuid = :r AND key = :k", r=scene.run, k=TIP_TAG)
    assert scene.broken() == {5}
    assert "its end was cut off" in str(scene.verify()[-1])


def test_an_inserted_entry_is_named(scene: Scene) -> None:
    """Well made, and still not followed by the entry behind it."""
    forged = Entry(3, scene.rows[2].digest, "promoted", "2026-11-23T10:00:03Z", Actor("eve"), MODEL, 9, "production")
    scene.param(3, line(scene.write(forged)))
    assert scene.broken() == {4}
    assert "does not follow entry 3" in next(b.text for b in scene.verify() if b.n == 4)


def test_two_entries_exchanged_are_both_named(scene: Scene) -> None:
    """Lines and folders moved alike."""
    first, second = scene.rows[2], scene.rows[3]
    scene.param(2, line(second))
    scene.param(3, line(first))
    for n, other in ((2, second), (3, first)):
        copy = scene.folder / f"{n:06d}-{other.digest[:16]}"
        shutil.copytree(scene.folder / f"{other.n:06d}-{other.digest[:16]}", copy)
    assert {2, 3} <= scene.broken()


def test_a_forged_entry_at_the_end_is_named(scene: Scene) -> None:
    """Somebody who can write params but does not know the chain."""
    forged = Entry(6, "0" * 64, "promoted", "2026-11-23T10:00:06Z", Actor("eve"), MODEL, 9, "production")
    scene.add_param("000006", line(scene.write(forged)))
    assert scene.broken() == {6}


def test_an_entry_that_skips_numbers_is_named(scene: Scene) -> None:
    """The numbers between are missing."""
    forged = Entry(8, scene.rows[5].digest, "promoted", "2026-11-23T10:00:08Z", Actor("eve"), MODEL, 9, "production")
    scene.add_param("000008", line(scene.write(forged)))
    assert scene.broken() == {6, 7}


def test_an_intent_closed_twice_is_named(scene: Scene) -> None:
    """Each move has one end."""
    forged = Entry(
        6, scene.rows[5].digest, "promoted", "2026-11-23T10:00:06Z", Actor("eve"), MODEL, 9, "production", closes=4
    )
    scene.add_param("000006", line(scene.write(forged)))
    assert [(b.n, "has closed already" in b.text) for b in scene.verify()] == [(6, True)]


def test_a_clock_that_runs_backwards_is_a_note(scene: Scene) -> None:
    """Two machines may disagree about the time; the order is the chain's."""
    late = Entry(6, scene.rows[5].digest, "requested", "2026-11-23T09:00:00Z", Actor("bob"), MODEL, 9, "production")
    scene.add_param("000006", line(scene.write(late)))
    assert [(b.n, b.note, "clock" in b.text) for b in scene.verify()] == [(6, True, True)]


def test_a_param_of_another_kind_is_a_note(scene: Scene) -> None:
    """It is no entry and breaks none."""
    scene.add_param("learning_rate", "0.1")
    assert [(b.note, "learning_rate" in b.text) for b in scene.verify()] == [(True, True)]


def test_another_run_in_the_experiment_is_noted(scene: Scene) -> None:
    """It may be an accident, so it breaks nothing."""
    stray = scene.store.client().create_run(scene.experiment).info.run_id
    assert [(b.note, stray in b.text) for b in scene.verify()] == [(True, True)]


def test_a_second_chain_in_the_experiment_is_a_break(scene: Scene) -> None:
    """A run with entries of its own is no accident."""
    stray = scene.store.client().create_run(scene.experiment).info.run_id
    scene.store.client().log_param(stray, "000000", line(scene.rows[0]))
    assert any(stray in b.text and not b.note for b in scene.verify())


def test_a_chain_moved_to_another_run_is_found_out_and_repaired(scene: Scene) -> None:
    """The opening entry names the run in which it was written; a copy of the chain elsewhere is not it."""
    client = scene.store.client()
    copy = client.create_run(scene.experiment)
    for r in scene.rows[:3]:
        client.log_param(copy.info.run_id, f"{r.n:06d}", line(r))
    shutil.copytree(scene.folder, Path(copy.info.artifact_uri.removeprefix("file://")), dirs_exist_ok=True)
    client.set_experiment_tag(scene.experiment, RUN_TAG, copy.info.run_id)
    assert any("does not name run" in b.text and not b.note for b in scene.verify())
    ledger = MlflowLedger(connect(scene.store.uri))
    assert ledger.repair(MODEL) == (
        f"named run {scene.run} as the one that holds the ledger (it said {copy.info.run_id})",
    )
    assert ledger.rows(MODEL) == scene.rows


def test_an_empty_run_named_as_the_ledger_begins_no_second_chain(scene: Scene) -> None:
    """The experiment exists, so its chain does; an empty one is never taken for a fresh start."""
    client = scene.store.client()
    client.set_experiment_tag(scene.experiment, RUN_TAG, client.create_run(scene.experiment).info.run_id)
    ledger = MlflowLedger(connect(scene.store.uri))
    first = Entry(1, "", "requested", "2026-11-23T11:00:00Z", Actor("anna"), MODEL, 1, "production")
    attempts: tuple[Callable[[], object], ...] = (lambda: ledger.rows(MODEL), lambda: ledger.append(first, {}))
    for attempt in attempts:
        with pytest.raises(Undetermined, match="has no opening entry"):
            attempt()
    assert len(ledger.repair(MODEL)) == 1
    assert ledger.rows(MODEL) == scene.rows


@pytest.mark.parametrize("gone", ["experiment", "run"])
def test_a_ledger_that_is_deleted_while_it_is_used_is_noticed(scene: Scene, gone: str) -> None:
    """Where it lies is remembered for a command; that it still lies there is not."""
    ledger, client = MlflowLedger(connect(scene.store.uri)), scene.store.client()
    rows = ledger.rows(MODEL)
    run = client.get_experiment(scene.experiment).tags[RUN_TAG]
    if gone == "experiment":
        client.delete_experiment(scene.experiment)
    else:
        client.delete_run(run)
    next_one = Entry(
        len(rows), rows[-1].digest, "requested", "2026-11-23T11:00:00Z", Actor("anna"), MODEL, 1, "staging"
    )
    attempts: tuple[Callable[[], object], ...] = (lambda: ledger.rows(MODEL), lambda: ledger.append(next_one, {}))
    for attempt in attempts:
        with pytest.raises(Undetermined, match="has been deleted"):
            attempt()
    if gone == "experiment":
        client.restore_experiment(scene.experiment)
    else:
        client.restore_run(run)
    assert ledger.rows(MODEL) == rows


def test_a_ledger_put_under_another_models_name_is_found_out(scene: Scene) -> None:
    """Renaming the experiment does not make it the ledger of another model."""
    scene.store.client().rename_experiment(scene.experiment, experiment_name("churn"))
    ledger = MlflowLedger(connect(scene.store.uri))
    with pytest.raises(Undetermined, match="does not say which run holds it"):
        ledger.rows("churn")
    scene.store.client().set_experiment_tag(scene.experiment, "gatewright.model", "churn")
    assert {b.n for b in ledger.verify("churn") if not b.note} == {0, 1, 2, 3, 4, 5}


def test_a_changed_body_decides_nothing(scene: Scene) -> None:
    """Files can be overwritten where the index cannot: who agreed to what is never read from other bytes."""
    file = scene.files(1) / "entry.json"
    file.write_bytes(file.read_bytes().replace(b"anna", b"anne"))
    ledger = MlflowLedger(connect(scene.store.uri))
    with pytest.raises(Undetermined, match="entry 1: its body was changed"):
        ledger.entry(MODEL, scene.rows[1])
    with pytest.raises(Undetermined, match="entry 1: its body was changed"):
        ledger.entries(MODEL, scene.rows[1:])


def test_a_changed_attachment_decides_nothing(scene: Scene) -> None:
    """A benchmark is measured once and read back from there: better numbers put in its place are refused."""
    (scene.files(4) / "evidence.json").write_bytes(b'{"entry":5}')
    with pytest.raises(Undetermined, match=r"entry 4: its evidence\.json was changed"):
        MlflowLedger(connect(scene.store.uri)).attachment(MODEL, scene.rows[4], "evidence.json")


def test_a_file_that_was_laid_beside_an_entry_is_none_of_its_own(scene: Scene) -> None:
    """What the entry does not name is not there, whoever put it into the folder."""
    (scene.files(4) / "outcomes.json").write_bytes(b"{}")
    assert MlflowLedger(connect(scene.store.uri)).attachment(MODEL, scene.rows[4], "outcomes.json") is None


def test_a_name_that_leads_elsewhere_is_no_attachment(scene: Scene) -> None:
    """An entry of somebody else's making sends no reader out of its folder."""
    last = scene.entry(5)
    made = scene.write(replace(last, attachments={"../../secret": "0" * 64, "evidence.json": "0" * 64}))
    scene.param(5, line(made))
    assert any("its ../../secret is gone" in b.text for b in scene.verify() if b.n == 5)
