"""The commands of a live split: start, status, stop."""

from __future__ import annotations

import argparse
from typing import Any

from gatewright import split
from gatewright.cli import route
from gatewright.cli.parts import alert, alerting, command, gate_of, model_argument, reason, show
from gatewright.decision import exit_code
from gatewright.report.model import Split
from gatewright.subject import parse_subject


def add(commands: Any) -> None:
    """Adds them to the command line."""
    live = commands.add_parser("live", help="try a version on a share of the traffic").add_subparsers(
        required=True, metavar="VERB"
    )
    one = command(live, "start", "give a version that passes the target's checks its share of the traffic", _start)
    one.add_argument("subject", metavar="SUBJECT", help="the challenger: MODEL/12, MODEL@alias or MODEL/latest")
    one.add_argument(
        "--against", dest="to", required=True, metavar="TARGET", help="the target whose holder it is tried against"
    )
    one.add_argument("--reason", default="", metavar="TEXT", help="why; kept in the ledger")
    one = command(live, "status", "how the split stands, and when it may be decided", _status)
    model_argument(one)
    one.add_argument("--act", action="store_true", help="carry out what the plan says: for the nightly job")
    _stop(live)
    route.add(live)


def _stop(live: Any) -> None:
    one = command(live, "stop", "end the split, and promote the challenger or keep the champion", _end)
    model_argument(one)
    way = one.add_mutually_exclusive_group(required=True)
    about = "through the same story as every promotion; only if the split has shown it to be better"
    way.add_argument("--promote", action="store_true", help=about)
    way.add_argument("--keep", action="store_true", help="everybody sees the champion again")
    one.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the ledger")


def _start(args: argparse.Namespace) -> int:
    alerting(args)
    subject = parse_subject(args.subject)
    return _told(args, split.start(gate_of(args, subject.model), subject, args.to, why=reason(args, owed=False)))


def _status(args: argparse.Namespace) -> int:
    if args.act:
        alerting(args)
    return _told(args, split.status(gate_of(args, args.model), act=args.act))


def _end(args: argparse.Namespace) -> int:
    why = reason(args, owed=True)
    alerting(args)
    return _told(args, split.stop(gate_of(args, args.model), promote=args.promote, why=why))


def _told(args: argparse.Namespace, found: Split) -> int:
    try:
        show(args, found)
    finally:
        alert(args, found)
    return exit_code(found.decision, found.report.verdict if found.report else None)
