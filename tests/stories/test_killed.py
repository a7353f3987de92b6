"""Promotions and rollbacks killed, or struck by a bad network, at every write of their run, however a target is held.

Between two writes nothing changes on the server, so a run that is killed after each of them has been killed everywhere.
`GATEWRIGHT_WAYS=all` takes each command with each way of holding a target, as a release asks for; else some of them are
taken, with every part of a target in each of the three tests.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from gatewright.connection import connect
from gatewright.ledger.entry import MOVED
from gatewright.ledger.mlflow import MlflowLedger
from real.command import Ended, forked, within, write_policy
from real.extent import EVERY_WAY
from real.faults import Cut, Delay, Do, Drop, Fault, Faults, Request, Twice
from real.tracking import Store
from real.versions import make_version

WAYS: dict[str, tuple[str, ...]] = {
    "stage": ("stage: Production",),
    "alias": ("alias: champion",),
    "stage and alias": ("stage: Production", "alias: champion"),
    "copy": ("copy_to: MODEL.prod",),
    "copy and alias": ("copy_to: MODEL.prod", "alias: champion"),
    "copy, stage and alias": ("copy_to: MODEL.prod", "stage: Production", "alias: champion"),
}
COMMANDS = ("promote", "rollback")
MARK = "gatewright.rolled_back.production"

FAULTS: tuple[Fault, ...] = (Drop(), Drop(forward=True), Delay(3), Twice(), Cut())
#: so that a run gives up before the delay ends, and does not try again what was struck
QUICK = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def pairs(promotions: tuple[str, ...], rollbacks: tuple[str, ...]) -> list[tuple[str, str]]:
    """Commands with the ways in which their target is held: these, or all there are."""
    some = zip(COMMANDS, (promotions, rollbacks), strict=True)
    return [(c, w) for c, ways in some for w in (WAYS if EVERY_WAY else ways)]


class Desk:
    """`octo`, a model of two good versions, of which 1 holds production, and a bad one."""

    def __init__(self, store: Store, model: str, folder: Path, way: str) -> None:
        self.store, self.model, self.folder = store, model, folder
        self.client: Any = store.client()
        self.clock, self.way = 0.0, WAYS[way]
        lines = (*self.way, "checks: [run.accuracy > 0.9]", "override: {from: [octo]}")
        write_policy(folder, model, ["production:", *(f"  {line.replace('MODEL', model)}" for line in lines)])
        for accuracy in (0.91, 0.95, 0.5):
            make_version(self.client, model, metrics={"accuracy": accuracy}, model=False)
        assert self.type(*self.words("promote", 1)).json["decision"] == "promoted"

    def words(self, command: str, version: int = 0, *more: str) -> tuple[str, ...]:
        """A promotion of a version, or a rollback, as typed."""
        if command == "promote":
            return ("promote", f"{self.model}/{version}", "--to", "production", "--json", *more)
        return ("rollback", self.model, "--from", "production", "--reason", "slow", "--fast", "--json", *more)

    def type(self, *words: str, uri: str = "", **env: str) -> Ended:
        """Runs a command as octo; if not through a proxy, at the last of the store's servers."""
        variables = {"LOGNAME": "octo", **env}
        return within(*words, uri=uri or self.store.uris[-1], folder=self.folder, clock=self.clock, env=variables)

    @property
    def copied(self) -> bool:
        return any(part.startswith("copy_to") for part in self.way)

    @property
    def home(self) -> str:
        """Where stage, alias and mark are."""
        return f"{self.model}.prod" if self.copied else self.model

    def there(self) -> list[tuple[int, Any]]:
        """Every version at home, oldest first, with its number; of a copy, that of its origin."""
        found = sorted(self.client.search_model_versions(f"name='{self.home}'"), key=lambda v: int(v.version))
        return [(int(str(v.source).rpartition("/")[2] if self.copied else v.version), v) for v in found]

    def shown(self) -> set[int]:
        """Whom each part of the target names, as MLflow's own client sees it."""
        every = self.there()
        staged = [n for n, v in every if v.current_stage == "Production"] if "stage: Production" in self.way else []
        if "alias: champion" in self.way:
            pointed = self.client.get_model_version_by_alias(self.home, "champion").version
            staged += [n for n, v in every if v.version == pointed]
        return set(staged or [every[-1][0]])

    def marked(self) -> list[Any]:
        """The versions whose tag says that they were taken back."""
        return [v for _, v in self.there() if MARK in v.tags]

    def moves(self) -> list[tuple[str, int | None]]:
        """The moves in the ledger."""
        ledger = MlflowLedger(connect(self.store.uri))
        return [(r.kind, r.version) for r in ledger.rows(self.model) if r.kind in MOVED]

    def settled(self, before: int, after: int, done: str) -> int:
        """The next command, after the lease, finishes or aborts what it finds: who holds the target then.

        before, after: who held it, and was to. done: how the ledger calls the move, which it has once or not at all.
        """
        known = len(self.moves())
        self.clock += 600
        self.type(*self.words("promote", 3))  # it fails its check: nothing is done but what was left
        (holder,) = self.shown()
        assert holder in (before, after)
        assert self.moves()[-1][1] == holder
        assert self.moves()[known:] in ([], [(done, after)])
        assert bool(self.marked()) == (done == "rolled_back" and holder == after)
        return holder

    def proved(self) -> bool:
        """Whether the ledger is unbroken and nothing is left open in it."""
        still_open = self.type("status", self.model, "--json").json["lock"]
        return self.type("audit", "verify", self.model).code == 0 and still_open is None

    def next_move(self, command: str) -> tuple[int, int]:
        """Who holds the target and who is to; a rollback is made possible again, and forgotten by the registry."""
        (holder,) = self.shown()
        if command == "rollback" and holder == 1:
            told = self.type(*self.words("promote", 2, "--override", "--reason", "once more")).json
            assert told["decision"] == "promoted", told
            for version in self.marked():
                self.client.delete_model_version_tag(self.home, version.version, MARK)
            holder = 2
        return holder, 3 - holder


