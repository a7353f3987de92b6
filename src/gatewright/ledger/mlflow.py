"""The ledger in MLflow: one experiment a model, in it one run; its params are the index, its artifacts the rest.

A param can be set once, on every backend: that is the compare-and-set. A new ledger is prepared under a name of its
own and then given the model's: names are unique, so of several first writers exactly one succeeds, and one that dies
on the way leaves a draft that nobody reads. No step trusts the answer to a write; it is read back.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gatewright.connection import Connection
from gatewright.connection.together import FEW, chunks, side_by_side
from gatewright.ledger import entry as chain
from gatewright.ledger import envelope
from gatewright.ledger.entry import Break, Entry, Proof, Row
from gatewright.ledger.envelope import ENVELOPE, Keys, Signer
from gatewright.ledger.layout import (
    BODY,
    at,
    attached,
    attempted,
    broken,
    checked,
    folder,
    is_name,
    joined,
    opened,
    opening,
    stored,
)
from gatewright.problem import Undetermined

PREFIX = "gatewright/"

#: tags of the experiment: whose ledger it is, and the run that holds the chain
MODEL_TAG, RUN_TAG = "gatewright.model", "gatewright.run"
#: tag of the run: the newest entry that its writer knows of
TIP_TAG = "gatewright.last"

#: MLflow's database allows a name of 256 characters
_LONGEST_NAME = 200

#: ledgers whose indexes are asked for in one request
_LEDGERS = 100

#: the folder of an entry's body and attachments
_FOLDER = re.compile(r"([0-9]{6})-[0-9a-f]{16}")

_ABOUT = (
    "Gatewright's ledger of **{model}**: every request, refusal and promotion, in order, never rewritten. "
    "Each parameter of the run is one entry; its body and evidence are among the artifacts. "
    "Check it with `gatewright audit verify`."
)


T = TypeVar("T")

#: experiments by model; runs by their experiment's id; each as MLflow tells it
_Experiments = Mapping[str, Mapping[str, Any]]
_Runs = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Chain:
    """A ledger as it was found: where it lies, and its index as stored."""

    model: str
    experiment: str
    run: str
    artifacts: str
    lines: Mapping[str, str]
    tip: str = ""


class MlflowLedger:
    """Reads and appends to ledgers on a tracking server or database."""

    def __init__(
        self,
        connection: Connection,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
        signer: Signer | None = None,
    ) -> None:
        self._connection, self._new_id, self._now_ms, self._signer = connection, new_id, now_ms, signer
        self._seen: dict[str, Chain] = {}
        self._opened: dict[str, Entry] = {}
        self.address = connection.address

    def models(self) -> tuple[str, ...]:
        """Every model that has a ledger here, by name."""
        found = self._pages(
            "list the ledgers",
            "experiments/search",
            "experiments",
            filter=f"name LIKE '{PREFIX}%'",
            max_results=1000,
            view_type="ACTIVE_ONLY",
        )
        tagged = ((e["name"], _pairs(e.get("tags")).get(MODEL_TAG, "")) for e in found)
        return tuple(sorted(model for name, model in tagged if model and name == experiment_name(model)))

    def rows(self, model: str) -> tuple[Row, ...]:
        """The chain's index, in two requests; in one where it has been read before."""
        found = self._find(model)
        return () if found is None else _index(found)

    def indexes(self, models: Sequence[str]) -> dict[str, tuple[Row, ...] | Undetermined]:
        """Many indexes: two requests each; if they are many, one for every hundred and one for the list of all."""
        listed = self._list(models)

        def rows(model: str) -> tuple[Row, ...]:
            found = self._find(model) if listed is None else self._listed(model, *listed)
            return () if found is None else _index(found)

        found = side_by_side(lambda model: attempted(rows, model), models)
        return dict(zip(models, found, strict=True))

    def _list(self, models: Sequence[str]) -> tuple[_Experiments, _Runs] | None:
        """The experiments of many ledgers, by model, and the runs in them; None where they are few."""
        if len(models) <= FEW:
            return None
        known = self._experiments(models)
        return known, self._runs([str(e["experiment_id"]) for e in known.values()])

    def _listed(self, model: str, experiments: _Experiments, runs: _Runs) -> Chain | None:
        """A ledger whose experiment and run are among those that were listed."""
        experiment = experiments.get(model)
        if experiment is None:
            return None
        what = f"read the ledger of {model}"
        wanted = self._run_of(what, model, experiment_name(model), experiment)
        run = next((r for r in runs.get(str(experiment["experiment_id"]), ()) if r["info"]["run_id"] == wanted), None)
        if run is None:
            return self._find(model)
        self._seen[model] = _chain(what, model, experiment, run, self.address)
        return self._seen[model]

    def _experiments(self, models: Iterable[str]) -> _Experiments:
        """The experiments that are these models' ledgers, deleted ones too."""
        named = {experiment_name(model): model for model in models}
        listed = self._pages(
            "list the ledgers",
            "experiments/search",
            "experiments",
            filter=f"name LIKE '{PREFIX}%'",
            max_results=1000,
            view_type="ALL",
        )
        return {named[e["name"]]: e for e in listed if e["name"] in named}

    def _runs(self, experiments: Sequence[str]) -> _Runs:
        """Every run of some experiments, by the experiment's id."""

        def read(ids: Sequence[str]) -> list[Mapping[str, Any]]:
            what = "read the ledgers"
            return list(
                self._pages(
                    what, "runs/search", "runs", experiment_ids=list(ids), run_view_type="ALL", max_results=1000
                )
            )

        found: dict[str, list[Mapping[str, Any]]] = {}
        for runs in side_by_side(read, list(chunks(experiments, _LEDGERS))):
            for run in runs:
                found.setdefault(str(run["info"]["experiment_id"]), []).append(run)
        return found

    def entry(self, model: str, row: Row) -> Entry | None:
        """One body, in one request where the ledger has been read before, and in none where the body has."""
        found = self._opened.get(row.digest) or opened(model, row, self._file(model, row, BODY))
        if found is not None:
            self._opened[row.digest] = found
        return found

    def entries(self, model: str, rows: Sequence[Row]) -> tuple[Entry | None, ...]:
        """Many bodies, read side by side."""
        self._known(model)
        return tuple(side_by_side(lambda row: self.entry(model, row), rows))

    def attachment(self, model: str, row: Row, name: str) -> bytes | None:
        """What was stored with an entry."""
        return attached(model, self.entry(model, row), checked(name), lambda name: self._file(model, row, name))

    def append(self, entry: Entry, attachments: Mapping[str, bytes]) -> Row | None:
        """Adds an entry: its parts first, then the param that makes it count; then it is read back."""
        self._must_tell_writers_apart()
        for name in attachments:
            checked(name)
        found = self._seen.get(entry.model)
        if found is None or entry.n > len(found.lines):
            found = self._find(entry.model) or self._create(entry)
        rows = _index(found)
        if entry.n <= rows[-1].n:
            return None
        sealed = joined(entry, rows, attachments, self._new_id)
        return self._add(found, sealed, attachments)

    def _add(self, found: Chain, entry: Entry, attachments: Mapping[str, bytes]) -> Row | None:
        what = f"append entry {entry.n} to the ledger of {entry.model}"
        row = chain.row(entry)
        self._store(what, found.artifacts, row, entry, attachments)
        key, line = chain.key(entry.n), chain.line(row)
        refusal = self._try(what, "runs/log-parameter", run_id=found.run, key=key, value=line)
        now = self._find(entry.model)
        stands = now.lines.get(key) if now and now.run == found.run else None
        if stands is None:
            raise refusal or _unsure(what, self.address)
        if stands != line:
            return None
        self._try(what, "runs/set-tag", run_id=found.run, key=TIP_TAG, value=f"{entry.n} {row.digest}")
        return row

    def _store(self, what: str, artifacts: str, row: Row, entry: Entry, attachments: Mapping[str, bytes]) -> None:
        for name, content in stored(entry, row, attachments, self._signer).items():
            self._connection.write(what, artifacts, f"{folder(row)}/{name}", content)

    def _create(self, first: Entry) -> Chain:
        """Prepares a ledger under another name and gives it the model's; the first to do so has made it."""
        model, nonce = first.model, self._new_id()
        what = f"open the ledger of {model}"
        draft = self._new_experiment(what, model, f"{experiment_name(model)} (draft {nonce[:12]})")
        run = self._ask(
            what,
            "runs/create",
            experiment_id=draft,
            start_time=self._now_ms(),
            run_name="ledger",
            tags=[{"key": MODEL_TAG, "value": model}],
        )["run"]["info"]
        self._ask(what, "experiments/set-experiment-tag", experiment_id=draft, key=RUN_TAG, value=run["run_id"])
        entry = chain.seal(opening(first, nonce, {"experiment": draft, "run": run["run_id"]}), {})
        row = chain.row(entry)
        self._store(what, run["artifact_uri"], row, entry, {})
        self._ask(what, "runs/log-parameter", run_id=run["run_id"], key=chain.key(0), value=chain.line(row))
        refusal = self._try(what, "experiments/update", experiment_id=draft, new_name=experiment_name(model))
        found = self._find(model)
        if found is None:
            raise refusal or _unsure(what, self.address)
        if found.experiment != draft:
            self._try(what, "experiments/delete", experiment_id=draft)
        return found

    def _new_experiment(self, what: str, model: str, name: str) -> str:
        tags = {MODEL_TAG: model, "mlflow.note.content": _ABOUT.format(model=model)}
        given = [{"key": k, "value": v} for k, v in tags.items()]
        try:
            return str(self._ask(what, "experiments/create", name=name, tags=given)["experiment_id"])
        except Undetermined:
            # A repeated request whose first answer was lost is told that the name is taken, by itself.
            found = self._connection.call(what, "experiments/get-by-name", experiment_name=name)
            if found is None:
                raise
            return str(found["experiment"]["experiment_id"])

    def _find(self, model: str) -> Chain | None:
        """The ledger of a model as it stands now; None where there is none."""
        what = f"read the ledger of {model}"
        return self._again(what, model) or self._anew(what, model)

    def _again(self, what: str, model: str) -> Chain | None:
        """A ledger that has been read before, if its run still is where it was: where it lies does not change."""
        known = self._seen.get(model)
        if known is None:
            return None
        answer = self._connection.call(what, "runs/get", run_id=known.run)
        if not answer:
            return None
        run = _part(what, answer, "run", self.address)
        info = run.get("info", {})
        if info.get("experiment_id") != known.experiment or info.get("lifecycle_stage") != "active":
            return None
        if info.get("run_id") != known.run:
            raise _unclear(what, self.address)
        self._seen[model] = replace(known, lines=_lines(run), tip=_tip(run))
        return self._seen[model]

    def _anew(self, what: str, model: str) -> Chain | None:
        name = experiment_name(model)
        answer = self._connection.call(what, "experiments/get-by-name", experiment_name=name)
        if answer is None:
            self._seen.pop(model, None)
            return None
        experiment = _part(what, answer, "experiment", self.address)
        run_id = self._run_of(what, model, name, experiment)
        answer = self._connection.call(what, "runs/get", run_id=run_id)
        if answer is None:
            raise _lost(what, f"run {run_id}, which holds it, does not exist at {self.address}", model)
        found = _chain(what, model, experiment, _part(what, answer, "run", self.address), self.address)
        self._seen[model] = found
        return found

    def _run_of(self, what: str, model: str, name: str, experiment: Mapping[str, Any]) -> str:
        """The run that an experiment says holds the chain, if it is this model's ledger and not deleted."""
        if experiment.get("name") != name or not experiment.get("experiment_id"):
            raise _unclear(what, self.address)
        if experiment.get("lifecycle_stage") == "deleted":
            raise Undetermined(
                f"could not {what}",
                f'experiment "{name}" at {self.address} has been deleted',
                f"Restore it: `mlflow experiments restore --experiment-id {experiment['experiment_id']}`.",
            )
        tags = _pairs(experiment.get("tags"))
        if tags.get(MODEL_TAG) != model or not tags.get(RUN_TAG):
            raise _lost(what, f'experiment "{name}" at {self.address} does not say which run holds it', model)
        return tags[RUN_TAG]

    def _known(self, model: str) -> Chain:
        found = self._seen.get(model) or self._find(model)
        if found is None:
            raise broken(model, f"there is none at {self.address}")
        return found

    def _file(self, model: str, row: Row, name: str) -> bytes | None:
        artifacts = self._known(model).artifacts
        return self._connection.read(f"read entry {row.n} of {model}", artifacts, f"{folder(row)}/{name}")

    def verify(self, model: str, keys: Keys | None = None) -> tuple[Break, ...]:
        """What is wrong with a ledger."""
        return self.prove(model, keys).breaks

    def prove(self, model: str, keys: Keys | None = None) -> Proof:
        """Everything that is wrong with a ledger: its chain, what is stored with it, signatures, runs beside it."""
        found = self._find(model)
        return Proof() if found is None else self._prove(found, self._runs([found.experiment]), keys)

    def prove_all(
        self, models: Sequence[str], tell: Callable[[str, Proof], T], keys: Keys | None = None
    ) -> list[T | Undetermined]:
        """Many, side by side; what one request can tell of a hundred ledgers is asked of a hundred at once."""
        listed = self._list(models)

        def told(model: str) -> T:
            found = None if listed is None else self._listed(model, *listed)
            if found is None or listed is None:
                return tell(model, self.prove(model, keys))
            return tell(model, self._prove(found, listed[1], keys))

        return side_by_side(lambda model: attempted(told, model), models)

    def _prove(self, found: Chain, runs: _Runs, keys: Keys | None) -> Proof:
        """runs: at least those of the ledger's own experiment."""
        what = f"verify the ledger of {found.model}"

        def read(path: str) -> bytes | None:
            return self._connection.read(what, found.artifacts, path)

        rows = tuple(chain.readable_rows(found.lines))
        contents = side_by_side(lambda r: read(f"{folder(r)}/{BODY}"), rows)
        bodies = {r.n: content for r, content in zip(rows, contents, strict=True)}
        names = [(n, name) for n, body in bodies.items() for name in _attached(body)]
        files = side_by_side(lambda file: read(f"{at(found.lines, file[0])}/{file[1]}"), names)
        attached = dict(zip(names, files, strict=True))
        breaks = (
            *_unopened(found),
            *chain.verify(found.model, found.lines, bodies),
            *chain.verify_attachments(bodies, lambda n, name: attached.get((n, name))),
            *(() if keys is None else envelope.verify(rows, bodies, _seals(rows, read), keys)),
            *_misplaced(found, bodies.get(0)),
            *self._tail(what, found),
            *_strays(found, runs),
        )
        return Proof(tuple(sorted(breaks, key=lambda b: b.n)), found.lines, bodies, attached)

    def _tail(self, what: str, found: Chain) -> Iterator[Break]:
        """Entries behind the last one of the index: the chain itself cannot miss them.

        A writer stores a body before its line, so one body behind the end may be that of a writer who died. One that
        is further behind was written when the index reached further.
        """
        last = _last(found)
        number, _, digest = found.tip.partition(" ")
        told = int(number) if number.isdigit() else -1
        if told > last:
            yield Break(told, f"is missing from the index, which was known to reach it (sha256 {digest[:12]}…)")
        elif told >= 0 and not found.lines.get(chain.key(told), digest).startswith(digest):
            yield Break(told, f"it was another one when it was written (sha256 {digest[:12]}…)")
        stored = sorted(int(m[1]) for m in map(_FOLDER.fullmatch, self._connection.names(what, found.artifacts)) if m)
        for n in (n for n in stored if n > max(last, told)):
            if n == last + 1:
                text = "its body is stored, but it is not in the index: a writer was interrupted, or it was deleted"
                yield Break(n, text, note=True)
            elif not self._grown(found):
                yield Break(n, "its body is stored, and the index once reached it: its end was cut off")

    def _grown(self, found: Chain) -> bool:
        """Whether somebody has appended to a chain since it was read."""
        now = self._find(found.model)
        return now is not None and _last(now) > _last(found)

    def repair(self, model: str) -> tuple[str, ...]:
        """Deletes drafts that a dead writer left, and names the run that holds the chain where that was lost.

        A live writer whose draft is deleted fails and can begin again. The chain is the one run whose opening
        entry names that run and its experiment; where there is not exactly one, nothing is changed.
        """
        self._seen.pop(model, None)
        return (*self._delete_drafts(model), *self._restore_run(model))

    def _delete_drafts(self, model: str) -> Iterator[str]:
        what = f"repair the ledger of {model}"
        found = self._pages(
            what,
            "experiments/search",
            "experiments",
            filter=f"name LIKE '{PREFIX}%'",
            max_results=1000,
            view_type="ACTIVE_ONLY",
        )
        for e in found:
            ours = _pairs(e.get("tags")).get(MODEL_TAG) == model
            if ours and e["name"].startswith(f"{experiment_name(model)} (draft "):
                self._ask(what, "experiments/delete", experiment_id=e["experiment_id"])
                yield f'deleted the draft "{e["name"]}"'

    def _restore_run(self, model: str) -> Iterator[str]:
        what = f"repair the ledger of {model}"
        name = experiment_name(model)
        answer = self._connection.call(what, "experiments/get-by-name", experiment_name=name)
        if answer is None:
            return
        experiment = _part(what, answer, "experiment", self.address)
        said, identity = _pairs(experiment.get("tags")).get(RUN_TAG, ""), str(experiment["experiment_id"])
        runs = self._pages(
            what, "runs/search", "runs", experiment_ids=[identity], run_view_type="ALL", max_results=1000
        )
        true = [run["info"]["run_id"] for run in runs if self._opened_here(what, run)]
        if len(true) != 1:
            count = "no run" if not true else f"{len(true)} runs"
            raise Undetermined(
                f"could not {what}",
                f'{count} of experiment "{name}" at {self.address} began as its ledger',
                "If nothing in it matters, rename the experiment: the next promotion begins a new ledger.",
            )
        if true[0] != said:
            for key, value in ((RUN_TAG, true[0]), (MODEL_TAG, model)):
                self._ask(what, "experiments/set-experiment-tag", experiment_id=identity, key=key, value=value)
            yield f"named run {true[0]} as the one that holds the ledger (it said {said or 'none'})"

    def _opened_here(self, what: str, run: Mapping[str, Any]) -> bool:
        """Whether a run's opening entry is whole and names this very run."""
        info, lines = run["info"], _lines(run)
        rows = [r for r in chain.readable_rows(lines) if r.n == 0]
        if not rows:
            return False
        content = self._connection.read(what, str(info["artifact_uri"]), f"{folder(rows[0])}/{BODY}")
        place = {"experiment": str(info["experiment_id"]), "run": info["run_id"]}
        return content is not None and chain.is_opening(content, rows[0].digest, place)

    def _must_tell_writers_apart(self) -> None:
        """A folder of plain files lets two writers set the same param; there is no ledger on one."""
        if "://" not in self._connection.tracking_uri or self._connection.tracking_uri.startswith("file:"):
            raise Undetermined(
                "could not append to the ledger",
                f"{self.address} is a folder of files, which cannot tell two writers apart",
                "Use a tracking server or a database (`sqlite:///mlflow.db`).",
            )

    def _pages(self, what: str, name: str, part: str, /, **fields: Any) -> Iterator[Mapping[str, Any]]:
        token: str | None = None
        while token != "":
            answer = self._ask(what, name, page_token=token, **fields)
            yield from answer.get(part, ())
            token = str(answer.get("next_page_token") or "")

    def _ask(self, what: str, name: str, /, **fields: Any) -> dict[str, Any]:
        """A call about something that must be there."""
        answer = self._connection.call(what, name, **fields)
        if answer is None:
            raise Undetermined(f"could not {what}", f"a part of it is gone at {self.address}", "Run the command again.")
        return answer

    def _try(self, what: str, name: str, /, **fields: Any) -> Undetermined | None:
        """A write whose outcome is read afterwards; the failure, if it told of one."""
        try:
            self._ask(what, name, **fields)
        except Undetermined as e:
            return e
        return None


