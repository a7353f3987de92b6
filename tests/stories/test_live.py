"""A month of a live split on a real MLflow server, typed: each way in which it can end, from each kind of table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gatewright.connection import connect
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.live.trial import ALIAS, SALT, WEIGHT, Trial
from real.command import Ended, ended, start, within
from real.github.server import GitHub
from real.outcomes import Traffic, keep
from real.tracking import Store
from real.versions import make_version
from real.workflow import Step, Workflow

DAY = 86_400.0
POLICY = """
version: 1
model: {model}
live:
  split: {{champion: 80, challenger: 20}}
  unit: user
  outcomes: {{data: '{data}'{query}}}
  primary: {{name: bought, effect: 0.02}}
  guardrails: [{{name: seconds, better: lower, margin: 0.05}}]
  min_runtime: 7d
  max_runtime: 21d
  method: {method}
targets:
  production:
    alias: champion
    checks: [run.accuracy > 0.9, "live.bought >= champion at 95%"]
"""


class Shop:
    """`octo` at the command line, a model with a champion and a candidate, and a table that grows by the day."""

    def __init__(self, store: Store, model: str, folder: Path, form: str, method: str = "always_valid") -> None:
        self.store, self.model, self.folder, self.form = store, model, folder, form
        self.client, self.clock = store.client(), 0.0
        for accuracy in (0.92, 0.95):
            make_version(self.client, model, metrics={"accuracy": accuracy})
        self.client.set_registered_model_alias(model, "champion", "1")
        #: outcomes are found from wherever a command is run
        data, query = keep({"user": [], "version": [], "time": [], "bought": [], "seconds": []}, folder, form)
        said = {"model": model, "data": data, "query": f", query: '{query}'" if query else "", "method": method}
        (folder / "policies").mkdir()
        (folder / "policies" / "shop.yaml").write_text(POLICY.format(**said), encoding="utf-8")

    def type(self, *words: str) -> Ended:
        """Runs a command as octo, at the time that the clock shows."""
        variables = {"LOGNAME": "octo"}
        return within("live", *words, "--json", uri=self.store.uri, folder=self.folder, clock=self.clock, env=variables)

    def start(self) -> Trial:
        """Begins the split of version 2 against production."""
        ended = self.type("start", f"{self.model}/2", "--against", "production")
        assert (ended.code, ended.json["decision"]) == (0, "started"), ended
        told = ended.json["live"]
        started = datetime.fromisoformat(told["started"])
        return Trial(self.model, 1, 2, started, round(told["arms"][1]["share"] * 10_000), told["salt"])

    def night(self, trial: Trial, traffic: Traffic, day: int) -> Ended:
        """A day later: the table has grown, and the nightly job runs."""
        keep(traffic.rows(trial, day), self.folder, self.form)
        self.clock = day * DAY + 60
        return self.type("status", self.model, "--act")

    def until_it_ends(self, traffic: Traffic) -> tuple[Ended, int]:
        """Night after night; returns the last one's end and its day."""
        trial = self.start()
        assert self.registry() == ({"champion": 1, ALIAS: 2}, {1: "8000", 2: "2000"})
        for day in range(1, 30):
            ended = self.night(trial, traffic, day)
            if ended.json["decision"] != "evaluated":
                return ended, day
            assert self.registry() == ({"champion": 1, ALIAS: 2}, {1: "8000", 2: "2000"})
        raise AssertionError("it never ended")

    def registry(self) -> tuple[dict[str, int], dict[int, str]]:
        """Aliases and shares, as MLflow's own client shows them."""
        aliases = {a: int(v) for a, v in self.client.get_registered_model(self.model).aliases.items()}
        versions = self.client.search_model_versions(f"name='{self.model}'")
        assert {SALT in v.tags for v in versions} == {WEIGHT in v.tags for v in versions}
        return aliases, {int(v.version): v.tags[WEIGHT] for v in versions if WEIGHT in v.tags}

    def ledger(self) -> list[tuple[str, int | None, str]]:
        """What became of versions: kind, version, reason."""
        ledger = MlflowLedger(connect(self.store.uri))
        rows = ledger.rows(self.model)
        assert ledger.verify(self.model) == ()
        told = ("live_started", "promoted", "live_stopped")
        entries = zip(rows, ledger.entries(self.model, rows), strict=True)
        return [(r.kind, r.version, e.reason if e else "") for r, e in entries if r.kind in told]


@pytest.fixture
def shop(mlflow_server: Store, unique: str, tmp_path: Path) -> Any:
    """Opens a shop whose outcomes are kept in a form."""
    return lambda form, **other: Shop(mlflow_server, unique, tmp_path, form, **other)


