"""What every ledger promises: one winner for each number, nothing rewritten, nothing lost."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatewright.connection import connect
from gatewright.ledger import Ledger
from gatewright.ledger.entry import Entry, Proof
from gatewright.ledger.mlflow import MODEL_TAG, MlflowLedger, experiment_name
from gatewright.problem import Undetermined
from real.faults import Do, Faults, Request
from real.tracking import Store, server, sqlite_store

Reader = Callable[[], Ledger]
Make = Callable[..., Entry]

WRITERS = 8


def test_a_model_without_a_ledger_has_no_rows(reader: Reader, unique: str) -> None:
    """And nothing is made by looking."""
    ledger = reader()
    assert ledger.rows(unique) == ()
    assert ledger.verify(unique) == ()
    assert unique not in ledger.models()


def test_the_first_event_opens_the_ledger(reader: Reader, entries: Make, unique: str) -> None:
    """Entry 0 is the opening, entry 1 the event, chained to it although nobody could know it before."""
    assert reader().append(entries(unique), {})
    opened, first = reader().rows(unique)
    assert (opened.n, opened.kind) == (0, "opened")
    assert (first.n, first.kind, first.version, first.target) == (1, "requested", 3, "production")
    entry = reader().entry(unique, first)
    assert entry is not None
    assert entry.previous == opened.digest
    assert unique in reader().models()
    assert reader().verify(unique) == ()


def test_an_entry_comes_back_as_it_was_written(reader: Reader, entries: Make, unique: str) -> None:
    """Every field, nested ones too, and a name that MLflow's interface could trip over."""
    written = entries(
        unique,
        target='prod "eu" – π',
        text="because\nof reasons",
        before={"stage": {"Production": [1, 2]}, "alias": {"champion": None}},
        steps=({"kind": "stage", "version": 3},),
        details={"limit": 0.25, "deep": {"list": [1, "two", None, True]}},
        nonce="n",
    )
    ledger = reader()
    assert ledger.append(written, {})
    row = ledger.rows(unique)[1]
    read = ledger.entry(unique, row)
    assert read is not None
    assert (row.target, row.by) == ('prod "eu" – π', "anna")
    assert read.before == written.before
    assert (read.text, read.steps, read.details) == (written.text, written.steps, written.details)


def test_attachments_are_stored_and_counted_in(reader: Reader, entries: Make, unique: str) -> None:
    """What is stored beside an entry is part of what its digest covers."""
    ledger = reader()
    assert ledger.append(entries(unique), {"evidence.json": b'{"a":1}', "empty.txt": b""})
    row = reader().rows(unique)[1]
    assert reader().attachment(unique, row, "evidence.json") == b'{"a":1}'
    assert reader().attachment(unique, row, "empty.txt") == b""
    assert reader().attachment(unique, row, "verdict.json") is None
    entry = reader().entry(unique, row)
    assert entry is not None
    assert set(entry.attachments) == {"evidence.json", "empty.txt"}


@pytest.mark.parametrize("name", ["entry.json", "../x", "a/b", "", ".hidden"])
def test_an_attachment_cannot_leave_its_entry(reader: Reader, entries: Make, unique: str, name: str) -> None:
    """Nor take the body's place."""
    with pytest.raises(ValueError, match="cannot be the name"):
        reader().append(entries(unique), {name: b""})
    assert reader().rows(unique) == ()


def test_a_number_that_is_taken_is_refused(reader: Reader, entries: Make, unique: str) -> None:
    """By an adapter that knows, and by one that does not."""
    knows = reader()
    assert knows.append(entries(unique), {})
    first = knows.rows(unique)[1]
    assert not knows.append(entries(unique, text="late"), {})
    assert not reader().append(entries(unique, text="later"), {})
    assert reader().rows(unique)[1] == first
    assert reader().verify(unique) == ()


def test_two_equal_events_are_two_entries(reader: Reader, entries: Make, unique: str) -> None:
    """Even without a nonce of their own, so that nobody takes another's entry for theirs."""
    one, other = reader(), reader()
    one.rows(unique), other.rows(unique)
    assert one.append(entries(unique), {})
    assert not other.append(entries(unique), {})


def test_an_entry_made_for_another_chain_is_not_added(reader: Reader, entries: Make, unique: str) -> None:
    """It leaves no gap and no fork."""
    assert reader().append(entries(unique), {})
    last = reader().rows(unique)[-1]
    for wrong in (entries(unique, 2, "0" * 64), entries(unique, 3, last.digest), entries(unique, 2, "")):
        with pytest.raises(Undetermined, match="was not made for the chain"):
            reader().append(wrong, {})
    assert len(reader().rows(unique)) == 2


