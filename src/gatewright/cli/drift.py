"""The commands that hold the registry against the ledger: drift, adopt."""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from dataclasses import replace
from typing import Any

from gatewright.adoption import adopt
from gatewright.case import Gate
from gatewright.cli import parts, people
from gatewright.cli.parts import command, gate_of, model_argument, policies, reason, rehearsed, show
from gatewright.connection import connect
from gatewright.decision import exit_code
from gatewright.drift import Archival, Drift
from gatewright.drift import exit_code as drifted
from gatewright.inspection import Grounds, inspect, remember
from gatewright.ledger.keys import signer
from gatewright.ledger.mlflow import MlflowLedger
from gatewright.problem import UsageError
from gatewright.progress import Progress
from gatewright.registry.memory import Rehearsal
from gatewright.registry.mlflow import MlflowRegistry
from gatewright.rehearsal import RehearsedLedger
from gatewright.report.model import Inspection
from gatewright.stale import archive_stale


def add(commands: Any) -> None:
    """Adds them to the command line."""
    one = command(commands, "drift", "what the registry shows that the ledger did not make, and what is stale", _drift)
    one.add_argument(
        "model", nargs="?", default="", metavar="MODEL", help="registered model (default: all with policy or ledger)"
    )
    one.add_argument("--fix", choices=["archive-stale"], help="archive versions that are stale; shows them, no more")
    one.add_argument("--apply", action="store_true", help="with --fix: do it, and record it")
    one.add_argument("--dry-run", action="store_true", help="do not record findings in the ledger")
    one = command(commands, "adopt", "record who holds what as the registry shows it; moves nothing", _adopt)
    model_argument(one)
    one.add_argument("--reason", default="", metavar="TEXT", help="why; owed where the ledger has another holder")
    rehearsed(one)


def _drift(args: argparse.Namespace) -> int:
    if args.apply and (args.dry_run or not args.fix):
        raise UsageError("--apply goes with --fix, and not with --dry-run", "write --fix archive-stale --apply")
    parts.alerting(args)
    connection = connect(args.tracking_uri, args.registry_uri)
    args.source, args.actor = connection.address, people.actor(os.environ)
    ledger, registry = MlflowLedger(connection, signer=signer(os.environ)), MlflowRegistry(connection)
    progress = Progress(sys.stderr, quiet=args.quiet)
    grounds = Grounds(registry, ledger, args.actor, lambda: parts.now(), lambda: uuid.uuid4().hex, progress)
    every = policies(args.policy)
    found = inspect(grounds, every, args.model)
    if not args.dry_run:
        found = tuple(remember(grounds, drift) for drift in found)
    archived = _archived(args, found) if args.fix else ()
    inspection = Inspection(found, archived)
    try:
        show(args, inspection)
    finally:
        parts.alert(args, inspection)
    if any(one.decision.kind == "error" for one in archived):
        return 3
    return drifted(found)


def _archived(args: argparse.Namespace, found: tuple[Drift, ...]) -> tuple[Archival, ...]:
    """What becomes of stale versions; only a policy calls a version stale, so each of their models has one."""
    stale = [d for d in found if any(f.code == "stale" for f in d.findings)]
    return tuple(one for d in stale for one in archive_stale(gate_of(args, d.model), d, apply=args.apply))


def _adopt(args: argparse.Namespace) -> int:
    ours: Gate = gate_of(args, args.model)
    if args.dry_run:
        ours = replace(ours, registry=Rehearsal(ours.registry), ledger=RehearsedLedger(ours.ledger))
    ended = adopt(ours, reason(args, owed=False))
    show(args, replace(ended, rows=()) if args.dry_run else ended)
    return exit_code(ended.decision, None)
