"""A version's way up, typed command by command against a real MLflow server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from real.command import Ended, gatewright, within, write_policy
from real.faults import Faults
from real.tracking import Store
from real.versions import make_version

LADDER = [
    "staging:",
    "  stage: Staging",
    "  checks: [run.accuracy > 90%, run.loss < 0.5]",
    "production:",
    "  after: staging",
    "  stage: Production",
    "  alias: champion",
    "  checks: [{include: staging}, run.accuracy >= champion]",
    "clinic:",
    "  alias: clinic",
    "  checks: [run.accuracy > 90%]",
    "  approvals: [{name: two leads, from: [anna, ben, carla], count: 2}]",
    "  expires: 3d",
]

GOOD, BETTER, BAD = {"accuracy": 0.93, "loss": 0.2}, {"accuracy": 0.96, "loss": 0.1}, {"accuracy": 0.81, "loss": 0.9}

#: the contract: scripts may count on these within schema 1
KEYS = {
    *("schema", "decision", "reason", "verdict", "model", "version", "target", "champion", "previous_version"),
    *("evidence_digest", "policy_digest", "checks", "approvals", "ledger", "error"),
}
CHECK_KEYS = {
    *("check", "status", "severity", "value", "bound", "champion", "interval", "n", "method", "source", "because"),
    "policy_line",
}


class Desk:
    """One user with a policy of three targets, a server, and a model with versions to be judged."""

    def __init__(self, store: Store, model: str, folder: Path) -> None:
        self.store, self.model, self.folder = store, model, folder
        self.client = store.client()
        write_policy(folder, model, LADDER)

    def register(self, *metrics: dict[str, float]) -> None:
        """Registers a version for each."""
        for logged in metrics:
            make_version(self.client, self.model, metrics=logged, model=False)

    def type(self, *words: str) -> Ended:
        """Runs a command."""
        return gatewright(*words, uri=self.store.uri, folder=self.folder)

    def promote(self, version: int, to: str, *more: str) -> Ended:
        """Runs `gatewright promote` for a version."""
        return self.type("promote", f"{self.model}/{version}", "--to", to, *more)

    def told(self, version: int, to: str, *more: str) -> dict[str, Any]:
        """What `--json` says of a promotion."""
        return self.promote(version, to, "--json", *more).json

    def shown(self) -> tuple[dict[int, str], dict[str, int]]:
        """The registry as MLflow's own client sees it: stages by version, and aliases."""
        found = self.client.search_model_versions(f"name='{self.model}'")
        aliases = self.client.get_registered_model(self.model).aliases
        return {int(v.version): str(v.current_stage) for v in found}, {k: int(v) for k, v in aliases.items()}

    def events(self) -> list[tuple[str, int | None, str]]:
        """The ledger as `history` tells it: kind, version and target of every event."""
        told = self.type("history", self.model, "--json").json["events"]
        return [(e["kind"], e["version"], e["target"]) for e in told]


@pytest.fixture
def desk(mlflow_server: Store, unique: str, tmp_path: Path) -> Desk:
    """A desk with no versions yet."""
    return Desk(mlflow_server, unique, tmp_path)


pytestmark = pytest.mark.server


def test_a_good_version_goes_up_rung_by_rung(desk: Desk) -> None:
    """Stage and alias are where the policy says, and the exit code is 0."""
    desk.register(GOOD)
    first, second = desk.promote(1, "staging"), desk.promote(1, "production")
    assert (first.code, second.code) == (0, 0), (first, second)
    assert "promoted" in first.out
    assert desk.shown() == ({1: "Production"}, {"champion": 1})


def test_a_better_version_replaces_the_champion_and_archives_it(desk: Desk) -> None:
    """Nobody is left beside the new champion, and the answer names whom it replaced."""
    desk.register(GOOD, BETTER)
    for version, to in ((1, "staging"), (1, "production"), (2, "staging")):
        assert desk.promote(version, to).code == 0
    told = desk.told(2, "production")
    assert (told["decision"], told["champion"], told["previous_version"]) == ("promoted", 1, 1)
    assert desk.shown() == ({1: "Archived", 2: "Production"}, {"champion": 2})


def test_a_bad_version_is_refused_with_every_reason(desk: Desk) -> None:
    """Both failed checks are named with their values; nothing moves; the exit code is 1."""
    desk.register(BAD)
    end = desk.promote(1, "staging")
    said = " ".join(end.out.split())
    assert end.code == 1, end
    assert "run.accuracy > 90%: 81 % is not above 90%" in said
    assert "run.loss < 0.5: 0.9 is not below 0.5" in said
    assert desk.shown() == ({1: "None"}, {})


def test_a_version_that_is_worse_than_the_champion_is_refused(desk: Desk) -> None:
    """Good enough for staging is not good enough to take the champion's place."""
    desk.register(BETTER, GOOD)
    for version, to in ((1, "staging"), (1, "production"), (2, "staging")):
        assert desk.promote(version, to).code == 0
    told = desk.told(2, "production")
    assert (told["decision"], told["reason"]) == ("refused", "checks_failed")
    assert [c["check"] for c in told["checks"] if c["status"] == "fail"] == ["run.accuracy >= champion"]
    assert desk.shown()[1] == {"champion": 1}


