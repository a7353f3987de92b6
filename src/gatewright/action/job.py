"""One run of the Action: what is asked, who asks, the two sides that it works with, and which of a policy's models."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gatewright import ladder
from gatewright.action.audience import ThreadAudience
from gatewright.action.intent import READING, Inputs, Intent
from gatewright.action.runner import Runner
from gatewright.action.shown import Place
from gatewright.case import Gate, read
from gatewright.connection import connect
from gatewright.connection.refusal import address_of
from gatewright.forge import Files, Forge, Thread
from gatewright.forge.github import API, GitHubForge
from gatewright.inspection import Grounds
from gatewright.ledger.entry import Actor
from gatewright.ledger.envelope import Signer
from gatewright.ledger.keys import signer
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.measure import PATHS
from gatewright.measure.live import Tables
from gatewright.policy.load import read_policies
from gatewright.policy.model import Policy
from gatewright.problem import PolicyError, Problem, Undetermined, UsageError
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.subject import Subject, parse_subject
from gatewright.webhook import SECRET, URL, Webhook, webhook

#: variables whose values the log must never show, besides the Action's own inputs
SECRETS = (
    *("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD", "DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET"),
    *("AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET"),
    *("AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING", "GATEWRIGHT_SIGNING_KEY"),
    *(URL, SECRET),
)


_LOGIN = re.compile(r"://([^/?#\s]*)@")
_SHORTEST_TOKEN = 12


@dataclass(frozen=True, slots=True)
class Job:
    """A run whose event was understood. policies: as the trusted ref has them; none before they are read.

    heard: the thread as it was when the run's own comment was looked for in it.
    """

    inputs: Inputs
    intent: Intent
    forge: Forge
    runner: Runner
    actor: Actor
    place: Place
    policies: tuple[Policy, ...]
    now: Callable[[], datetime]
    signer: Signer | None = None
    heard: Thread | None = None
    webhook: Webhook | None = None

    def gate(self, policy: Policy) -> Gate:
        """The gate of one model, on the registry that the inputs or MLflow's own variables name."""
        connection = connect(self.inputs.tracking_uri or None, self.inputs.registry_uri or None)
        ledger, registry = MlflowLedger(connection, signer=self.signer), MlflowRegistry(connection)
        audience = ThreadAudience(self.forge, self.intent.thread, self.heard)
        return Gate(
            policy,
            registry,
            ledger,
            self.actor,
            self.now,
            lambda: uuid.uuid4().hex,
            outcomes=Tables(connection),
            audience=audience,
        )

    def grounds(self) -> Grounds:
        """Everything there is to be looked over."""
        connection = connect(self.inputs.tracking_uri or None, self.inputs.registry_uri or None)
        ledger, registry = MlflowLedger(connection, signer=self.signer), MlflowRegistry(connection)
        return Grounds(registry, ledger, self.actor, self.now, lambda: uuid.uuid4().hex)

    def policy(self, model: str = "") -> Policy:
        """The policy of the model that is meant: by default, of the only one there is."""
        model = model or self.intent.model
        if not model and len(self.policies) == 1:
            return self.policies[0]
        known = ", ".join(p.model for p in self.policies)
        if not model:
            hint = f"set the input model, or name one: {known}"
            raise UsageError(f"{len(self.policies)} models have a policy, and none is named", hint, "ambiguous_subject")
        found = next((p for p in self.policies if p.model == model), None)
        if found is None:
            raise UsageError(f'no policy in {self.inputs.policy} is for model "{model}"', f"there is one for {known}")
        return found


def open_job(
    inputs: Inputs, intent: Intent, runner: Runner, environment: Mapping[str, str], now: Callable[[], datetime]
) -> Job:
    """Opens the way to GitHub and to whoever is alerted; raises what is wrong with how the Action was set up."""
    forge, key = open_forge(inputs, environment), signer(environment)
    hook = None if inputs.dry_run or intent.verb in READING else webhook(environment)
    where = place(environment, Files("", ""))
    return Job(inputs, intent, forge, runner, actor(environment), where, (), now, key, webhook=hook)


def with_policies(job: Job, environment: Mapping[str, str]) -> Job:
    """The job with the policies of the trusted ref; raises what keeps it from beginning."""
    files = trusted_files(job.forge, job.inputs)
    return replace(job, policies=read_policies(files.texts, PATHS), place=place(environment, files))