def test_many_bodies_come_in_the_order_asked(reader: Reader, entries: Make, unique: str) -> None:
    """Read side by side, they keep their places."""
    ledger = reader()
    for n in range(1, 13):
        rows = ledger.rows(unique)
        assert ledger.append(entries(unique, n, rows[-1].digest if rows else "", text=f"t{n}"), {})
    rows = reader().rows(unique)
    bodies = reader().entries(unique, rows[::-1])
    assert [b.n for b in bodies if b] == list(range(12, -1, -1))
    assert reader().verify(unique) == ()


@pytest.mark.parametrize("more", [0, 40], ids=["few", "many"])
def test_many_indexes_are_what_each_of_them_is(reader: Reader, entries: Make, unique: str, more: int) -> None:
    """Whether each is asked for or all are listed; a model without a ledger has no rows."""
    ledger = reader()
    names = [f"{unique}-{letter}" for letter in "ab"]
    for name in names:
        ledger.append(entries(name), {})
    wanted = [*names, *(f"{unique}-missing-{n}" for n in range(more))]
    found = reader().indexes(wanted)
    assert set(found) == set(wanted)
    assert {name: found[name] for name in names} == {name: ledger.rows(name) for name in names}
    assert {found[name] for name in wanted if name not in names} <= {()}


@pytest.mark.parametrize("more", [0, 40], ids=["few", "many"])
def test_many_proofs_are_what_each_of_them_is(reader: Reader, entries: Make, unique: str, more: int) -> None:
    """Of a model without a ledger an empty one; what is told of them keeps their order."""
    ledger = reader()
    names = [f"{unique}-{letter}" for letter in "ab"]
    for name in names:
        ledger.append(entries(name), {"evidence.json": b"{}"})
    wanted = [*(f"{unique}-missing-{n}" for n in range(more)), *names]
    found = reader().prove_all(wanted, lambda model, proof: (model, proof))
    assert found == [(name, ledger.prove(name) if name in names else Proof()) for name in wanted]
    assert [len(ledger.prove(name).rows) for name in names] == [2, 2]


@pytest.mark.parametrize("model", ["it's", 'a "b"', "päper model", "x" * 240, "100%_"])
def test_a_model_may_have_any_name(reader: Reader, entries: Make, unique: str, model: str) -> None:
    """A very long one too, which MLflow's database would not hold as it is."""
    name = f"{unique} {model}"
    assert reader().append(entries(name), {})
    assert len(reader().rows(name)) == 2
    assert name in reader().models()
    assert len(experiment_name(name)) < 256


def test_first_writers_at_once_make_one_ledger(reader: Reader, entries: Make, unique: str) -> None:
    """Eight of them, nobody having seen a ledger: one wins, all end well."""
    won = _at_once(lambda i: reader().append(entries(unique, text=f"writer {i}"), {"e.json": b"%d" % i}))
    assert sorted(won) == [False] * (WRITERS - 1) + [True]
    assert len(reader().rows(unique)) == 2
    assert [b for b in reader().verify(unique) if not b.note] == []


def test_every_round_has_one_winner(reader: Reader, entries: Make, unique: str) -> None:
    """Eight writers race for each of ten numbers."""
    assert reader().append(entries(unique), {})
    adapters = [reader() for _ in range(WRITERS)]
    _race(adapters, entries, unique, rounds=10)
    assert reader().verify(unique) == ()


@pytest.mark.postgres
def test_two_servers_on_one_postgresql_have_one_winner(
    mlflow_postgres_server: Store, entries: Make, unique: str
) -> None:
    """Eight writers, half of them on each server: first for the ledger, then for thirty numbers."""
    adapters = [MlflowLedger(connect(mlflow_postgres_server.uris[i % 2])) for i in range(WRITERS)]
    won = _at_once(lambda i: adapters[i].append(entries(unique, text=f"{i}"), {}))
    assert won.count(True) == 1
    _race(adapters, entries, unique, rounds=30)
    assert [b for b in adapters[0].verify(unique) if not b.note] == []


def test_two_servers_on_one_sqlite_have_one_winner(
    empty_store: Path, tmp_path: Path, entries: Make, unique: str
) -> None:
    """SQLite has one writer at a time and waits for it; nobody may take the waiting for a win."""
    store = sqlite_store(empty_store, tmp_path / "store", proxied=True)
    folder = tmp_path / "store"
    with server(store.database, folder) as one, server(store.database, folder) as other:
        adapters = [MlflowLedger(connect((one, other)[i % 2])) for i in range(WRITERS)]
        won = _at_once(lambda i: adapters[i].append(entries(unique, text=f"{i}"), {}))
        assert won.count(True) == 1
        _race(adapters, entries, unique, rounds=8)
        assert [b for b in adapters[0].verify(unique) if not b.note] == []


