"""The commands about policy files: check, explain, schema."""

from __future__ import annotations

import argparse
import json
from typing import Any

from gatewright.cli.parts import EPILOG, policies
from gatewright.policy.explain import explain
from gatewright.policy.schema import json_schema
from gatewright.problem import UsageError


def add(commands: Any) -> None:
    """Adds them to the command line."""
    policy = commands.add_parser("policy", help="check, describe or explain policy files")
    verbs = policy.add_subparsers(required=True, metavar="VERB")
    for name, about, run in (
        ("check", "report every error of every file with file:line:column", _check),
        ("explain", "say the policy in plain words", _explain),
    ):
        one = verbs.add_parser(name, help=about, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
        one.add_argument("path", nargs="?", metavar="PATH", help="file or folder (default: policies)")
        one.add_argument("--policy", metavar="PATH", help="the same, as other commands spell it")
        one.set_defaults(run=run)
    one = verbs.add_parser("schema", help="print the JSON Schema, for editors that complete and explain keys")
    one.set_defaults(run=_schema)


def _check(args: argparse.Namespace) -> int:
    found = policies(_place(args))
    targets = [t for p in found for t in p.targets]
    checks = sum(len(t.checks) for t in targets)
    counts = (_count(len(found), "policy", "policies"), _count(len(targets), "target"), _count(checks, "check"))
    print(f"{', '.join(counts)}: no errors")
    return 0


def _explain(args: argparse.Namespace) -> int:
    print("\n\n".join(explain(policy) for policy in policies(_place(args))))
    return 0


def _schema(args: argparse.Namespace) -> int:
    print(json.dumps(json_schema(), indent=2))
    return 0


def _place(args: argparse.Namespace) -> str:
    """Where the policies are that a `policy` command is about; two places are one too many."""
    if args.path and args.policy and args.path != args.policy:
        raise UsageError("two places are named", "give PATH or --policy PATH")
    return str(args.path or args.policy or "policies")


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"