def writes(struck: int) -> Callable[[Request], bool]:
    """Passes for one request, counted among those that may write."""
    numbers = itertools.count(1)
    return lambda request: request.method != "GET" and next(numbers) == struck


def killed(words: tuple[str, ...], number: int, proxy: Faults, folder: Path) -> bool:
    """Runs a command and kills its process once a write is done; False if it ended before."""
    runs: list[BaseProcess] = []
    struck: list[Request] = []

    def kill(request: Request) -> None:
        struck.append(request)
        runs[0].kill()
        wait([runs[0].sentinel])

    proxy.reset()
    proxy.when(writes(number), Do(kill, after=True))
    runs.append(forked(*words, uri=proxy.uri, folder=folder))
    runs[0].join(120)
    assert runs[0].exitcode == (-signal.SIGKILL if struck else 0)
    return bool(struck)


def killed_everywhere(desk: Desk, proxy: Faults, command: str) -> None:
    """A run for each write; once it is settled, the move has been made in full or not at all, and both have been."""
    ends = set()
    for number in itertools.count(1):
        before, after = desk.next_move(command)
        if not killed(desk.words(command, after), number, proxy, desk.folder):
            break
        ends.add(desk.settled(before, after, "promoted" if command == "promote" else "rolled_back") == after)
    assert number > 6
    assert ends == {False, True}
    assert desk.proved()


@pytest.mark.server
@pytest.mark.parametrize(
    ("command", "way"), pairs(("stage and alias", "copy, stage and alias"), ("alias", "copy, stage and alias"))
)
def test_a_run_killed_after_any_write_on_sqlite_is_before_or_after_once_anything_is_run(
    command: str, way: str, mlflow_server: Store, faults: Faults, unique: str, tmp_path: Path
) -> None:
    """Never between, never twice, and the ledger says which."""
    killed_everywhere(Desk(mlflow_server, unique, tmp_path, way), faults, command)


@pytest.mark.postgres
@pytest.mark.parametrize(("command", "way"), pairs(("copy, stage and alias",), ("stage and alias",)))
def test_a_run_killed_after_any_write_on_postgresql_is_before_or_after_once_anything_is_run(
    command: str,
    way: str,
    mlflow_postgres_server: Store,
    faults_before: Callable[[str], Faults],
    unique: str,
    tmp_path: Path,
) -> None:
    """The run dies at one server, the next command goes to the other one of the same database."""
    proxy = faults_before(mlflow_postgres_server.uris[0])
    killed_everywhere(Desk(mlflow_postgres_server, unique, tmp_path, way), proxy, command)


@pytest.mark.server
@pytest.mark.parametrize(("command", "way"), pairs(("copy, stage and alias",), ("stage and alias",)))
def test_a_network_that_spoils_any_write_leaves_no_lie(
    command: str, way: str, mlflow_server: Store, faults: Faults, unique: str, tmp_path: Path
) -> None:
    """Dropped before or after, delayed, doubled, cut short: each write by one of these, in each way by another one."""
    desk = Desk(mlflow_server, unique, tmp_path, way)
    for number in itertools.count(1):
        before, after = desk.next_move(command)
        faults.reset()
        kind = FAULTS[(number + list(WAYS).index(way)) % len(FAULTS)]
        struck = writes(number)
        seen: list[Request] = []
        faults.when(lambda r, struck=struck, seen=seen: struck(r) and not seen.append(r), kind)  # type: ignore[misc]
        known = len(desk.moves())
        end = desk.type(*desk.words(command, after), uri=faults.uri, **QUICK)
        assert end.code in (0, 3), end
        moved = len(desk.moves()) > known
        faults.quiet()  # the lease is longer than any request is under way
        holder = desk.settled(before, after, "promoted" if command == "promote" else "rolled_back")
        assert holder == after or end.code == 3
        assert not moved or holder == after
        if not seen and end.code == 0:  # on a slow machine a run may give up before it comes to the write
            break
    assert number > 6
    assert desk.proved()