def test_reading_and_appending_cost_few_requests(
    faults: Faults, mlflow_server: Store, entries: Make, unique: str
) -> None:
    """Rows two, again one, an entry one more; an append two writes, one store for each part, one to read it back."""
    assert MlflowLedger(connect(mlflow_server.uri)).append(entries(unique), {})
    ledger = MlflowLedger(connect(faults.uri))
    rows = ledger.rows(unique)
    assert faults.count == 2
    assert ledger.rows(unique) == rows
    assert faults.count == 3
    faults.reset()
    ledger.entry(unique, rows[1])
    assert faults.count == 1
    faults.reset()
    assert ledger.append(entries(unique, 2, rows[1].digest), {"evidence.json": b"{}"})
    assert faults.count == 5


WRITER = """
import sys
from gatewright.connection import connect
from gatewright.ledger.entry import Actor, Entry
from gatewright.ledger.mlflow import MlflowLedger
ledger = MlflowLedger(connect(sys.argv[1]))
rows = ledger.rows(sys.argv[2])
entry = Entry(len(rows) or 1, rows[-1].digest if rows else "", "requested", "2026-11-23T10:00:30Z", Actor("killed"),
              sys.argv[2], 3, "production")
print(ledger.append(entry, {"evidence.json": b"{}"}) is not None, flush=True)
"""


def test_a_writer_killed_at_any_request_leaves_a_whole_ledger(
    faults: Faults, mlflow_server: Store, entries: Make, unique: str
) -> None:
    """Killed after each request of opening a ledger, one by one: the next writer finishes, and all verifies."""
    for number in itertools.count(1):
        model = f"{unique}-{number}"
        if _run_and_kill(faults, lambda r, n=number: r.number == n, model) == 0:  # type: ignore[misc]
            assert number > 10
            break
        ledger = MlflowLedger(connect(mlflow_server.uri))
        known = ledger.rows(model)
        assert ledger.append(entries(model, len(known) or 1, known[-1].digest if known else ""), {})
        rows = ledger.rows(model)
        assert [r.n for r in rows] == list(range(len(rows)))
        assert [b for b in ledger.verify(model) if not b.note] == []
        ledger.repair(model)
        assert _drafts(mlflow_server, model) == []
        assert ledger.rows(model) == rows


def test_a_writer_killed_between_body_and_param_has_not_written(
    faults: Faults, mlflow_server: Store, entries: Make, unique: str
) -> None:
    """The body it left is named by its content and harms nobody; until the number is taken, it is worth a note."""
    ledger = MlflowLedger(connect(mlflow_server.uri))
    assert ledger.append(entries(unique), {})
    assert _run_and_kill(faults, lambda r: r.path.endswith("/entry.json"), unique) != 0
    before = ledger.rows(unique)
    assert len(before) == 2
    assert [(b.n, b.note) for b in ledger.verify(unique)] == [(2, True)]
    assert ledger.append(entries(unique, 2, before[-1].digest), {})
    assert ledger.verify(unique) == ()


def test_repairing_twice_at_once_gives_one_chain(mlflow_server: Store, entries: Make, unique: str) -> None:
    """The name of the run was lost; two people repair it; the chain is the one that was there."""
    ledger = MlflowLedger(connect(mlflow_server.uri))
    assert ledger.append(entries(unique), {})
    rows = ledger.rows(unique)
    client = mlflow_server.client()
    experiment = _experiment(mlflow_server, unique)
    client.create_run(experiment)
    client.delete_experiment_tag(experiment, "gatewright.run")
    with pytest.raises(Undetermined, match=f"gatewright audit repair {unique}"):
        MlflowLedger(connect(mlflow_server.uri)).append(entries(unique, 2, rows[-1].digest), {})
    _at_once(lambda i: bool(MlflowLedger(connect(mlflow_server.uri)).repair(unique)), writers=2)
    assert MlflowLedger(connect(mlflow_server.uri)).rows(unique) == rows


def test_repairing_a_whole_ledger_does_nothing(reader: Reader, entries: Make, unique: str) -> None:
    """Nor does it make one where there is none."""
    assert reader().repair(unique) == ()
    assert reader().rows(unique) == ()
    assert reader().append(entries(unique), {})
    rows = reader().rows(unique)
    assert reader().repair(unique) == ()
    assert reader().rows(unique) == rows