def test_a_metric_that_was_never_logged_is_undetermined_and_not_a_failure(desk: Desk) -> None:
    """Exit 3: the model is not said to have failed, and nothing moves."""
    desk.register({"accuracy": 0.95})
    end = desk.promote(1, "staging", "--json")
    assert (end.code, end.json["decision"], end.json["verdict"]) == (3, "error", "error")
    assert desk.shown() == ({1: "None"}, {})


def test_a_rung_cannot_be_skipped(desk: Desk) -> None:
    """`after: staging` means that the version holds staging now."""
    desk.register(GOOD)
    end = desk.promote(1, "production", "--json")
    assert (end.code, end.json["reason"]) == (1, "out_of_order")
    assert desk.shown() == ({1: "None"}, {})


def test_a_version_that_needs_approvals_waits_with_exit_0(desk: Desk) -> None:
    """A request is recorded and shown by status with whose approval is owed; the alias is not set."""
    desk.register(GOOD)
    end = desk.promote(1, "clinic", "--json")
    assert (end.code, end.json["decision"], end.json["reason"]) == (0, "pending", "approvals_missing")
    assert end.json["approvals"]["rules"] == [{"name": "two leads", "need": 2, "have": 0}]
    assert desk.shown() == ({1: "None"}, {})
    status = desk.type("status", desk.model, "--json").json
    assert [(r["version"], r["target"]) for r in status["requests"]] == [(1, "clinic")]
    assert "two leads" in desk.type("status", desk.model).out


def test_the_same_request_is_recorded_once(desk: Desk) -> None:
    """Whoever repeats the command is told the same entry."""
    desk.register(GOOD)
    first, second = desk.told(1, "clinic"), desk.told(1, "clinic")
    assert first["ledger"] == second["ledger"]
    assert desk.events() == [("opened", None, ""), ("requested", 1, "clinic")]


def test_promoting_twice_does_nothing_the_second_time(desk: Desk) -> None:
    """Exit 0, `already_promoted`, and not a line more in the ledger."""
    desk.register(GOOD)
    assert desk.promote(1, "staging").code == 0
    before = desk.events()
    end = desk.promote(1, "staging", "--json")
    assert (end.code, end.json["decision"], end.json["reason"]) == (0, "noop", "already_promoted")
    assert desk.events() == before


def test_status_names_who_holds_what(desk: Desk) -> None:
    """From the registry, with the entry that recorded it; a target that nobody holds says so."""
    desk.register(GOOD, BETTER)
    moves = [desk.told(1, "staging"), desk.told(1, "production"), desk.told(2, "staging")]
    targets = {t["target"]: t for t in desk.type("status", desk.model, "--json").json["targets"]}
    assert {name: t["version"] for name, t in targets.items()} == {"staging": 2, "production": 1, "clinic": None}
    assert targets["production"]["recorded"] == moves[1]["ledger"]
    assert targets["staging"]["recorded"] == moves[2]["ledger"]
    assert targets["clinic"]["recorded"] is None


def test_history_tells_every_event_in_order(desk: Desk) -> None:
    """A move is two events; a refusal is one; each has who, when, why and its evidence."""
    desk.register(GOOD, BAD)
    promoted, refused = desk.told(1, "staging"), desk.told(2, "staging")
    assert desk.events() == [
        ("opened", None, ""),
        ("intended", 1, "staging"),
        ("promoted", 1, "staging"),
        ("refused", 2, "staging"),
    ]
    told = desk.type("history", desk.model, "--json").json["events"]
    assert [e["evidence_digest"] for e in told[2:]] == [promoted["evidence_digest"], refused["evidence_digest"]]
    assert [{"entry": e["entry"], "digest": e["digest"]} for e in told[2:]] == [promoted["ledger"], refused["ledger"]]
    assert all(e["at"] and e["actor"]["login"] for e in told)
    assert [e["reason"] for e in told[2:]] == ["no_approvals_needed", "checks_failed"]


def test_the_ledger_is_proved_after_it_all(desk: Desk) -> None:
    """`audit verify` proves as many entries as `history` tells, and says which is the newest."""
    desk.register(GOOD, BAD)
    desk.promote(1, "staging")
    newest = desk.told(2, "staging")["ledger"]
    end = desk.type("audit", "verify", desk.model, "--json")
    assert (end.code, end.json["unbroken"], end.json["entries"]) == (0, True, 4)
    assert end.json["head"] == newest["digest"]
    assert "unbroken" in desk.type("audit", "verify", desk.model).out


