"""The command line: arguments in, one verb of the gate, an exit code out. Decides nothing."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console

from gatewright import __version__, gate
from gatewright.action.run import action
from gatewright.case import Gate
from gatewright.connection import connect
from gatewright.decision import exit_code
from gatewright.demo import demo
from gatewright.ledger.entry import Actor
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.measure import PATHS
from gatewright.policy.explain import explain
from gatewright.policy.load import read_policies
from gatewright.policy.model import Policy
from gatewright.policy.schema import json_schema
from gatewright.policy_files import read_files
from gatewright.problem import GatewrightError, UsageError
from gatewright.progress import Progress
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.rehearsal import rehearse
from gatewright.relay import listen
from gatewright.report import data, html, markdown, terminal
from gatewright.report.escape import terminal as safe
from gatewright.report.model import Failure, Report
from gatewright.rollback import Wish
from gatewright.subject import Subject, parse_subject

RELAY = """Hears MLflow's webhooks and starts the gate on GitHub, until it is interrupted.
GATEWRIGHT_WEBHOOK_SECRET is the webhook's secret, GITHUB_TOKEN may write the repository's contents."""

EPILOG = """exit codes: 0 done, nothing to do, or pending; 1 the verdict is fail or inconclusive;
2 the command or the policy is wrong; 3 it could not be determined: nothing was changed, or the message says what"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code (see EPILOG)."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except GatewrightError as error:
        _show(args, Failure(error, getattr(args, "model", "") or "", _subject(args), getattr(args, "to", "") or ""))
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3
    except KeyboardInterrupt:
        print("interrupted; the ledger says whether a move was begun: gatewright status", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Every command with its options; documentation is held to it by tests."""
    top = argparse.ArgumentParser(
        prog="gatewright",
        description="Decides whether an MLflow model version may move up, moves it, and remembers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"gatewright {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    one = _command(commands, "evaluate", "gather evidence and print the verdict; writes nothing", _evaluate)
    _ask(one)
    one = _command(commands, "promote", "evaluate, then move the version or request approvals", _promote)
    _ask(one)
    _rehearsed(one)
    _broken_glass(one)
    one.add_argument("--reason", default="", metavar="TEXT", help="why; owed with --override")
    _rollback(commands)
    _model(_command(commands, "status", "who holds what, what waits, what moves", _status))
    _model(_command(commands, "history", "every event: who, what, when, why, evidence", _history))
    _audit(commands)
    _policy(commands)
    one = commands.add_parser("action", help="the GitHub Action's entry point: what to do comes from the event")
    one.set_defaults(run=lambda args: action(os.environ, now))
    _relay(commands)
    show = commands.add_parser("demo", help="the whole story on an embedded registry, no network", epilog=EPILOG)
    show.add_argument("--keep", metavar="FOLDER", help="keep the registry there, to look at it with mlflow ui")
    show.set_defaults(run=lambda args: demo(Console(), args.keep))
    return top


def _command(commands: Any, name: str, about: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=about[:1].upper() + about[1:] + ".",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.set_defaults(run=run)
    _common(one)
    return one


def _relay(commands: Any) -> None:
    about = "hear MLflow's webhooks and start the gate on GitHub"
    one = commands.add_parser(
        "relay", help=about, description=RELAY, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    one.add_argument("--repository", default="", metavar="OWNER/NAME", help="default: GITHUB_REPOSITORY")
    one.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    one.add_argument("--port", type=int, default=8085, metavar="PORT", help="where to listen (default: 8085)")
    one.set_defaults(run=lambda args: listen(os.environ, args.repository, args.host, args.port, _said))


def _common(one: argparse.ArgumentParser) -> None:
    one.add_argument("--policy", default="policies", metavar="PATH", help="policy file or folder (default: policies)")
    one.add_argument("--tracking-uri", metavar="URI", help="default: MLFLOW_TRACKING_URI, as MLflow reads it")
    one.add_argument("--registry-uri", metavar="URI", help="default: MLFLOW_REGISTRY_URI, else the tracking URI")
    one.add_argument("--json", nargs="?", const="-", metavar="FILE", help="write the result as JSON (default: stdout)")
    one.add_argument("--html", metavar="FILE", help="write a report for a browser")
    one.add_argument("--markdown", metavar="FILE", help="write a report for a pull request comment")
    one.add_argument("--quiet", action="store_true", help="print one line")


def _ask(one: argparse.ArgumentParser) -> None:
    one.add_argument("subject", metavar="SUBJECT", help="MODEL/12, MODEL@alias or MODEL/latest, also behind models:/")
    one.add_argument("--to", required=True, metavar="TARGET", help="the policy's target, for example production")
    about = "score the holdout again, whatever the ledger holds; approvals of the old numbers lapse"
    one.add_argument("--rebenchmark", action="store_true", help=about)


def _rehearsed(one: argparse.ArgumentParser) -> None:
    one.add_argument("--dry-run", action="store_true", help="show what would be done; write nothing")


def _broken_glass(one: argparse.ArgumentParser) -> None:
    about = "go ahead against the policy, if its `override` names you; recorded, with what was overridden"
    one.add_argument("--override", action="store_true", help=about)


def _rollback(commands: Any) -> None:
    one = _command(commands, "rollback", "bring the last good version back, in one move", _roll_back)
    _model(one)
    one.add_argument("--from", dest="to", required=True, metavar="TARGET", help="the target to take the version from")
    one.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the ledger and on the version")
    one.add_argument("--to-version", type=int, metavar="N", help="go back to this one (default: the last good one)")
    one.add_argument("--fast", action="store_true", help="do not try whether it still loads and its signature fits")
    _rehearsed(one)
    _broken_glass(one)


def _model(one: argparse.ArgumentParser) -> None:
    one.add_argument("model", metavar="MODEL", help="registered model")


def _audit(commands: Any) -> None:
    audit = commands.add_parser("audit", help="prove or repair the ledger").add_subparsers(
        required=True, metavar="VERB"
    )
    one = _command(audit, "verify", "prove the ledger unbroken, of one model or of all", _audit_verify)
    one.add_argument("model", nargs="?", metavar="MODEL", help="registered model (default: every ledger)")
    one = _command(audit, "repair", "finish a ledger whose creation was interrupted", _audit_repair)
    _model(one)


def _policy(commands: Any) -> None:
    policy = commands.add_parser("policy", help="check, describe or explain policy files")
    verbs = policy.add_subparsers(required=True, metavar="VERB")
    for name, about, run in (
        ("check", "report every error of every file with file:line:column", _policy_check),
        ("explain", "say the policy in plain words", _policy_explain),
    ):
        one = verbs.add_parser(name, help=about, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
        one.add_argument("path", nargs="?", metavar="PATH", help="file or folder (default: policies)")
        one.add_argument("--policy", metavar="PATH", help="the same, as other commands spell it")
        one.set_defaults(run=run)
    one = verbs.add_parser("schema", help="print the JSON Schema, for editors that complete and explain keys")
    one.set_defaults(run=_policy_schema)


# -- commands ----------------------------------------------------------------------------------------------------


def _evaluate(args: argparse.Namespace) -> int:
    subject = parse_subject(args.subject)
    return _reported(args, gate.evaluate(_gate(args, subject.model), subject, args.to))


def _promote(args: argparse.Namespace) -> int:
    subject = parse_subject(args.subject)
    why = _reason(args, owed=args.override)
    return _moved(args, subject.model, lambda g: gate.promote(g, subject, args.to, why=why, override=args.override))


def _roll_back(args: argparse.Namespace) -> int:
    wish = Wish(args.to, _reason(args, owed=True), args.to_version, args.fast, args.override)
    return _moved(args, args.model, lambda g: gate.rollback(g, wish))


def _moved(args: argparse.Namespace, model: str, command: Callable[[Gate], Report]) -> int:
    ours = _gate(args, model)
    return _reported(args, rehearse(ours, command) if args.dry_run else command(ours))


def _reason(args: argparse.Namespace, owed: bool) -> str:
    why = str(args.reason).strip()
    if owed and not why:
        raise UsageError("a reason is owed", "say why: --reason TEXT; the ledger keeps it")
    return why


def _status(args: argparse.Namespace) -> int:
    _show(args, gate.status(_gate(args, args.model)))
    return 0


def _history(args: argparse.Namespace) -> int:
    _show(args, gate.history(_gate(args, args.model)))
    return 0


def _audit_verify(args: argparse.Namespace) -> int:
    ledger = MlflowLedger(connect(args.tracking_uri, args.registry_uri))
    models = [args.model] if args.model else ledger.models()
    audits = [gate.verify(ledger, model) for model in models]
    _show(args, *audits)
    return 1 if any(a.breaks for a in audits) else 0


def _audit_repair(args: argparse.Namespace) -> int:
    done = MlflowLedger(connect(args.tracking_uri, args.registry_uri)).repair(args.model)
    print("\n".join(done) or f"The ledger of {args.model} needs no repair.")
    return 0


def _policy_check(args: argparse.Namespace) -> int:
    policies = _policies(_place(args))
    targets = [t for p in policies for t in p.targets]
    checks = sum(len(t.checks) for t in targets)
    counts = (_count(len(policies), "policy", "policies"), _count(len(targets), "target"), _count(checks, "check"))
    print(f"{', '.join(counts)}: no errors")
    return 0


def _policy_explain(args: argparse.Namespace) -> int:
    print("\n\n".join(explain(policy) for policy in _policies(_place(args))))
    return 0


def _policy_schema(args: argparse.Namespace) -> int:
    print(json.dumps(json_schema(), indent=2))
    return 0


# -- parts -------------------------------------------------------------------------------------------------------


def _place(args: argparse.Namespace) -> str:
    """Where the policies are that a `policy` command is about; two places are one too many."""
    if args.path and args.policy and args.path != args.policy:
        raise UsageError("two places are named", "give PATH or --policy PATH")
    return str(args.path or args.policy or "policies")


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


def _policies(path: str) -> tuple[Policy, ...]:
    return read_policies(read_files(Path(path)), PATHS)


def _gate(args: argparse.Namespace, model: str) -> Gate:
    policies = _policies(args.policy)
    policy = next((p for p in policies if p.model == model), None)
    if policy is None:
        known = ", ".join(p.model for p in policies)
        raise UsageError(f'no policy in {args.policy} is for model "{model}"', f"there is one for {known}")
    connection = connect(args.tracking_uri, args.registry_uri)
    return Gate(
        policy,
        MlflowRegistry(connection),
        MlflowLedger(connection),
        actor(os.environ),
        lambda: now(),
        lambda: uuid.uuid4().hex,
        progress=Progress(sys.stderr, quiet=args.quiet),
        rebenchmark=getattr(args, "rebenchmark", False),
    )


def _said(line: str) -> None:
    print(safe(line), file=sys.stderr, flush=True)


def now() -> datetime:
    """The one clock."""
    return datetime.now(timezone.utc)


def actor(environment: Any) -> Actor:
    """Who runs the command: GitHub's actor in a workflow, else the user of the machine."""
    if environment.get("GITHUB_ACTIONS") == "true" and environment.get("GITHUB_ACTOR"):
        server, repository = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_REPOSITORY", "")
        url = f"{server}/{repository}/actions/runs/{environment.get('GITHUB_RUN_ID', '')}"
        number = environment.get("GITHUB_ACTOR_ID", "")
        return Actor(environment["GITHUB_ACTOR"], int(number) if number.isdecimal() else None, "github", url)
    try:
        return Actor(getpass.getuser())
    except (OSError, KeyError):
        return Actor("unknown")


def _reported(args: argparse.Namespace, report: Report) -> int:
    _show(args, report)
    return exit_code(report.decision, report.verdict)


def _show(args: argparse.Namespace, *things: Any) -> None:
    """Prints for people, and writes the files that were asked for; JSON on stdout stands alone there."""
    wants = vars(args)
    to_stdout = wants.get("json") == "-"
    console = Console(stderr=to_stdout or any(isinstance(t, Failure) for t in things))
    for thing in things:
        if not to_stdout:
            terminal.render(thing, console, quiet=bool(wants.get("quiet")))
    if wants.get("json"):
        documents = [data.document(thing) for thing in things]
        _write(wants["json"], json.dumps(documents[0] if len(documents) == 1 else documents, indent=2) + "\n")
    if wants.get("html"):
        _write(wants["html"], html.page(things[0]))
    if wants.get("markdown") and isinstance(things[0], Report):
        _write(wants["markdown"], markdown.comment(things[0], now()))


def _write(file: str, text: str) -> None:
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error


def _subject(args: argparse.Namespace) -> Subject | None:
    with suppress(GatewrightError):
        return parse_subject(args.subject) if "subject" in vars(args) else None
    return None