def test_a_foreign_experiment_is_not_taken_for_a_ledger(mlflow_server: Store, entries: Make, unique: str) -> None:
    """Somebody made an experiment of that name: it is neither used nor changed."""
    mlflow_server.client().create_experiment(experiment_name(unique))
    ledger = MlflowLedger(connect(mlflow_server.uri))
    with pytest.raises(Undetermined, match="does not say which run holds it"):
        ledger.append(entries(unique), {})
    with pytest.raises(Undetermined, match="rename the experiment"):
        ledger.repair(unique)
    assert unique not in ledger.models()


def test_a_deleted_ledger_is_to_be_restored_not_begun_again(mlflow_server: Store, entries: Make, unique: str) -> None:
    """Deleted in MLflow's page it is still there, and the message says how to bring it back."""
    ledger = MlflowLedger(connect(mlflow_server.uri))
    assert ledger.append(entries(unique), {})
    rows = ledger.rows(unique)
    client = mlflow_server.client()
    experiment = _experiment(mlflow_server, unique)
    client.delete_experiment(experiment)
    for attempt in (lambda: ledger.rows(unique), lambda: ledger.append(entries(unique, 2, rows[-1].digest), {})):
        with pytest.raises(Undetermined, match=f"mlflow experiments restore --experiment-id {experiment}"):
            attempt()
    client.restore_experiment(experiment)
    assert ledger.rows(unique) == rows


def test_a_deleted_run_is_to_be_restored(mlflow_server: Store, entries: Make, unique: str) -> None:
    """The same for the run inside."""
    ledger = MlflowLedger(connect(mlflow_server.uri))
    assert ledger.append(entries(unique), {})
    run = ledger.entry(unique, ledger.rows(unique)[0])
    assert run is not None
    mlflow_server.client().delete_run(run.details["run"])
    with pytest.raises(Undetermined, match=f"mlflow runs restore --run-id {run.details['run']}"):
        ledger.rows(unique)


def test_a_folder_of_files_gets_no_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: Make) -> None:
    """It cannot tell two writers apart."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    ledger = MlflowLedger(connect(tmp_path.as_uri()))
    assert ledger.rows("m") == ()
    with pytest.raises(Undetermined, match="cannot tell two writers apart"):
        ledger.append(entries("m"), {})


def _at_once(write: Callable[[int], object], writers: int = WRITERS) -> list[bool]:
    """Whether each of several writers won, all let go at the same moment; any failure is raised."""
    gate, told, failed = threading.Barrier(writers), [False] * writers, list[BaseException]()

    def run(i: int) -> None:
        gate.wait()
        try:
            told[i] = write(i) is not None
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return told


def _race(adapters: list[Any], entries: Make, model: str, rounds: int) -> None:
    for _ in range(rounds):
        rows = adapters[0].rows(model)
        n, previous = rows[-1].n + 1, rows[-1].digest
        made = [entries(model, n, previous, text=f"writer {i}", nonce=f"{n}-{i}") for i in range(len(adapters))]
        won = _at_once(lambda i, made=made: adapters[i].append(made[i], {"e.json": b"%d" % i}))  # type: ignore[misc]
        assert won.count(True) == 1, f"entry {n}"
        row = adapters[-1].rows(model)[-1]
        body = adapters[-1].entry(model, row)
        assert (row.n, body.text) == (n, f"writer {won.index(True)}")


def _run_and_kill(faults: Faults, when: Callable[[Request], bool], model: str) -> int:
    """Runs a writer in a process of its own and ends it, without a word, at the request that `when` names.

    The server has carried that request out by then.
    """
    faults.reset()
    writer: list[subprocess.Popen[bytes]] = []
    faults.when(when, Do(lambda _: os.kill(writer[0].pid, signal.SIGKILL), after=True))
    # It waits for a line, so that nothing is asked before the test knows the process.
    code = "import sys; sys.stdin.readline()\n" + WRITER
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", code, faults.uri, model],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
    ) as process:
        writer.append(process)
        process.communicate(b"\n", timeout=120)
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode


def _experiment(store: Store, model: str) -> str:
    found = store.client().get_experiment_by_name(experiment_name(model))
    assert found is not None
    return str(found.experiment_id)


def _drafts(store: Store, model: str) -> list[str]:
    found = store.client().search_experiments(max_results=1000)
    return [e.name for e in found if e.tags.get(MODEL_TAG) == model and "(draft" in e.name]