@pytest.mark.parametrize(("metrics", "to"), [(GOOD, "staging"), (BAD, "staging"), (GOOD, "clinic")])
def test_the_result_has_every_key_of_the_contract(metrics: dict[str, float], to: str, desk: Desk) -> None:
    """Promoted, refused or pending: scripts find the same keys."""
    desk.register(metrics)
    told = desk.told(1, to)
    assert told.keys() >= KEYS
    assert told["schema"] == 1
    assert told["checks"]
    assert all(c.keys() >= CHECK_KEYS for c in told["checks"])
    assert told["approvals"].keys() >= {"rules", "counted", "not_counted"}
    assert told["ledger"].keys() >= {"entry", "digest"}
    assert all(c["policy_line"].startswith("policies/policy.yaml:") for c in told["checks"])


def test_json_in_a_file_leaves_the_report_on_the_terminal(desk: Desk) -> None:
    """`--json FILE` is for the next step of a pipeline, what is printed is for people."""
    import json

    desk.register(GOOD)
    end = desk.promote(1, "staging", "--json", "result.json")
    assert "promoted" in end.out
    assert json.loads((desk.folder / "result.json").read_text(encoding="utf-8"))["decision"] == "promoted"


@pytest.mark.parametrize(("metrics", "to"), [(GOOD, "staging"), (BAD, "staging"), (GOOD, "clinic")])
def test_a_dry_run_writes_nothing(metrics: dict[str, float], to: str, desk: Desk) -> None:
    """Neither the registry nor the ledger is touched, whatever would have happened."""
    desk.register(metrics)
    before = desk.shown()
    end = desk.promote(1, to, "--dry-run", "--json")
    assert end.json["ledger"] is None
    assert desk.shown() == before
    assert desk.client.get_experiment_by_name(f"gatewright/{desk.model}") is None


def test_a_dry_run_says_what_would_be_done(desk: Desk) -> None:
    """The steps are those of the real run that follows."""
    desk.register(GOOD)
    rehearsed = desk.told(1, "staging", "--dry-run")
    assert (rehearsed["decision"], rehearsed["reason"]) == ("evaluated", "dry_run")
    done = desk.told(1, "staging")
    assert rehearsed["steps"] == done["steps"] == [f"{desk.model}/1 → stage Staging"]
    assert rehearsed["evidence_digest"] == done["evidence_digest"]


def test_evaluate_answers_and_writes_nothing(desk: Desk) -> None:
    """The same verdict as promote, and neither a stage nor a ledger."""
    desk.register(GOOD, BAD)
    ends = [desk.type("evaluate", f"{desk.model}/{v}", "--to", "staging", "--json") for v in (1, 2)]
    assert [(e.code, e.json["decision"], e.json["verdict"]) for e in ends] == [
        (0, "evaluated", "pass"),
        (1, "evaluated", "fail"),
    ]
    assert desk.shown() == ({1: "None", 2: "None"}, {})
    assert desk.client.get_experiment_by_name(f"gatewright/{desk.model}") is None


@pytest.mark.parametrize(
    "subject", ["MODEL/1", "models:/MODEL/1", "MODEL@newest", "models:/MODEL@newest", "MODEL/latest"]
)
def test_a_version_can_be_named_as_in_mlflow(subject: str, desk: Desk) -> None:
    """By number, by alias, as the latest, and as the address that code loads it by."""
    desk.register(GOOD)
    desk.client.set_registered_model_alias(desk.model, "newest", "1")
    told = desk.type("evaluate", subject.replace("MODEL", desk.model), "--to", "staging", "--json").json
    assert (told["model"], told["version"]) == (desk.model, 1)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("MODEL/9", "--to", "staging"), "MODEL/1 (the newest)"),
        (("MODEL/1", "--to", "prod"), "name one of its targets: staging, production, clinic"),
        (("other/1", "--to", "staging"), "write one, or name a model that has one: MODEL"),
    ],
    ids=["version", "target", "model"],
)
def test_a_name_that_does_not_exist_is_answered_with_those_that_do(
    words: tuple[str, ...], remedy: str, desk: Desk
) -> None:
    """Exit 2: nothing was judged, so nothing is said about the model."""
    desk.register(GOOD)
    end = desk.type("promote", *(w.replace("MODEL", desk.model) for w in words))
    assert end.code == 2, end
    assert remedy.replace("MODEL", desk.model) in " ".join(end.err.split())


@pytest.mark.server
def test_an_evaluation_of_run_metrics_takes_at_most_ten_requests(
    mlflow_server: Store, faults: Faults, unique: str, tmp_path: Path
) -> None:
    """Candidate, champion, their runs and files, and nothing twice."""
    for accuracy in (0.95, 0.96):
        make_version(mlflow_server.client(), unique, metrics={"accuracy": accuracy})
    lines = ["production:", "  stage: Production", "  checks: [run.accuracy > 0.9, run.accuracy >= champion]"]
    write_policy(tmp_path, unique, lines)
    first = within("promote", f"{unique}/1", "--to", "production", uri=mlflow_server.uri, folder=tmp_path)
    assert first.code == 0, first
    faults.reset()
    end = within("evaluate", f"{unique}/2", "--to", "production", uri=faults.uri, folder=tmp_path)
    assert end.code == 0, end
    assert faults.count <= 10, "\n".join(faults.paths())
