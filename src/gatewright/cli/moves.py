"""The commands about one model: evaluate, promote, rollback, status, history."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from gatewright import gate
from gatewright.case import Gate
from gatewright.cli.parts import (
    alerting,
    broken_glass,
    command,
    gate_of,
    model_argument,
    reason,
    rehearsed,
    reported,
    show,
)
from gatewright.rehearsal import rehearse
from gatewright.report.model import Report
from gatewright.rollback import Wish
from gatewright.subject import parse_subject


def add(commands: Any) -> None:
    """Adds them to the command line."""
    one = command(commands, "evaluate", "gather evidence and print the verdict; writes nothing", _evaluate)
    _ask(one)
    one = command(commands, "promote", "evaluate, then move the version or request approvals", _promote)
    _ask(one)
    rehearsed(one)
    broken_glass(one)
    one.add_argument("--reason", default="", metavar="TEXT", help="why; owed with --override")
    _rollback(commands)
    model_argument(command(commands, "status", "who holds what, what waits, what moves", _status))
    model_argument(command(commands, "history", "every event: who, what, when, why, evidence", _history))


def _ask(one: argparse.ArgumentParser) -> None:
    one.add_argument("subject", metavar="SUBJECT", help="MODEL/12, MODEL@alias or MODEL/latest, also behind models:/")
    one.add_argument("--to", required=True, metavar="TARGET", help="the policy's target, for example production")
    about = "score the holdout again, whatever the ledger holds; approvals of the old numbers lapse"
    one.add_argument("--rebenchmark", action="store_true", help=about)


def _rollback(commands: Any) -> None:
    one = command(commands, "rollback", "bring the last good version back, in one move", _roll_back)
    model_argument(one)
    one.add_argument("--from", dest="to", required=True, metavar="TARGET", help="the target to take the version from")
    one.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the ledger and on the version")
    one.add_argument("--to-version", type=int, metavar="N", help="go back to this one (default: the last good one)")
    one.add_argument("--fast", action="store_true", help="do not try whether it still loads and its signature fits")
    rehearsed(one)
    broken_glass(one)


def _evaluate(args: argparse.Namespace) -> int:
    subject = parse_subject(args.subject)
    return reported(args, gate.evaluate(gate_of(args, subject.model), subject, args.to))


def _promote(args: argparse.Namespace) -> int:
    subject = parse_subject(args.subject)
    why = reason(args, owed=args.override)
    return _moved(args, subject.model, lambda g: gate.promote(g, subject, args.to, why=why, override=args.override))


def _roll_back(args: argparse.Namespace) -> int:
    wish = Wish(args.to, reason(args, owed=True), args.to_version, args.fast, args.override)
    return _moved(args, args.model, lambda g: gate.rollback(g, wish))


def _moved(args: argparse.Namespace, model: str, command: Callable[[Gate], Report]) -> int:
    if args.dry_run:
        return reported(args, rehearse(gate_of(args, model), command))
    alerting(args)
    return reported(args, command(gate_of(args, model)))


def _status(args: argparse.Namespace) -> int:
    show(args, gate.status(gate_of(args, args.model)))
    return 0


def _history(args: argparse.Namespace) -> int:
    show(args, gate.history(gate_of(args, args.model)))
    return 0
