"""A month of traffic through everything: router, two served models, logged outcomes, and the Action every night."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewright import cli
from gatewright.connection import connect
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.live.trial import ALIAS, SALT, WEIGHT
from gatewright.serving import ParquetLog, Split
from real.command import placed, within
from real.github.server import GitHub
from real.nginx import REMEDY, Nginx, find_nginx
from real.process import absent
from real.served import served
from real.tracking import Store
from real.versions import make_version
from real.workflow import FILES, Step, Workflow

A_DAY = 1000
#: hours from a visit to what comes of it
LATE = 20
POLICY = """\
version: 1
model: {model}
live:
  split: {{champion: 80, challenger: 20}}
  unit: account
  outcomes: {{data: '{folder}/outcomes'}}
  primary: {{name: bought, effect: 0.04}}
  guardrails: [{{name: seconds, better: lower, margin: 0.05}}]
  min_runtime: 7d
  max_runtime: 28d
  label_maturity: 1d
targets:
  production:
    alias: champion
    checks: [run.accuracy > 0.9, "live.bought >= champion at 95%"]
"""

pytestmark = pytest.mark.server


@dataclass(frozen=True, slots=True)
class Here:
    """A step that ran in this process."""

    returncode: int
    said: tuple[str, str]

    def communicate(self, timeout: float = 0) -> tuple[str, str]:
        """What it printed."""
        return self.said


@dataclass
class Nights(Workflow):
    """The workflow with a clock of its own: the Action runs in this process, which spares it a start every night."""

    clock: timedelta = timedelta()

    def spawn(self, place: Path, env: Mapping[str, str]) -> Any:
        files = {variable: str(place / file) for variable, file in FILES.items()}
        out, err = io.StringIO(), io.StringIO()
        with placed(place, {**files, **env}, self.clock.total_seconds()), redirect_stdout(out), redirect_stderr(err):
            code = cli.main(["action"])
        return Here(code, (out.getvalue(), err.getvalue()))


@dataclass
class Month:
    """A shop whose model tells how likely a visitor buys; whoever is told so buys that often.

    lost: of how many of the challenger's visits one is not logged, 0 for none.
    """

    store: Store
    model: str
    folder: Path
    workflow: Nights
    lost: int = 0
    owed: list[tuple[datetime, str, float]] = field(default_factory=list)
    bought: dict[int, float] = field(default_factory=dict)
    visits: int = 0

    def __post_init__(self) -> None:
        self.client = self.store.client()
        self.log = ParquetLog(self.folder / "outcomes", ["bought", "seconds"], unit="account")
        self.models: dict[int, Any] = {}

    def register(self, *likely: float) -> None:
        """A version for each, the first of which is in production."""
        from mlflow import pyfunc
        from sklearn.dummy import DummyRegressor

        for value in likely:
            estimator = DummyRegressor(strategy="constant", constant=value).fit([[0.0, 0.0]], [0.0])
            number = make_version(self.client, self.model, metrics={"accuracy": 0.95}, estimator=estimator)
            with placed(self.folder, {"MLFLOW_TRACKING_URI": self.store.uri}, 0.0):
                self.models[number] = pyfunc.load_model(f"models:/{self.model}/{number}")
        self.client.set_registered_model_alias(self.model, "champion", "1")

    # -- the registry, the router and the log ------------------------------------------------------------------

    def route(self, *words: str) -> str:
        """What `gatewright live route` writes."""
        ended = within("live", "route", self.model, *words, uri=self.store.uri, folder=self.folder)
        assert ended.code == 0, ended.err
        return ended.out

    def begin(self) -> None:
        """Somebody starts the split by hand, in the Action."""
        step = self.workflow.event("workflow_dispatch", {}, command="live start", version="2", target="production")
        assert step.decision == ("started", "live_running"), step
        self.started = datetime.fromisoformat(step.result["live"]["started"])
        self.split = Split.read(self.route())
        assert self.labels() == ({"champion": 1, ALIAS: 2}, {1: "8000", 2: "2000"})

    def visitors(self, count: int) -> Iterator[tuple[str, int]]:
        """Accounts and the versions that they see. Whom the split draws is chance, and a test must not be.

        So of those who might come, every fifth is one whom the split sends to the challenger.
        """
        for _ in range(count):
            wanted = 2 if self.visits % 5 == 4 else 1
            self.visits += 1
            name = f"account-{self.visits}"
            while self.split.version(name) != wanted:
                name += "x"
            yield name, wanted

    def serve(self, day: int) -> None:
        """A day of visits, in this process: routed, answered by the version's model, logged; outcomes come later."""
        import pandas as pd

        row = pd.DataFrame({"amount": [1.0], "age": [30.0]})
        likely = {number: float(model.predict(row)[0]) for number, model in self.models.items()}
        for n, (account, version) in enumerate(self.visitors(A_DAY)):
            at = self.started + timedelta(days=day - 1, seconds=60 + n * 86_000 / A_DAY)
            self.visited(account, version, at, likely[version])

    def visited(self, account: str, version: int, at: datetime, likely: float) -> None:
        """One visit is logged, unless the log loses it; what comes of it is not known yet."""
        before = self.bought.get(version, 0.0)
        self.bought[version] = before + likely
        if not (version == 2 and self.lost and self.visits % (5 * self.lost) == 0):
            self.log.exposed(account, version, at, seconds=0.2 + 0.001 * (self.visits % 7))
            self.owed.append((at + timedelta(hours=LATE), account, math.floor(before + likely) - math.floor(before)))

    def night(self, day: int) -> Step:
        """Outcomes that are known by now are logged, and the nightly job runs."""
        now = self.started + timedelta(days=day, minutes=5)
        known = [o for o in self.owed if o[0] <= now]
        self.owed = [o for o in self.owed if o[0] > now]
        for at, account, bought in known:
            self.log.outcome(account, at, bought=bought)
        self.log.flush()
        self.workflow.clock = timedelta(days=day, minutes=5)
        return self.workflow.event("schedule", {"schedule": "0 3 * * *"}, command="live")

    def pass_by(self, first: int = 1) -> tuple[Step, int]:
        """Day after day until it ends; the last night's job and its day."""
        for day in range(first, 31):
            self.serve(day)
            step = self.night(day)
            if step.decision != ("evaluated", "live_running"):
                return step, day
            assert self.labels() == ({"champion": 1, ALIAS: 2}, {1: "8000", 2: "2000"})
        raise AssertionError("it never ended")

    # -- what is left ------------------------------------------------------------------------------------------

    def labels(self) -> tuple[dict[str, int], dict[int, str]]:
        """Aliases and shares, as MLflow's own client shows them."""
        aliases = {a: int(v) for a, v in self.client.get_registered_model(self.model).aliases.items()}
        versions = self.client.search_model_versions(f"name='{self.model}'")
        assert {SALT in v.tags for v in versions} == {WEIGHT in v.tags for v in versions}
        return aliases, {int(v.version): v.tags[WEIGHT] for v in versions if WEIGHT in v.tags}

    def ended_with(self, champion: int, *entries: tuple[str, int, str]) -> None:
        """Ledger, registry and router say the same: who is served, what became of the split, and no word of a trial."""
        assert self.labels() == ({"champion": champion}, {})
        ledger = MlflowLedger(connect(self.store.uri))
        assert ledger.verify(self.model) == ()
        rows = ledger.rows(self.model)
        told = ("live_started", "promoted", "live_stopped")
        written = zip(rows, ledger.entries(self.model, rows), strict=True)
        found = [(r.kind, r.version, e.reason if e else "") for r, e in written if r.kind in told]
        assert found == [("live_started", 2, "live_running"), *entries]
        arms = json.loads(self.route())["arms"]
        assert [(a["arm"], a["version"], a["parts"]) for a in arms] == [("champion", champion, 10_000)]
        assert self.log.counts.dropped == self.log.counts.refused == 0