def experiment_name(model: str) -> str:
    """The experiment that is a model's ledger; a name too long for MLflow's database ends in its digest."""
    if len(model) <= _LONGEST_NAME:
        return PREFIX + model
    return f"{PREFIX}{model[:_LONGEST_NAME]}~{chain.sha256(model.encode())[:16]}"


def _index(found: Chain) -> tuple[Row, ...]:
    try:
        rows = chain.parse_index(found.lines)
    except ValueError as e:
        raise broken(found.model, str(e)) from e
    if not rows:
        raise broken(found.model, f"run {found.run} has no opening entry")
    return rows


def _chain(what: str, model: str, experiment: Mapping[str, Any], run: Mapping[str, Any], address: str) -> Chain:
    info = run.get("info", {})
    if info.get("run_id") != _pairs(experiment.get("tags"))[RUN_TAG]:
        raise _unclear(what, address)
    if str(info.get("experiment_id")) != str(experiment["experiment_id"]):
        raise _lost(what, f"run {info['run_id']}, said to hold it, belongs to another experiment", model)
    if info.get("lifecycle_stage") == "deleted":
        raise Undetermined(
            f"could not {what}",
            f"run {info['run_id']}, which holds it, has been deleted at {address}",
            f"Restore it: `mlflow runs restore --run-id {info['run_id']}`.",
        )
    place = str(experiment["experiment_id"]), info["run_id"], str(info["artifact_uri"])
    return Chain(model, *place, _lines(run), _tip(run))