def test_a_month_that_ends_in_promotion(shop: Any) -> None:
    """A better challenger is found early, waits for a week, and takes production by the story of every promotion."""
    store = shop("parquet")
    ended, day = store.until_it_ends(Traffic(1000, 0.05, 0.11))
    assert (ended.code, ended.json["decision"], day) == (0, "promoted", 7)
    assert store.registry() == ({"champion": 2}, {})
    assert store.ledger() == [
        ("live_started", 2, "live_running"),
        ("promoted", 2, "no_approvals_needed"),
        ("live_stopped", 2, "live_superior"),
    ]
    (metric, _) = ended.json["live"]["metrics"]
    assert metric["standing"] == "better" and metric["interval"][0] > 0
    (check,) = [c for c in ended.json["checks"] if c["check"].startswith("live.")]
    assert check["status"] == "pass" and "confidence sequence" in check["method"]


def test_a_month_that_ends_in_harm(shop: Any) -> None:
    """A worse challenger is stopped within days, and nobody sees it any more."""
    store = shop("csv")
    ended, day = store.until_it_ends(Traffic(1500, 0.10, 0.03))
    assert (ended.code, ended.json["decision"], ended.json["reason"]) == (1, "stopped", "live_harm")
    assert day < 7
    assert store.registry() == ({"champion": 1}, {})
    assert store.ledger() == [("live_started", 2, "live_running"), ("live_stopped", 2, "live_harm")]


@pytest.mark.parametrize("method", ["always_valid", "group_sequential"])
def test_a_month_that_ends_by_the_clock(shop: Any, method: str) -> None:
    """Equal versions: after the longest runtime the champion stays."""
    store = shop("sqlite", method=method)
    trial = store.start()
    traffic = Traffic(300, even=True)
    for day in (5, 14):
        assert store.night(trial, traffic, day).json["reason"] == "live_running"
    ended = store.night(trial, traffic, 21)
    assert (ended.code, ended.json["decision"], ended.json["reason"]) == (0, "stopped", "live_timed_out")
    assert store.registry() == ({"champion": 1}, {})
    assert store.ledger() == [("live_started", 2, "live_running"), ("live_stopped", 2, "live_timed_out")]
    again = store.night(trial, traffic, 22)
    assert (again.json["decision"], again.json["live"]["state"]) == ("noop", "timed_out")


def test_a_month_that_ends_as_invalid(shop: Any) -> None:
    """A log that loses a quarter of the challenger's visits: no effect is shown, however large it looks."""
    store = shop("parquet")
    ended, _ = store.until_it_ends(Traffic(1500, 0.05, 0.2, lost=0.25))
    assert (ended.code, ended.json["decision"], ended.json["reason"]) == (1, "stopped", "live_invalid")
    assert ended.json["live"]["metrics"] == []
    assert store.registry() == ({"champion": 1}, {})
    assert store.ledger() == [("live_started", 2, "live_running"), ("live_stopped", 2, "live_invalid")]


def test_a_split_is_ended_by_hand_and_tried_again(shop: Any) -> None:
    """`--keep` with a reason; the next split has a salt of its own."""
    store = shop("parquet")
    first = store.start()
    ended = store.type("stop", store.model, "--keep", "--reason", "the fair is over")
    assert (ended.code, ended.json["decision"], ended.json["why"]) == (0, "stopped", "the fair is over")
    assert store.registry() == ({"champion": 1}, {})
    store.clock = 60.0
    assert store.start().salt != first.salt


@pytest.mark.parametrize(
    ("traffic", "told"),
    [(Traffic(1500, 0.10, 0.02), ("stopped", "live_harm")), (Traffic(800, 0.05, 0.12), ("promoted", "live_superior"))],
)
def test_two_nightly_jobs_at_once_end_a_split_once(shop: Any, traffic: Traffic, told: tuple[str, str]) -> None:
    """Two processes read the same outcomes and come to the same end: one writes it, the other finds it written."""
    store = shop("parquet")
    trial = store.start()
    keep(traffic.rows(trial, 8), store.folder, "parquet")
    words = ("live", "status", store.model, "--act", "--json")
    place = {"uri": store.store.uri, "folder": store.folder, "clock": 8 * DAY + 60, "env": {"LOGNAME": "octo"}}
    both = [ended(run) for run in [start(*words, **place) for _ in range(2)]]
    assert told[0] in [e.json["decision"] for e in both]
    others = {(e.json["decision"], e.json["reason"]) for e in both} - {(told[0], e.json["reason"]) for e in both}
    assert others <= {("noop", "no_live"), ("error", "lock_held"), ("noop", "already_promoted")}
    ends = [(kind, reason) for kind, _, reason in store.ledger() if kind in ("promoted", "live_stopped")]
    promoted = [("promoted", "no_approvals_needed")] if told[0] == "promoted" else []
    assert ends == [*promoted, ("live_stopped", told[1])]
    assert store.registry() == ({"champion": 2 if promoted else 1}, {})


