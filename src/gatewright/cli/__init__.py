"""The command line: arguments in, one verb of the gate, an exit code out. Decides nothing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NoReturn

from rich.console import Console

from gatewright import __version__
from gatewright.action.run import action
from gatewright.cli import audit, drift, live, moves, parts, policy
from gatewright.cli.parts import EPILOG, alert, said, show, subject_of
from gatewright.connection.refusal import ending
from gatewright.demo import demo
from gatewright.problem import GatewrightError, UsageError
from gatewright.relay import listen
from gatewright.report.model import Failure

RELAY = """Hears MLflow's webhooks and starts the gate on GitHub, until it is interrupted.
GATEWRIGHT_WEBHOOK_SECRET is the webhook's secret, GITHUB_TOKEN may write the repository's contents."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code (see EPILOG)."""
    _say_what_can_be_said()
    args = parser().parse_args(argv)
    try:
        parts.writable(args)
        return int(args.run(args))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3
    except KeyboardInterrupt:
        print("interrupted; the ledger says whether a move was begun: gatewright status", file=sys.stderr)
        return 130
    except Exception as error:  # exit code 1 would be a verdict, and a trace may hold what a stranger wrote
        return _failed(args, ending(error))


def _failed(args: argparse.Namespace, error: GatewrightError) -> int:
    failure = Failure(error, getattr(args, "model", "") or "", subject_of(args), getattr(args, "to", "") or "")
    # It may be the very file that cannot be written: then the terminal has said so.
    with suppress(UsageError):
        show(args, failure)
    alert(args, failure)
    return error.exit_code


def _say_what_can_be_said() -> None:
    """A sign that the terminal's encoding does not have is spelt out; it must not end a command that has moved."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Parser(argparse.ArgumentParser):
    """Says in addition what is wrong where `--json MODEL` took the model for a file, and where the help is."""

    def error(self, message: str) -> NoReturn:
        if "required: " in message and "--json" in sys.argv[:-1]:
            message += "; --json takes the word after it for a file: put --json last"
        super().error(f"{message}\ntry: {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """Every command with its options; documentation is held to it by tests."""
    top = Parser(
        prog="gatewright",
        description="Decides whether an MLflow model version may move up, moves it, and remembers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"gatewright {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    moves.add(commands)
    live.add(commands)
    audit.add(commands)
    drift.add(commands)
    policy.add(commands)
    one = commands.add_parser("action", help="the GitHub Action's entry point: what to do comes from the event")
    one.set_defaults(run=lambda args: action(os.environ, lambda: parts.now()))
    _relay(commands)
    one = commands.add_parser("demo", help="the whole story on an embedded registry, no network", epilog=EPILOG)
    one.add_argument("--keep", metavar="FOLDER", help="keep the registry there, to look at it with mlflow ui")
    one.set_defaults(run=lambda args: demo(Console(), args.keep))
    return top


def _relay(commands: Any) -> None:
    about = "hear MLflow's webhooks and start the gate on GitHub"
    one = commands.add_parser(
        "relay", help=about, description=RELAY, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    one.add_argument("--repository", default="", metavar="OWNER/NAME", help="default: GITHUB_REPOSITORY")
    one.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    one.add_argument("--port", type=int, default=8085, metavar="PORT", help="where to listen (default: 8085)")
    one.set_defaults(run=lambda args: listen(os.environ, args.repository, args.host, args.port, said))