def _lines(run: Mapping[str, Any]) -> dict[str, str]:
    return _pairs(run.get("data", {}).get("params"))


def _tip(run: Mapping[str, Any]) -> str:
    return _pairs(run.get("data", {}).get("tags")).get(TIP_TAG, "")


def _last(found: Chain) -> int:
    """The number of the index's last entry; -1 where it has none."""
    return max((int(k) for k in found.lines if re.fullmatch("[0-9]{6}", k)), default=-1)


def _strays(found: Chain, runs: _Runs) -> Iterator[Break]:
    """Runs beside the one that holds the chain."""
    for run in runs.get(found.experiment, ()):
        if run["info"]["run_id"] == found.run:
            continue
        lines = _lines(run)
        text = f"run {run['info']['run_id']} stands in the ledger's experiment and does not belong there"
        begun = f"; it holds {len(lines)} entries of its own" if chain.key(0) in lines else ""
        yield Break(0, text + begun, note=not begun)


def _unopened(found: Chain) -> Iterator[Break]:
    if not any(re.fullmatch("[0-9]{6}", name) for name in found.lines):
        yield Break(0, f"run {found.run} has no opening entry")


def _misplaced(found: Chain, content: bytes | None) -> Iterator[Break]:
    """An opening entry that names another place: the chain was copied, or another run put in its stead."""
    place = {"experiment": found.experiment, "run": found.run}
    if content is not None and not chain.is_opening(content, found.lines[chain.key(0)][:64], place):
        yield Break(0, f"the opening entry does not name run {found.run} of experiment {found.experiment}")


