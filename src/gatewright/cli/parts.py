"""What every command shares: its options, the gate it works on, what it prints and writes."""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console

from gatewright.alerts import Run, event_of
from gatewright.case import Gate
from gatewright.cli import people
from gatewright.connection import connect
from gatewright.decision import exit_code
from gatewright.ledger.keys import signer
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.measure import PATHS
from gatewright.measure.live import Tables
from gatewright.policy.document import did_you_mean
from gatewright.policy.load import read_policies
from gatewright.policy.model import Policy
from gatewright.policy_files import read_files
from gatewright.problem import GatewrightError, UsageError
from gatewright.progress import Progress
from gatewright.record import stamp
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.report import data, html, markdown, terminal
from gatewright.report.escape import terminal as safe
from gatewright.report.model import Failure, Inspection, Report, Split
from gatewright.report.summary import tried
from gatewright.subject import Subject, parse_subject
from gatewright.webhook import Webhook, webhook

EPILOG = """exit codes: 0 done, nothing to do, or pending; 1 the verdict is fail or inconclusive;
2 the command or the policy is wrong; 3 it could not be determined: nothing was changed, or the message says what"""


def command(commands: Any, name: str, about: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    """A command with the options that every command about the registry has."""
    one: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=about[:1].upper() + about[1:] + ".",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.set_defaults(run=run)
    common(one)
    return one


def common(one: argparse.ArgumentParser) -> None:
    """Where the policy and the registry are, and in which forms the result is wanted."""
    one.add_argument("--policy", default="policies", metavar="PATH", help="policy file or folder (default: policies)")
    one.add_argument("--tracking-uri", metavar="URI", help="default: MLFLOW_TRACKING_URI, as MLflow reads it")
    one.add_argument("--registry-uri", metavar="URI", help="default: MLFLOW_REGISTRY_URI, else the tracking URI")
    one.add_argument("--json", nargs="?", const="-", metavar="FILE", help="write the result as JSON (default: stdout)")
    one.add_argument("--html", metavar="FILE", help="write a report for a browser")
    one.add_argument("--markdown", metavar="FILE", help="write a report for a pull request comment")
    one.add_argument("--quiet", action="store_true", help="print one line")


def model_argument(one: argparse.ArgumentParser) -> None:
    """The one argument of a command about a whole model."""
    one.add_argument("model", metavar="MODEL", help="registered model")


def rehearsed(one: argparse.ArgumentParser) -> None:
    """`--dry-run`, for a command that moves."""
    one.add_argument("--dry-run", action="store_true", help="show what would be done; write nothing")


def broken_glass(one: argparse.ArgumentParser) -> None:
    """`--override`, for a command that a policy may stand in the way of."""
    about = "go ahead against the policy, if its `override` names you; recorded, with what was overridden"
    one.add_argument("--override", action="store_true", help=about)


def reason(args: argparse.Namespace, owed: bool) -> str:
    """The words after `--reason`; raises UsageError where they are owed and missing."""
    why = str(args.reason).strip()
    if owed and not why:
        raise UsageError("a reason is owed", "say why: --reason TEXT; the ledger keeps it")
    return why


def policies(path: str) -> tuple[Policy, ...]:
    """Every policy of a file or folder; raises PolicyError with all that is wrong."""
    return read_policies(read_files(Path(path)), PATHS)


def gate_of(args: argparse.Namespace, model: str) -> Gate:
    """The gate of a model; raises UsageError if no policy is for it."""
    every = policies(args.policy)
    policy = next((p for p in every if p.model == model), None)
    if policy is None:
        known = [p.model for p in every]
        hint = did_you_mean(model, known) or f"write one, or name a model that has one: {', '.join(known)}"
        raise UsageError(f'no policy in {args.policy} is for model "{model}"', hint)
    connection, site = connect(args.tracking_uri, args.registry_uri), people.forge(os.environ)
    # An override is a person's: then it is worth a request to know whose the token is.
    proven = site if getattr(args, "override", False) else None
    args.source, args.actor = connection.address, people.actor(os.environ, proven)  # for the alert
    return Gate(
        policy,
        MlflowRegistry(connection),
        MlflowLedger(connection, signer=signer(os.environ)),
        args.actor,
        lambda: now(),
        lambda: uuid.uuid4().hex,
        progress=Progress(sys.stderr, quiet=args.quiet),
        rebenchmark=getattr(args, "rebenchmark", False),
        audience=people.audience(site),
        outcomes=Tables(connection),
    )


def alerting(args: argparse.Namespace) -> None:
    """From here on the end of the command is told to the webhook, if there is one; UsageError if it cannot be used."""
    args.webhook, args.began = webhook(os.environ), stamp(now())


def alert(args: argparse.Namespace, thing: Report | Split | Failure | Inspection) -> None:
    """Tells the webhook how a command ended, if it is to be told. It is over by then: a failure is said, no more."""
    hook: Webhook | None = getattr(args, "webhook", None)
    if hook is None:
        return
    who = getattr(args, "actor", None) or people.actor(os.environ)
    run = Run(getattr(args, "source", ""), who, args.began, uuid.uuid4().hex, who.url)
    event = event_of(thing, run)
    failure = hook.tell(event) if event else ""
    if failure:
        said(f"alert not delivered: {failure}")


def now() -> datetime:
    """The one clock."""
    return datetime.now(timezone.utc)


def reported(args: argparse.Namespace, report: Report) -> int:
    """Shows a report, tells the webhook, and returns the exit code."""
    try:
        show(args, report)
    finally:
        # A file that cannot be written takes back nothing of what was decided.
        alert(args, report)
    return exit_code(report.decision, report.verdict)


def show(args: argparse.Namespace, *things: Any) -> None:
    """Prints for people, and writes the files that were asked for; JSON on stdout stands alone there."""
    wants = vars(args)
    to_stdout = wants.get("json") == "-"
    console = Terminal(stderr=to_stdout or any(isinstance(t, Failure) for t in things))
    for thing in things:
        if not to_stdout:
            printed(thing, console, quiet=bool(wants.get("quiet")))
    if wants.get("json"):
        documents = [data.document(thing) for thing in things]
        write(wants["json"], json.dumps(documents[0] if len(documents) == 1 else documents, indent=2) + "\n")
    if wants.get("html"):
        write(wants["html"], html.page(*things))
    if wants.get("markdown") and things and isinstance(things[0], Report):
        write(wants["markdown"], markdown.comment(things[0], now()))
    elif wants.get("markdown") and things and isinstance(things[0], Split):
        write(wants["markdown"], tried(things[0], now()))


def printed(thing: Any, console: Console, *, quiet: bool) -> None:
    """Prints for people."""
    with unheard():
        terminal.render(thing, console, quiet=quiet)


class Terminal(Console):
    """A console that leaves it to the command what it ends with when nobody reads on: rich would leave with 1."""

    def on_broken_pipe(self) -> None:
        raise


@contextmanager
def unheard() -> Iterator[None]:
    """Whoever listened may have gone (`| head`): what was decided stands, and so does its exit code."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def writable(args: argparse.Namespace) -> None:
    """Raises UsageError for a file that cannot be written, before anything is decided that it should tell of."""
    for name in ("json", "html", "markdown", "csv"):
        file = Path(getattr(args, name, None) or "-")
        if str(file) == "-":
            continue
        if not file.parent.is_dir():
            raise UsageError(f"{file} cannot be written: there is no folder {file.parent}", "make it first")
        if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
            raise UsageError(f"{file} cannot be written", "name a file in a folder that you may write to")


def write(file: str, text: str) -> None:
    """Writes to a file, or with `-` to stdout; raises UsageError if it cannot."""
    if file == "-":
        with unheard():
            sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error


def subject_of(args: argparse.Namespace) -> Subject | None:
    """The version a command was about, for the report of its failure."""
    with suppress(GatewrightError):
        return parse_subject(args.subject) if "subject" in vars(args) else None
    return None


def said(line: str) -> None:
    """A line on stderr, without what could steer a terminal."""
    print(safe(line), file=sys.stderr, flush=True)
