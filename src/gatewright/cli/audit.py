"""The commands for auditors: prove the ledger, repair it."""

from __future__ import annotations

import argparse
from typing import Any

from gatewright import gate
from gatewright.cli.parts import command, model_argument, show
from gatewright.connection import connect
from gatewright.ledger.keys import public_keys
from gatewright.ledger.mlflow import MlflowLedger


def add(commands: Any) -> None:
    """Adds them to the command line."""
    audit = commands.add_parser("audit", help="prove or repair the ledger").add_subparsers(
        required=True, metavar="VERB"
    )
    one = command(audit, "verify", "prove the ledger unbroken, of one model or of all", _verify)
    one.add_argument("model", nargs="?", metavar="MODEL", help="registered model (default: every ledger)")
    about = "check every entry's signature with these keys (PEM; several where keys were changed)"
    one.add_argument("--public-key", metavar="FILE", help=about)
    one = command(audit, "repair", "finish a ledger whose creation was interrupted", _repair)
    model_argument(one)


def _verify(args: argparse.Namespace) -> int:
    ledger = MlflowLedger(connect(args.tracking_uri, args.registry_uri))
    models = [args.model] if args.model else ledger.models()
    keys = public_keys(args.public_key) if args.public_key else None
    audits = [gate.verify(ledger, model, keys) for model in models]
    show(args, *audits)
    return 1 if any(a.breaks for a in audits) else 0


def _repair(args: argparse.Namespace) -> int:
    done = MlflowLedger(connect(args.tracking_uri, args.registry_uri)).repair(args.model)
    print("\n".join(done) or f"The ledger of {args.model} needs no repair.")
    return 0