def test_pages_of_a_split_are_written(shop: Any, tmp_path: Path) -> None:
    """A page for the browser with both arms drawn, and one for a job's summary."""
    store = shop("parquet")
    trial = store.start()
    keep(Traffic(1500, 0.05, 0.09).rows(trial, 3), tmp_path, "parquet")
    store.clock = 3 * DAY + 60
    ended = store.type("status", store.model, "--html", "split.html", "--markdown", "split.md")
    assert (ended.code, ended.json["reason"]) == (0, "live_running")
    page, summary = ((tmp_path / f"split.{kind}").read_text() for kind in ("html", "md"))
    assert '<path class="band ' in page and "over 3" in page
    assert summary.count("```mermaid") == 2


# -- in the Action -----------------------------------------------------------------------------------------------


class Desk:
    """The same shop with its policy on GitHub: comments, and the nightly job."""

    def __init__(self, shop: Shop, github: GitHub) -> None:
        self.shop, self.github, self.world = shop, github, github.world
        policy = (shop.folder / "policies" / "shop.yaml").read_text(encoding="utf-8")
        self.world.commit({"policies/shop.yaml": policy})
        self.workflow = Workflow(github, shop.store.uri, shop.folder)
        self.thread = self.world.issue("anna", "Try version 2")
        self.world.repository.permissions |= {"ben": "write", "mallory": "read"}

    def says(self, who: str, words: str) -> Step:
        """Somebody comments, and the Action hears it."""
        return self.workflow.commented(self.thread, self.world.comment(self.thread.number, who, words))

    def night(self) -> Step:
        """The schedule of examples/workflows/live.yml."""
        return self.workflow.event("schedule", {}, command="live", html_report=str(self.shop.folder / "split.html"))

    def run_for(self, days: int, traffic: Traffic) -> None:
        """A split that was begun some days ago, with the traffic since."""
        self.shop.clock = -days * DAY - 60
        keep(traffic.rows(self.shop.start(), days), self.shop.folder, self.shop.form)


@pytest.fixture
def desk(shop: Any) -> Iterator[Desk]:
    """A desk; in the end, every request and answer was as GitHub describes them."""
    with GitHub() as github:
        yield Desk(shop("parquet"), github)
        assert github.violations == []


def test_a_comment_begins_shows_and_ends_a_split(desk: Desk) -> None:
    """By whoever may write, with a reason where the ledger keeps one; a stranger starts nothing."""
    model = desk.shop.model
    refused = desk.says("mallory", f"/gate live start {model}/2 to production")
    assert refused.decision == ("noop", "not_authorized")
    begun = desk.says("ben", f"/gate live start {model}/2 to production for the fair")
    assert (begun.code, begun.decision) == (0, ("started", "live_running")), begun
    assert desk.shop.registry()[0] == {"champion": 1, ALIAS: 2}
    shown = desk.says("ben", "/gate live")
    assert shown.decision == ("evaluated", "live_running") and "| challenger | v2 | 20 % |" in shown.summary
    assert "owes a reason" in desk.says("ben", "/gate live stop keep").log
    ended = desk.says("ben", "/gate live stop keep the fair is over")
    assert (ended.code, ended.decision) == (0, ("stopped", "live_kept"))
    assert desk.shop.registry() == ({"champion": 1}, {})
    own = [c.body for c in desk.thread.comments if c.author is desk.world.bot and "The split is over" in c.body]
    assert len(own) == 1


def test_the_nightly_job_promotes_what_has_shown_itself(desk: Desk) -> None:
    """Registry, ledger, deployment, outputs, summary and page tell the same."""
    desk.run_for(8, Traffic(800, 0.05, 0.12))
    step = desk.night()
    assert (step.code, step.decision) == (0, ("promoted", "no_approvals_needed")), step
    assert desk.shop.registry() == ({"champion": 2}, {})
    assert [kind for kind, _, _ in desk.shop.ledger()] == ["live_started", "promoted", "live_stopped"]
    assert [d.environment for d in desk.world.repository.deployments] == [f"{desk.shop.model}/production"]
    assert step.summary.count("```mermaid") == 2
    assert '<path class="band ' in Path(step.outputs["report-path"]).read_text()


def test_the_nightly_job_ends_what_does_harm(desk: Desk) -> None:
    """The job turns red, and everybody sees the champion again."""
    desk.run_for(4, Traffic(1500, 0.10, 0.03))
    step = desk.night()
    assert (step.code, step.decision) == (1, ("stopped", "live_harm")), step
    assert desk.shop.registry() == ({"champion": 1}, {})
    assert step.commands("warning")
    assert desk.night().decision == ("noop", "no_live")