def open_forge(inputs: Inputs, environment: Mapping[str, str]) -> Forge:
    """The repository that the workflow runs in."""
    if not inputs.github_token:
        raise UsageError("there is no token for GitHub", "give the input github-token, as in ${{ github.token }}")
    return GitHubForge(
        environment.get("GITHUB_REPOSITORY", ""),
        inputs.github_token,
        team_token=inputs.team_token,
        api_url=environment.get("GITHUB_API_URL") or API,
        graphql_url=environment.get("GITHUB_GRAPHQL_URL", ""),
    )


def trusted_files(forge: Forge, inputs: Inputs) -> Files:
    """The policies as the trusted ref has them, whatever is checked out."""
    where = inputs.policy_ref or "the default branch"
    files = forge.files(inputs.policy, inputs.policy_ref)
    if files is None or not files.texts:
        hint = f"put a policy on {where}, or set the inputs policy and policy-ref"
        raise PolicyError([Problem(inputs.policy, 0, 0, f"{where} has no policy there", hint)])
    return files


def subject_and_target(ours: Gate, version: str, target: str) -> tuple[Subject, str]:
    """What is meant: by default the newest version, and the first rung of the ladder that it does not hold.

    A rung that it has left for a higher one is none.
    """
    model = ours.policy.model
    subject = parse_subject(f"{model}{version}" if version.startswith("@") else f"{model}/{version or 'latest'}")
    if target:
        return subject, target
    models = read(ours, *ours.policy.targets)
    found = models[model].find(subject) if model in models else None
    if found is None:
        return subject, ours.policy.targets[0].name
    rungs = ours.policy.targets
    free = (t.name for t in rungs if not (ladder.holds(t, found, models) or ladder.loses(t, found, models, rungs)))
    return Subject(model, found.number), next(free, rungs[-1].name)


def read_event(environment: Mapping[str, str]) -> dict[str, Any]:
    """The event as the runner stored it; raises Undetermined if there is none."""
    path = environment.get("GITHUB_EVENT_PATH", "")
    fix = "Run it as a step of a workflow; at a terminal, use the other commands."
    if not path:
        raise Undetermined("could not read the event", "GITHUB_EVENT_PATH is not set", fix)
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Undetermined("could not read the event", f"{path}: {error}", fix) from error
    return found if isinstance(found, dict) else {}


def actor(environment: Mapping[str, str]) -> Actor:
    """Who set the run off, and where it can be looked at. Whoever runs it again is the one who did."""
    number = environment.get("GITHUB_ACTOR_ID", "")
    login = environment.get("GITHUB_ACTOR", "") or "unknown"
    again = environment.get("GITHUB_TRIGGERING_ACTOR", "") or login
    known = again.casefold() == login.casefold() and number.isdecimal()
    return Actor(again, int(number) if known else None, "github", run_url(environment))


def place(environment: Mapping[str, str], files: Files) -> Place:
    """Where the run can be looked at, and where its policy."""
    server, repository = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_REPOSITORY", "")
    blob = f"{server}/{repository}/blob/{files.commit}" if server and files.commit else ""
    beside = environment.get("GITHUB_EVENT_NAME", "") == "pull_request"
    return Place(run_url(environment), files.commit, blob, beside)


def source(inputs: Inputs, environment: Mapping[str, str]) -> str:
    """The registry's address without credentials, as far as it is known before it is spoken to."""
    return address_of(inputs.tracking_uri or environment.get("MLFLOW_TRACKING_URI", ""))


def run_url(environment: Mapping[str, str]) -> str:
    """The page of the run; "" outside of GitHub."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    return f"{server}/{repository}/actions/runs/{run}" if server and run else ""


def secrets(inputs: Inputs, environment: Mapping[str, str]) -> Iterator[str]:
    """Whatever must never be read in a log: tokens, passwords, and those that an address holds."""
    yield from (inputs.github_token, inputs.team_token)
    yield from (environment.get(name, "") for name in SECRETS)
    addresses = (inputs.tracking_uri, inputs.registry_uri)
    for address in (*addresses, *(environment.get(n, "") for n in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"))):
        login = _LOGIN.search(address)
        user, _, password = login[1].partition(":") if login else ("", "", "")
        # A name that stands alone before a host is a token; as a word of the log a short one is none.
        hidden = password or (user if len(user) >= _SHORTEST_TOKEN else "")
        yield from {hidden, unquote(hidden)}