@pytest.fixture
def month(mlflow_server: Store, unique: str, tmp_path: Path) -> Iterator[Month]:
    """One that has not begun."""
    with GitHub() as github:
        github.world.commit({"policies/shop.yaml": POLICY.format(model=unique, folder=tmp_path)})
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "shop.yaml").write_text(POLICY.format(model=unique, folder=tmp_path))
        (tmp_path / "steps").mkdir()
        made = Month(mlflow_server, unique, tmp_path, Nights(github, mlflow_server.uri, tmp_path / "steps"))
        yield made
        made.log.close()


def first_day_behind_nginx(month: Month, program: Path, count: int) -> None:
    """The first visitors of all come through a real nginx to two versions that `mlflow models serve` has loaded."""
    row = json.dumps({"dataframe_split": {"columns": ["amount", "age"], "data": [[1.0, 30.0]]}}).encode()
    first, second = (f"models:/{month.model}/{number}" for number in (1, 2))
    folder = month.folder / "nginx"
    folder.mkdir()
    with served(first, month.store.uri) as champion, served(second, month.store.uri) as challenger:
        words = ("--format", "nginx", "--header", "X-Account", "--champion", champion, "--challenger", challenger)
        split = month.route(*words)
        name = split.partition("map $")[2].partition("$")[2].partition("_arm")[0]
        location = (
            f"            proxy_pass http://${name}_upstream;\n"
            f"            add_header X-Gatewright-Version ${name}_version always;\n"
        )
        with Nginx(program, folder, location).running(split) as nginx:
            visitors = dict(month.visitors(count))
            answers = nginx.ask(list(visitors), "X-Account", row)
    for account, answer in answers.items():
        assert answer.version == visitors[account]
        (likely,) = json.loads(answer.body)["predictions"]
        month.visited(account, answer.version, month.started + timedelta(seconds=30), likely)


