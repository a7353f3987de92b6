"""The command that tells a router of a live split."""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatewright.cli.parts import gate_of, model_argument, said, write
from gatewright.live.assignment import Arm
from gatewright.live.route import FORMATS, route
from gatewright.live.route.routing import UNIT_HEADER
from gatewright.problem import UsageError
from gatewright.routing import routing

ABOUT = "write the split as a router's configuration"
EPILOG = "docs/routing.md tells where each form belongs, how it is reloaded, and how a unit's arm is computed"


def add(live: Any) -> None:
    """Adds it to the commands of a live split."""
    one = live.add_parser("route", help=ABOUT, description=f"{ABOUT[:1].upper()}{ABOUT[1:]}.", epilog=EPILOG)
    one.set_defaults(run=_route, quiet=False)
    model_argument(one)
    about = f"whose configuration: {', '.join(FORMATS)} (default: json)"
    one.add_argument("--format", choices=FORMATS, default="json", metavar="FORMAT", help=about)
    about = f"the header in which requests carry the unit (default: {UNIT_HEADER})"
    one.add_argument("--header", default=UNIT_HEADER, metavar="NAME", help=about)
    for arm in ("champion", "challenger"):
        one.add_argument(f"--{arm}", default="", metavar="HOST:PORT", help=f"where the {arm} is served")
    one.add_argument("--host", default="", metavar="NAME", help="the name that clients ask for (envoy, istio, kserve)")
    about = "the gateway that traffic enters by (istio; kserve, default: its own)"
    one.add_argument("--gateway", default="", metavar="NAMESPACE/NAME", help=about)
    about = "write to a file, whole or not at all (default: stdout); says whether it has changed"
    one.add_argument("--output", default="", metavar="FILE", help=about)
    one.add_argument("--policy", default="policies", metavar="PATH", help="policy file or folder (default: policies)")
    one.add_argument("--tracking-uri", metavar="URI", help="default: MLFLOW_TRACKING_URI, as MLflow reads it")
    one.add_argument("--registry-uri", metavar="URI", help="default: MLFLOW_REGISTRY_URI, else the tracking URI")


def _route(args: argparse.Namespace) -> int:
    addresses: dict[Arm, str] = {}
    if args.champion:
        addresses["champion"] = args.champion
    if args.challenger:
        addresses["challenger"] = args.challenger
    found = routing(gate_of(args, args.model))
    told = replace(found, header=args.header, addresses=addresses, host=args.host, gateway=args.gateway)
    text = route(told, args.format)
    if args.output in ("", "-"):
        write("-", text)
    else:
        changed = _replaced(Path(args.output), text)
        said(f"{args.output}: {'changed' if changed else 'unchanged'}; {told.about}")
    return 0


def _replaced(file: Path, text: str) -> bool:
    """Writes a file that a router may be reading: at every moment it is the old one or the new one."""
    with suppress(OSError):
        if file.read_bytes() == text.encode():
            return False
    hidden = None
    try:
        with tempfile.NamedTemporaryFile("wb", dir=file.parent, prefix=f".{file.name}.", delete=False) as made:
            hidden = Path(made.name)
            made.write(text.encode())
        # Such files are made for their owner alone, and a router runs as somebody else.
        hidden.chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)
        os.replace(hidden, file)
    except OSError as error:
        if hidden is not None:
            hidden.unlink(missing_ok=True)
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    return True
