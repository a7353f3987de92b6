"""The commands for auditors: prove the ledger, report from it, repair it."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatewright import gate
from gatewright.audit import AuditReport, Question, parse_moment
from gatewright.cli.parts import Terminal, command, model_argument, now, policies, said, show, unheard, write
from gatewright.connection import connect
from gatewright.dossier import Archive, compile_report
from gatewright.ledger.envelope import Keys
from gatewright.ledger.keys import public_keys
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.problem import UsageError
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.report.audit import data, html, sheet, terminal
from gatewright.report.model import Audit


def add(commands: Any) -> None:
    """Adds them to the command line."""
    audit = commands.add_parser("audit", help="prove, report from, or repair the ledger").add_subparsers(
        required=True, metavar="VERB"
    )
    one = command(audit, "verify", "prove the ledger unbroken, of one model or of all", _verify)
    one.add_argument("model", nargs="?", metavar="MODEL", help="registered model (default: every ledger)")
    _keys(one)
    _add_report(audit)
    one = command(audit, "repair", "finish a ledger whose creation was interrupted", _repair)
    model_argument(one)


def _add_report(audit: Any) -> None:
    about = "tell an auditor who held what, who approved it, on what numbers, and who may"
    one = command(audit, "report", about, _report)
    one.add_argument("model", nargs="?", metavar="MODEL", help="registered model (default: every ledger)")
    one.add_argument("--version", metavar="N", help="only what is about this version, with the numbers")
    one.add_argument("--target", default="", metavar="TARGET", help="only what is about this target")
    as_of = "as it stood then: 2026-05-03 (the end of that day, UTC) or 2026-05-03T14:30:00Z"
    one.add_argument("--as-of", metavar="MOMENT", help=as_of)
    one.add_argument("--csv", metavar="FILE", help="write a table, one row an event (- is stdout)")
    _keys(one)


def _keys(one: argparse.ArgumentParser) -> None:
    about = "check every entry's signature with the keys of this file (PEM); again for each other key"
    one.add_argument("--public-key", metavar="FILE", action="append", default=[], help=about)


def _verify(args: argparse.Namespace) -> int:
    ledger = MlflowLedger(connect(args.tracking_uri, args.registry_uri))
    keys = _read_keys(args)
    if args.model:
        one = gate.verify(ledger, args.model, keys)
        if not (one.entries or one.breaks or one.notes or args.model in (_policies(args) or ())):
            raise UsageError(f'there is no ledger of "{args.model}" at {ledger.address}', "check the name")
        shown: tuple[Any, ...] = (one,)
    else:
        shown = gate.verify_all(ledger, ledger.models(), keys)
    if not shown:
        said(f"there is no ledger at {ledger.address}: nothing has passed through the gate yet")
    show(args, *shown)
    proved = [one for one in shown if isinstance(one, Audit)]
    return _code(any(one.breaks for one in proved), len(proved) < len(shown))


def _code(broken: bool, unreadable: bool) -> int:
    """A broken ledger is a finding; one that cannot be read is none, and no proof either."""
    return 1 if broken else 3 if unreadable else 0


def _read_keys(args: argparse.Namespace) -> Keys | None:
    files: list[str] = args.public_key
    return {name: key for file in files for name, key in public_keys(file).items()} if files else None


def _report(args: argparse.Namespace) -> int:
    question = Question(_version(args.version), args.target, parse_moment(args.as_of) if args.as_of else None)
    known = _policies(args)
    none = f"No file in {args.policy} is for this model, so who may approve is not known from there."
    if known is None:
        none = (
            f"There is no {args.policy} folder here, so who may approve is not known; name the policies with --policy."
        )
    connection = connect(args.tracking_uri, args.registry_uri)
    archive = Archive(MlflowLedger(connection), MlflowRegistry(connection), now(), known or {}, _read_keys(args), none)
    report = compile_report(archive, args.model, question)
    _show(args, report)
    return _code(bool(report.broken), bool(report.unreadable))


def _version(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        raise UsageError(f'"{text}" is no version number', "write --version 12")
    return int(text)


def _policies(args: argparse.Namespace) -> dict[str, Any] | None:
    """Policies by model; None where nobody named any and there are none, for a ledger can be read without."""
    if args.policy == "policies" and not Path(args.policy).exists():
        return None
    return {p.model: p for p in policies(args.policy)}


def _show(args: argparse.Namespace, report: AuditReport) -> None:
    """Prints for people unless stdout is asked for by a file, and writes the files."""
    forms: dict[str | None, Callable[[], str]] = {
        args.json: lambda: json.dumps(data.document(report), indent=2) + "\n",
        args.csv: lambda: sheet.rows(report),
        args.html: lambda: html.page(report),
    }
    if "-" not in forms:
        with unheard():
            terminal.render(report, Terminal(), quiet=args.quiet)
    for file, form in forms.items():
        if file:
            write(file, form())


def _repair(args: argparse.Namespace) -> int:
    done = MlflowLedger(connect(args.tracking_uri, args.registry_uri)).repair(args.model)
    print("\n".join(done) or f"The ledger of {args.model} needs no repair.")
    return 0