def test_a_month_that_ends_in_promotion(month: Month) -> None:
    """What nginx and two real servers answered is logged with the rest; a better challenger waits for a full week."""
    program = find_nginx()
    if program is None:
        absent("nginx", REMEDY)
    assert program is not None
    month.register(0.10, 0.17)
    month.begin()
    first_day_behind_nginx(month, program, 200)
    step, day = month.pass_by()
    assert (step.decision, day) == (("promoted", "no_approvals_needed"), 8)
    assert not [note for note in step.result["notes"] if "than the assignment says" in note]
    month.ended_with(2, ("promoted", 2, "no_approvals_needed"), ("live_stopped", 2, "live_superior"))


def test_a_month_that_ends_early_for_harm(month: Month) -> None:
    """Within days, long before a benefit would be called."""
    month.register(0.10, 0.02)
    month.begin()
    step, day = month.pass_by()
    assert step.decision == ("stopped", "live_harm") and day < 7
    month.ended_with(1, ("live_stopped", 2, "live_harm"))


def test_a_month_that_ends_by_the_clock(month: Month) -> None:
    """Twenty-eight nights of equal versions decide nothing, and the champion stays."""
    month.register(0.10, 0.10)
    month.begin()
    step, day = month.pass_by()
    assert (step.decision, day) == (("stopped", "live_timed_out"), 28)
    month.ended_with(1, ("live_stopped", 2, "live_timed_out"))


def test_a_month_whose_log_loses_visits_ends_as_invalid(month: Month) -> None:
    """A fifth of the challenger's visits are missing: no effect is shown, however large it looks."""
    month.lost = 5
    month.register(0.10, 0.30)
    month.begin()
    step, _ = month.pass_by()
    assert step.decision == ("stopped", "live_invalid")
    assert step.result["live"]["metrics"] == []
    month.ended_with(1, ("live_stopped", 2, "live_invalid"))