def _seals(rows: Sequence[Row], read: Callable[[str], bytes | None]) -> dict[int, bytes | None]:
    envelopes = side_by_side(lambda r: read(f"{folder(r)}/{ENVELOPE}"), rows)
    return {r.n: content for r, content in zip(rows, envelopes, strict=True)}


def _attached(content: bytes | None) -> Iterable[str]:
    """The names of an entry's attachments; one that leads elsewhere is none, and is told to be gone."""
    entry = chain.readable(content)
    return () if entry is None else (name for name in entry.attachments if is_name(name))


def _part(what: str, answer: Mapping[str, Any], name: str, address: str) -> Mapping[str, Any]:
    part = answer.get(name)
    if not isinstance(part, Mapping):
        raise _unclear(what, address)
    return part


def _pairs(found: Any) -> dict[str, str]:
    return {str(t["key"]): str(t.get("value", "")) for t in found or ()}


def _unclear(what: str, address: str) -> Undetermined:
    return Undetermined(
        f"could not {what}",
        f"the answer of {address} cannot be understood",
        "Check that the tracking URI is that of an MLflow server, and that nothing between changes answers.",
    )


def _unsure(what: str, address: str) -> Undetermined:
    return Undetermined(
        f"could not {what}",
        f"{address} took the request and does not show its result",
        "Run the command again; it finds out what stands.",
    )


def _lost(what: str, why: str, model: str) -> Undetermined:
    return Undetermined(f"could not {what}", why, f"Run `gatewright audit repair {model}`.")
